"""At the latest on test: a ranker that surely orders worse than retrieval does not order."""

import json
from pathlib import Path
from typing import Any

from app.artifact import names
from app.artifact.ranker_spec import RankerSpec
from offline.evaluation.document import VECTOR, EvaluationDocument
from offline.ranking.train_ranker import HISTORY_FILE
from offline.workspace.atomic import atomic_file, write_json

_ON_TEST = "on_test"


def drop_order(folder: Path, document: EvaluationDocument) -> bool:
    """Whether the ranker in `folder` was surely worse than retrieval; it then only predicts from now on, and says why.

    The bundle that was measured still orders by it, and has to be made anew. Surely worse is one whose 95 % interval of
    the difference to the bundle without its ranker, in the first metric and under the first mask, lies below zero.
    """
    path = folder / names.RANKER
    report = document.first_report
    metric = report.first_metric
    lift = report.lift(VECTOR, metric)
    if not path.exists() or lift is None or lift.ci95[1] >= 0:
        return False
    history: dict[str, Any] = json.loads((folder / HISTORY_FILE).read_text("utf-8"))
    measured = {"metric": metric, "difference": lift.difference, "ci95": list(lift.ci95)}
    write_json(folder / HISTORY_FILE, history | {"orders": False, _ON_TEST: measured})
    spec = RankerSpec.model_validate_json(path.read_text("utf-8")).model_copy(update={"orders": False})
    with atomic_file(path) as temporary:
        temporary.write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return True


def order_notes(folder: Path) -> list[str]:
    """What is to be said of a ranker that was dropped on test; nothing of any other."""
    path = folder / HISTORY_FILE
    measured = json.loads(path.read_text("utf-8")).get(_ON_TEST) if path.exists() else None
    if measured is None:
        return []
    low, high = measured["ci95"]
    return [
        f"the ranker ordered surely worse on test than retrieval alone ({measured['metric']} "
        f"{measured['difference']:+.4f}, 95 % interval {low:+.4f} to {high:+.4f}), so that in this bundle retrieval "
        "orders and the ranker only predicts; looking at test for that can only take the ranker away, and never "
        "chooses what happens to look best"
    ]
