"""What commands share of showing progress and results."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import orjson


def overrides_of(epochs: int | None, dim: int | None, learning_rate: float | None) -> dict[str, Any] | None:
    """Return the training settings that were given; None when none was."""
    overrides = {"epochs": epochs, "dim": dim, "learning_rate": learning_rate}
    return {name: value for name, value in overrides.items() if value is not None} or None


def budget_seconds(budget: str | None) -> float | None:
    """The seconds of a budget such as 10m."""
    from offline.commands.durations import seconds_of  # noqa: PLC0415 - beside its only use

    return None if budget is None else seconds_of(budget)


@contextmanager
def shown() -> Iterator[Any]:
    """The progress of a command on the terminal."""
    from offline.workspace.display import RichDisplay  # noqa: PLC0415 - as above
    from offline.workspace.stop import interrupts  # noqa: PLC0415

    with interrupts(), RichDisplay() as display:
        yield display


def say_on(display: Any) -> Callable[[str], None]:
    """Return a function that prints a line above the progress."""

    def say(line: str) -> None:
        display.console.print(line, highlight=False, markup=False)

    return say


def show_report(display: Any, document: dict[str, Any]) -> None:
    """The figures of an evaluation as a table."""
    from offline.evaluation.document import EvaluationDocument  # noqa: PLC0415 - as above
    from offline.evaluation.table import report_table  # noqa: PLC0415

    display.console.print(report_table(EvaluationDocument.of(document)))


def show_against(display: Any, report: dict[str, Any]) -> None:
    """What of a verdict asks for a look, each with what to do, from the results of the stage `report`."""
    for finding in report.get("against", []):
        display.console.print(f"{finding['weight']}: {finding['sentence']}", highlight=False, markup=False)
        if finding["next_step"]:
            display.console.print(f"  -> {finding['next_step']}", highlight=False, markup=False)


def print_json(document: dict[str, Any]) -> None:
    """The last line of a command's output."""
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stdout.flush()
