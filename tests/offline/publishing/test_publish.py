"""A published bundle is in Redis whole, beside what Redis knew already; anything less is never served."""

import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from live_events import append, waiting
from redis_process import RedisProcess

from app.artifact import names
from app.artifact.hashing import stable_hash
from app.artifact.manifest import read_manifest
from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import Keys, version_tag
from app.artifact.user_records import pack_events, unpack_events, unpack_items, unpack_long_vectors
from app.artifact.user_state import UserStates
from app.errors import BundleCorrupt
from offline.errors import PublishRefused
from offline.publishing.publish import PublishConfig, publish

Offline = Callable[..., subprocess.CompletedProcess[str]]


def contents(client: redis.Redis, keys: Keys) -> dict[bytes, Any]:
    """All that is stored below the prefix."""
    read = {b"string": client.get, b"hash": client.hgetall, b"stream": client.xrange}
    return {key: read[client.type(key)](key) for key in client.scan_iter(count=1_000) if key.startswith(keys.prefix)}


def of_version(client: redis.Redis, keys: Keys, version: str) -> list[bytes]:
    """The keys of a version's users and items."""
    tag = re.escape(version_tag(version))
    own = re.compile(re.escape(keys.prefix) + rb"(\{..\}v|i)" + tag + rb".{8}", re.DOTALL)
    return [key for key in contents(client, keys) if own.fullmatch(key)]


def lift(high: float) -> dict[str, Any]:
    """The figures of a bundle against popularity; the set's first metric is ndcg@10."""
    figures = {"ndcg@10": {"difference": high - 0.01, "ci95": [high - 0.02, high]}, "hr@10": {"ci95": [0.1, 0.2]}}
    return {"reports": [{"metrics": {"ndcg@10": 0.1, "hr@10": 0.2}, "lift_over_popularity": figures}]}


def part_of(states: UserStates, user: int) -> tuple[slice, slice]:
    """Where a user's events are, and the items seen."""
    return (
        slice(int(states.event_offsets[user]), int(states.event_offsets[user + 1])),
        slice(int(states.seen_offsets[user]), int(states.seen_offsets[user + 1])),
    )


def test_everything_is_readable_and_equal_to_the_bundle(
    client: redis.Redis, keys: Keys, bundle: Path, states: UserStates, item_hashes: np.ndarray
) -> None:
    manifest = read_manifest(bundle)
    published = publish(bundle, client, keys, config=PublishConfig(at_once=33))
    assert (published.version, published.previous, published.users) == (manifest.version, None, len(states.hashes))
    assert published.long_vectors == np.count_nonzero(states.long_weights) > 0
    for user, user_hash in enumerate(states.hashes.tolist()):
        events, seen = part_of(states, user)
        items, types, times = unpack_events(client.get(keys.events(user_hash)))
        np.testing.assert_array_equal(items, item_hashes[states.event_rows[events]])
        np.testing.assert_array_equal(types, states.event_types[events])
        np.testing.assert_allclose(times, states.event_times[events], atol=1 / 64)
        rows = states.seen_rows[seen]
        np.testing.assert_array_equal(unpack_items(client.get(keys.seen(user_hash))), item_hashes[rows])
        bought = client.get(keys.purchased(user_hash)) or b""
        np.testing.assert_array_equal(unpack_items(bought), item_hashes[rows[states.seen_purchased[seen]]])
        vector = client.get(keys.long_vector(manifest.version, user_hash))
        assert (vector is None) == (states.long_weights[user] == 0)
        if vector is not None:
            (found,), (weight,) = unpack_long_vectors([vector], manifest.shapes.dim)
            np.testing.assert_array_equal(found, states.long_vectors_of(np.array([user]))[0])
            assert weight == states.long_weights[user]
    vectors, scales = np.load(bundle / names.ITEM_VECTORS), np.load(bundle / names.ITEM_SCALES)
    for row, item_hash in enumerate(item_hashes.tolist()[1:], start=1):
        stored = client.get(keys.item_vector(manifest.version, item_hash))
        assert stored == scales[row].tobytes() + vectors[row].tobytes()
    model = PublishedModel.model_validate_json(client.hget(keys.models, manifest.version))
    assert (model.users, model.items, model.cut) == (len(states.hashes), manifest.shapes.answerable, manifest.cut)
    assert client.get(keys.pointer).decode() == manifest.version
    assert client.exists(keys.marker(manifest.version), keys.publishing(manifest.version)) == 1


