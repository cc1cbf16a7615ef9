"""Refit: the final network knows train and valid, and nothing of what comes after."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from offline.dataset.split_meta import read_split_meta
from offline.errors import RunFolderError
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training.refit import EPOCHS_SHARE, GRAPH, PARTS, RATE_SHARE, WEIGHTS, refit
from offline.training.settings import choose_settings
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.trained import HISTORY_FILE, Trained, load_trained

Write = Callable[..., Path]
Events = list[tuple[int, int, int, float | None]]

ITEMS, USERS = 14, 30
CPU = torch.device("cpu")


def log(seed: int, events: int, first_item: int = 1) -> Events:
    rng = np.random.default_rng(seed)
    return [
        (user, int(rng.integers(first_item, ITEMS - 1)), int(rng.integers(1, 4)), float(1e5 * seed + place))
        for user in range(USERS)
        for place in range(events)
    ]


@pytest.fixture
def split(write_split: Write, tmp_path: Path) -> Path:
    """Item 14 occurs in valid only, and nothing else is new there."""
    valid = [*log(2, 1), (3, ITEMS, 3, 3e5)]
    return write_split(tmp_path / "split", train=log(1, 6), valid=valid, test=log(4, 1), items=ITEMS)


def first_training(split: Path, folder: Path, **overrides: int) -> Trained:
    meta = read_split_meta(split)
    build_graph(split, folder / "graph")
    settings = choose_settings(meta, 0, {"dim": 16, "epochs": 3} | overrides)
    return train(TrainInputs(split, item_graph(read_graph(folder / "graph")), settings), folder / "train", device=CPU)


def test_a_refit_goes_on_from_the_chosen_weights_for_a_share_of_the_best_epochs(split: Path, tmp_path: Path) -> None:
    chosen = first_training(split, tmp_path / "first")
    path = tmp_path / "first" / "train" / HISTORY_FILE
    record = json.loads(path.read_text())
    record["epochs"] = [{"epoch": n, "value": float(n == 8)} for n in range(1, 11)]
    path.write_text(json.dumps(record))
    final = refit(split, path.parent, tmp_path / "refit", device=CPU)
    assert len(final.record["epochs"]) == final.settings.epochs == round(8 * EPOCHS_SHARE)
    assert final.settings.learning_rate == chosen.settings.learning_rate * RATE_SHARE
    assert final.record["metric"] == "loss"
    before, after = chosen.network.items.ids, final.network.items.ids
    assert 0 < (after - before).norm() < 0.5 * before.norm()
    loaded = load_trained(split, item_graph(read_graph(tmp_path / "refit" / GRAPH)), tmp_path / "refit" / WEIGHTS)
    assert torch.equal(loaded.known, final.known)
    for name, value in final.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[name], value), name


def test_a_behaviour_that_train_lacks_makes_a_refit_learn_from_the_start(write_split: Write, tmp_path: Path) -> None:
    views: Events = [(user, item, 1, time) for user, item, _, time in log(1, 6)]
    split = write_split(tmp_path / "split", train=views, valid=[(3, 2, 3, 3e5)], items=ITEMS)
    chosen = first_training(split, tmp_path / "first")
    final = refit(split, tmp_path / "first" / "train", tmp_path / "refit", device=CPU)
    assert len(chosen.network.items.layers[0].gates) == 2  # type: ignore[arg-type]
    assert len(final.network.items.layers[0].gates) == 3  # type: ignore[arg-type]
    assert final.settings.learning_rate == chosen.settings.learning_rate


def test_valid_events_are_known_and_linked_after_a_refit_and_not_before(split: Path, tmp_path: Path) -> None:
    chosen = first_training(split, tmp_path / "first", epochs=1)
    final = refit(split, tmp_path / "first" / "train", tmp_path / "refit", device=CPU)
    assert not chosen.known[ITEMS]
    assert final.known[ITEMS]
    purchases = [
        pl.read_parquet(folder / "user__purchase__item.parquet").select("source", "target")
        for folder in (tmp_path / "first" / "graph", tmp_path / "refit" / GRAPH)
    ]
    assert [(3, ITEMS) in table.rows() for table in purchases] == [False, True]


def test_test_and_context_rows_do_not_reach_a_refit(write_split: Write, tmp_path: Path) -> None:
    weights = []
    for name, later in (("a", {"test": log(4, 1)}), ("b", {"test": log(7, 3), "context": log(8, 2)})):
        folder = tmp_path / name
        split = write_split(folder / "split", train=log(1, 6), valid=log(2, 1), items=ITEMS, **later)
        first_training(split, folder / "first", epochs=1)
        weights.append(refit(split, folder / "first" / "train", folder / "refit", device=CPU).network.state_dict())
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_stopped_refit_goes_on_from_its_checkpoint(split: Path, tmp_path: Path) -> None:
    first_training(split, tmp_path / "first", epochs=1)
    path = tmp_path / "first" / "train" / HISTORY_FILE
    record = json.loads(path.read_text())
    record["epochs"] = [{"epoch": round(2 / EPOCHS_SHARE), "value": 1.0}]
    path.write_text(json.dumps(record))
    whole = refit(split, tmp_path / "first" / "train", tmp_path / "whole", device=CPU)

    class Stopped(Exception):
        pass

    def stop(progress: object) -> None:
        if getattr(progress, "epoch", 0) == 2:
            raise Stopped

    with pytest.raises(Stopped):
        refit(split, tmp_path / "first" / "train", tmp_path / "parts", device=CPU, training=stop)
    parts = refit(split, tmp_path / "first" / "train", tmp_path / "parts", device=CPU)
    for name, value in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], value)


def test_a_refit_needs_a_finished_training(split: Path, tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="train first"):
        refit(split, tmp_path / "nowhere", tmp_path / "refit", device=CPU)


def test_a_refit_learns_from_train_and_valid_alone() -> None:
    assert PARTS == ("train", "valid")
