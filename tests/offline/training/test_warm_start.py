"""A warm start takes over what an earlier run learned, item by item, and nothing where it would not fit."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from model.network import Network
from offline.dataset.split_meta import read_split_meta
from offline.graph.build import build_graph, item_graph, read_graph
from offline.graph.item_features import item_attributes
from offline.split.fresh_valid import keep_fresh_valid
from offline.training.settings import TrainSettings, choose_settings
from offline.training.trained import load_best_weights
from offline.training.warm_start import WarmStart, plan_warm_start
from offline.workspace.run_folder import RunFolder

GONE, NEW = 10, ["fresh-1", "fresh-2"]


@pytest.fixture
def earlier(shop_run: Any) -> RunFolder:
    return RunFolder(shop_run.run)


@pytest.fixture
def later(earlier: RunFolder, tmp_path: Path) -> RunFolder:
    """The same shop with its items in another order, less some and with some more."""
    folder = RunFolder(tmp_path / "later")
    shutil.copytree(earlier.split, folder.split)
    items = pl.read_parquet(earlier.split / "items.parquet").sort("row")
    fresh = items.head(len(NEW)).with_columns(pl.Series("item_id", NEW), attributes=pl.lit(["smell=new"]))
    moved = pl.concat([fresh, items.tail(items.height - GONE).reverse()]).drop("row")
    moved = moved.with_row_index("row", offset=1)
    moved.write_parquet(folder.split / "items.parquet")
    rows = items.select("item_id", pl.col("row").alias("item")).join(
        moved.select("item_id", pl.col("row").alias("to")), on="item_id", how="left"
    )
    train = pl.read_parquet(folder.split / "train.parquet").join(rows, on="item", how="left", maintain_order="left")
    train.with_columns(item=pl.col("to").fill_null(0)).drop("to", "item_id").write_parquet(
        folder.split / "train.parquet"
    )
    build_graph(folder.split, folder.graph)
    return folder


def plan(earlier: RunFolder, later: RunFolder, **changes: Any) -> tuple[WarmStart, Network]:
    graph = item_graph(read_graph(later.graph))
    meta = read_split_meta(later.split)
    settings = replace(choose_settings(meta, 1, {"dim": 32}), **changes)
    torch.manual_seed(3)
    return plan_warm_start(earlier, later, graph, settings), Network(graph, settings.shape())


def test_known_items_attributes_and_the_rest_are_taken_over_and_new_ones_stay_fresh(
    earlier: RunFolder, later: RunFolder
) -> None:
    warm, network = plan(earlier, later)
    assert warm.begin is not None, warm.record
    fresh = {name: value.clone() for name, value in network.state_dict().items()}
    warm.begin(network)
    found, given = network.state_dict(), load_best_weights(earlier.train)
    before = pl.read_parquet(earlier.split / "items.parquet").sort("row")
    now = pl.read_parquet(later.split / "items.parquet").sort("row")
    trained = set(pl.read_parquet(earlier.split / "train.parquet")["item"].to_list())
    rows = {item: row for item, row in before.select("item_id", "row").iter_rows() if row in trained}
    for item, row in now.select("item_id", "row").iter_rows():
        expected = given["items.ids"][rows[item]] if item in rows else fresh["items.ids"][row]
        assert torch.equal(found["items.ids"][row], expected)
    assert warm.record["known_items"] == sum(item in rows for item in now["item_id"])
    assert warm.record["known_items"] + warm.record["fresh_items"] == now.height
    places = {name: place for place, name in enumerate(item_attributes(before)[1].names())}
    for place, name in enumerate(item_attributes(now)[1].names()):
        expected = given["items.attributes"][places[name]] if name in places else fresh["items.attributes"][place]
        assert torch.equal(found["items.attributes"][place], expected)
    assert "smell=new" not in places
    rest = [name for name in given if name not in ("items.ids", "items.attributes")]
    assert all(torch.equal(found[name], given[name]) for name in rest)


def test_fewer_epochs_are_trained(earlier: RunFolder, later: RunFolder) -> None:
    warm, _ = plan(earlier, later, epochs=8)
    assert warm.settings.epochs == 3
    assert plan(earlier, later, epochs=1)[0].settings.epochs == 1


def test_other_sizes_begin_cold_with_the_reason(earlier: RunFolder, later: RunFolder) -> None:
    warm, _ = plan(earlier, later, dim=64, epochs=8)
    assert warm.begin is None
    assert warm.settings.epochs == 8
    assert (
        "began cold: the earlier network has other sizes (items.attributes: (32,), now (64,))" in warm.record["reason"]
    )


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        ({"how": "random"}, {"how": "random"}, "tests on events that trained"),
        ({"how": "last"}, {"how": "last", "fresh_valid": 99}, "99 events are left to validate on"),
        ({"how": "last"}, {"how": "time:0.8"}, "cut by last, this one by time"),
        ({"test_cut": 100.0}, {"test_cut": 99.0}, "lies before that of the earlier run"),
        ({"dataset": "another"}, {}, "of another"),
    ],
)
def test_what_may_have_trained_on_the_test_events_begins_cold(
    earlier: RunFolder, later: RunFolder, tmp_path: Path, before: dict[str, Any], now: dict[str, Any], said: str
) -> None:
    copy = RunFolder(tmp_path / "earlier")
    shutil.copytree(earlier.path, copy.path)
    for folder, changes in ((copy, before), (later, now)):
        meta = folder.split / "meta.json"
        meta.write_text(json.dumps(json.loads(meta.read_text()) | changes))
    warm, _ = plan(copy, later)
    assert warm.begin is None
    assert said in warm.record["reason"]


def test_only_events_that_no_earlier_round_trained_on_validate(
    write_split: Callable[..., Path], tmp_path: Path
) -> None:
    users = range(150)
    earlier = write_split(
        tmp_path / "a", train=[(user, 1, 1, None) for user in users], valid=[(7, 2, 1, None)], test=[(8, 3, 1, None)]
    )
    # Of user 7 the item 2 had validated, everybody had trained on item 1; nobody but 8 had touched item 3.
    valid = [(user, 1 if user < 20 else 3, 1, None) for user in users if user != 7] + [(7, 2, 1, None)]
    later = write_split(tmp_path / "b", train=[(0, 4, 1, None)], valid=valid, test=[(8, 5, 1, None)])
    assert keep_fresh_valid(later, earlier) == 130
    left = pl.read_parquet(later / "valid.parquet").filter("target")
    assert left["item"].unique().to_list() == [3]
    assert json.loads((later / "meta.json").read_text())["counts"]["valid"]["targets"] == 130
    before = (later / "valid.parquet").read_bytes()
    few = write_split(tmp_path / "c", train=[(user, 3, 1, None) for user in range(100)])
    assert keep_fresh_valid(later, few) < 100
    assert (later / "valid.parquet").read_bytes() == before


@pytest.mark.parametrize("lost", ["train/best.safetensors", "train/history.json", "split/items.parquet", "split"])
def test_an_earlier_run_that_cannot_be_read_begins_cold(
    earlier: RunFolder, later: RunFolder, tmp_path: Path, lost: str
) -> None:
    copy = RunFolder(tmp_path / "earlier")
    shutil.copytree(earlier.path, copy.path)
    remove: Callable[[Path], None] = shutil.rmtree if (copy.path / lost).is_dir() else Path.unlink
    remove(copy.path / lost)
    warm, _ = plan(copy, later)
    assert warm.begin is None
    assert "cannot be read" in warm.record["reason"]


def test_settings_keep_all_but_the_epochs(earlier: RunFolder, later: RunFolder) -> None:
    warm, _ = plan(earlier, later, epochs=8)
    meta = read_split_meta(later.split)
    assert replace(warm.settings, epochs=8) == TrainSettings(
        **choose_settings(meta, 1, {"dim": 32, "epochs": 8}).as_dict()
    )
