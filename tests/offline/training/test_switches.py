"""Ablation switches: each takes its piece out, of the graph or of the network, and the rest still works."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_up_meta import made_up_meta

from offline.dataset.split_meta import read_split_meta
from offline.errors import InputError, RunFolderError
from offline.export.bundle import export_bundle
from offline.export.inputs import ExportInputs
from offline.graph.build import build_graph, check_graph, item_graph, read_graph
from offline.training.settings import SWITCHES, TrainSettings, choose_settings
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.trained import load_trained

Write = Callable[..., Path]


@pytest.mark.slow
@pytest.mark.parametrize("switch", SWITCHES)
def test_a_network_trains_and_loads_without_a_piece(shop_run: Any, tmp_path: Path, switch: str) -> None:
    meta = read_split_meta(shop_run.split)
    settings = choose_settings(meta, 0, {"dim": 16, "epochs": 1}, without=[switch])
    build_graph(shop_run.split, tmp_path / "graph", without=settings.without)
    graph = item_graph(read_graph(tmp_path / "graph"))
    assert (graph.text is None) == (switch == "text")
    assert (graph.item_attributes is None) == (switch == "attributes")
    assert (graph.item_items is None) == (switch == "graph")
    assert len(graph.behaviours) == {"graph": 0, "behaviours": 1}.get(switch, 3)
    train(TrainInputs(shop_run.split, graph, settings), tmp_path / "train", device=torch.device("cpu"))
    trained = load_trained(shop_run.split, graph, tmp_path / "train")
    assert trained.settings == settings
    assert (trained.network.queries.session is None) == (switch == "attention")
    assert bool(len(trained.network.items.layers)) == (switch != "graph")
    if switch in ("aggregation", "attention", "behaviours"):  # the pieces of the graph that is exported
        exported = export_bundle(ExportInputs(trained, shop_run.split, tmp_path / "graph"), tmp_path / "bundle")
        assert exported.fidelity.overlap_at_10 > 0.9


def test_settings_survive_their_record() -> None:
    meta = made_up_meta({"events": 10})
    settings = choose_settings(meta, 3, without=["text", "graph", "text"])
    assert settings.without == ("graph", "text")
    assert TrainSettings.of_record(json.loads(json.dumps(settings.as_dict()))) == settings


@pytest.mark.parametrize(
    ("without", "ordered"),
    [(["nothing"], True), (["aggregation", "attention"], True), (["aggregation"], False)],
)
def test_a_choice_that_leaves_nothing_is_refused(without: list[str], ordered: bool) -> None:
    meta = made_up_meta({"events": 10}, has_order=ordered)
    with pytest.raises(InputError, match="--without"):
        choose_settings(meta, 0, without=without)


def test_a_graph_with_other_pieces_than_the_training_wants_is_refused(write_split: Write, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", train=[(0, 1, 1, 1.0), (0, 2, 1, 2.0)])
    build_graph(split, tmp_path / "graph", without=["text"])
    check_graph(tmp_path / "graph", ("text",))
    with pytest.raises(RunFolderError, match="leaves out nothing, got one that leaves out text"):
        check_graph(tmp_path / "graph", ())
