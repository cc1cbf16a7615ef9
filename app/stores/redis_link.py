"""Connections to Redis from an address: one server, TLS, a unix socket, the primary that Sentinels name, a cluster."""

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
from app.stores.redis_cluster import ClusterRedis
from app.stores.redis_job_cluster import JobCluster
from app.stores.redis_slots import Address

EXPECTED = (
    "redis://HOST:PORT/DB, rediss:// for TLS, unix:///PATH?db=DB, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB, or "
    "redis+cluster://HOST:PORT,HOST:PORT"
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
    if (nodes := _cluster(address)) is not None:

        def open_node(node: Address) -> redis.asyncio.Redis:
            host, port = node
            of_class = {"connection_class": redis.asyncio.SSLConnection} if nodes.tls else {}
            kwargs: dict[str, Any] = own | of_class | nodes.tls_of_connections
            pool = redis.asyncio.BlockingConnectionPool(
                host=host, port=port, max_connections=address.pool, timeout=address.timeout_s, **kwargs
            )
            return redis.asyncio.Redis.from_pool(pool)

        return ClusterRedis(nodes.hosts, open_node)
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
    if (nodes := _cluster(address)) is not None:

        def open_node(node: Address) -> redis.Redis:
            host, port = node
            of_class = {"connection_class": redis.SSLConnection} if nodes.tls else {}
            kwargs: dict[str, Any] = own | of_class | nodes.tls_of_connections
            return redis.Redis.from_pool(redis.ConnectionPool(host=host, port=port, **kwargs))

        return JobCluster(nodes.hosts, open_node)
    pool = redis.ConnectionPool(**_parse(address, parse_url) | own | _tls(address))
    return redis.Redis.from_pool(pool)


@dataclass(frozen=True)
class _Sentinels:
    hosts: list[tuple[str, int]]
    service: str
    tls: dict[str, Any]


@dataclass(frozen=True)
class _Cluster:
    hosts: list[tuple[str, int]]
    tls: dict[str, Any]

    @property
    def tls_of_connections(self) -> dict[str, Any]:
        return {name: value for name, value in self.tls.items() if name != "ssl"}


def _times(address: RedisAddress) -> dict[str, Any]:
    return {"socket_timeout": address.timeout_s, "socket_connect_timeout": address.connect_timeout_s}


def _options(address: RedisAddress) -> dict[str, Any]:
    options = {"username": address.username, "password": address.password, "db": address.db}
    if (kind := address.url.partition("://")[0].partition("+")[2]) in {"sentinel", "cluster"}:
        split = urlsplit(address.url)
        options = {
            "username": address.username or (unquote(split.username) if split.username else None),
            "password": address.password or (unquote(split.password) if split.password else None),
            "db": _db_of(address) if kind == "sentinel" else None,
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
    if _scheme(address) not in {"redis+sentinel", "rediss+sentinel"}:
        return None
    sentinels = _hosts(address, 26379)
    service, _ = _sentinel_path(address)
    if not sentinels or not service:
        raise _not_understood(address)
    return _Sentinels(sentinels, service, _tls_of_many(address))


def _cluster(address: RedisAddress) -> _Cluster | None:
    if _scheme(address) not in {"redis+cluster", "rediss+cluster"}:
        return None
    nodes = _hosts(address, 6379)
    path = address.url.partition("://")[2].partition("/")[2].partition("?")[0]
    if not nodes or path not in {"", "0"}:
        raise _not_understood(address)
    if address.db:
        raise SettingsError(f"a cluster has database 0 alone, got database {address.db}: leave it out")
    return _Cluster(nodes, _tls_of_many(address))


def _hosts(address: RedisAddress, usual_port: int) -> list[tuple[str, int]]:
    """The hosts and ports of an address that names several."""
    hosts = address.url.partition("://")[2].partition("/")[0].rpartition("@")[2]
    try:
        parts = [host.rpartition(":") if ":" in host else (host, "", "") for host in hosts.split(",")]
        return [(host, int(port or usual_port)) for host, _, port in parts if host]
    except ValueError as error:
        raise _not_understood(address) from error


def _tls_of_many(address: RedisAddress) -> dict[str, Any]:
    if address.ca_file is not None and not _scheme(address).startswith("rediss"):
        raise SettingsError(f"a CA file is for rediss:// addresses, got {redact(address.url)}: correct one of them")
    tls: dict[str, Any] = {"ssl": True} if _scheme(address).startswith("rediss") else {}
    return tls | ({} if address.ca_file is None else {"ssl_ca_certs": address.ca_file})


def _scheme(address: RedisAddress) -> str:
    return address.url.partition("://")[0]


def _db_of(address: RedisAddress) -> int:
    return _sentinel_path(address)[1] if address.db is None else address.db


def _sentinel_path(address: RedisAddress) -> tuple[str, int]:
    """Service name and database of a Sentinel URL."""
    service, _, db = address.url.partition("://")[2].partition("/")[2].partition("?")[0].partition("/")
    try:
        return service, int(db or 0)
    except ValueError as error:
        raise _not_understood(address) from error


def _not_understood(address: RedisAddress) -> SettingsError:
    return SettingsError(f"expected an address such as {EXPECTED}, got {redact(address.url)!r}: correct it")
