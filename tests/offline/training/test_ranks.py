"""Two processes learn what one learns: gradients add up, and a lost process ends the other, whose checkpoint stays."""

import json
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from train_ranks import GRADIENTS, LOST, in_processes, train_all, write_gradients

from offline.dataset.histories import histories_of
from offline.dataset.split_events import read_events
from offline.dataset.split_meta import read_split_meta
from offline.graph.build import build_graph, item_graph, read_graph
from offline.training import train as training
from offline.training.ranks import ALONE, Ranks
from offline.training.settings import choose_settings, has_content
from offline.training.steps import epoch_batches
from offline.training.train import train
from offline.training.train_data import TrainInputs, TrainTask

Write = Callable[..., Path]
Task = Callable[..., TrainTask]
CPU = torch.device("cpu")
USERS, ITEMS = 40, 18
COLOURS = ("red", "blue", "green")
EXACT = {"dropout": 0.0, "id_dropout": 0.0}


@pytest.fixture(autouse=True)
def single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the other processes, for what is compared with them: bfloat16 rounds each process's part of a sum."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)


@pytest.fixture
def task(write_split: Write, tmp_path: Path) -> Task:
    """A training on histories, texts and, where they have no order, logged queries."""

    def write(*, ordered: bool, **overrides: Any) -> TrainTask:
        rng = np.random.default_rng(1)

        def event(user: int, place: int) -> tuple[Any, ...]:
            item = 1 + int(rng.integers(6) * 3 + user % 3)
            return user, item, int(rng.integers(1, 4)), 1e5 * place, None if ordered else COLOURS[item % 3]

        log = [event(user, place) for user in range(USERS) for place in range(6)]
        counted = {"events": len(log), "users": USERS, "searched": 0 if ordered else len(log)}
        split = write_split(
            tmp_path / "split",
            train=log,
            valid=[event(user, 9) for user in range(USERS)],
            items=ITEMS,
            has_order=ordered,
            counts={"train": counted},
        )
        build_graph(split, tmp_path / "graph")
        graph = item_graph(read_graph(tmp_path / "graph"))
        sizes = {"dim": 16, "batch": 7, "epochs": 3, "query_batch": 0 if ordered else 60, "view_batch": 5}
        settings = choose_settings(read_split_meta(split), 0, sizes | overrides, content=has_content(graph))
        return TrainTask.of(TrainInputs(split, graph, settings, graph_folder=tmp_path / "graph"), None)

    return write


def values_of(folder: Path) -> list[float]:
    return [entry["value"] for entry in json.loads((folder / "history.json").read_text())["epochs"]]


@pytest.mark.parametrize("ordered", [True, False])
def test_gradients_of_two_processes_add_up_to_those_of_one(task: Task, tmp_path: Path, ordered: bool) -> None:
    made = task(ordered=ordered, **EXACT)
    write_gradients(ALONE, made, tmp_path / "one")
    assert in_processes(2, write_gradients, made, tmp_path / "two") == [0, 0]
    one, two = (torch.load(tmp_path / name / GRADIENTS) for name in ("one", "two"))
    assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert one["gradients"].keys() == two["gradients"].keys()
    for name, gradient in one["gradients"].items():
        if gradient is None:
            assert two["gradients"][name] is None, name
        else:
            torch.testing.assert_close(two["gradients"][name], gradient, rtol=1e-4, atol=1e-6, msg=name)
    assert any(gradient is not None and gradient.abs().max() > 1e-3 for gradient in one["gradients"].values())


def test_more_processes_than_examples_of_a_step_learn_too(task: Task, tmp_path: Path) -> None:
    made = task(ordered=False, batch=2, query_batch=2, view_batch=2, **EXACT)
    write_gradients(ALONE, made, tmp_path / "one")
    assert in_processes(3, write_gradients, made, tmp_path / "three") == [0, 0, 0]
    one, three = (torch.load(tmp_path / name / GRADIENTS)["gradients"] for name in ("one", "three"))
    for name, gradient in one.items():
        if gradient is not None:
            torch.testing.assert_close(three[name], gradient, rtol=1e-4, atol=1e-6, msg=name)


def test_a_training_in_two_processes_has_the_figures_of_one(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "_validations_an_epoch", lambda *_: 3)
    made = task(ordered=True, **EXACT)
    one = train(made.inputs(), tmp_path / "one", device=CPU)
    assert in_processes(2, train_all, made, tmp_path / "two") == [0, 0]
    record = json.loads((tmp_path / "two" / "history.json").read_text())
    assert (record["processes"], "processes" in one.record) == (2, False)
    assert [entry["step"] for entry in record["epochs"]] == [entry["step"] for entry in one.record["epochs"]]
    losses = [[entry["loss"] for entry in it["epochs"]] for it in (one.record, record)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)
    assert values_of(tmp_path / "two") == pytest.approx(values_of(tmp_path / "one"), abs=0.02)


@pytest.mark.parametrize("victim", [0, 1])
def test_a_process_that_is_killed_ends_the_other_and_the_training_goes_on_as_if_it_had_not(
    task: Task, tmp_path: Path, victim: int
) -> None:
    made = task(ordered=True)
    assert in_processes(2, train_all, made, tmp_path / "whole") == [0, 0]
    codes = in_processes(2, train_all, made, tmp_path / "parts", victim, 8)
    assert codes[victim] == -9
    assert codes[1 - victim] == LOST
    assert (tmp_path / "parts" / "checkpoint.safetensors").exists()
    assert not (tmp_path / "parts" / "history.json").exists()
    assert in_processes(2, train_all, made, tmp_path / "parts") == [0, 0]
    assert values_of(tmp_path / "parts") == values_of(tmp_path / "whole")
    whole, parts = (load_file(tmp_path / name / "best.safetensors") for name in ("whole", "parts"))
    assert all(torch.equal(parts[name], value) for name, value in whole.items())


@pytest.mark.parametrize("ordered", [True, False])
def test_every_example_of_a_step_is_that_of_one_process(task: Task, ordered: bool) -> None:
    made = task(ordered=ordered, hide_seen=False)
    histories = histories_of(read_events(made.split, ("train",)), USERS)

    def targets(share: slice) -> list[list[int]]:
        batches = epoch_batches(histories, 6, made.settings, np.random.default_rng(0), share)
        return [sorted(batch.targets.item.tolist()) if batch is not None else [] for batch in batches]

    of_three = [targets(Ranks(rank, 3).share) for rank in range(3)]
    together = [sorted(chain(*parts)) for parts in zip(*of_three, strict=True)]
    assert together == targets(ALONE.share)
