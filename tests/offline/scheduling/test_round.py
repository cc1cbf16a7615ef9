"""Rounds with a real Redis and a real job: collect, run, publish; what fails leaves the version before it."""

import fcntl
import json
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from collected import event
from job_process import JobProcess, job
from object_servers import BUCKET, s3_server, s3_variables
from redis_process import RedisProcess

from app.artifact.bundle_store import current, versions
from app.artifact.names import SCHEMA_VERSION
from app.artifact.object_store import ObjectAddress, ObjectStore
from app.artifact.published_model import Figures, PublishedModel
from app.artifact.redis_keys import Keys
from app.stores.redis_link import RedisAddress
from offline.dataset.spec import load_spec
from offline.job import data_key
from offline.options import Options
from offline.publishing.object_upload import object_pointer, object_versions
from offline.publishing.publish import publish
from offline.scheduling.plan import Outcome, Plan, ScheduleConfig
from offline.scheduling.round import StoppingDisplay, play_round
from offline.scheduling.state import OpenRound, State, read_state, write_state
from offline.workspace.redis_client import address_of

SMALL = ["--epochs", "2", "--dim", "32", "--device", "cpu", "--user-ttl-days", "0"]


@pytest.fixture
def config(redis_server: RedisProcess, redis_prefix: str, shop: Path, tmp_path: Path) -> ScheduleConfig:
    return ScheduleConfig(
        address_of(redis_server.url),
        redis_prefix,
        tmp_path / "logs",
        tmp_path / "runs",
        base=shop,
        options=Options(
            split="time:0.8",  # as the shop's run, so that a warm start from it is one
            device="cpu",
            overrides={"epochs": 2, "dim": 32},
        ),
    )


def command(config: ScheduleConfig) -> list[str | Path]:
    places = [
        "--logs",
        config.logs,
        "--out",
        config.out,
        "--base",
        str(config.base),
        "--split",
        str(config.options.split),
    ]
    return ["schedule", "--redis", config.address.url, "--prefix", config.prefix, *places, *SMALL]


def play(plan: Plan, config: ScheduleConfig, quiet: Any) -> Outcome:
    return play_round(plan, config, quiet, lambda: None)


@pytest.mark.slow
def test_a_round_that_is_refused_and_tried_again(
    config: ScheduleConfig, shop_run: Any, client: redis.Redis, keys: Keys, send: Any, quiet: Any
) -> None:
    # A first round was published, and shoppers have come since.
    shutil.copytree(shop_run.run, config.round_folder(1))
    first = publish(shop_run.bundle, client, keys).version
    base = data_key(load_spec(config.base))
    second = Plan(2, False, warm_from=1, trained_on=base)
    assert play(second, config, quiet).reason == "no new events since the last published round"
    assert not config.round_folder(2).exists()
    send(*(event(f"e{number}", f"new-{number % 3}", 1.9e9, item_id=f"new-{number % 2}") for number in range(30)))

    # The gate refuses what is surely worse than the version served, which stays.
    published = PublishedModel.model_validate_json(client.hget(keys.models, first))
    high = Figures(
        dataset="synthetic",
        part="test",
        how=config.options.split,
        mask="seen",
        metric="hr@10",
        value=1.0,
        low=1.0,
        high=1.0,
    )
    client.hset(keys.models, first, published.model_copy(update={"figures": high}).model_dump_json())
    refused = play(second, config, quiet)
    assert (refused.status, refused.is_afresh) == ("failed", True), refused
    assert "--max-drop" in refused.reason
    assert client.get(keys.pointer).decode() == first
    assert versions(config.bundles) == []
    start = refused.details["training"]["start"]
    assert start["warm"], start
    assert start["known_items"] > 200
    assert refused.details["training"]["epochs"] == 1  # of two

    # Tried again from the command line, what was done is left as it is, and it is published.
    client.hset(keys.models, first, published.model_dump_json())
    write_state(config.out, State(next_number=2, open=OpenRound(2, True), last_number=1, last_data=base))
    code, lines = job(*command(config), "--once")
    assert code == 0, lines
    line = json.loads(lines[-1])
    assert (line["status"], line["round"], line["training"]["start"]) == ("published", 2, start)
    assert line["publication"]["previous"] == first
    assert client.get(keys.pointer).decode() == current(config.bundles) == line["version"]
    assert [line for line in lines if line.startswith("train ")] == ["train     done before, left as it is"]
    state = read_state(config.out)
    assert (state.last_version, state.last_number, state.open) == (line["version"], 2, None)
    third = Plan(3, False, warm_from=2, trained_on=state.last_data)
    assert play(third, config, quiet).status == "skipped"


