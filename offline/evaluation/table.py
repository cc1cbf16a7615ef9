"""The evaluation as a table for people."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from offline.evaluation.document import BUNDLE, TARGETS_ON_ABSENT, EvaluationDocument, Interval


def report_table(document: EvaluationDocument) -> Group:
    """For each mask and metric a line of the bundle, and one of every other ranking with the bundle's lead over it.

    Intervals are 95 % intervals.
    """
    dataset, bundle = document.dataset, document.bundle
    title = f"{dataset.name}, {dataset.part} ({dataset.how}), bundle {bundle.version}"
    table = Table(title=title, title_justify="left")
    for heading in ("hidden", "metric", "ranking"):
        table.add_column(heading)
    for heading in ("value", "interval", "bundle leads by", "interval"):
        table.add_column(heading, justify="right")
    for report in document.reports:
        for metric, value in report.means.metrics.items():
            interval = _interval(report.means.ci95[metric])
            table.add_row(report.mask, metric, BUNDLE, f"{value:.4f}", interval, style="bold")
            for name, figures in document.rankings(report.mask):
                lift = report.lifts[name][metric]
                table.add_row(
                    "",
                    "",
                    name,
                    f"{figures.means.metrics[metric]:.4f}",
                    _interval(figures.means.ci95[metric]),
                    f"{lift.difference:+.4f}",
                    _interval(lift.ci95),
                )
            table.add_section()
    return Group(table, *map(Text, _lines(document)))


def _lines(document: EvaluationDocument) -> list[str]:
    counts = document.first_report.counts
    cases = document.cases
    line = f"{counts['n']} {cases}"
    if "queries" in counts:
        line += f" by {counts['queries']} queries, {counts['new_queries']} of them new"
    line += f", {counts['targets']} targets"
    if counts["targets_on_unknown_items"]:
        line += f", {counts['targets_on_unknown_items']} of them on items that train and catalogue do not have"
    if counts.get(TARGETS_ON_ABSENT):
        line += f", {counts[TARGETS_ON_ABSENT]} of them on items that the catalogue lacks, which nothing answers"
    return [line, *(f"Note: {note}" for note in document.notes)]


def _interval(ends: Interval) -> str:
    return f"{ends[0]:.4f} .. {ends[1]:.4f}"
