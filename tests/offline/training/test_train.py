"""Epochs on a clock that the test moves: stops in the middle, goes on from there, and comes down in time."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from model.item_tower import ItemGraph
from offline.dataset.split_meta import read_split_meta
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training import train as training
from offline.training.settings import TrainSettings, choose_settings
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.trained import Trained, epochs_of
from offline.workspace.budget import Allowance
from offline.workspace.progress import TrainProgress

Write = Callable[..., Path]
ITEMS, USERS = 14, 30
CPU = torch.device("cpu")


def log(seed: int, events: int) -> list[tuple[int, int, int, float]]:
    rng = np.random.default_rng(seed)
    return [
        (user, int(rng.integers(1, ITEMS)), int(rng.integers(1, 4)), float(1e5 * seed + place))
        for user in range(USERS)
        for place in range(events)
    ]


@pytest.fixture
def inputs(write_split: Write, tmp_path: Path) -> TrainInputs:
    """Ten steps an epoch."""
    split = write_split(tmp_path / "split", train=log(1, 6), valid=log(2, 1), test=log(4, 1), items=ITEMS)
    build_graph(split, tmp_path / "graph")
    settings = choose_settings(read_split_meta(split), 0, {"dim": 16, "epochs": 3, "batch": 3})
    return TrainInputs(split, graph_of(tmp_path), settings)


def graph_of(folder: Path) -> ItemGraph:
    return item_graph(read_graph(folder / "graph"))


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def assert_same(left: Trained, right: Trained) -> None:
    for name, value in left.network.state_dict().items():
        assert torch.equal(right.network.state_dict()[name], value), name
    kept = ("epoch", "step", "loss", "value")
    histories = [[[entry[name] for name in kept] for entry in it.record["epochs"]] for it in (left, right)]
    assert histories[0] == histories[1]


@pytest.mark.slow
@pytest.mark.parametrize("stops_before", [4, 17])
def test_a_training_stopped_in_the_middle_of_an_epoch_ends_as_one_that_was_not(
    inputs: TrainInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stops_before: int
) -> None:
    monkeypatch.setattr(training, "_CHECKPOINT_EVERY_S", -1.0)
    monkeypatch.setattr(training, "_CHECKPOINT_PAUSE", -1.0)
    monkeypatch.setattr(training, "_validations_an_epoch", lambda *_: 3)
    whole = train(inputs, tmp_path / "whole", device=CPU)
    assert [entry["epoch"] for entry in whole.record["epochs"]][:4] == [0.3, 0.7, 1, 1.3]
    assert [entry["step"] for entry in whole.record["epochs"]][:4] == [3, 7, 10, 13]

    def stop(progress: TrainProgress) -> None:
        if (progress.epoch - 1) * progress.steps + progress.step == stops_before:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(inputs, tmp_path / "parts", device=CPU, progress=stop)
    steps: list[int] = []
    parts = train(inputs, tmp_path / "parts", device=CPU, progress=lambda it: steps.append(it.step))
    assert steps[0] == stops_before % 10
    assert_same(whole, parts)


def test_an_allowance_ends_in_the_middle_of_an_epoch_with_a_low_rate(
    inputs: TrainInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, rates = Clock(), []
    step = training._Run._step

    def slow(run: Any, *words: Any) -> float:
        loss = step(run, *words)
        clock.seconds += 1.0
        rates.append(run.optimizer.param_groups[0]["lr"])
        return loss

    monkeypatch.setattr(training._Run, "_step", slow)
    trained = train(inputs, tmp_path / "out", device=CPU, allowance=Allowance.of(6.5, now=clock))
    assert len(rates) == 7
    assert rates[-1] < 0.1 * inputs.settings.learning_rate
    assert trained.record["epochs"][-1]["epoch"] == 0.7
    assert trained.record["cut_short"] == "training stopped after 0.7 of at most 3 epochs"
    assert epochs_of(trained.record) == 1


def test_validations_within_an_epoch_take_a_fifth_of_an_allowance_at_most(
    inputs: TrainInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_validations_an_epoch", lambda *_: 10)
    clock = Clock()
    step, measure = training._Run._step, training._Run._measure_on
    spent = {"steps": 0.0, "validations": 0.0}

    def slow_step(run: Any, *words: Any) -> float:
        clock.seconds += 1.0
        spent["steps"] += 1.0
        return step(run, *words)

    def slow_measure(run: Any, *words: Any) -> float:
        clock.seconds += 2.0
        spent["validations"] += 2.0
        return measure(run, *words)

    monkeypatch.setattr(training._Run, "_step", slow_step)
    monkeypatch.setattr(training._Run, "_measure_on", slow_measure)
    train(inputs, tmp_path / "out", device=CPU, allowance=Allowance.of(1000.0, now=clock))
    assert spent["steps"] == 30.0
    assert spent["validations"] <= 2.0 * (1 + 30 / 8 + 3)  # the probe, those within epochs, and one at the end of each


def test_what_was_spent_before_a_stop_is_part_of_the_schedule(
    inputs: TrainInputs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_CHECKPOINT_EVERY_S", -1.0)
    monkeypatch.setattr(training, "_CHECKPOINT_PAUSE", -1.0)
    clock, shares = Clock(), []
    step = training._Run._step

    def slow(run: Any, batch: Any, texts: Any, share: float) -> float:
        shares.append(share)
        if len(shares) == 6:
            raise KeyboardInterrupt
        clock.seconds += 1.0
        return step(run, batch, texts, share)

    monkeypatch.setattr(training._Run, "_step", slow)
    with pytest.raises(KeyboardInterrupt):
        train(inputs, tmp_path / "out", device=CPU, allowance=Allowance.of(10.0, now=clock))
    trained = train(inputs, tmp_path / "out", device=CPU, allowance=Allowance.of(10.0, used=5.0, now=clock))
    assert shares[:5] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])
    assert shares[6:] == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    assert trained.record["epochs"][-1]["seconds"] == pytest.approx(10.0)


def test_a_spent_allowance_still_leaves_a_network(inputs: TrainInputs, tmp_path: Path) -> None:
    trained = train(inputs, tmp_path / "out", device=CPU, allowance=Allowance.of(0.0))
    assert [entry["step"] for entry in trained.record["epochs"]] == [1]
    assert trained.record["cut_short"] is not None


def test_long_epochs_are_validated_in_between_by_what_they_cost() -> None:
    assert training._validations_an_epoch(steps=88, batch=256, items=12_000) == 1
    assert training._validations_an_epoch(steps=350, batch=1_024, items=40_000) == 4
    assert training._validations_an_epoch(steps=100_000, batch=1_024, items=40_000) == 10


def test_without_validation_the_loss_is_what_is_told(inputs: TrainInputs, tmp_path: Path) -> None:
    told: list[TrainProgress] = []
    trained = train(inputs, tmp_path / "out", device=CPU, fixed_epochs=1.5, progress=told.append)
    assert isinstance(trained.settings, TrainSettings)
    assert (trained.record["metric"], trained.record["best"]) == ("loss", trained.record["epochs"][-1]["loss"])
    assert trained.record["epochs"][-1]["step"] == 15
    assert {progress.value for progress in told} == {None}
