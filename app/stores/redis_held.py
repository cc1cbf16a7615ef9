"""Reading values, and running scripts, on connections that are held for it.

A client of redis-py takes a connection from its pool, counts, and gives it back for every command, which together cost
more than the command; here the next command goes out on the connection of the one before.
"""

from collections.abc import Sequence
from typing import Any, Final

import redis
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection

MOST_HELD: Final = 2
_READING: Final = ("GET", "MGET")
_POOL_PART: Final = 4  # of this many connections of a pool one may be held


class HeldConnections:
    """Those of a client to one server. Where a Sentinel may name another one, none is held.

    Args:
        client: has the pool.
    """

    def __init__(self, client: Redis) -> None:
        self._pool = client.connection_pool
        is_plain = isinstance(self._pool, BlockingConnectionPool)
        self._most = min(MOST_HELD, self._pool.max_connections // _POOL_PART) if is_plain else 0
        self._idle: list[AbstractConnection] = []

    async def mget(self, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of some keys, None for one that is not there or holds something else.

        Raises:
            RedisError: they cannot be read.
            OSError: the server cannot be reached.
        """
        values: list[bytes | None] = await self._read("MGET", *names)
        return values

    async def get(self, name: bytes) -> bytes | None:
        """The value of a key, None where it is not there.

        Raises:
            RedisError: it cannot be read, or is no string.
            OSError: the server cannot be reached.
        """
        value: bytes | None = await self._read("GET", name)
        return value

    async def exchange(self, words: Sequence[Sequence[Any]]) -> list[Any]:
        """The replies to some commands, as they come, in one exchange; its error for each that is refused.

        Raises:
            RedisError: the connection failed; what writes may have been done.
            OSError: the server cannot be reached; the same.
        """
        connection: AbstractConnection = (
            self._idle.pop() if self._idle else await self._pool.get_connection()  # type: ignore[no-untyped-call]
        )
        try:
            commands = connection.pack_commands(words)
            only_reads = all(of_one[0] in _READING for of_one in words)
            if not only_reads and await _is_stale(connection):
                await connection.disconnect(nowait=True)
            try:
                return await _exchange(connection, commands, len(words))
            except redis.ConnectionError:  # the server closed it meanwhile, as a client would try once more
                if not only_reads:  # what was sent may have been done, and must not be done twice
                    raise
                await connection.disconnect(nowait=True)
                return await _exchange(connection, commands, len(words))
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        finally:
            if len(self._idle) < self._most:
                self._idle.append(connection)
            else:
                await self._pool.release(connection)

    async def _read(self, *words: Any) -> Any:
        (reply,) = await self.exchange([words])
        if isinstance(reply, Exception):
            raise reply
        return reply


async def _is_stale(connection: AbstractConnection) -> bool:
    """Whether the server has closed a connection, which is seen before anything is sent."""
    try:
        return bool(connection.is_connected and await connection.can_read())
    except (redis.ConnectionError, OSError):
        return True


async def _exchange(connection: AbstractConnection, commands: Any, number: int) -> list[Any]:
    """Send commands, on a connection that is opened where it is not, and read their answers."""
    await connection.send_packed_command(commands)
    replies: list[Any] = []
    for _ in range(number):
        try:
            replies.append(await connection.read_response())
        except redis.ResponseError as error:  # an answer was read
            replies.append(error)
    return replies
