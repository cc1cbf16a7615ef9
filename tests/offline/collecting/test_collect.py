"""What the service wrote to Redis ends up in files once, in the order of the stream, and as data that the job reads."""

import fcntl
import json
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import redis
from collected import collect_in_small_parts, erase, event, ingested, merge, person, rows_in, shown
from job_process import started
from live_events import one_stream
from pydantic import BaseModel
from redis_process import RedisProcess

from app.artifact.people import Person, user_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, EraseRecord, EventRecord, MergeRecord
from offline.collecting.collect import Collected, collect
from offline.dataset.people import person_text
from offline.dataset.spec import load_spec
from offline.errors import RunFolderError
from offline.online_metrics.logs import read_searches, read_shown

Offline = Callable[..., subprocess.CompletedProcess[str]]


def owners(out: Path) -> list[tuple[str, str]]:
    """Event id and user, else visitor, of every event, in order."""
    return list(rows_in(out / "events").select("event_id", pl.coalesce("user_id", "visitor_id")).iter_rows())


def requests(out: Path) -> list[str]:
    return rows_in(out / "impressions").get_column("request_id").to_list()


def test_collected_events_are_a_data_set_that_ingest_reads(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    full = event(
        "e1",
        at=1_700_000_000.25,
        type="purchase",
        visitor_id="v1",
        session_id="s1",
        query="red shoes",
        request_id="r1",
        position=3,
        quantity=2.0,
        price=9.5,
        currency="EUR",
    )
    send(full, event("e2", "v2", 1_700_000_001.0, type="cart"), shown("r1"), shown("r2", None))
    out = tmp_path / "growing"
    result = run(out)
    assert result == Collected(events=2, impressions=2, trimmed=4, parts=2)
    assert rows_in(out / "events").row(0, named=True) == {
        "user_id": "u",
        "item_id": "p1",
        "event_type": "purchase",
        "timestamp": 1_700_000_000.25,
        "session_id": "s1",
        "query": "red shoes",
        "price": 9.5,
        "quantity": 2.0,
        "currency": "EUR",
        "shown_position": 3,
        "request_id": "r1",
        "event_id": "e1",
        "visitor_id": "v1",
    }
    assert rows_in(out / "impressions").row(0, named=True) == {
        "request_id": "r1",
        "user_hash": f"{user_hash('u'):016x}",
        "model_version": "m1",
        "timestamp": 100.0,
        "item_ids": ["p2", "p1"],
        "first_position": 1,
        "query": None,
        "corrected_query": None,
        "total": None,
        "matched_by": None,
    }
    spec = load_spec(out)
    assert (spec.name, spec.items) == ("growing", None)
    events, summary = ingested(out, tmp_path / "ingested")
    assert summary["events"]["kept"] == 2
    assert events.select("user_id", "type", "time", "price").rows() == [
        (person_text(Person("visitor", "v2")), 2, 1_700_000_001.0, None),
        ("u", 3, 1_700_000_000.25, 9.5),
    ]
    assert (summary["events"]["users"], summary["events"]["visitors"]) == (2, 1)


def test_names_of_parts_sort_as_their_entries_do(
    client: redis.Redis, keys: Keys, run: Callable[..., Collected], tmp_path: Path
) -> None:
    for entry in ("9-1", "9-2", "9-10", "10-0", "1700000000000-0"):
        client.xadd(keys.old.event_stream, {FIELD: event(entry).model_dump_json()}, id=entry)
    assert run(tmp_path / "out", part_entries=2).parts == 3
    found = sorted(path.name for path in (tmp_path / "out" / "events").iterdir())
    assert found == [
        "000000000000009-0000000001_000000000000009-0000000002.parquet",
        "000000000000009-0000000010_000000000000010-0000000000.parquet",
        "001700000000000-0000000000_001700000000000-0000000000.parquet",
    ]
    assert [name for name, _ in owners(tmp_path / "out")] == ["9-1", "9-2", "9-10", "10-0", "1700000000000-0"]


def test_with_nothing_to_collect_nothing_is_written(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    said: list[str] = []
    assert run(tmp_path / "out", say=said.append) == Collected()
    assert said == ["nothing to collect"]
    assert not (tmp_path / "out" / "dataset.toml").exists()
    send(event("e1"))
    assert run(tmp_path / "out").events == 1
    assert run(tmp_path / "out", say=said.append) == Collected()
    assert said == ["nothing to collect"] * 2
    assert ingested(tmp_path / "out", tmp_path / "ingested")[0].height == 1


class Stopped(Exception):
    """Somebody pulled the plug."""


def stop(done: int, total: int, what: str) -> None:
    raise Stopped


def test_stopped_between_writing_and_trimming_nothing_is_lost_or_repeated(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(*(event(f"e{number}") for number in range(5)), shown("r1"), shown("r2"))
    for _ in range(3):
        with pytest.raises(Stopped):
            run(tmp_path / "out", part_entries=2, progress=stop)
    assert client.xlen(one_stream(keys)) == 1  # each pass trims what the one before had written
    result = run(tmp_path / "out", part_entries=2)
    assert result.left == 0
    assert [name for name, _ in owners(tmp_path / "out")] == [f"e{number}" for number in range(5)]
    assert requests(tmp_path / "out") == ["r1", "r2"]


def test_killed_at_any_moment_every_event_is_there_once(
    client: redis.Redis, keys: Keys, redis_server: RedisProcess, redis_prefix: str, tmp_path: Path
) -> None:
    with client.pipeline(transaction=False) as pipe:
        for number in range(4_000):
            pipe.xadd(one_stream(keys), {FIELD: event(f"e{number}", f"u{number % 7}").model_dump_json()})
        pipe.execute()
    out = tmp_path / "out"
    for kill_at in (3, 40, 90):
        process = started(collect_in_small_parts, redis_server.url, redis_prefix, out)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.is_alive():
            if len(list((out / "events").glob("*.parquet"))) >= kill_at:
                break
            time.sleep(0.001)
        process.kill()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    left = client.xlen(one_stream(keys))
    assert 0 < left < 4_000
    assert collect(client, keys, out).left == 0
    assert [name for name, _ in owners(out)] == [f"e{number}" for number in range(4_000)]
    assert not list(out.rglob("*.partial"))


def test_an_event_id_counts_once_a_user_in_a_part_and_across_parts(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(event("e1"), event("e1"), event("e1", "w"), event("e2"))
    first = run(tmp_path / "out", part_entries=2)
    send(event("e2"), event("e1", "w"), event("e3"))
    second = run(tmp_path / "out")
    assert (first.events, first.duplicates, second.events, second.duplicates) == (3, 1, 1, 2)
    assert owners(tmp_path / "out") == [("e1", "u"), ("e1", "w"), ("e2", "u"), ("e3", "u")]


def test_a_visitors_events_before_the_merge_become_the_users(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    send(event("e1", "v1"), event("e2", "v2"))
    run(out, part_entries=1)
    second = sorted((out / "events").iterdir())[1]
    before = second.stat()
    send(event("e3", "v1"), merge("v1", "ada"), event("e4", "v1"), event("e1", "ada"))
    result = run(out)
    assert (result.events, result.duplicates, result.merged) == (2, 1, 1)
    assert owners(out) == [("e1", "ada"), ("e2", "v2"), ("e3", "ada"), ("e4", "v1")]
    assert rows_in(out / "events").get_column("visitor_id").to_list() == ["v1", "v2", "v1", "v1"]
    assert second.stat() == before  # no row of it is about the visitor
    merges = pl.read_parquet(out / "merges.parquet")
    assert merges.select("visitor_id", "user_id", "time").rows() == [("v1", "ada", 100.0)]


def test_a_later_merge_adds_to_those_before(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    for visitor in ("v1", "v2"):
        send(merge(visitor, "ada"))
        run(tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "merges.parquet").get_column("visitor_id").to_list() == ["v1", "v2"]


def test_an_erased_user_is_gone_from_all_files(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    send(event("e1", "ada"), event("e2", "bo"), event("e3", "v1"), shown("r1", "ada"), shown("r2", "bo"))
    send(shown("r3", "v1", 49.0), shown("r4", "v1", 51.0), shown("r5", None))
    run(out)
    send(merge("v1", "ada", 50.0), event("e4", "ada", 150.0), event("e5", "ada"), erase("ada", 100.0))
    send(event("e6", "ada", 99.0), shown("r6", "ada", 99.0), shown("r7", "ada", 101.0))
    result = run(out)
    assert (result.erased, result.events, result.impressions) == (1, 1, 1)
    assert owners(out) == [("e2", "bo"), ("e4", "ada")]
    assert requests(out) == ["r2", "r4", "r5", "r7"]
    assert pl.read_parquet(out / "merges.parquet").height == 0
    send(shown("r8", "ada", 90.0), shown("r9", "ada", 110.0))  # what an answer showed may arrive late
    send(event("e7", "ada", 98.0), event("e8", "ada", 120.0), event("e9", "bo", 98.0))  # and so may what they did
    run(out)
    assert owners(out)[-2:] == [("e8", "ada"), ("e9", "bo")]
    assert requests(out)[-2:] == ["r7", "r9"]
    for path in out.rglob("*"):
        assert path.is_dir() or b"v1" not in path.read_bytes() or path.parent.name == "impressions"


def test_what_was_searched_for_is_collected_and_goes_with_its_user(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    search = {"query": "soffa", "corrected_query": "sofa", "total": 12, "matched_by": "words"}
    send(shown("r1", "ada", **search), shown("r2", "bo", query="secret wish", total=0, matched_by="nothing"))
    run(out)
    rows = rows_in(out / "impressions")
    assert rows.select(*search).rows() == [("soffa", "sofa", 12, "words"), ("secret wish", None, 0, "nothing")]
    send(erase("bo"), shown("r3", "bo", 90.0, query="secret wish"))
    run(out)
    assert requests(out) == ["r1"]
    assert not any(b"secret wish" in path.read_bytes() for path in out.rglob("*") if path.is_file())
    _, summary = ingested(_with_one_event(out), tmp_path / "ingested")
    assert summary["events"]["kept"] == 1


def _with_one_event(out: Path) -> Path:
    (out / "events").mkdir(exist_ok=True)
    text = out / "dataset.toml"
    text.write_text('name = "s"\n[events]\npath = "e.csv"\n')
    (out / "e.csv").write_text("user_id,item_id,event_type,timestamp\nada,p1,view,100\n")
    return out


def test_a_folder_from_before_queries_were_noted_is_gone_on_with(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    send(shown("r1", "ada"), shown("r2", "bo"))
    run(out)
    (part,) = (out / "impressions").glob("*.parquet")
    before = ["query", "corrected_query", "total", "matched_by"]
    pl.read_parquet(part).drop(before).write_parquet(part)
    send(shown("r3", "ada", query="sofa", total=1), erase("bo"))
    assert run(out).impressions == 1
    assert read_searches(out).select("request_id", "query", "total").rows() == [("r3", "sofa", 1)]
    assert read_shown(out).get_column("request_id").to_list() == ["r1", "r3"]


def test_files_without_rows_of_the_erased_user_stay_as_they_are(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    send(event("e1", "ada"), event("e2", "bo"), shown("r1", "ada"), shown("r2", "bo"))
    run(out, part_entries=1)
    others = [sorted((out / folder).iterdir())[1] for folder in ("events", "impressions")]

    def states() -> list[tuple[int, int, int]]:
        """Which files they are, their sizes and when they were written; when they were read says nothing."""
        return [(stat.st_ino, stat.st_size, stat.st_mtime_ns) for stat in (path.stat() for path in others)]

    before = states()
    send(erase("ada"))
    run(out)
    assert states() == before
    assert (owners(out), requests(out)) == ([("e2", "bo")], ["r2"])


def sequential(records: Sequence[BaseModel]) -> list[tuple[str, str]]:
    """The slow obvious way: event id and user of what is left of a stream."""
    rows: list[tuple[str, str, float]] = []
    erased: dict[int, float] = {}
    for record in records:
        if isinstance(record, EventRecord):
            assert record.person is not None
            name = record.person.id
            if record.time < erased.get(record.person.hash, 0.0):
                continue
            if not any(row[:2] == (record.event_id, name) for row in rows):
                rows.append((record.event_id, name, record.time))
        elif isinstance(record, MergeRecord):
            rows = [(name, record.user_id if user == record.visitor_id else user, at) for name, user, at in rows]
        elif isinstance(record, EraseRecord):
            gone = int(record.user_hash, 16)
            erased[gone] = max(record.time, erased.get(gone, 0.0))
            rows = [row for row in rows if person(row[1]).hash != gone or row[2] > record.time]
    return [row[:2] for row in rows]


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_files_say_what_following_the_stream_entry_by_entry_says_however_often_it_fails(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    people = ["v1", "v2", "v3", "ada", "bo"]
    sent: list[BaseModel] = []
    out, failures = tmp_path / "out", 0
    for turn in range(6):
        records: list[BaseModel] = []
        for number in range(30):
            one, visitor, user = rng.choice(people), rng.choice(people[:3]), rng.choice(people[3:])
            at = float(rng.integers(0, 100))
            kind = rng.random()
            if kind < 0.7:
                records.append(event(f"e{turn}-{number}", str(one), at))
            else:
                records.append(merge(str(visitor), str(user), at) if kind < 0.9 else erase(str(one), at))
        send(*records)
        sent += records
        part_entries = int(rng.integers(5, 40))
        # Folders in the place of a part to come: all is done to the earlier parts, and then it cannot be written.
        entries = [padded(name) for name, _ in client.xrange(one_stream(keys))]
        begin = 0 if turn == 0 else int(rng.integers(0, len(entries)))
        blocked = [
            out / "events" / f"{first}_{last}.parquet"
            for place, first in enumerate(entries[begin:], start=begin)
            for last in entries[place:]
        ]
        for path in blocked:
            path.mkdir(parents=True)
        try:
            run(out, part_entries=part_entries)
        except RunFolderError:
            failures += 1
        for path in blocked:
            path.rmdir()
        send(late := event(f"late{turn}", "v1", 50.0))
        sent.append(late)
        assert run(out, part_entries=part_entries).left == 0
        assert owners(out) == sequential(sent)
    assert failures


def test_rows_that_became_an_erased_users_after_the_erasure_stay_when_a_failed_pass_is_repeated(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(event("e1", "v1", 5.0), event("e2", "ada", 5.0))
    run(tmp_path)
    send(erase("ada", 100.0), merge("v1", "ada"))
    entries = [padded(name) for name, _ in client.xrange(one_stream(keys))]
    blocked = [tmp_path / "events" / f"{first}_{last}.parquet" for first in entries for last in entries]
    for path in blocked:
        path.mkdir()
    with pytest.raises(RunFolderError, match="cannot be written"):
        run(tmp_path)
    for path in blocked:
        path.rmdir()
    run(tmp_path)
    assert owners(tmp_path) == [("e1", "ada")]


def padded(entry: bytes) -> str:
    ms, _, seq = entry.decode().partition("-")
    return f"{int(ms):015d}-{int(seq):010d}-07"


def test_what_cannot_be_read_is_set_aside_and_stops_nothing(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    good = event("e1").model_dump()
    bad: list[dict[bytes, bytes]] = [
        {b"other": b"x"},
        {FIELD: b"{not json with a secret-name"},
        {FIELD: json.dumps({"kind": "wish", "user_id": "secret-name"}).encode()},
        {FIELD: json.dumps(good | {"type": "secret-name"}).encode()},
        {FIELD: json.dumps(good | {"user_id": None}).encode()},
        {FIELD: json.dumps(good | {"time": float("inf")}).encode()},
        {FIELD: json.dumps(good | {"position": 2**64}).encode()},
        {FIELD: EraseRecord(user_hash="secret-name", time=1.0).model_dump_json().encode()},
    ]
    send(event("e1"))
    for fields in bad:
        client.xadd(one_stream(keys), fields)
    send(event("e2"))
    client.xadd(keys.impression_stream, {FIELD: b"[]"})
    names = [f"{name.decode()}-07" for name, _ in client.xrange(one_stream(keys))][1:-1]
    with pytest.raises(Stopped):
        run(tmp_path, part_entries=len(bad), progress=stop)
    result = run(tmp_path)
    assert (result.events, result.rejected, result.left) == (1, 2, 0)
    assert [name for name, _ in owners(tmp_path)] == ["e1", "e2"]
    text = (tmp_path / "rejected.jsonl").read_text()
    assert "secret-name" not in text
    found = [json.loads(line) for line in text.splitlines()]
    assert [each["id"] for each in found if each["stream"] == "events"] == names
    assert [each["stream"] for each in found].count("impressions") == 1
    assert found[0]["reason"] == "expected the field j, got none"
    assert all(each["reason"] for each in found)


def test_a_pass_ends_where_the_streams_ended_when_it_began(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(*(event(f"e{number}") for number in range(10)), shown("r1"))
    told: list[tuple[int, int]] = []

    def come(done: int, total: int, what: str) -> None:
        told.append((done, total))
        send(event(f"new{len(told)}"), shown(f"new{len(told)}"))

    result = run(tmp_path, part_entries=2, progress=come)
    assert (result.events, result.impressions, result.trimmed) == (10, 1, 11)
    assert told == [(2, 11), (4, 11), (6, 11), (8, 11), (10, 11), (11, 11), (11, 11)]
    assert client.xlen(one_stream(keys)) == len(told)
    assert run(tmp_path).events == len(told)


def test_only_one_collector_works_on_a_folder(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(event("e1"))
    with (tmp_path / ".collecting").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(RunFolderError, match="another collector is at work"):
            run(tmp_path)
    assert run(tmp_path).events == 1


def test_a_folder_of_another_redis_is_refused_and_nothing_is_cut_off(
    client: redis.Redis, keys: Keys, run: Callable[..., Collected], redis_prefix: str, tmp_path: Path
) -> None:
    other = Keys(f"{redis_prefix}other:".encode())
    client.xadd(one_stream(keys), {FIELD: event("e1").model_dump_json()}, id="5000-0")
    client.xadd(one_stream(other), {FIELD: event("e2").model_dump_json()}, id="4000-0")
    run(tmp_path)
    with pytest.raises(RunFolderError, match="another Redis or prefix"):
        collect(client, other, tmp_path)
    assert client.xlen(one_stream(other)) == 1


def test_a_folder_with_other_files_is_refused(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    (tmp_path / "events").mkdir()
    pl.DataFrame({"user_id": ["u"]}).write_parquet(tmp_path / "events" / "january.parquet")
    send(event("e1"))
    with pytest.raises(RunFolderError, match=r"got january\.parquet: .*--base"):
        run(tmp_path)
    assert client.xlen(one_stream(keys)) == 1


def test_what_a_killed_collector_left_half_written_is_removed(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    (tmp_path / "events").mkdir()
    half = tmp_path / "events" / ".000000000000001-0000000000_000000000000002-0000000000.parquet.partial"
    half.write_bytes(b"PAR1")
    send(event("e1"))
    run(tmp_path)
    assert not half.exists()
    assert owners(tmp_path) == [("e1", "u")]


def test_the_command_collects_what_the_next_command_ingests(
    offline: Offline,
    send: Callable[..., None],
    redis_server: RedisProcess,
    redis_prefix: str,
    shop: Path,
    tmp_path: Path,
) -> None:
    send(event("e1"), event("e2", "v1"), shown("r1"))
    out = tmp_path / "out"
    where = ("--redis", redis_server.url, "--prefix", redis_prefix, "--out", out)
    done = offline("collect", *where, "--items", shop / "items.parquet", "--name", "live")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert told == asdict(Collected(events=2, impressions=1, trimmed=3, parts=2))
    again = offline("collect", *where)
    assert again.returncode == 0
    assert "nothing to collect" in again.stderr
    read = offline("ingest", "--data", out, "--out", tmp_path / "run")
    assert read.returncode == 0, read.stderr
    assert load_spec(out).name == "live"
    assert pl.read_parquet(tmp_path / "run" / "ingest" / "events.parquet").height == 2


def test_the_command_says_in_one_line_that_redis_is_not_there(offline: Offline, tmp_path: Path) -> None:
    failed = offline("collect", "--redis", "redis://:hidden@127.0.0.1:1/0", "--out", tmp_path / "out")
    assert failed.returncode == 1
    assert failed.stderr.splitlines()[-1].startswith("aisle-offline: redis://127.0.0.1:1/0: it cannot be reached")
    assert "Traceback" not in failed.stderr
    assert "hidden" not in failed.stderr
