"""Epochs follow histories and logged queries: people who came once, by a query, are learned from."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from offline.dataset.histories import Histories
from offline.dataset.split_meta import read_split_meta
from offline.errors import TrainingError
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training.settings import TrainSettings, choose_settings
from offline.training.steps import count_batches, count_steps, epoch_batches
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.validation import load_search_validation, validate

Write = Callable[..., Path]
WORDS = ("shoes", "hats", "bags", "belts", "coats", "socks")
SEARCHERS = 96
CPU = torch.device("cpu")


def settings_of(split: Path, **overrides: object) -> TrainSettings:
    return choose_settings(read_split_meta(split), 0, {"dim": 16, "query_batch": 8, "batch": 4, **overrides})


@pytest.mark.parametrize("timed", [False, True])
def test_who_came_once_teaches_by_their_query(write_split: Write, tmp_path: Path, *, timed: bool) -> None:
    events = [
        (user, 1 + user % len(WORDS), 3, 1e6 + user if timed else None, WORDS[user % len(WORDS)])
        for user in range(SEARCHERS + 30)
    ]
    split = write_split(
        tmp_path / "split",
        train=events[:SEARCHERS],
        valid=events[SEARCHERS:],
        items=len(WORDS),
        task="search",
        mask=["none"],
        has_order=timed,
        counts={"train": {"events": SEARCHERS, "users": SEARCHERS, "searched": SEARCHERS}},
    )
    build_graph(split, tmp_path / "graph", without=["attributes"])
    graph = item_graph(read_graph(tmp_path / "graph"))
    settings = settings_of(split, epochs=2)
    trained = train(TrainInputs(split, graph, settings), tmp_path / "train", device=CPU)
    assert trained.record["epochs"][-1]["step"] == 2 * SEARCHERS // settings.query_batch
    validation = load_search_validation(split, graph, 100, seed=0)
    assert validation is not None
    scale = settings.text_scale
    assert validate(trained.network, trained.graph, trained.known, validation, settings.window, scale) > 0.9


def test_batches_of_histories_lie_evenly_between_steps_of_queries_alone(write_split: Write, tmp_path: Path) -> None:
    split = write_split(tmp_path, train=[(0, 1, 1, 1.0)])
    settings = settings_of(split, ordered=False)
    histories = Histories(np.arange(0, 41, 2), np.arange(40, dtype=np.int32), np.ones(40, dtype=np.uint8), np.zeros(40))
    assert count_steps(histories, None, settings) == count_batches(histories, settings) == 5
    for steps, spread in ((5, [True] * 5), (10, [False, True] * 5)):
        batches = list(epoch_batches(histories, steps, settings, np.random.default_rng(0)))
        assert [batch is not None for batch in batches] == spread
        rows = [row for batch in batches if batch is not None for row in batch.rows.tolist()]
        assert sorted(rows) == list(range(40))


def test_without_a_second_event_and_without_a_query_there_is_nothing_to_learn(
    write_split: Write, tmp_path: Path
) -> None:
    split = write_split(tmp_path / "split", train=[(user, 1 + user % 3, 1, 1.0) for user in range(5)])
    build_graph(split, tmp_path / "graph")
    graph = item_graph(read_graph(tmp_path / "graph"))
    with pytest.raises(TrainingError, match="no query led to one"):
        train(TrainInputs(split, graph, settings_of(split)), tmp_path / "train", device=CPU)
