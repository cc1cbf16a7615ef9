"""A ranker that surely orders worse than retrieval on test does not order in the bundle that comes out."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.engine.loading import load_snapshot
from offline.evaluation.document import EvaluationDocument
from offline.job import Options, run_stage
from offline.publishing.gate import refusals_of
from offline.ranking.order_on_test import drop_order, order_notes
from offline.workspace.run_folder import RunFolder

OPTIONS = Options(seed=1, device="cpu", baselines=False)


@pytest.fixture
def backwards(shop_run: Any, quiet: Any, tmp_path: Path) -> RunFolder:
    """The run of the shop, exported with a ranker that turns the order of retrieval round."""
    folder = RunFolder(Path(shutil.copytree(shop_run.run, tmp_path / "run")))
    graph = onnx.load(folder.rank / names.RANK_GRAPH)
    for constant in graph.graph.initializer:
        if constant.name == "base_weight":
            turned = -100 * np.abs(numpy_helper.to_array(constant))
            constant.CopyFrom(numpy_helper.from_array(turned, constant.name))
    onnx.save(graph, folder.rank / names.RANK_GRAPH)
    spec = json.loads((folder.rank / names.RANKER).read_text())
    (folder.rank / names.RANKER).write_text(json.dumps(spec | {"orders": True}))
    shutil.rmtree(folder.measured)
    run_stage("export", shop_run.dataset, folder, OPTIONS, quiet)
    return folder


def test_a_ranker_that_is_surely_worse_on_test_is_taken_out_and_the_figures_are_of_what_is_left(
    backwards: RunFolder, shop_run: Any, quiet: Any
) -> None:
    before = resolve(backwards.measured)
    assert load_snapshot(before).ranker.spec.orders  # type: ignore[union-attr]
    document = run_stage("evaluate", shop_run.dataset, backwards, OPTIONS, quiet)
    (report,) = EvaluationDocument.of(document).reports
    bundle = resolve(backwards.measured)
    assert [path.name for path in backwards.measured.iterdir() if path.is_dir()] == [bundle.name]
    assert bundle != before
    ranker = load_snapshot(bundle).ranker
    assert ranker is not None
    assert not ranker.spec.orders
    assert ranker.objectives
    assert document["bundle"]["version"] == bundle.name
    for metric, lift in report.lifts["vector"].items():
        assert lift.difference == 0, metric
    assert not list(refusals_of(report))
    assert sum("the ranker only predicts" in note for note in document["notes"]) == 1
    assert read_manifest(bundle).metrics["notes"] == document["notes"]
    again = run_stage("evaluate", shop_run.dataset, backwards, OPTIONS, quiet)
    assert again["notes"] == document["notes"]
    run_stage("report", shop_run.dataset, backwards, OPTIONS, quiet)
    assert "the ranker only predicts" in backwards.page.read_text()


@pytest.mark.parametrize(
    ("ci95", "orders", "dropped"),
    [
        ([-0.3, -0.1], True, True),
        ([-0.3, 0.0], True, False),
        ([0.1, 0.2], True, False),
        ([-0.3, -0.1], False, True),  # killed before the bundle was made anew
    ],
)
def test_only_a_sure_loss_takes_an_order_away(
    shop_run: Any, tmp_path: Path, ci95: list[float], orders: bool, dropped: bool
) -> None:
    folder = Path(shutil.copytree(shop_run.run / "rank", tmp_path / "rank"))
    spec = json.loads((folder / names.RANKER).read_text()) | {"orders": orders}
    (folder / names.RANKER).write_text(json.dumps(spec))
    lift = {"hr@10": {"difference": sum(ci95) / 2, "ci95": ci95}}
    report = {"protocol": "seen", "metrics": {"hr@10": 0.1}, "ci95": {"hr@10": [0.0, 0.2]}, "lift_over_vector": lift}
    assert drop_order(folder, EvaluationDocument.of({"reports": [report]})) == dropped
    assert json.loads((folder / names.RANKER).read_text()) == spec | {"orders": orders and not dropped}
    assert bool(order_notes(folder)) == dropped
