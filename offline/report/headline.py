"""The figures of a run in one line: what a program that started it reads first."""

from typing import Any

from offline.evaluation.document import EvaluationDocument, Means
from offline.report.gather import gather
from offline.report.verdict import verdict_of
from offline.workspace.run_folder import RunFolder


def headline(folder: RunFolder) -> dict[str, Any]:
    """The version served, the figures that decide, the verdict, where the rest is, and the seconds of all stages.

    `metrics` holds every metric by mask, with its 95 % interval; `baselines` the first metric of each ranking that the
    bundle is compared with, under the first mask. The whole document is in the file that `report` names.

    Raises:
        RunFolderError: nothing was evaluated there, or a file is unreadable.
    """
    facts = gather(folder)
    document = facts.document
    version = None if facts.published is None else facts.published.version
    return {
        "version": version,
        "measured_as": document.bundle.version,
        "dataset": document.dataset.name,
        "metrics": {report.mask: _with_intervals(report.means) for report in document.reports},
        "baselines": _baselines(document),
        "verdict": verdict_of(facts.evidence()).decision,
        "report": str(folder.report),
        "page": str(folder.page),
        "bundle": str(folder.bundles),
        "seconds": round(sum(entry["seconds"] for entry in facts.record.values()), 1),
    }


def _with_intervals(means: Means) -> dict[str, Any]:
    return {name: {"value": value, "ci95": means.ci95.get(name)} for name, value in means.metrics.items()}


def _baselines(document: EvaluationDocument) -> dict[str, dict[str, float]]:
    report = document.first_report
    metric = report.first_metric
    if metric is None:
        return {}
    values = {name: by_mask.get(report.mask) for name, by_mask in document.baselines.items()}
    return {
        name: {metric: figures.means.metrics[metric]}
        for name, figures in values.items()
        if figures is not None and metric in figures.means.metrics
    }
