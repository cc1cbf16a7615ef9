"""Connections to Redis from an address: one server, TLS, a unix socket, or the primary that Sentinels name."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
from redis.asyncio.connection import parse_url as parse_async
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry
from redis.sentinel import Sentinel

from app.errors import SettingsError

EXPECTED = (
    "redis://HOST:PORT/DB, rediss:// for TLS, unix:///PATH?db=DB, or redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB"
)


@dataclass(frozen=True)
class RedisAddress:
    """Where a Redis is and how to speak to it. The other fields go before what the URL says."""

    url: str
    username: str | None = None
    password: str | None = None
    db: int | None = None
    ca_file: str | None = None  # of who signed the server's certificate; the system's own otherwise
    timeout_s: float | None = 5.0  # of one command; None where the caller sets limits of its own
    connect_timeout_s: float | None = 5.0
    pool: int = 16  # connections at most

    def __repr__(self) -> str:
        return f"RedisAddress({redact(self.url)!r})"  # never the password


def redact(url: str) -> str:
    """`url` without user and password, for people and logs."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}" if mark else "an address without a scheme"


def open_async(address: RedisAddress) -> redis.asyncio.Redis:
    """A client for the event loop, with a pool whose connections are opened when they are needed.

    Raises:
        SettingsError: the address cannot be understood.
    """
    # A connection that the server closed meanwhile is tried once more, anew; commands may be sent twice without harm.
    retry = AsyncRetry(NoBackoff(), 1, (redis.ConnectionError,))
    own = _options(address) | {"retry": retry}
    if (sentinels := _sentinels(address)) is not None:
        watch: Any = AsyncSentinel(  # type: ignore[no-untyped-call]
            sentinels.hosts, sentinel_kwargs=_times(address) | {"retry": retry}, **own | sentinels.tls
        )
        client: redis.asyncio.Redis = watch.master_for(sentinels.service, max_connections=address.pool)
        return client
    options = _parse(address, parse_async)
    pool = redis.asyncio.BlockingConnectionPool(
        max_connections=address.pool, timeout=address.timeout_s, **options | own | _tls(address)
    )
    return redis.asyncio.Redis.from_pool(pool)


def open_sync(address: RedisAddress) -> redis.Redis:
    """A blocking client, for the job.

    Raises:
        SettingsError: the address cannot be understood.
    """
    retry = Retry(NoBackoff(), 1, (redis.ConnectionError,))
    own = _options(address) | {"retry": retry}
    if (sentinels := _sentinels(address)) is not None:
        watch: Any = Sentinel(  # type: ignore[no-untyped-call]
            sentinels.hosts, sentinel_kwargs=_times(address) | {"retry": retry}, **own | sentinels.tls
        )
        client: redis.Redis = watch.master_for(sentinels.service)
        return client
    pool = redis.ConnectionPool(**_parse(address, parse_url) | own | _tls(address))
    return redis.Redis.from_pool(pool)


@dataclass(frozen=True)
class _Sentinels:
    hosts: list[tuple[str, int]]
    service: str
    tls: dict[str, Any]


def _times(address: RedisAddress) -> dict[str, Any]:
    return {"socket_timeout": address.timeout_s, "socket_connect_timeout": address.connect_timeout_s}


def _options(address: RedisAddress) -> dict[str, Any]:
    options = {"username": address.username, "password": address.password, "db": address.db}
    if address.url.partition("://")[0].endswith("+sentinel"):
        split = urlsplit(address.url)
        options = {
            "username": address.username or (unquote(split.username) if split.username else None),
            "password": address.password or (unquote(split.password) if split.password else None),
            "db": _sentinel_path(address)[1] if address.db is None else address.db,
        }
    return _times(address) | {"protocol": 2} | {name: value for name, value in options.items() if value is not None}


def _tls(address: RedisAddress) -> dict[str, Any]:
    if address.ca_file is None:
        return {}
    if not address.url.startswith("rediss://"):
        raise SettingsError(f"a CA file is for rediss:// addresses, got {redact(address.url)}: correct one of them")
    return {"ssl_ca_certs": address.ca_file}


def _parse(address: RedisAddress, parse: Any) -> dict[str, Any]:
    try:
        options: dict[str, Any] = parse(address.url)
    except ValueError as error:
        raise _not_understood(address) from error
    return options


def _sentinels(address: RedisAddress) -> _Sentinels | None:
    scheme, _, rest = address.url.partition("://")
    if scheme not in {"redis+sentinel", "rediss+sentinel"}:
        return None
    hosts = rest.partition("/")[0].rpartition("@")[2]
    try:
        parts = [host.rpartition(":") if ":" in host else (host, "", "") for host in hosts.split(",")]
        sentinels = [(host, int(port or 26379)) for host, _, port in parts if host]
    except ValueError as error:
        raise _not_understood(address) from error
    service, _ = _sentinel_path(address)
    if not sentinels or not service:
        raise _not_understood(address)
    tls: dict[str, Any] = {"ssl": True} if scheme.startswith("rediss") else {}
    if tls and address.ca_file is not None:
        tls["ssl_ca_certs"] = address.ca_file
    return _Sentinels(sentinels, service, tls)


def _sentinel_path(address: RedisAddress) -> tuple[str, int]:
    """Service name and database of a Sentinel URL."""
    service, _, db = address.url.partition("://")[2].partition("/")[2].partition("?")[0].partition("/")
    try:
        return service, int(db or 0)
    except ValueError as error:
        raise _not_understood(address) from error


def _not_understood(address: RedisAddress) -> SettingsError:
    return SettingsError(f"expected an address such as {EXPECTED}, got {redact(address.url)!r}: correct it")
