"""Views of the catalogue beside events: what somebody types finds its item, and items stay where events put them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from made_up_meta import made_up_meta

from model.item_tower import ItemGraph
from offline.dataset.split_meta import read_split_meta
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training.settings import VIEW_WEIGHT, choose_settings
from offline.training.text_loss import draw_text_batch, load_catalogue, text_vectors
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.trained import Trained

ITEMS = 40


@pytest.fixture
def split(write_split: Callable[..., Path], tmp_path: Path) -> Path:
    """Items with titles of two words, one of them their own; users buy at random."""
    rng = np.random.default_rng(0)
    events = [(user, int(item), 3, None) for user in range(60) for item in rng.integers(1, ITEMS + 1, 8)]
    folder = write_split(tmp_path / "split", train=events, items=ITEMS, counts={"train": {"events": 480, "users": 60}})
    syllables = ["ba", "do", "ki", "lu", "me", "no", "pe", "ri", "su", "ta"]
    titles = [f"{syllables[row % 10]}{syllables[row // 10]}ton {['lamp', 'chair'][row % 2]}" for row in range(ITEMS)]
    table = pl.read_parquet(folder / "items.parquet").with_columns(pl.Series("title", titles))
    table.write_parquet(folder / "items.parquet")
    return folder


@pytest.fixture
def graph(split: Path, tmp_path: Path) -> ItemGraph:
    build_graph(split, tmp_path / "graph")
    return item_graph(read_graph(tmp_path / "graph"))


def found_share(trained: Trained, split: Path) -> float:
    """Of views, how many have their item among the best 3 by the cosine."""
    catalogue = load_catalogue(pl.read_parquet(split / "items.parquet"), trained.graph)
    assert catalogue is not None
    batch = draw_text_batch(replace(catalogue, described=np.arange(1, ITEMS + 1)), 300, np.random.default_rng(3))
    table = trained.network.items.text
    assert table is not None
    with torch.no_grad():
        units, _ = trained.network.item_vectors(trained.graph, trained.known)
        scores = text_vectors(table, batch, 1.0) @ units[1:].T
    best = scores.topk(3, dim=1).indices + 1
    return float((best == batch.targets.item[:, None]).any(dim=1).float().mean())


def test_what_is_typed_finds_its_item_better_than_by_events_alone(
    split: Path, graph: ItemGraph, tmp_path: Path
) -> None:
    meta = read_split_meta(split)
    settings = choose_settings(meta, 0, {"dim": 16, "epochs": 12, "batch": 16, "view_batch": 64})
    assert settings.view_weight == VIEW_WEIGHT
    shares = []
    for weight in (0.0, 1.0):
        chosen = replace(settings, view_weight=weight)
        trained = train(
            TrainInputs(split, graph, chosen), tmp_path / f"train-{weight}", device=torch.device("cpu"), fixed_epochs=12
        )
        shares.append(found_share(trained, split))
    assert shares[1] > shares[0] + 0.02  # most views of one word are of several items


META = made_up_meta({"events": 10, "users": 2}, mask=["none"])


def test_without_events_or_text_there_are_no_views() -> None:
    assert choose_settings(META, 0, content=False).view_weight == 0
    assert choose_settings(META, 0, without=["text"]).view_weight == 0
    nothing = made_up_meta({"events": 0}, mask=["none"])
    assert choose_settings(nothing, 0).view_weight == 0
