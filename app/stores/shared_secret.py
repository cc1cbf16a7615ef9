"""A secret that all replicas on one Redis share: made once, by whichever comes first."""

import logging
import time
from collections.abc import Callable
from secrets import token_bytes
from typing import Final

import redis
from redis.asyncio import Redis

from app.stores.redis_gate import RedisGate

SECRET_BYTES: Final = 32
LOOK_S: Final = 10.0  # between looks: another replica may have made another one after a flush

log = logging.getLogger(__name__)


class SharedSecret:
    """Reads a secret from Redis with the gate's probes, and writes one where there is none.

    Args:
        gate: exchanges with Redis.
        key: what it is stored under.
        take: called with the secret, again and again.
        clock: tells monotonic seconds.
    """

    def __init__(
        self, gate: RedisGate, key: bytes, take: Callable[[bytes], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._key = key
        self._take = take
        self._clock = clock
        self._own = token_bytes(SECRET_BYTES)  # the same for life, so that replicas agree soon after a flush
        self._next_look = -1.0
        self._is_refused = False
        gate.on_probe(self.look)

    async def look(self, client: Redis) -> None:
        """Take the secret that is there, or make one; at most every `LOOK_S` seconds.

        Raises:
            RedisError: Redis cannot be reached.
        """
        if self._clock() < self._next_look:
            return
        try:
            secret = await client.get(self._key)
            if secret is None:
                await client.set(self._key, self._own, nx=True)
                secret = await client.get(self._key)
        except redis.ResponseError as error:  # another type, or no writes: each goes on with what it has
            if not self._is_refused:
                log.warning("no secret is shared with other replicas", extra={"reason": str(error)})
            self._is_refused = True
            return
        self._is_refused = False
        self._next_look = self._clock() + LOOK_S
        if isinstance(secret, bytes) and secret:
            self._take(secret)
