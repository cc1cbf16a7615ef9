"""Withheld items: nothing that trains has an event on them, and they are scored against the whole catalogue."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from app.engine.loading import load_snapshot
from offline.cli import app
from offline.dataset.split_meta import WithheldItems, read_split_meta
from offline.errors import DatasetError, InputError
from offline.evaluation.cold_items import cold_items
from offline.evaluation.evaluate import evaluate
from offline.job import Options, run
from offline.split.withhold import WITHHELD_FILE, Withhold, withhold
from offline.workspace.run_folder import RunFolder

PARTS = ("train", "valid", "context", "test")


def rows_of(folder: Path) -> list[int]:
    return pl.read_parquet(folder / WITHHELD_FILE)["item"].to_list()


@pytest.mark.parametrize("how", ["random", "newest"])
def test_nothing_that_trains_has_an_event_on_a_withheld_item(shop_run: Any, tmp_path: Path, how: str) -> None:
    whole, out = shop_run.split, tmp_path / "withheld"
    count = withhold(whole, out, Withhold(how, 0.1), seed=3)
    rows = rows_of(out)
    before = {part: pl.read_parquet(whole / f"{part}.parquet") for part in PARTS}
    known = pl.concat([before[part].filter(pl.col("item") != 0) for part in ("train", "valid")])
    assert len(rows) == count == known["item"].n_unique() // 10
    for part in PARTS:
        after = pl.read_parquet(out / f"{part}.parquet")
        trains = part in ("train", "valid")
        expected = before[part].filter(~pl.col("item").is_in(rows)) if trains else before[part]
        assert after.equals(expected)
    for table in ("items", "users"):
        assert pl.read_parquet(out / f"{table}.parquet").equals(pl.read_parquet(whole / f"{table}.parquet"))
    counts = json.loads((out / "meta.json").read_text())["counts"]
    assert counts["train"]["events"] == pl.read_parquet(out / "train.parquet").height
    if how == "newest":
        first = known.group_by("item").agg(pl.col("time").min())
        chosen = pl.col("item").is_in(rows)
        assert first.filter(chosen)["time"].min() >= first.filter(~chosen)["time"].max()


def test_items_to_be_put_live_are_in_no_table_of_the_split(shop_run: Any, tmp_path: Path) -> None:
    whole, out = shop_run.split, tmp_path / "live"
    withhold(whole, out, Withhold("random", 0.1, live=True), seed=3)
    withhold(whole, tmp_path / "kept", Withhold("random", 0.1), seed=3)
    rows = rows_of(out)
    assert rows == rows_of(tmp_path / "kept")
    items, rest = (pl.read_parquet(folder / "items.parquet").sort("row") for folder in (whole, out))
    assert rest.drop("row").equals(items.filter(~pl.col("row").is_in(rows)).drop("row"))
    assert rest["row"].to_list() == list(range(1, rest.height + 1))
    ids = dict(zip(items["row"], items["item_id"], strict=True))
    left = dict(zip(rest["row"], rest["item_id"], strict=True))
    for part in PARTS:
        before, after = (pl.read_parquet(folder / f"{part}.parquet") for folder in (tmp_path / "kept", out))
        named = [None if row in rows else ids.get(row) for row in before["item"]]
        assert [left.get(row) for row in after["item"]] == named
        assert after.drop("item").equals(before.drop("item"))
    meta = read_split_meta(out)
    assert (meta.n_items, meta.withheld) == (
        rest.height,
        WithheldItems(how="random", share=0.1, items=len(rows), live=True),
    )


def test_which_items_are_withheld_does_not_depend_on_test_rows(
    write_split: Callable[..., Path], tmp_path: Path
) -> None:
    train = [(user, item, 1, float(10 * item + user)) for user in range(4) for item in range(1, 11)]
    for how in ("random", "newest"):
        drawn = []
        for number, test in enumerate([[(0, 1, 1, 500.0)], [(1, 9, 1, 1.0), (2, 10, 1, 900.0)]]):
            whole = write_split(tmp_path / f"{how}{number}", train=train, test=test)
            withhold(whole, tmp_path / f"{how}{number}-out", Withhold(how, 0.3), seed=1)
            drawn.append(rows_of(tmp_path / f"{how}{number}-out"))
        assert drawn[0] == drawn[1]
        assert len(drawn[0]) == 3


def test_what_cannot_be_withheld_is_said_so(write_split: Callable[..., Path], tmp_path: Path) -> None:
    whole = write_split(tmp_path / "s", train=[(0, 1, 1, None), (0, 2, 1, None)], test=[(0, 3, 1, None)])
    with pytest.raises(DatasetError, match="withhold --how random"):
        withhold(whole, tmp_path / "out", Withhold("newest", 0.5), 0)
    for wanted in (Withhold("oldest", 0.5), Withhold("random", 0.0), Withhold("random", 1.0)):
        with pytest.raises(InputError, match="--share"):
            withhold(whole, tmp_path / "out", wanted, 0)
    assert not (tmp_path / "out").exists()


def test_only_withheld_targets_are_scored_and_against_the_whole_catalogue(shop_run: Any, tmp_path: Path) -> None:
    # With every item that is a target withheld, the figures are those of the whole evaluation.
    out = tmp_path / "withheld"
    withhold(shop_run.split, out, Withhold("random", 0.5), seed=1)
    targets = pl.read_parquet(shop_run.split / "test.parquet").filter("target")
    known = targets.filter(pl.col("item") != 0)
    known.select("item").unique().write_parquet(out / WITHHELD_FILE)
    document = cold_items(shop_run.bundle, shop_run.split, out, reference=shop_run.bundle)
    report = evaluate(shop_run.bundle, shop_run.split, baselines=False)["reports"][0]
    assert document["targets"] == report["targets"] - report["targets_on_unknown_items"]
    assert np.isclose(document["hr@10"] * document["users"], report["metrics"]["hr@10"] * report["n"])
    assert document["seen_in_training_hr@10"] == document["hr@10"]
    assert document["ranked_among_cold_hr@10"] >= document["hr@10"]


def test_a_withheld_item_is_never_popular_and_a_bundle_of_another_split_is_refused(
    shop_run: Any, tmp_path: Path
) -> None:
    out = tmp_path / "withheld"
    withhold(shop_run.split, out, Withhold("random", 0.3), seed=1)
    document = cold_items(shop_run.bundle, shop_run.split, out)
    assert document["popularity_hr@10"] == 0.0
    assert document["seen_in_training_hr@10"] is None
    assert document["how"] == "random"
    assert document["items"] == len(rows_of(out))
    low, high = document["ci95"]
    assert low <= document["hr@10"] <= high
    meta = json.loads((out / "meta.json").read_text())
    (out / "meta.json").write_text(json.dumps(meta | {"fingerprint": "another"}))
    with pytest.raises(InputError, match="same data, split and seed"):
        cold_items(shop_run.bundle, shop_run.split, out, reference=shop_run.bundle)


def test_items_that_are_put_as_they_are_are_found_as_before(shop_run: Any, tmp_path: Path) -> None:
    documents = []
    for live in (False, True):
        out = tmp_path / str(live)
        withhold(shop_run.split, out, Withhold("random", 0.3, live=live), seed=1)
        documents.append(cold_items(shop_run.bundle, shop_run.split, out))
    kept, put = documents
    changing = {"live": True, "popularity_hr@10": None}
    assert put == kept | changing


@pytest.mark.slow
def test_items_that_the_bundle_never_saw_are_put_into_it_and_found(shop: Path, tmp_path: Path) -> None:
    out, bare = tmp_path / "run", ["--data", str(shop), "--epochs", "1", "--dim", "16", "--max-loss", "0"]
    result = CliRunner().invoke(app, ["cold-items", *bare, "--share", "0.3", "--live", "--out", str(out)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout.strip().splitlines()[-1])
    folder = RunFolder(out)
    snapshot = load_snapshot(folder.measured)
    items = pl.read_parquet(folder.whole / "items.parquet")
    cold = items.filter(pl.col("row").is_in(rows_of(folder.split)))["item_id"].to_list()
    assert not any(map(snapshot.items.row_of, cold))
    assert document["live"]
    assert document["items"] == len(cold)
    assert document["ranked_among_cold_hr@10"] > 10 / len(cold)


def test_a_run_that_withholds_keeps_the_whole_split_beside(shop: Path, quiet: Any, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "run")
    options = Options(device="cpu", withhold=Withhold("random", 0.2))
    run(shop, folder, options, quiet, upto="split")
    whole = pl.read_parquet(folder.whole / "train.parquet")
    kept = pl.read_parquet(folder.split / "train.parquet")
    assert kept.equals(whole.filter(~pl.col("item").is_in(rows_of(folder.split))))
    assert kept.height < whole.height
