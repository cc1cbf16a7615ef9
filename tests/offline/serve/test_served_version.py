"""What is served knows the whole log, from the front door: `aisle-offline run`, then answers over HTTP."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import polars as pl
import pytest
from job_process import job, job_here, kill_when
from quick_services import running_service

from app.artifact.bundle_store import current, resolve, versions
from app.artifact.manifest import Manifest, read_manifest
from app.artifact.names import MANIFEST, RANKER
from app.artifact.rank_tables import read_rank_tables
from app.engine.loading import load_snapshot

OPTIONS = ["--seed", "1", "--epochs", "2", "--dim", "32", "--device", "cpu", "--max-loss", "0", "--no-baselines"]
TOML = """name = "grown"
[events]
path = "events.parquet"
user = "user_id"
item = "item_id"
type = "event_type"
time = "timestamp"
[evaluation]
task = "next_item"
mask = ["seen"]
metrics = ["hr@10"]
"""
FRESH_ITEMS = 5


@pytest.fixture(scope="module")
def grown(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An events-only log whose newest users come after all others, and touch items that nobody had touched before."""
    events = pl.read_parquet(shop / "events.parquet").select("user_id", "item_id", "event_type", "timestamp")
    is_clean = (pl.col("user_id") != "") & (pl.col("item_id") != "") & (pl.col("event_type") != "glance")
    events = events.filter(is_clean).unique(maintain_order=True)
    users = events.group_by("user_id").len().sort("user_id")
    fresh = users.filter(pl.col("len").cum_sum() < 0.18 * events.height)["user_id"]
    is_fresh = pl.col("user_id").is_in(fresh.implode())
    later = events["timestamp"].max() - events["timestamp"].min() + 1  # type: ignore[operator]
    place = pl.int_range(pl.len()).over("user_id")
    events = events.with_columns(
        timestamp=pl.col("timestamp") + pl.when(is_fresh).then(later).otherwise(0),
        item_id=pl.when(is_fresh & (place % 7 == 3))
        .then("new-" + (place % FRESH_ITEMS).cast(pl.String))
        .otherwise("item_id"),
    )
    folder = tmp_path_factory.mktemp("grown")
    events.write_parquet(folder / "events.parquet")
    (folder / "dataset.toml").write_text(TOML)
    (folder / "fresh.json").write_text(json.dumps(fresh.to_list()))
    return folder


