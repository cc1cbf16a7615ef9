"""A run killed in the middle of any stage goes on to the figures of an undisturbed one, and leaves no litter."""

import json
from pathlib import Path
from typing import Any

import pytest
from job_process import job, kill_when

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.names import ITEM_VECTORS
from offline.evaluation.evaluate import evaluate

# As the shop's run, so that its figures are those of an undisturbed one.
OPTIONS = ["--seed", "1", "--epochs", "2", "--dim", "32", "--device", "cpu", "--max-loss", "0", "--no-baselines"]
IN_THE_MIDDLE = {
    "ingest": "ingest    3/4",  # tables are being written beside their place
    "split": "split     3/4",
    "graph": "graph     3/4",
    "train": "train     ",
    "compress": "compress  1/",
    "rank": "rank      2/6",
    "refit": "refit     ",
    "export": "export    2/6",
    "evaluate": "evaluate  0/",
    "serve": "serve     2/6",
}


def litter(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob(".*") if path.name != ".lock"]


def results(bundle: Path, document: dict[str, Any]) -> tuple[Any, str]:
    """The figures by retrieval, and the checksum of the vectors.

    The ranker is left out: its last digits hang on how many threads a process has.
    """
    return document["variants"]["vector"], read_manifest(resolve(bundle)).files[ITEM_VECTORS].sha256


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_like_one_that_was_not(shop_run: Any, tmp_path: Path) -> None:
    out = tmp_path / "run"
    command = ["run", "--data", shop_run.dataset, "--out", out, *OPTIONS]
    left: dict[str, list[str]] = {}
    for stage, begins in IN_THE_MIDDLE.items():
        kill_when(begins, *command)
        left[stage] = litter(out)
        assert stage not in json.loads((out / "run.json").read_text() if (out / "run.json").exists() else "{}")
    code, lines = job(*command)
    assert code == 0, lines
    undisturbed = evaluate(shop_run.bundle, shop_run.split, seed=1, baselines=False)
    assert results(out / "measured", json.loads((out / "report.json").read_text())) == results(
        shop_run.bundle, undisturbed
    )
    assert any(left.values()), left  # a kill hit in the middle of something
    assert litter(out) == []
    assert next(line for line in lines if "done before" in line).startswith("ingest")
    assert len(list((out / "bundle").glob("*/manifest.json"))) == 1
