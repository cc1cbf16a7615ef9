"""Splits small enough to be written by hand, a real Redis with keys of one's own, and the command line."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import redis
from job_process import completed_job
from live_events import one_stream
from pydantic import BaseModel
from redis_cluster import RedisCluster
from redis_process import RedisProcess

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.hashing import stable_hashes
from app.artifact.manifest import read_manifest
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, ImpressionRecord
from app.artifact.user_state import UserStates, read_user_states
from offline.collecting.collect import CollectConfig, Collected, collect
from offline.compress import sweep
from offline.workspace.progress import Progress, silent

Event = tuple[int, int, int, float | None] | tuple[int, int, int, float | None, str | None]
"""user, item row, behaviour, time, and the query that led to it."""

_SCHEMA = {
    "user": pl.UInt32,
    "item": pl.UInt32,
    "type": pl.UInt8,
    "time": pl.Float64,
    "order": pl.Int32,
    "query": pl.String,
    "target": pl.Boolean,
    "query_new": pl.Boolean,
}


@pytest.fixture
def write_split() -> Callable[..., Path]:
    """Writes parts, items, users and meta as `split` does; events of a user in the order given, part after part."""

    def write(
        folder: Path,
        *,
        train: Sequence[Event] = (),
        valid: Sequence[Event] = (),
        context: Sequence[Event] = (),
        test: Sequence[Event] = (),
        items: int = 10,
        new_queries: Sequence[str] = (),
        **meta: Any,
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"train": train, "valid": valid, "context": context, "test": test}
        placed: dict[int, int] = {}
        for name, events in parts.items():
            rows = []
            for user, item, behaviour, time, *query in events:
                typed, target = query[0] if query else None, name in ("valid", "test")
                new = name == "train" and typed in new_queries
                rows.append((user, item, behaviour, time, placed.get(user, 0), typed, target, new))
                placed[user] = placed.get(user, 0) + 1
            table = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
            table.sort("user", "order").write_parquet(folder / f"{name}.parquet")
        users = max(placed, default=0) + 1
        pl.DataFrame({"user": range(users), "user_id": [f"u{user}" for user in range(users)]}).write_parquet(
            folder / "users.parquet"
        )
        described = {
            "row": range(1, items + 1),
            "item_id": [f"i{row}" for row in range(1, items + 1)],
            "title": [f"thing number {row}" for row in range(1, items + 1)],
            "brand": ["Acme" if row % 2 else "Bolt" for row in range(1, items + 1)],
            "category": [f"Shoes > {'Trail' if row % 3 else 'Road'}" for row in range(1, items + 1)],
            "text": [None] * items,
            "attributes": [[f"colour={row % 4}"] for row in range(1, items + 1)],
        }
        pl.DataFrame(described).with_columns(
            pl.col("row").cast(pl.UInt32), pl.col("text").cast(pl.String)
        ).write_parquet(folder / "items.parquet")
        told = {
            "dataset": "shop",
            "seed": 0,
            "how": "column",
            "task": "next_item",
            "mask": ["seen"],
            "metrics": ["hr@10", "ndcg@10"],
            "target_event": None,
            "has_time": any(event[3] is not None for events in parts.values() for event in events),
            "has_order": True,
            "n_items": items,
            "n_users": users,
            "train_cut": None,
            "test_cut": None,
            "fingerprint": "0",
            "counts": {name: {"events": len(events)} for name, events in parts.items()},
        }
        (folder / "meta.json").write_text(json.dumps(told | meta))
        return folder

    return write


@pytest.fixture
def server(request: pytest.FixtureRequest) -> RedisProcess | RedisCluster:
    """The server that tests share; the cluster for a file that asks for `redis_cluster` as well."""
    shared: RedisProcess | RedisCluster = request.getfixturevalue(getattr(request, "param", "redis_server"))
    return shared


@pytest.fixture
def client(server: RedisProcess | RedisCluster) -> Iterator[redis.Redis]:
    """A client of that server."""
    with server.client() as client:
        yield client


@pytest.fixture
def keys(redis_prefix: str) -> Keys:
    """The keys of one test."""
    return Keys(redis_prefix.encode())


@pytest.fixture(scope="session")
def offline() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `aisle-offline` in a process of its own, with further variables."""
    return completed_job


@pytest.fixture
def narrow_compression(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compression tries one cut beside the uncut network, for tests of the whole job that are not about it."""
    monkeypatch.setattr(sweep, "DIM_SHARES", (0.5,))
    monkeypatch.setattr(sweep, "UNIT_SHARES", ())
    monkeypatch.setattr(sweep, "SPARSE_SHARES", ())


@pytest.fixture
def send(client: redis.Redis, keys: Keys) -> Callable[..., None]:
    """Adds records to a stream of events and to that of impressions, as the service does."""

    def to_streams(*records: BaseModel) -> None:
        for record in records:
            stream = keys.impression_stream if isinstance(record, ImpressionRecord) else one_stream(keys)
            client.xadd(stream, {FIELD: record.model_dump_json()})

    return to_streams


@pytest.fixture
def run(client: redis.Redis, keys: Keys) -> Callable[..., Collected]:
    """One pass into a folder."""

    def one_pass(
        out: Path, *, progress: Progress = silent, say: Callable[[str], None] | None = None, **settings: Any
    ) -> Collected:
        return collect(client, keys, out, config=CollectConfig(**settings), progress=progress, say=say)

    return one_pass


@pytest.fixture
def bundle(shop_bundle: Path) -> Path:
    return resolve(shop_bundle)


@pytest.fixture
def states(bundle: Path) -> UserStates:
    return read_user_states(bundle)


@pytest.fixture
def item_hashes(bundle: Path) -> np.ndarray:
    """By row; row 0 is no item."""
    ids = TextColumn.read(bundle / names.ITEM_IDS)
    return np.concatenate([np.zeros(1, np.uint64), stable_hashes(ids[row] or "" for row in range(1, len(ids)))])


@pytest.fixture
def bundle_named(bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """Copies of the bundle under another version, with other metrics or another cut."""

    def copy(folder: str, **changes: Any) -> Path:
        shutil.copytree(bundle, tmp_path / folder)
        manifest = read_manifest(bundle).model_copy(update={"version": folder} | changes)
        (tmp_path / folder / names.MANIFEST).write_text(manifest.model_dump_json())
        return tmp_path / folder

    return copy
