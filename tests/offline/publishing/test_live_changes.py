"""Changes of the live catalogue stay in Redis as long as a version that is kept needs them."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import redis
from redis_process import RedisProcess
from typer.testing import CliRunner

from app.artifact.manifest import read_manifest
from app.artifact.redis_keys import Keys
from app.stores.catalogue import CatalogueChange
from offline.cli import app
from offline.errors import InputError, PublishRefused
from offline.publishing.publish import publish
from offline.workspace.live_catalogue import LiveCatalogueStore


@pytest.fixture
def store(client: redis.Redis, keys: Keys) -> LiveCatalogueStore:
    """A catalogue with four changes of as many items."""
    store = LiveCatalogueStore(client, keys)
    store.write([CatalogueChange(f"item-{number}", "put", b'{"title": "Sock"}') for number in range(1, 5)])
    return store


def left(store: LiveCatalogueStore) -> list[int]:
    return [record.sequence for record in store.documents()[1]]


@pytest.fixture
def having(bundle_named: Callable[..., Path], store: LiveCatalogueStore) -> Callable[[str, int | None], Path]:
    """A bundle whose items have the changes up to one."""

    def make(version: str, sequence: int | None, epoch: str | None = None) -> Path:
        bundle = bundle_named(version)
        manifest = json.loads((bundle / "manifest.json").read_text("utf-8"))
        if sequence is not None:
            manifest |= {"catalogue_epoch": epoch or store.head().epoch, "catalogue_sequence": sequence}
        (bundle / "manifest.json").write_text(json.dumps(manifest), "utf-8")
        return bundle

    return make


def test_what_both_versions_have_that_are_kept_is_dropped(
    client: redis.Redis, keys: Keys, store: LiveCatalogueStore, having: Callable[..., Path]
) -> None:
    assert publish(having("a", 2), client, keys).forgotten_changes == 0  # nobody knows what was served before
    assert publish(having("b", 3), client, keys).forgotten_changes == 2
    assert left(store) == [3, 4]
    assert publish(having("c", 4), client, keys).forgotten_changes == 1
    assert left(store) == [4]  # after a rollback to b it is missed


def test_a_version_that_says_none_keeps_all(
    client: redis.Redis, keys: Keys, store: LiveCatalogueStore, having: Callable[..., Path]
) -> None:
    for version, sequence in (("a", 2), ("b", None), ("c", 3)):
        assert publish(having(version, sequence), client, keys).forgotten_changes == 0
    assert left(store) == [1, 2, 3, 4]
    assert publish(having("d", 4), client, keys).forgotten_changes == 3


def test_versions_of_two_epochs_keep_all(
    client: redis.Redis, keys: Keys, store: LiveCatalogueStore, having: Callable[..., Path]
) -> None:
    publish(having("a", 4, "of-before"), client, keys)
    assert publish(having("b", 4), client, keys).forgotten_changes == 0
    assert publish(having("c", 4), client, keys).forgotten_changes == 4


def test_a_bundle_that_says_none_is_told_which_changes_it_has(
    client: redis.Redis,
    keys: Keys,
    store: LiveCatalogueStore,
    having: Callable[..., Path],
    redis_server: RedisProcess,
    redis_prefix: str,
) -> None:
    epoch = store.head().epoch
    words = ["publish", "--redis", redis_server.url, "--prefix", redis_prefix, "--wait", "0", "--bundle"]
    bundle = having("a", None)
    for wrong, error in ((f"{epoch}:5", PublishRefused), ("other:2", PublishRefused), ("7", InputError)):
        refused = CliRunner().invoke(app, [*words, str(bundle), "--catalogue-sequence", wrong])
        assert isinstance(refused.exception, error), wrong
        assert read_manifest(bundle).catalogue_sequence is None
    result = CliRunner().invoke(app, [*words, str(bundle), "--catalogue-sequence", f"{epoch}:2"])
    assert result.exit_code == 0, result.output
    assert (read_manifest(bundle).catalogue_epoch, read_manifest(bundle).catalogue_sequence) == (epoch, 2)
    other = CliRunner().invoke(app, [*words, str(bundle), "--catalogue-sequence", f"{epoch}:3"])
    assert "leave the option out" in str(other.exception)
    assert publish(having("b", 3), client, keys).forgotten_changes == 2
