"""Copies of one bundle under several names, published in a Redis of their own: versions to change between."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from redis_process import running_redis

from app.artifact import names
from app.artifact.bundle_store import point_to, resolve
from app.artifact.manifest import read_manifest
from app.artifact.redis_keys import Keys
from offline.publishing.publish import PublishConfig, publish


@contextmanager
def published_copies(bundle: Path, number: int) -> Iterator[tuple[Path, str, list[str]]]:
    """A store of copies of the bundle, the address of a Redis in which all of them are published, and their names."""
    with tempfile.TemporaryDirectory(prefix="aisle-copies-") as folder, running_redis() as server:
        store, keys = Path(folder), Keys()
        entries: dict[Any, Any] = {}
        versions = [f"2026-01-0{place}T00-00-00-copy" for place in range(1, number + 1)]
        with server.client() as client:
            for version in versions:
                _copy(resolve(bundle), store / version)
                client.delete(keys.models)  # it keeps two versions, and would remove the keys of those before
                publish(store / version, client, keys, config=PublishConfig(force="for a benchmark"))
                entries |= client.hgetall(keys.models)
            client.hset(keys.models, mapping=entries)
        point_to(store, versions[-1])
        yield store, server.url, versions


def _copy(bundle: Path, version: Path) -> None:
    shutil.copytree(bundle, version)
    manifest = read_manifest(bundle).model_copy(update={"version": version.name})
    (version / names.MANIFEST).write_text(manifest.model_dump_json(), "utf-8")
