"""The evaluation as a table for people."""

from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text


def report_table(document: dict[str, Any]) -> Group:
    """For each mask and metric a line for the bundle, and one for every baseline with the bundle's lead over it.

    Intervals are of 95 %.
    """
    dataset, bundle = document["dataset"], document["bundle"]
    title = f"{dataset['name']}, {dataset['part']} ({dataset['how']}), bundle {bundle['version']}"
    table = Table(title=title, title_justify="left")
    for heading in ("hidden", "metric", "ranking"):
        table.add_column(heading)
    for heading in ("value", "interval", "bundle leads by", "interval"):
        table.add_column(heading, justify="right")
    for report in document["reports"]:
        mask = report["protocol"]
        for metric, value in report["metrics"].items():
            table.add_row(mask, metric, "bundle", f"{value:.4f}", _interval(report["ci95"][metric]), style="bold")
            for name, by_mask in (document["variants"] | document["baselines"]).items():
                theirs, lift = by_mask[mask], report[f"lift_over_{name}"][metric]
                ends = theirs["ci95"][metric]
                cells = (
                    f"{theirs[metric]:.4f}",
                    _interval(ends),
                    f"{lift['difference']:+.4f}",
                    _interval(lift["ci95"]),
                )
                table.add_row("", "", name, *cells)
            table.add_section()
    return Group(table, *map(Text, _lines(document)))


def _lines(document: dict[str, Any]) -> list[str]:
    report = document["reports"][0]
    asking = {"graded_search": "queries", "search": "searches"}.get(document["dataset"]["task"], "users")
    counted = f"{report['n']} {asking}"
    if "queries" in report:
        counted += f" by {report['queries']} queries, {report['new_queries']} of them new"
    counted += f", {report['targets']} targets"
    if report["targets_on_unknown_items"]:
        counted += f", {report['targets_on_unknown_items']} of them on items that train and catalogue do not have"
    return [counted, *(f"Note: {note}" for note in document["notes"])]


def _interval(ends: list[float]) -> str:
    return f"{ends[0]:.4f} .. {ends[1]:.4f}"
