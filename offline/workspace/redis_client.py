"""A connection of the job to Redis, whose errors become one line of advice."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis

from app.errors import StoreUnavailable
from app.stores.redis_gate import kind_of
from app.stores.redis_link import RedisAddress, open_sync, redact

_TIMEOUT_S: Final = 60.0  # of one exchange: hundreds of users, or thousands of entries

_ADVICE: Final = {
    "wrong_password": "it does not accept the user and password (wrong_password): "
    "set AISLE_REDIS_USERNAME and AISLE_REDIS_PASSWORD",
    "wrong_certificate": "its certificate was not signed by whom AISLE_REDIS_CA_FILE names, or is for another host "
    "(wrong_certificate): correct one of them",
    "no_permission": "the user may not do all that is needed (no_permission): extend its ACL",
    "loading": "it is still loading its data (loading): wait until it answers",
    "read_only": "it is read-only (read_only): give the address of the primary",
    "out_of_memory": "it is out of memory (out_of_memory): raise its maxmemory",
    "disk_error": "it cannot write to its disk (disk_error): free space there",
    "timeout": f"it did not answer within {_TIMEOUT_S:.0f} seconds (timeout): see what keeps it busy",
    "connection": "it cannot be reached (connection): see whether it runs, and correct the address",
}


def address_of(
    url: str,
    username: str | None = None,
    password: str | None = None,
    db: int | None = None,
    ca_file: Path | None = None,
) -> RedisAddress:
    """Return the address of Redis; user, password and database that are given go before those in the URL."""
    ca = None if ca_file is None else str(ca_file)
    return RedisAddress(url, username, password, db, ca, timeout_s=_TIMEOUT_S)


@contextmanager
def connected(address: RedisAddress) -> Iterator[redis.Redis]:
    """Yield a client, and translate the errors of Redis into one line with advice.

    Raises:
        SettingsError: the address cannot be understood.
        StoreUnavailable: Redis cannot be reached, or refused; names the address and what to do.
    """
    client = open_sync(address)
    try:
        yield client
    except redis.RedisError as error:
        kind = kind_of(error)
        advice = _ADVICE.get(kind, f"it refused a command ({_code_of(error)}): Redis 6.2 or newer is needed")
        raise StoreUnavailable(
            f"{redact(address.url)}: {advice}. What was done before is kept: run the same command again to go on"
        ) from error
    finally:
        client.close()


def _code_of(error: redis.RedisError) -> str:
    """The word that Redis begins a refusal with, never its text."""
    word = str(error).partition(" ")[0]
    return word if word.isalpha() and word.isupper() else type(error).__name__
