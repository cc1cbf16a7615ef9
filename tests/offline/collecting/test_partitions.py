"""The streams of all partitions, and the one of the layout before, are collected as one, each entry once."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import redis
from collected import erase, event, merge, rows_in
from live_events import waiting
from pydantic import BaseModel

from app.artifact.people import PARTITIONS, partition_of, user_hash, visitor_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, EraseRecord, EventRecord, MergeRecord
from offline.collecting.collect import Collected, collect
from offline.collecting.streams import Streams
from offline.errors import RunFolderError

Run = Callable[..., Collected]

pytestmark = pytest.mark.parametrize("server", ["redis_server", "redis_cluster"], indirect=True)


def stream_of(keys: Keys, record: BaseModel) -> bytes:
    """The stream that the service writes a record to."""
    if isinstance(record, EraseRecord):
        return keys.event_stream(partition_of(int(record.user_hash, 16)))
    if isinstance(record, MergeRecord):
        return keys.event_stream(partition_of(visitor_hash(record.visitor_id)))
    assert isinstance(record, EventRecord)
    assert record.person is not None
    return keys.event_stream(partition_of(record.person.hash))


@pytest.fixture
def spread(client: redis.Redis, keys: Keys) -> Callable[..., None]:
    """Adds records to the streams of their partitions."""

    def to_streams(*records: BaseModel) -> None:
        with client.pipeline(transaction=False) as pipe:
            for record in records:
                pipe.xadd(stream_of(keys, record), {FIELD: record.model_dump_json()})
            pipe.execute()

    return to_streams


def event_ids(out: Path) -> list[str]:
    return sorted(rows_in(out / "events").get_column("event_id").to_list())


class Stopped(Exception):
    """Somebody pulled the plug."""


def test_the_entries_of_all_streams_are_collected_once_however_often_it_stops(
    client: redis.Redis, keys: Keys, spread: Callable[..., None], run: Run, tmp_path: Path
) -> None:
    records = [event(f"e{number:04}", f"u{number % 331}") for number in range(1_500)]
    spread(*records)
    for number in range(200):
        client.xadd(keys.old.event_stream, {FIELD: event(f"old{number}", f"u{number}").model_dump_json()})
    assert len({stream_of(keys, record) for record in records}) > 150
    turns = 0

    def stop(done: int, total: int, what: str) -> None:
        nonlocal turns
        turns += 1
        if turns % 3 == 0:
            raise Stopped

    while True:
        try:
            result = run(tmp_path, part_entries=100, progress=stop)
            break
        except Stopped:
            assert len(set(event_ids(tmp_path))) == len(event_ids(tmp_path))
    assert (result.left, waiting(client, keys), client.xlen(keys.old.event_stream)) == (0, 0, 0)
    assert event_ids(tmp_path) == sorted([f"e{n:04}" for n in range(1_500)] + [f"old{n}" for n in range(200)])
    assert run(tmp_path) == Collected()


def test_entries_of_one_id_in_many_streams_are_told_apart(
    client: redis.Redis, keys: Keys, run: Run, tmp_path: Path
) -> None:
    for place in range(40):
        record = event(f"e{place:02}", f"u{place}") if place % 2 else b"no record"
        text = record if isinstance(record, bytes) else record.model_dump_json()
        client.xadd(keys.event_stream(place), {FIELD: text}, id="5-0")
    result = run(tmp_path, part_entries=1)
    assert (result.events, result.rejected, result.left) == (20, 20, 0)
    assert event_ids(tmp_path) == [f"e{place:02}" for place in range(1, 40, 2)]
    rejected = [json.loads(line)["id"] for line in (tmp_path / "rejected.jsonl").read_text().splitlines()]
    assert rejected == [f"5-0-{place:02x}" for place in range(0, 40, 2)]


def test_an_entry_that_is_older_by_its_id_than_what_is_collected_of_other_streams_is_not_lost(
    client: redis.Redis, keys: Keys, run: Run, tmp_path: Path
) -> None:
    """As after a change to a primary whose clock is late."""
    client.xadd(keys.event_stream(1), {FIELD: event("e1").model_dump_json()}, id="9000-0")
    assert run(tmp_path).events == 1
    client.xadd(keys.event_stream(2), {FIELD: event("e2").model_dump_json()}, id="8000-0")
    assert run(tmp_path).events == 1
    assert event_ids(tmp_path) == ["e1", "e2"]


def test_merges_and_erasures_of_other_partitions_reach_the_events_before_them(
    client: redis.Redis, keys: Keys, spread: Callable[..., None], run: Run, tmp_path: Path
) -> None:
    rng = np.random.default_rng(3)
    for turn in range(3):
        for number in range(40):
            spread(event(f"v{turn}-{number}", f"v{number}", 10.0), event(f"u{turn}-{number}", f"u{number}", 10.0))
        client.time()
        merged = rng.choice(40, 10, replace=False)
        spread(*(merge(f"v{number}", f"u{number}", 20.0) for number in merged))
        wait_a_millisecond(client)
        spread(*(erase(f"u{number}", 30.0) for number in merged[:5]))
        wait_a_millisecond(client)
        run(tmp_path, part_entries=int(rng.integers(10, 60)))
        rows = rows_in(tmp_path / "events")
        owners = dict(rows.select("event_id", "user_id").iter_rows())
        for number in merged[:5]:
            assert f"v{turn}-{number}" not in owners
            assert f"u{turn}-{number}" not in owners
        for number in merged[5:]:
            assert owners[f"v{turn}-{number}"] == f"u{number}"


def wait_a_millisecond(client: redis.Redis) -> None:
    began: Any = client.time()
    while (now := client.time()) and now[0] * 1_000 + now[1] // 1_000 <= began[0] * 1_000 + began[1] // 1_000:
        pass


def test_the_ends_of_all_streams_are_of_one_moment(client: redis.Redis, keys: Keys) -> None:
    """What an event's writer had seen, in whichever stream, is not behind the ends that the event is within."""
    streams = Streams(client, {place: keys.event_stream(place) for place in range(PARTITIONS)})
    client.xadd(keys.event_stream(0), {FIELD: b"{}"}, id=f"{2**42}-0")  # of a clock that was ahead
    client.xadd(keys.event_stream(1), {FIELD: b"{}"})
    assert set(streams.ends()) == {1}
    assert len(streams) == 2


