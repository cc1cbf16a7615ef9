"""Addresses of Redis, against real servers: password, ACL user, database, unix socket, TLS and Sentinel."""

import asyncio
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import redis
from redis_process import HOST, RedisProcess, find_binary, find_binary_with_tls, running_redis

from app.errors import SettingsError
from app.stores.redis_link import RedisAddress, open_async, open_sync, redact

Start = Callable[..., AbstractContextManager[RedisProcess]]
WITHIN_S = 20


def both(address: RedisAddress) -> list[bytes | None]:
    """What `name` holds, by the blocking client and by the one of the event loop."""

    async def ask() -> bytes | None:
        async with open_async(address) as client:
            found: bytes | None = await client.get("name")
            return found

    with open_sync(address) as client:
        found = client.get("name")
        assert found is None or isinstance(found, bytes)
    return [found, asyncio.run(ask())]


def test_a_password_may_stand_in_the_url_or_beside_it(start_redis: Start) -> None:
    with start_redis("--requirepass", "s3cret") as server:
        with redis.Redis(HOST, server.port, password="s3cret") as client:
            client.set("name", b"here")
        bare = f"redis://{HOST}:{server.port}/0"
        assert both(RedisAddress(f"redis://:s3cret@{HOST}:{server.port}/0")) == [b"here"] * 2
        assert both(RedisAddress(bare, password="s3cret")) == [b"here"] * 2
        assert both(RedisAddress(f"redis://:wrong@{HOST}:{server.port}/0", password="s3cret")) == [b"here"] * 2
        for wrong in (RedisAddress(bare), RedisAddress(bare, password="other")):
            with pytest.raises(redis.RedisError), open_sync(wrong) as client:
                client.get("name")


def test_an_acl_user_is_used(start_redis: Start) -> None:
    with start_redis() as server, server.client() as client:
        client.set("name", b"here")
        client.execute_command("ACL", "SETUSER", "shop", "on", ">s3cret", "~name", "+get", "+info")
        bare = f"redis://{HOST}:{server.port}/0"
        assert both(RedisAddress(f"redis://shop:s3cret@{HOST}:{server.port}/0")) == [b"here"] * 2
        assert both(RedisAddress(bare, username="shop", password="s3cret")) == [b"here"] * 2
        with (
            pytest.raises(redis.exceptions.NoPermissionError),
            open_sync(RedisAddress(bare, username="shop", password="s3cret")) as limited,
        ):
            limited.set("name", b"other")


def test_a_database_is_chosen_in_the_url_or_beside_it(redis_server: RedisProcess) -> None:
    with redis.Redis(HOST, redis_server.port, db=3) as client:
        client.set("name", b"third", ex=60)
    bare = f"redis://{HOST}:{redis_server.port}"
    assert both(RedisAddress(f"{bare}/3")) == [b"third"] * 2
    assert both(RedisAddress(f"{bare}/7", db=3)) == [b"third"] * 2
    assert both(RedisAddress(f"{bare}/7")) == [None] * 2


def test_a_unix_socket_is_spoken_to(start_redis: Start, tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with start_redis("--unixsocket", str(path)) as server, server.client() as client:
        client.set("name", b"here")
        assert both(RedisAddress(f"unix://{path}?db=0")) == [b"here"] * 2


def test_tls_is_spoken_and_a_stranger_is_not_trusted(certificates: Path) -> None:
    binary = find_binary_with_tls()
    if binary is None:
        pytest.skip("no redis-server here was built with TLS")
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = str(free.getsockname()[1])
    options = ["--tls-port", port, "--tls-auth-clients", "no"]
    for name, file in (("cert", "redis.crt"), ("key", "redis.key"), ("ca-cert", "ca.crt")):
        options += [f"--tls-{name}-file", str(certificates / file)]
    with running_redis(*options, binary=binary) as server, server.client() as client:
        client.set("name", b"here")
        url = f"rediss://{HOST}:{port}/0"
        assert both(RedisAddress(url, ca_file=str(certificates / "ca.crt"))) == [b"here"] * 2
        with pytest.raises(redis.ConnectionError), open_sync(RedisAddress(url)) as stranger:
            stranger.get("name")


@contextmanager
def sentinel_of(server: RedisProcess, folder: Path) -> Iterator[int]:
    """The port of a real Sentinel that watches `server` under the name `shop`."""
    binary = find_binary()
    assert binary is not None
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = int(free.getsockname()[1])
    config = folder / "sentinel.conf"
    config.write_text(
        f"port {port}\nbind {HOST}\ndir {folder}\nsentinel monitor shop {HOST} {server.port} 1\n", "utf-8"
    )
    process = subprocess.Popen([binary, str(config), "--sentinel"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + WITHIN_S
        while True:
            try:
                with redis.Redis(HOST, port) as client:
                    if client.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "shop"):
                        break
            except redis.RedisError:
                assert time.monotonic() < deadline, "the Sentinel did not come up"
                time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


def test_the_primary_that_a_sentinel_names_is_used(start_redis: Start, tmp_path: Path) -> None:
    with start_redis("--requirepass", "s3cret") as server:
        with redis.Redis(HOST, server.port, password="s3cret", db=2) as client:
            client.set("name", b"primary")
        with sentinel_of(server, tmp_path) as port:
            hosts = f"{HOST}:1,{HOST}:{port}"  # the first is down
            assert both(RedisAddress(f"redis+sentinel://:s3cret@{hosts}/shop/2")) == [b"primary"] * 2
            assert both(RedisAddress(f"redis+sentinel://{hosts}/shop", password="s3cret", db=2)) == [b"primary"] * 2
            with (
                pytest.raises(redis.ConnectionError),
                open_sync(RedisAddress(f"redis+sentinel://{hosts}/other")) as client,
            ):
                client.get("name")


@pytest.mark.parametrize(
    "url",
    [
        "http://user:secret@localhost",
        "localhost:6379",
        "",
        "redis+sentinel://:secret@localhost",
        "redis+sentinel://localhost:many/shop",
        "redis+sentinel://localhost/shop/zero",
    ],
)
def test_an_address_that_is_none_says_what_one_looks_like_and_keeps_the_secret(url: str) -> None:
    for opening in (open_sync, open_async):
        with pytest.raises(SettingsError, match="redis://HOST:PORT/DB") as refused:
            opening(RedisAddress(url))
        assert "secret" not in str(refused.value)
    assert "secret" not in repr(RedisAddress(url))
    assert "secret" not in redact(url)


def test_a_ca_file_without_tls_is_a_contradiction() -> None:
    with pytest.raises(SettingsError, match="rediss://"):
        open_sync(RedisAddress("redis://localhost", ca_file="ca.crt"))
