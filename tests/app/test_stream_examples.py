"""The scripts of `app/STREAMS.md`, taken out of it and run as they stand, on records as each system gives them."""

import gzip
import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from fenced_blocks import blocks_of
from object_servers import BUCKET, S3Server, s3_server, s3_variables
from quick_services import running_service

from offline.onboarding.check import check
from offline.onboarding.init import init

SCRIPTS = [
    code for language, code in blocks_of(Path(__file__).parents[2] / "app" / "STREAMS.md") if language == "python"
]
NAMES = ("aisle_events.py", "from_kafka.py", "from_kinesis.py", "from_files.py", "from_warehouse.py")
WITHIN_S = 60
HAPPENED = 1_600_000_000
"""When everything happened, in seconds."""

RunScript = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def address(shop_bundle: Path) -> Iterator[str]:
    with running_service(shop_bundle, clock="bundle") as service:
        yield service.address


@pytest.fixture
def run_script(tmp_path: Path, address: str) -> RunScript:
    """Runs a script of the page in a folder of its own, against the service, and gives what it said."""
    for code in SCRIPTS:
        (tmp_path / code.splitlines()[0].removeprefix("# ")).write_text(code, "utf-8")

    def run(
        name: str, *words: str, lines: str = "", to: str = address, variables: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "AISLE"))}
        return subprocess.run(
            [sys.executable, name, *words], cwd=tmp_path, input=lines, capture_output=True, text=True,
            timeout=WITHIN_S, check=False, env=environment | {"AISLE": to} | dict(variables or {}),
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def s3() -> Iterator[S3Server]:
    with s3_server() as server:
        yield server


def record_of(person: str, sku: str, seconds: int, **further: Any) -> dict[str, Any]:
    return {"event": "Product Viewed", "customer": person, "sku": sku, "at": seconds} | further


def kcat(offset: int, payload: object) -> str:
    """A line of `kcat -J`."""
    text = payload if isinstance(payload, str) else None if payload is None else json.dumps(payload)
    told = {"topic": "shop-events", "partition": 0, "offset": offset, "tstype": "create", "ts": 1, "broker": 0}
    return json.dumps(told | {"key": None, "payload": text}) + "\n"


def stored(address: str, person: str) -> int:
    """How many events the service has of a person."""
    answer = httpx.get(f"{address}/users/{person}")
    return len(answer.json()["events"]) if answer.is_success else 0


def refused(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_the_page_has_its_scripts() -> None:
    assert tuple(code.splitlines()[0].removeprefix("# ") for code in SCRIPTS) == NAMES


def test_lines_of_kafka_are_stored_once_and_what_is_no_event_is_kept_apart(
    run_script: RunScript, address: str, item_ids: list[str], tmp_path: Path
) -> None:
    rows = [record_of("kafka-1", sku, HAPPENED - place) for place, sku in enumerate(item_ids[:4])]
    lines = [kcat(place, row) for place, row in enumerate(rows)]
    lines += [kcat(4, "{broken"), kcat(5, None), kcat(6, {"event": "Product Viewed", "sku": item_ids[0]}), "no JSON\n"]
    told = refused(run_script("from_kafka.py", "offset-0", lines="".join(lines)))
    assert len(told) == 3
    assert stored(address, "kafka-1") == 4
    assert (tmp_path / "offset-0").read_text() == "7"

    more = kcat(7, record_of("kafka-1", item_ids[5], HAPPENED))
    assert refused(run_script("from_kafka.py", "offset-0", lines="".join(lines[:4]) + more)) == []
    assert stored(address, "kafka-1") == 5

    (tmp_path / "offset-0").unlink()  # a crash before it was written down
    assert refused(run_script("from_kafka.py", "offset-0", lines="".join(lines[:4]) + more)) == []
    assert stored(address, "kafka-1") == 5


def test_plain_lines_with_ids_of_their_own_are_stored_once(
    run_script: RunScript, address: str, item_ids: list[str]
) -> None:
    lines = "".join(
        json.dumps(record_of("plain-1", sku, HAPPENED, id=f"e{place}")) + "\n" for place, sku in enumerate(item_ids[:3])
    )
    for _ in range(2):
        assert refused(run_script("from_kafka.py", lines=lines)) == []
    assert stored(address, "plain-1") == 3


def test_calls_that_are_too_large_are_halved(run_script: RunScript, shop_bundle: Path, item_ids: list[str]) -> None:
    rows = [record_of("small-1", item_ids[place % 9], HAPPENED, id=f"e{place}") for place in range(40)]
    rows.append(record_of("small-1", item_ids[0], HAPPENED, id="huge", search="x" * 5_000))
    with running_service(shop_bundle, clock="bundle", max_body_bytes=2_000) as service:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (told,) = refused(run_script("from_kafka.py", lines=lines, to=service.address))
        assert told["refused"]["event_id"] == "huge"
        assert stored(service.address, "small-1") == 40


def test_a_wrong_key_ends_the_script_and_writes_no_offset(
    run_script: RunScript, shop_bundle: Path, item_ids: list[str], tmp_path: Path
) -> None:
    with running_service(shop_bundle, clock="bundle", read_keys="shop-key") as service:
        line = kcat(0, record_of("keyless", item_ids[0], HAPPENED))
        done = run_script("from_kafka.py", "offset-0", lines=line, to=service.address)
        assert done.returncode == 1
        assert "401" in done.stderr
        assert not (tmp_path / "offset-0").exists()
        done = run_script(
            "from_kafka.py", "offset-0", lines=line, to=service.address, variables={"READ_KEY": "shop-key"}
        )
        assert refused(done) == []


def test_a_stream_of_kinesis_is_read_on_from_where_it_was(
    run_script: RunScript, address: str, s3: S3Server, item_ids: list[str]
) -> None:
    boto3 = pytest.importorskip("boto3")
    variables = {**s3_variables(s3.port), "AWS_DEFAULT_REGION": "us-east-1"}
    client = boto3.client(
        "kinesis", endpoint_url=variables["AWS_ENDPOINT_URL"], region_name="us-east-1", aws_access_key_id="shop-key",
        aws_secret_access_key="shop-secret",
    )  # fmt: skip
    client.create_stream(StreamName="shop-events", ShardCount=2)

    def put(first: int, count: int) -> None:
        for number in range(first, first + count):
            row = record_of(f"kinesis-{number % 4}", item_ids[number], HAPPENED)
            client.put_record(StreamName="shop-events", Data=json.dumps(row).encode(), PartitionKey=f"{number}")

    def read() -> int:
        assert refused(run_script("from_kinesis.py", "shop-events", "state", "--once", variables=variables)) == []
        return sum(stored(address, f"kinesis-{number}") for number in range(4))

    put(0, 12)
    assert read() == 12
    put(12, 4)
    assert read() == 16
    assert read() == 16


def test_objects_below_a_prefix_are_sent_once(
    run_script: RunScript, address: str, s3: S3Server, item_ids: list[str], tmp_path: Path
) -> None:
    rows = [record_of("files-1", sku, HAPPENED) for sku in item_ids[:6]]
    lines = "".join(json.dumps(row) + "\n" for row in rows[:2]).encode()
    table = BytesIO()
    pl.DataFrame(rows[4:]).with_columns(pl.from_epoch("at").dt.replace_time_zone("UTC")).write_parquet(table)
    contents = {"a.jsonl": lines + b"{broken\n", "b.jsonl.gz": gzip.compress(
        "".join(json.dumps(row) + "\n" for row in rows[2:4]).encode()), "c.parquet": table.getvalue()}  # fmt: skip
    for name, content in contents.items():
        httpx.put(f"http://127.0.0.1:{s3.port}/{BUCKET}/events/2026/{name}", content=content).raise_for_status()

    words = (f"s3://{BUCKET}", "events/2026/", "done.txt")
    (told,) = refused(run_script("from_files.py", *words, variables=s3_variables(s3.port)))
    assert told["refused"].endswith("a.jsonl, line 3")
    assert stored(address, "files-1") == 6
    assert refused(run_script("from_files.py", *words, variables=s3_variables(s3.port))) == []
    (tmp_path / "done.txt").unlink()
    run_script("from_files.py", *words, variables=s3_variables(s3.port))
    assert stored(address, "files-1") == 6


def test_what_a_warehouse_gave_is_a_data_set(run_script: RunScript, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as database:
        database.execute("CREATE TABLE items (sku, title, category, brand, price, is_sold)")
        database.execute("CREATE TABLE events (id, customer, cookie, sku, event, at, search)")
        database.executemany(
            "INSERT INTO items VALUES (?, ?, 'Shoes > Trail', 'Own', 39.5, ?)",
            [(f"p{number}", f"Trail shoe {number}", number < 20) for number in range(25)],
        )
        database.executemany(
            "INSERT INTO events VALUES (?, ?, NULL, ?, 'view', ?, NULL)",
            [
                (
                    f"e{number}",
                    f"u{number % 40}",
                    f"p{number % 20}",
                    f"2026-11-{24 + number % 4} 12:00:{number % 60:02}",
                )
                for number in range(400)
            ],
        )
    for last_day in ("2026-11-26", "2026-11-27"):
        assert refused(run_script("from_warehouse.py", "shop.db", "my_shop", last_day)) == []
    folder = tmp_path / "my_shop"
    days = sorted(path.name for path in (folder / "events").iterdir())
    assert days == [f"2026-11-{day}.parquet" for day in range(24, 28)]
    assert sum(pl.read_parquet(folder / "events" / day).height for day in days) == 400
    assert pl.read_parquet(folder / "items.parquet").height == 20
    assert init(folder).path.exists()
    checked = check(folder, now=HAPPENED + 10 * 365 * 86_400)
    assert (checked.errors, checked.rows) == (0, {"events": 400, "items": 20})
