"""Rounds with a real Redis and a real job: collect, run, publish; what fails leaves the version before it."""

import fcntl
import json
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis
from collected import event
from job_process import JobProcess, job
from redis_process import RedisProcess

from app.artifact.bundle_store import current, versions
from app.artifact.models import PublishedModel
from app.artifact.redis_keys import Keys
from app.stores.redis_link import RedisAddress
from offline.redis_options import address_of
from offline.scheduling.plan import Outcome, Plan, Wishes
from offline.scheduling.round import StoppingDisplay, play_round
from offline.scheduling.state import read_state

SMALL = ["--epochs", "2", "--dim", "32", "--device", "cpu", "--user-ttl-days", "0"]


@pytest.fixture
def wishes(redis_server: RedisProcess, redis_prefix: str, shop: Path, tmp_path: Path) -> Wishes:
    return Wishes(
        address_of(redis_server.url),
        redis_prefix,
        tmp_path / "logs",
        tmp_path / "runs",
        base=shop,
        device="cpu",
        overrides={"epochs": 2, "dim": 32},
    )


def command(wishes: Wishes) -> list[str | Path]:
    places = ["--logs", wishes.logs, "--out", wishes.out, "--base", str(wishes.base)]
    return ["schedule", "--redis", wishes.address.url, "--prefix", wishes.prefix, *places, *SMALL]


def play(plan: Plan, wishes: Wishes, quiet: Any) -> Outcome:
    return play_round(plan, wishes, quiet, lambda: None)


def test_rounds_one_after_the_other(wishes: Wishes, client: redis.Redis, keys: Keys, send: Any, quiet: Any) -> None:
    # The first, from the command line: nothing was collected, so that it trains on the earlier logs.
    code, lines = job(*command(wishes), "--once")
    assert code == 0, lines
    told = json.loads(lines[-1])
    state = read_state(wishes.out)
    first = told["version"]
    assert (told["status"], told["round"], state.last_version) == ("published", 1, first)
    assert client.get(keys.pointer).decode() == current(wishes.bundles) == first
    model = PublishedModel.model_validate_json(client.hget(keys.models, first))
    assert told["figures"] == model.figures.model_dump()

    # Without new events there is nothing to do.
    second = Plan(2, False, warm_from=1, trained_on=state.last_data)
    skipped = play(second, wishes, quiet)
    assert (skipped.status, skipped.reason) == ("skipped", "no new events since the last published round")
    assert not wishes.round_folder(2).exists()

    # With some it trains again; the gate refuses what is surely worse than the version served.
    news = [(f"e{number}", f"new-{number % 3}", f"new-item-{number % 2}") for number in range(30)]
    send(*(event(event_id, user, 1.9e9, item_id=item) for event_id, user, item in news))
    high = model.model_copy(update={"figures": model.figures.model_copy(update={"value": 1.0, "low": 1.0})})
    client.hset(keys.models, first, high.model_dump_json())
    refused = play(second, wishes, quiet)
    assert (refused.status, refused.is_afresh) == ("failed", True)
    assert "--max-drop" in refused.reason
    assert client.get(keys.pointer).decode() == current(wishes.bundles) == first
    assert versions(wishes.bundles) == [first]

    # Tried again, all that was done is left as it is, and it is published.
    client.hset(keys.models, first, model.model_dump_json())
    published = play(replace(second, is_collected=True), wishes, quiet)
    assert published.status == "published", published.reason
    assert published.told["publication"]["previous"] == first
    start = published.told["training"]["start"]
    assert start["warm"], start
    assert start["known_items"] > 300
    assert start["fresh_items"] > 0
    assert published.told["training"]["epochs"] == 1  # of two
    assert client.get(keys.pointer).decode() == current(wishes.bundles) == published.version
    assert play(replace(second, number=3, trained_on=published.data), wishes, quiet).status == "skipped"


def test_a_store_that_cannot_be_reached_fails_the_round_in_one_line(wishes: Wishes, quiet: Any) -> None:
    away = replace(wishes, address=RedisAddress("redis://127.0.0.1:1/0"))
    failed = play(Plan(1, False, None, None), away, quiet)
    assert (failed.status, failed.is_afresh) == ("failed", False)
    assert "it cannot be reached" in failed.reason
    assert "\n" not in failed.reason


def test_nothing_to_train_on_is_skipped(wishes: Wishes, quiet: Any) -> None:
    skipped = play(Plan(1, False, None, None), replace(wishes, base=None), quiet)
    assert skipped.status == "skipped"
    assert "no --base" in skipped.reason


def test_a_round_stops_at_the_next_stage(wishes: Wishes, quiet: Any) -> None:
    told: list[str] = []

    class Telling:
        def __getattr__(self, name: str) -> Any:
            return lambda *words: told.append(str(words[0]) if name == "stage" else name)

    display = StoppingDisplay(Telling(), lambda: "graph" in told)
    stopped = play_round(Plan(1, False, None, None), wishes, display, lambda: None)
    assert stopped.status == "stopped"
    assert told[-1] == "graph"
    assert sorted(json.loads((wishes.round_folder(1) / "run.json").read_text())) == ["ingest", "split"]


def test_sigterm_ends_the_schedule_cleanly_and_a_second_one_is_refused(wishes: Wishes) -> None:
    process = JobProcess(*command(wishes), "--every", "24h", "--epochs", "100000", "--budget", "1h")
    lines = []
    for line in process.lines():
        lines.append(line)
        if line.startswith("train"):
            code, refused = job(*command(wishes), "--once")
            assert code == 1
            assert refused[-1].startswith(f"aisle-offline: {wishes.out}: another schedule is at work here")
            process.send(signal.SIGTERM)
            break
    lines += list(process.lines())
    assert process.wait() == 0, lines
    assert json.loads(lines[-1])["status"] == "stopped"
    opened = read_state(wishes.out).open
    assert opened is not None
    assert (opened.number, opened.is_collected) == (1, True)
    with (wishes.round_folder(1) / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # nobody is left at work
