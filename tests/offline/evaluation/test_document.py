"""The evaluation document: the typed form loses nothing of the JSON, and reads what older bundles lack."""

import json
from typing import Any

import pytest

from offline.evaluation.document import EvaluationDocument
from offline.evaluation.evaluate import evaluate


@pytest.fixture(scope="module")
def measured(shop_run: Any) -> dict[str, Any]:
    return evaluate(shop_run.bundle, shop_run.split)


def test_the_typed_form_is_written_as_it_was_read(measured: dict[str, Any]) -> None:
    of_run = measured | {"timings": {"seed": 7}, "feature_groups": []}
    assert json.dumps(EvaluationDocument.of(of_run).json()) == json.dumps(of_run)


@pytest.mark.parametrize("task", ["graded_search", "search"])
def test_each_task_has_its_parts_in_the_order_of_old(measured: dict[str, Any], task: str) -> None:
    document = measured | {"typos": {"bundle": {"metrics": {}, "ci95": {}, "share_of_clean": {}}}}
    document["dataset"] = measured["dataset"] | {"task": task}
    orders = {
        "graded_search": ["dataset", "bundle", "reports", "baselines", "variants", "typos", "notes", "slices"],
        "search": [
            *("dataset", "bundle", "reports", "baselines", "variants", "notes", "slices"),
            *(name for name in ("candidates", "behaviours") if name in measured),
        ],
    }
    assert list(EvaluationDocument.of(document).json()) == orders[task]


@pytest.mark.parametrize("document", [{}, {"reports": None, "slices": None}, {"reports": [{}], "dataset": {}}])
def test_parts_that_an_older_bundle_lacks_are_empty(document: dict[str, Any]) -> None:
    typed = EvaluationDocument.of(document)
    assert typed.first_report.first_metric is None
    assert typed.first_report.lift("popularity", None) is None
    assert list(typed.rankings("seen")) == []
    assert typed.candidates is typed.behaviours is typed.typos is None


def test_dynamic_names_become_mappings(measured: dict[str, Any]) -> None:
    typed = EvaluationDocument.of(measured)
    (report,) = measured["reports"]
    assert typed.first_report.lifts["popularity"]["hr@10"].ci95 == report["lift_over_popularity"]["hr@10"]["ci95"]
    assert typed.first_report.counts["n"] == report["n"]
