"""Records as the service streams them, and what became of them in a folder."""

from pathlib import Path
from typing import Any

import polars as pl
import redis

from app.artifact.people import Person
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import EraseRecord, EventRecord, ImpressionRecord, MergeRecord
from offline.collecting.collect import CollectConfig, collect
from offline.dataset.spec import load_spec
from offline.ingest.ingest import ingest


def collect_in_small_parts(url: str, prefix: str, out: Path) -> None:
    """Collect ten entries a part; for a process of its own."""
    with redis.Redis.from_url(url) as client:
        collect(client, Keys(prefix.encode()), out, config=CollectConfig(part_entries=10))


def person(name: str) -> Person:
    """A visitor when the id begins with v, else a user."""
    return Person("visitor" if name.startswith("v") else "user", name)


def hash_of(name: str) -> str:
    """The hash of that person as logs hold it."""
    return f"{person(name).hash:016x}"


def event(event_id: str, user: str = "u", at: float = 100.0, **fields: Any) -> EventRecord:
    """A view by a user, or by a visitor when the id begins with v."""
    who = {f"{person(user).kind}_id": user}
    return EventRecord(**{"event_id": event_id, "type": "view", "item_id": "p1", "time": at} | who | fields)


def merge(visitor: str, user: str, at: float = 100.0) -> MergeRecord:
    return MergeRecord(visitor_id=visitor, user_id=user, time=at)


def erase(user: str, at: float = 100.0) -> EraseRecord:
    return EraseRecord(user_hash=hash_of(user), time=at)


def shown(request_id: str, user: str | None = "u", at: float = 100.0, **fields: Any) -> ImpressionRecord:
    user_hash = None if user is None else hash_of(user)
    return ImpressionRecord(
        **{"request_id": request_id, "user_hash": user_hash, "model_version": "m1", "time": at}
        | {"item_ids": ["p2", "p1"]}
        | fields
    )


def rows_in(folder: Path) -> pl.DataFrame:
    """All rows of all parts, oldest first."""
    return pl.concat([pl.read_parquet(path, glob=False) for path in sorted(folder.glob("*.parquet"))])


def ingested(out: Path, to: Path) -> tuple[pl.DataFrame, dict[str, Any]]:
    summary: Any = ingest(load_spec(out), to)
    return pl.read_parquet(to / "events.parquet"), summary
