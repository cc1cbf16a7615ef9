"""The closed loop: what shoppers do with the answers of one model trains the next, and nothing is restarted for it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from job_process import completed_job
from redis_process import RedisProcess

WITHIN_S = 60
SERVE = [sys.executable, "-c", "from app.main import cli; cli()"]
SHOPPERS = 60


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.upper().startswith("AISLE_")}


def offline(*words: str | Path) -> dict[str, Any]:
    """Runs a command of the job; what its last line says."""
    found = completed_job(*words)
    assert found.returncode == 0, found.stderr
    document: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return document


@pytest.fixture
def redis_options(redis_server: RedisProcess, redis_prefix: str) -> list[str]:
    return ["--redis", redis_server.url, "--prefix", redis_prefix]


@pytest.fixture
def run_folder(shop_run: Any, tmp_path: Path) -> Path:
    """A copy of the shop's run, to train again in."""
    return Path(shutil.copytree(shop_run.run, tmp_path / "run"))


@pytest.fixture
def client(run_folder: Path, redis_options: list[str], redis_prefix: str) -> Iterator[httpx.Client]:
    """A service that was started once, on what is published."""
    offline("publish", "--bundle", run_folder / "bundle", *redis_options)
    process = subprocess.Popen(
        [
            *SERVE,
            "--bundle",
            str(run_folder / "bundle"),
            "--redis",
            redis_options[1],
            "--port",
            "0",
            "--clock",
            "bundle",
        ],
        env=environment() | {"AISLE_REDIS_PREFIX": redis_prefix, "AISLE_FOLLOW_S": "0.1"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        announced = re.search(r"http://[^\s;]+", process.stdout.readline())
        assert announced is not None
        with httpx.Client(base_url=announced[0], timeout=WITHIN_S) as own:
            yield own
        assert process.poll() is None  # the one that was started at first
    finally:
        process.terminate()
        process.wait(WITHIN_S)


def items_of(client: httpx.Client, **fields: Any) -> list[str]:
    answer = client.post("/recommend", json=fields).json()
    assert answer["degraded"] == []
    return [item["item_id"] for item in answer["items"]]


def place_in(items: list[str], item: str) -> int:
    """How many stand before it."""
    return items.index(item) if item in items else len(items)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.05)


def kept_impressions(client: httpx.Client) -> float:
    """Notes of what was shown that Redis took."""
    found = re.search(r'^aisle_impressions_total\{outcome="kept"\} (\S+)$', client.get("/metrics").text, re.MULTILINE)
    return 0.0 if found is None else float(found[1])


@pytest.mark.slow
def test_what_shoppers_do_trains_the_next_model(
    client: httpx.Client, run_folder: Path, shop: Path, redis_options: list[str], tmp_path: Path
) -> None:
    first_version = client.get("/readyz").json()["model_version"]
    user = client.get("/demo/users").json()["users"][0]
    shown = items_of(client, user_id=user, k=200)
    liked, follows = shown[150], shown[190]  # nobody's favourites yet

    # Shoppers are shown answers, and what they do counts for them at once.
    told = 0
    for number in range(SHOPPERS):
        visitor = f"shopper-{number}"
        before = items_of(client, visitor_id=visitor)
        events = [
            {"event_id": f"{visitor}-{place}", "visitor_id": visitor, "item_id": item, "type": kind}
            for place, (item, kind) in enumerate(
                [(liked, "view"), (liked, "add_to_cart"), (follows, "view"), (follows, "purchase-complete")]
            )
        ]
        answer = client.post("/events", json=events).json()
        assert (answer["accepted"], answer["rejected"]) == (4, [])
        told += answer["accepted"]
        assert items_of(client, visitor_id=visitor) != before
    similar_before = [item["item_id"] for item in client.get(f"/items/{liked}/similar").json()["items"]]
    answer_before = items_of(client, recent_events=[{"item_id": liked}], k=200)

    # What they did is collected beside the earlier logs, trained on and published. A cut by time would hold the newest
    # events out, which are these.
    logs = tmp_path / "logs"
    until(lambda: kept_impressions(client) > SHOPPERS)
    collected = offline("collect", "--out", logs, "--base", shop, *redis_options)
    assert (collected["events"], collected["duplicates"], collected["rejected"]) == (told, 0, 0)
    assert collected["impressions"] > SHOPPERS
    assert offline("collect", "--out", logs, *redis_options)["events"] == 0
    small = ["--epochs", "3", "--dim", "32", "--seed", "1", "--max-loss", "0"]  # compression is not what this is about
    offline("run", "--data", logs, "--out", run_folder, "--split", "last", *small)
    live = json.loads((run_folder / "live.json").read_text("utf-8"))
    assert [(each["version"], each["people"]) for each in live["versions"]] == [(first_version, SHOPPERS + 1)]
    assert first_version in (run_folder / "report.html").read_text("utf-8").partition('id="live"')[2]
    published = offline("publish", "--bundle", run_folder / "bundle", *redis_options)
    assert published["previous"] == first_version

    # The service follows, and its answers have changed.
    until(lambda: bool(client.get("/readyz").json()["model_version"] == published["version"]))
    models = {model["version"]: model for model in client.get("/models").json()["models"]}
    assert models[published["version"]]["served"]
    assert models[published["version"]]["users"] > models[first_version]["users"]
    assert [item["item_id"] for item in client.get(f"/items/{liked}/similar").json()["items"]] != similar_before
    answer_after = items_of(client, recent_events=[{"item_id": liked}], k=200)
    assert answer_after != answer_before
    assert items_of(client, user_id=user, k=200) != shown
    assert answer_after.index(follows) < place_in(answer_before, follows) / 2  # sixty shoppers went on to it

    # Nothing was counted twice on the way: events of the log and of the store are the same ones.
    stored = client.get("/users/shopper-0?kind=visitor").json()
    assert [event["item_id"] for event in stored["events"]] == [liked, liked, follows, follows]
    assert (stored["seen"], stored["purchased"]) == (2, 1)

    # And back again, at once.
    assert client.post(f"/models/{first_version}/activate").json()["model_version"] == first_version
    assert items_of(client, recent_events=[{"item_id": liked}], k=200) == answer_before