def test_a_store_that_cannot_be_reached_fails_the_round_in_one_line(config: ScheduleConfig, quiet: Any) -> None:
    away = replace(config, address=RedisAddress("redis://127.0.0.1:1/0"))
    failed = play(Plan(1, False, None, None), away, quiet)
    assert (failed.status, failed.is_afresh) == ("failed", False)
    assert "it cannot be reached" in failed.reason
    assert "\n" not in failed.reason


def test_nothing_to_train_on_is_skipped(config: ScheduleConfig, quiet: Any) -> None:
    skipped = play(Plan(1, False, None, None), replace(config, base=None), quiet)
    assert skipped.status == "skipped"
    assert "no --base" in skipped.reason


def test_what_was_trained_on_is_new_data_to_a_job_that_writes_another_schema(
    shop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec(shop)
    before = data_key(spec)
    assert data_key(spec) == before
    monkeypatch.setattr("offline.stage.SCHEMA_VERSION", SCHEMA_VERSION + 1)
    assert data_key(spec) != before


def test_a_round_stops_at_the_next_stage(config: ScheduleConfig, quiet: Any) -> None:
    told: list[str] = []

    class Telling:
        def __getattr__(self, name: str) -> Any:
            return lambda *words: told.append(str(words[0]) if name == "stage" else name)

    display = StoppingDisplay(Telling(), lambda: "graph" in told)
    stopped = play_round(Plan(1, False, None, None), config, display, lambda: None)
    assert stopped.status == "stopped"
    assert told[-1] == "graph"
    assert sorted(json.loads((config.round_folder(1) / "run.json").read_text())) == [
        "distil",
        "embed",
        "ingest",
        "split",
    ]


def test_sigterm_ends_the_schedule_cleanly_and_a_second_one_is_refused(config: ScheduleConfig) -> None:
    process = JobProcess(*command(config), "--every", "24h", "--epochs", "100000", "--budget", "1h")
    lines = []
    for line in process.lines():
        lines.append(line)
        if line.startswith("train"):
            code, skipped = job(*command(config), "--once")
            assert (code, json.loads(skipped[-1])["status"]) == (0, "skipped")
            code, refused = job(*command(config), "--every", "24h")
            assert code == 1
            assert refused[-1].startswith(f"aisle-offline: {config.out}: another schedule is at work here")
            process.send(signal.SIGTERM)
            break
    lines += list(process.lines())
    assert process.wait() == 0, lines
    assert json.loads(lines[-1])["status"] == "stopped"
    opened = read_state(config.out).open
    assert opened is not None
    assert (opened.number, opened.is_collected) == (1, True)
    with (config.round_folder(1) / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody is left at work


@pytest.mark.slow
def test_a_round_sends_its_version_to_a_store_of_objects(
    config: ScheduleConfig,
    shop_run: Any,
    tmp_path: Path,
    client: redis.Redis,
    keys: Keys,
    quiet: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with s3_server() as server:
        for name, value in s3_variables(server.port).items():
            monkeypatch.setenv(name, value)
        objects = ObjectStore(ObjectAddress(f"s3://{BUCKET}/{tmp_path.name}"))
        for old in ("2000-a", "2000-b", "2000-c"):  # uploads that were stopped
            objects.put(f"{old}/half", b"half")
        to_objects = replace(config, to=str(objects.address), keep=2)
        shutil.copytree(shop_run.run, config.round_folder(1))
        outcome = play(Plan(2, False, warm_from=1, trained_on=None), to_objects, quiet)
        assert outcome.status == "published", outcome
        assert object_pointer(objects) == client.get(keys.pointer).decode() == outcome.version
        assert object_versions(objects) == ["2000-c", outcome.version]
        assert set(objects.sizes_below(str(outcome.version))) == {
            path.relative_to(config.bundles / str(outcome.version)).as_posix()
            for path in (config.bundles / str(outcome.version)).rglob("*")
            if path.is_file()
        }
