"""Publishing says whether a replica serves the version, and waits no longer than it was told to."""

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from quick_services import running_service
from redis_process import RedisProcess

from app.artifact.bundle_store import resolve
from app.artifact.redis_keys import Keys
from app.artifact.replica_record import ReplicaRecord
from offline.publishing.replicas import Replicas, await_replicas

Offline = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def publish(offline: Offline, redis_server: RedisProcess, redis_prefix: str) -> Offline:
    """The command, on this test's store, for a bundle that its figures may not speak against."""

    def command(bundle: Path, *options: str) -> subprocess.CompletedProcess[str]:
        where = ("--redis", redis_server.url, "--prefix", redis_prefix)
        done = offline("publish", "--bundle", bundle, *where, "--force", "a test", *options)
        assert done.returncode == 0, done.stderr
        return done

    return command


def test_where_no_replica_follows_nothing_is_waited_for(publish: Offline, shop_bundle: Path) -> None:
    done = publish(shop_bundle, "--wait", "600")
    assert f"no replica follows this store yet, so that nobody serves {resolve(shop_bundle).name}" in " ".join(
        done.stderr.split()
    )
    assert json.loads(done.stdout.splitlines()[-1])["replicas"] == {"present": 0, "serving": 0}


def test_the_replica_that_takes_the_version_is_waited_for_and_one_without_its_folder_named(
    publish: Offline, shop_bundle: Path, redis_server: RedisProcess, redis_prefix: str, tmp_path: Path
) -> None:
    store, bundle = tmp_path / "store", resolve(shop_bundle)
    shutil.copytree(shop_bundle, store)
    later = tmp_path / "later"
    shutil.copytree(bundle, later)
    manifest = later / "manifest.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text("utf-8")) | {"version": "later"}), "utf-8")
    settings = {"redis_prefix": redis_prefix, "redis_timeout_ms": 5_000, "redis_write_timeout_ms": 5_000}
    with running_service(store, redis_server.url, follow_s=0.1, **settings):
        done = publish(shop_bundle, "--wait", "60")
        assert f"{bundle.name} is served by 1 of 1 replicas" in " ".join(done.stderr.split())
        assert json.loads(done.stdout.splitlines()[-1])["replicas"] == {"present": 1, "serving": 1}
        done = publish(later, "--wait", "1.5")
        said = " ".join(done.stderr.split())
        assert "warning: none of 1 replicas serves later after 1.5 seconds: its folder is not in this machine's" in said
        assert json.loads(done.stdout.splitlines()[-1])["replicas"] == {"present": 1, "serving": 0}
        later.rename(store / "later")
        done = publish(store / "later", "--wait", "60")
        assert json.loads(done.stdout.splitlines()[-1])["replicas"] == {"present": 1, "serving": 1}
        done = publish(store / "later", "--wait", "0")
        assert "replica" not in done.stderr
        assert json.loads(done.stdout.splitlines()[-1])["replicas"] is None


def test_the_wait_ends_with_the_first_replica_that_serves_it(client: redis.Redis, keys: Keys) -> None:
    lines: list[str] = []
    for name, version in (("a", "v1"), ("b", "v2"), ("c", "v2")):
        client.sadd(keys.replicas, name)
        client.set(keys.replica(name), ReplicaRecord(version=version, time=0.0).model_dump_json())
    started = time.monotonic()
    assert await_replicas(client, keys, "v2", 600.0, lines.append) == Replicas(present=3, serving=2)
    assert await_replicas(client, keys, "v3", 0.3, lines.append) == Replicas(present=3, serving=0)
    assert time.monotonic() - started < 60
    assert lines[0] == "v2 is served by 2 of 3 replicas"
    assert lines[1].startswith("warning: none of 3 replicas serves v3 after 0.3 seconds: they look each AISLE_FOLLOW_S")


def test_a_store_that_is_lost_meanwhile_is_said_and_is_no_error(keys: Keys) -> None:
    lines: list[str] = []
    with redis.Redis(port=1) as nowhere:
        assert await_replicas(nowhere, keys, "v1", 1.0, lines.append) is None
    assert lines[0].startswith("warning: v1 is published, but the store does not say")
