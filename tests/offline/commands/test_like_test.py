"""Logs on which validation once was not like test: from the command line, the bundle beats its own vector on test."""

import json
from pathlib import Path
from typing import Any

import pytest
from job_process import job_here
from mask_shop import write_mask_shop, write_orderless_shop

from offline.evaluation.document import ITEM_KNN, POPULARITY, VECTOR, EvaluationDocument, Report
from offline.publishing.gate import refusals_of
from offline.workspace.run_folder import RunFolder


def run(data: Path, out: Path) -> tuple[RunFolder, EvaluationDocument]:
    """The whole job by `aisle-offline run`, and what it measured."""
    options = ("--epochs", "3", "--dim", "16", "--max-loss", "0", "--device", "cpu", "--seed", "1")
    code, lines = job_here("run", "--data", data, "--out", out, *options)
    assert code == 0, lines
    folder = RunFolder(out)
    return folder, EvaluationDocument.of(json.loads(folder.report.read_text()))


def is_ahead(report: Report, *others: str) -> bool:
    """Whether the bundle is surely better than each of the others in every metric."""
    return all(lift.ci95[0] > 0 for name in others for lift in report.lifts[name].values())


@pytest.mark.slow
def test_with_two_masks_the_ranker_learns_that_what_was_viewed_is_bought(tmp_path: Path) -> None:
    _, document = run(write_mask_shop(tmp_path / "shop", users=250), tmp_path / "run")
    purchased, seen = document.reports
    assert (purchased.mask, seen.mask) == ("purchased", "seen")
    counts: Any = document.dataset.counts
    shares = [counts[part]["targets_on_seen_items"] / counts[part]["targets"] for part in ("valid", "test")]
    assert all(share > 0.8 for share in shares)
    assert is_ahead(purchased, VECTOR, ITEM_KNN, POPULARITY)
    assert not list(refusals_of(purchased))


def figures_by_rows(tmp_path: Path, **rows: Any) -> EvaluationDocument:
    """Of the log without time or position, its rows in one order or another."""
    return run(write_orderless_shop(tmp_path / "shop", users=250, **rows), tmp_path / "run")[1]


@pytest.mark.slow
def test_rows_in_the_order_of_items_choose_nothing(tmp_path: Path) -> None:
    document = figures_by_rows(tmp_path)
    (report,) = document.reports
    assert is_ahead(report, POPULARITY)
    assert all(lift.difference > 0 for lift in report.lifts[VECTOR].values())
    assert not list(refusals_of(report))
    assert any("neither times nor positions" in note for note in document.notes)
    page = RunFolder(tmp_path / "run").page.read_text()
    assert "neither times nor positions" in page


@pytest.mark.slow
def test_the_same_log_with_its_rows_shuffled_gives_the_same_figures(tmp_path: Path) -> None:
    by_item, shuffled = (figures_by_rows(tmp_path / str(seed), shuffled=seed).first_report for seed in (None, 3))
    for metric, value in by_item.means.metrics.items():
        low, high = by_item.means.ci95[metric]
        assert abs(shuffled.means.metrics[metric] - value) < (high - low) / 4