def test_a_key_of_another_type_is_passed_over_and_said(
    client: redis.Redis, keys: Keys, spread: Callable[..., None], run: Run, tmp_path: Path
) -> None:
    spread(event("e1", "u1"))
    other = (partition_of(user_hash("u1")) + 1) % PARTITIONS
    client.set(keys.event_stream(other), b"x")
    client.set(keys.impression_stream, b"x")
    lines: list[str] = []
    assert run(tmp_path, say=lines.append).events == 1
    assert len([line for line in lines if "something else than a stream" in line]) == 2
    assert client.get(keys.event_stream(other)) == b"x"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"part": "x", "before": {"a": 1}, "with_part": {}}'])
def test_positions_that_cannot_be_read_are_an_error_that_says_what_to_do(
    client: redis.Redis, keys: Keys, spread: Callable[..., None], run: Run, tmp_path: Path, content: str
) -> None:
    spread(event("e1", "u1"))
    run(tmp_path)
    spread(event("e1", "u1"), event("e2", "u1"))
    (tmp_path / "positions.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"positions\.json: expected how far each stream was collected"):
        collect(client, keys, tmp_path)
    (tmp_path / "positions.json").unlink()
    assert run(tmp_path).events == 1
    assert event_ids(tmp_path) == ["e1", "e2"]


def test_a_folder_that_was_collected_before_there_were_partitions_goes_on(
    client: redis.Redis, keys: Keys, spread: Callable[..., None], run: Run, tmp_path: Path
) -> None:
    for entry in ("9-1", "9-2"):
        client.xadd(keys.old.event_stream, {FIELD: event(entry).model_dump_json()}, id=entry)
    run(tmp_path)
    (tmp_path / "positions.json").unlink()
    client.delete(keys.old.event_stream)
    for entry in ("9-2", "10-0"):
        client.xadd(keys.old.event_stream, {FIELD: event(entry).model_dump_json()}, id=entry)
    spread(event("new"))
    assert run(tmp_path).events == 2
    assert event_ids(tmp_path) == ["10-0", "9-1", "9-2", "new"]