def test_publishing_again_changes_nothing(client: redis.Redis, keys: Keys, bundle: Path) -> None:
    publish(bundle, client, keys)
    before = contents(client, keys)
    again = publish(bundle, client, keys)
    assert contents(client, keys) == before
    assert (again.removed_versions, again.removed_keys) == ([], 0)


def test_publishing_again_brings_back_what_an_older_dump_lacks(client: redis.Redis, keys: Keys, bundle: Path) -> None:
    publish(bundle, client, keys)
    before = contents(client, keys)
    kinds = re.compile(re.escape(keys.prefix) + rb"(\{..\}[espv]|i)", re.DOTALL)
    lost = [key for key in before if kinds.match(key) and key[-8] % 2 and len(key) > len(keys.prefix) + 10]
    assert len(lost) > 300
    client.delete(*lost)
    publish(bundle, client, keys)
    assert contents(client, keys) == before


def test_newer_live_events_survive(
    client: redis.Redis, keys: Keys, bundle: Path, states: UserStates, item_hashes: np.ndarray
) -> None:
    cut = read_manifest(bundle).cut
    user_hash, user = int(states.hashes[3]), 3
    events, seen = part_of(states, user)
    known, unknown = int(item_hashes[states.event_rows[events]][0]), stable_hash("an item only seen live")
    live = append(client, keys, user_hash, known, 1, cut + 10) + append(client, keys, user_hash, unknown, 3, cut + 20)
    publish(bundle, client, keys)
    given = pack_events(item_hashes[states.event_rows[events]], states.event_types[events], states.event_times[events])
    assert client.get(keys.events(user_hash)) == given.tobytes() + live
    items = set(unpack_items(client.get(keys.seen(user_hash))).tolist())
    assert items == {unknown, *item_hashes[states.seen_rows[seen]].tolist()}
    assert unknown in unpack_items(client.get(keys.purchased(user_hash))).tolist()
    assert waiting(client, keys) == 2


def test_only_as_many_events_as_are_kept_are_seeded(
    client: redis.Redis, keys: Keys, bundle: Path, states: UserStates, item_hashes: np.ndarray
) -> None:
    publish(bundle, client, keys, config=PublishConfig(keep_events=5))
    for user, user_hash in enumerate(states.hashes.tolist()):
        events, _ = part_of(states, user)
        items, _, _ = unpack_events(client.get(keys.events(user_hash)))
        np.testing.assert_array_equal(items, item_hashes[states.event_rows[events]][-5:])


def test_keys_of_users_live_as_long_as_asked(client: redis.Redis, keys: Keys, bundle: Path, states: UserStates) -> None:
    version = read_manifest(bundle).version
    vector_of = int(states.hashes[np.flatnonzero(states.long_weights)[0]])
    publish(bundle, client, keys, config=PublishConfig(user_ttl_s=1_000))
    assert 0 < client.ttl(keys.events(int(states.hashes[0]))) <= 1_000
    assert client.ttl(keys.long_vector(version, vector_of)) == -1
    client.delete(*(key for key in contents(client, keys)))
    publish(bundle, client, keys, config=PublishConfig(user_ttl_s=0))
    assert client.ttl(keys.events(int(states.hashes[0]))) == -1