@pytest.fixture(scope="module")
def run(grown: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run") / "run"
    code, lines = job_here("run", "--data", grown, "--out", out, *OPTIONS)
    assert code == 0, lines
    (out / "lines.json").write_text(json.dumps(lines))
    return out


@pytest.fixture(scope="module")
def client(run: Path) -> Iterator[httpx.Client]:
    with (
        running_service(run / "bundle", clock="bundle") as service,
        httpx.Client(base_url=service.address, timeout=30) as client,
    ):
        yield client


def events_of(data: Path) -> pl.DataFrame:
    return pl.read_parquet(data / "events.parquet")


def manifests(run: Path) -> tuple[Manifest, Manifest]:
    return read_manifest(resolve(run / "measured")), read_manifest(resolve(run / "bundle"))


def answer(client: httpx.Client, **fields: Any) -> list[str]:
    response = client.post("/recommend", json={"k": 10} | fields)
    response.raise_for_status()
    return [item["item_id"] for item in response.json()["items"]]


def test_every_user_of_the_newest_fifth_is_known_and_shown_nothing_bought_or_seen(
    client: httpx.Client, grown: Path
) -> None:
    events = events_of(grown)
    fresh = json.loads((grown / "fresh.json").read_text())
    assert len(fresh) > 20
    popular = answer(client, user_id="nobody")
    for user in fresh:
        past = events.filter(user_id=user)
        bought = set(past.filter(event_type="purchase")["item_id"])
        seen = set(past["item_id"])
        state = client.get(f"/users/{quote(user, safe='')}").json()
        assert (state["seen"], state["purchased"]) == (len(seen), len(bought))
        shown = answer(client, user_id=user, exclude="purchased", k=100)
        assert shown[:10] != popular
        assert not bought & set(shown)
        assert not seen & set(answer(client, user_id=user, exclude="seen", k=100))


def test_items_that_only_the_newest_events_are_on_are_in_the_catalogue(client: httpx.Client, run: Path) -> None:
    fresh = [f"new-{number}" for number in range(FRESH_ITEMS)]
    for item in fresh:
        assert client.get(f"/items/{item}/similar").json()["items"]
    measured, served = manifests(run)
    assert served.shapes.items >= measured.shapes.items + FRESH_ITEMS
    counts = read_rank_tables(resolve(run / "bundle")).counts
    assert (counts[measured.shapes.items + 1 : served.shapes.items + 1].sum(axis=1) > 0).all()
    popular = set(answer(client, user_id="nobody", k=200))
    assert set(fresh) <= popular


def test_figures_are_those_of_the_measured_version_which_knows_nothing_newer(run: Path, grown: Path) -> None:
    measured, served = manifests(run)
    events = events_of(grown)
    assert served.cut == events["timestamp"].max()
    assert measured.cut is not None
    assert measured.cut < events.filter(pl.col("item_id").str.starts_with("new-"))["timestamp"].min()  # type: ignore[operator]
    assert (measured.measured_as, served.measured_as) == (None, measured.version)
    assert served.metrics == measured.metrics
    assert measured.metrics["bundle"]["version"] == measured.version
    assert [line["variant"] for line in served.compression] == [line["variant"] for line in measured.compression]
    document = json.loads((run / "serving.json").read_text())
    assert (document["version"], document["measured_as"]) == (served.version, measured.version)
    assert document["new_items"] == served.shapes.items - measured.shapes.items
    assert document["new_users"] == len(json.loads((grown / "fresh.json").read_text()))
    drift = document["drift"]
    assert drift["requests"] > 100
    assert {shift["name"] for shift in drift["scores"]} == {"order", "P(view)", "P(cart)", "P(purchase)"}
    assert 0 < drift["overlap_at_10"] <= 1
    page = (run / "report.html").read_text("utf-8")
    assert served.version in page
    assert "The figures are of" not in page  # of another version than would be published
    told = " ".join(json.loads((run / "lines.json").read_text())[:-1])
    assert f"served: {served.version}" in told


def test_files_that_both_versions_hold_are_one_file(run: Path) -> None:
    measured, served = (resolve(run / name) for name in ("measured", "bundle"))
    of_measured, of_served = manifests(run)
    same = [name for name, entry in of_served.files.items() if of_measured.files.get(name) == entry]
    assert RANKER in same
    for name in of_served.files:
        assert (measured / name).samefile(served / name) == (name in same)
    document = json.loads((run / "serving.json").read_text())
    linked = sum(of_served.files[name].bytes for name in same)
    assert document["linked_mb"] == pytest.approx(linked / 1e6)
    own = sum(path.stat().st_size for path in served.rglob("*") if path.is_file()) - linked
    assert document["own_mb"] == pytest.approx(own / 1e6)
    load_snapshot(run / "bundle")
    assert not (run / "serve").exists()


def test_the_measured_version_is_served_when_that_is_asked_for_and_a_kill_leaves_it(
    run: Path, grown: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    shutil.copytree(run, out)
    before = (resolve(out / "measured") / MANIFEST).read_bytes()
    command = ["run", "--data", grown, "--out", out, *OPTIONS]
    code, lines = job_here(*command, "--serve", "measured")
    assert code == 0, lines
    measured, served = manifests(out)
    assert served == measured
    assert (resolve(out / "measured") / MANIFEST).read_bytes() == before
    for name in served.files:
        assert (resolve(out / "measured") / name).samefile(resolve(out / "bundle") / name)
    assert [line.split()[0] for line in lines if line.endswith("done before, left as it is")][-1] == "evaluate"

    kill_when("serve     4/6", *command)
    assert current(out / "bundle") == measured.version
    load_snapshot(out / "bundle")
    code, lines = job_here(*command)
    assert code == 0, lines
    measured, served = manifests(out)
    assert served.measured_as == measured.version
    assert len(versions(out / "bundle")) == 3  # of the two whole exports and the measured one
    assert [path for path in out.rglob(".*") if path.name != ".lock"] == []


def test_the_served_version_is_not_measured_on_what_it_knows(run: Path, grown: Path) -> None:
    code, lines = job("evaluate", "--bundle", run / "bundle", "--data", grown, "--no-baselines")
    assert code == 1
    assert "measured" in lines[-1]
    code, lines = job_here("evaluate", "--bundle", run / "measured", "--data", grown, "--no-baselines")
    assert code == 0, lines
    measured, _ = manifests(run)
    assert json.loads(lines[-1])["reports"][0]["metrics"] == measured.metrics["reports"][0]["metrics"]