def test_the_version_before_is_kept_and_older_ones_are_removed(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    bundles = [bundle_named(version) for version in ("a", "b", "c")]
    first = publish(bundles[0], client, keys)
    second = publish(bundles[1], client, keys)
    assert (first.previous, second.previous, second.removed_versions) == (None, "a", [])
    keys_of_a = of_version(client, keys, "a")
    third = publish(bundles[2], client, keys)
    assert (third.previous, third.removed_versions, third.removed_keys) == ("b", ["a"], len(keys_of_a))
    left = contents(client, keys)
    assert of_version(client, keys, "a") == []
    assert keys.marker("a") not in left
    assert set(left[keys.models]) == {b"b", b"c"}
    assert left[keys.pointer] == b"c"
    again = publish(bundles[2], client, keys)
    assert (again.previous, again.removed_versions) == ("b", [])


def test_after_a_rollback_the_version_rolled_back_to_is_kept(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    for version in ("a", "b"):
        publish(bundle_named(version), client, keys)
    client.set(keys.pointer, "a")
    published = publish(bundle_named("c"), client, keys)
    assert (published.previous, published.removed_versions) == ("a", ["b"])


def test_keys_with_glob_characters_are_only_those_of_the_version(
    client: redis.Redis, bundle_named: Callable[..., Path], redis_prefix: str
) -> None:
    keys = Keys(f"{redis_prefix}*?[x]\\:".encode())
    neighbour = Keys(f"{redis_prefix}*?x\\:".encode())
    version = next(name for name in map(str, range(9_999)) if b"*" in version_tag(name))
    bundles = [bundle_named(each) for each in (version, "b", "c")]
    publish(bundles[0], client, neighbour)
    before = contents(client, neighbour)
    for bundle in bundles:
        publish(bundle, client, keys)
    assert contents(client, neighbour) == before
    assert set(client.hkeys(keys.models)) == {b"b", b"c"}
    assert of_version(client, keys, version) == []


def test_what_a_stopped_removal_left_goes_with_the_next(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    bundles = {version: bundle_named(version) for version in ("a", "b", "c", "d")}
    publish(bundles["a"], client, keys)
    publish(bundles["b"], client, keys)
    copies = {key: client.get(key) for key in of_version(client, keys, "a")}
    assert copies
    publish(bundles["c"], client, keys)
    client.hset(keys.publishing("a"), "at", "0")  # as if it had been stopped before the last of them
    client.mset(copies)
    published = publish(bundles["d"], client, keys)
    assert published.removed_versions == ["a", "b"]
    assert of_version(client, keys, "a") == []
    assert not client.exists(keys.publishing("a"))


class Stopped(Exception):
    """Somebody pulled the plug."""


@pytest.mark.parametrize("what", ["users", "items", "comparing users"])
def test_a_stopped_publication_goes_on_where_it_was(
    client: redis.Redis, keys: Keys, bundle: Path, redis_prefix: str, what: str
) -> None:
    def stop(done: int, total: int, now: str) -> None:
        if now == what and 2 * done > total:
            raise Stopped

    with pytest.raises(Stopped):
        publish(bundle, client, keys, config=PublishConfig(at_once=20), progress=stop)
    assert client.get(keys.pointer) is None
    assert client.hlen(keys.models) == 0
    told: list[tuple[str, int]] = []
    said: list[str] = []
    publish(
        bundle,
        client,
        keys,
        config=PublishConfig(at_once=20),
        progress=lambda done, _, now: told.append((now, done)),
        say=said.append,
    )
    users = read_manifest(bundle).shapes.users
    stopped_at = next(done for done in range(20, users + 20, 20) if 2 * done > users)
    assert [done for now, done in told if now == "users"][:1] == ([stopped_at + 20] if what == "users" else [])
    assert said[-1].startswith(f"going on at user {stopped_at if what == 'users' else users} of {users} ")
    elsewhere = Keys(f"{redis_prefix}fresh:".encode())
    publish(bundle, client, elsewhere)
    fresh = {key.removeprefix(elsewhere.prefix): value for key, value in contents(client, elsewhere).items()}
    found = {key.removeprefix(keys.prefix): value for key, value in contents(client, keys).items()}
    assert {key for key in found if not key.startswith(b"fresh:")} == fresh.keys()
    assert all(found[key] == value for key, value in fresh.items() if key != b"models")


def test_another_bundle_of_the_same_name_begins_from_the_start(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    def stop(done: int, total: int, now: str) -> None:
        if now == "items":
            raise Stopped

    first = bundle_named("a")
    with pytest.raises(Stopped):
        publish(first, client, keys, progress=stop)
    manifest = read_manifest(first)
    *others, (last, _) = manifest.files.items()
    other = bundle_named("b", version="a", files=dict(others))
    (other / last).unlink()
    told: list[str] = []
    publish(other, client, keys, progress=lambda _done, _total, what: told.append(what))
    assert "users" in told


def test_a_bundle_below_popularity_is_refused_unless_forced(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    bundle = bundle_named("worse", metrics=lift(-0.001))
    with pytest.raises(PublishRefused, match=r"ndcg@10 is below that of popularity: .*-0\.0210 and -0\.0010.*--force"):
        publish(bundle, client, keys)
    assert contents(client, keys) == {}
    at = datetime(2026, 1, 2, tzinfo=UTC)
    published = publish(bundle, client, keys, config=PublishConfig(force="the shop opens today", by="ada"), now=at)
    model = PublishedModel.model_validate_json(client.hget(keys.models, "worse"))
    assert model.forced == published.forced
    assert model.forced is not None
    assert (model.forced.by, model.forced.reason) == ("ada", "the shop opens today")
    assert "ndcg@10" in model.forced.refusal
    assert model.forced.at == "2026-01-02T00:00:00+00:00"


def test_a_bundle_that_may_be_as_good_as_popularity_is_published(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    said: list[str] = []
    published = publish(
        bundle_named("level", metrics=lift(0.001)),
        client,
        keys,
        config=PublishConfig(force="to be sure"),
        say=said.append,
    )
    assert published.forced is None
    assert said == []


@pytest.mark.parametrize("metrics", [{}, {"reports": [{"metrics": {"ndcg@10": 0.1}}]}])
def test_a_bundle_that_was_never_compared_is_published_with_a_warning(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path], metrics: dict[str, Any]
) -> None:
    said: list[str] = []
    publish(bundle_named("unknown", metrics=metrics), client, keys, say=said.append)
    assert said == ["warning: unknown was never compared with popularity: evaluate it to know what it is worth"]


def test_a_version_with_the_tag_of_another_is_refused(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    publish(bundle_named("a"), client, keys)
    twin = next(name for name in map(str, range(10**6)) if version_tag(name) == version_tag("a"))
    before = contents(client, keys)
    with pytest.raises(PublishRefused, match="export the bundle again"):
        publish(bundle_named(twin), client, keys)
    assert contents(client, keys) == before


def test_a_corrupt_bundle_is_refused_before_anything_is_written(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    bundle = bundle_named("corrupt")
    with (bundle / names.USER_LONG_VECTORS).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        file.write(b"\x55")
    with pytest.raises(BundleCorrupt, match="checksum"):
        publish(bundle, client, keys)
    assert contents(client, keys) == {}


def test_the_command_publishes_a_store_of_bundles(
    offline: Offline, redis_server: RedisProcess, client: redis.Redis, keys: Keys, redis_prefix: str, shop_bundle: Path
) -> None:
    done = offline("publish", "--bundle", shop_bundle, "--redis", redis_server.url, "--prefix", redis_prefix)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["version"] == client.get(keys.pointer).decode()
    assert {"previous", "users", "items", "long_vectors", "removed_versions", "seconds", "forced"} <= told.keys()
    assert "comparing users" in done.stderr


def test_the_command_refuses_a_bad_bundle_in_one_line_and_records_who_forces_it(
    offline: Offline,
    redis_server: RedisProcess,
    client: redis.Redis,
    keys: Keys,
    redis_prefix: str,
    bundle_named: Callable[..., Path],
) -> None:
    bundle = bundle_named("worse", metrics=lift(-0.5))
    where = {"AISLE_REDIS": redis_server.url, "AISLE_REDIS_PREFIX": redis_prefix}
    refused = offline("publish", "--bundle", bundle, **where)
    assert refused.returncode == 1
    assert refused.stderr.splitlines()[-1].startswith("aisle-offline: worse is not published")
    assert "Traceback" not in refused.stderr
    forced = offline("publish", "--bundle", bundle, "--force", "a test", "--by", "bo", **where)
    assert json.loads(forced.stdout.splitlines()[-1])["forced"]["by"] == "bo"
    model = PublishedModel.model_validate_json(client.hget(keys.models, "worse"))
    assert model.forced is not None
    assert model.forced.reason == "a test"


def test_the_folder_of_a_run_is_refused_with_the_folder_to_name(
    offline: Offline, redis_server: RedisProcess, shop_bundle: Path, shop: Path
) -> None:
    folder = shop_bundle.parent
    for command in (("publish", "--redis", redis_server.url), ("evaluate", "--data", shop)):
        done = offline(*command, "--bundle", folder)
        assert done.returncode == 1
        last = " ".join(done.stderr.split()).rpartition("aisle-offline: ")[2]
        assert last == (
            f"no bundle at {folder}: expected a manifest.json, or a CURRENT file naming a version; this is the folder "
            f"of a run: name {shop_bundle}"
        )


def test_the_command_never_shows_a_password(offline: Offline, bundle: Path) -> None:
    failed = offline(
        "publish", "--bundle", bundle, "--redis", "redis://me:hidden@127.0.0.1:1/0", AISLE_REDIS_PASSWORD="hidden-too"
    )
    assert failed.returncode == 1
    assert "redis://127.0.0.1:1/0: it cannot be reached" in failed.stderr
    assert "hidden" not in failed.stderr + failed.stdout
    assert "hidden" not in offline("publish", "--help", AISLE_REDIS_PASSWORD="hidden-too").stdout
