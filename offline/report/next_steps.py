"""What to do about a finding: steps with the option, file or figure that they need."""

import math
from collections.abc import Sequence
from typing import Any, Final

from offline.evaluation.causality import NOT_CAUSAL
from offline.evaluation.document import Difference, EvaluationDocument, Report
from offline.report.numbers import count, is_number, number
from offline.workspace.budget import SHARES

Document = dict[str, Any]

BY_TIME: Final = "time:0.8"
MOST_TIMES_THE_LOG: Final = 20  # nobody waits for more
_MINUTE: Final = 60.0


def train_longer(curves: Sequence[tuple[str, Document]]) -> str | None:
    """How to let the network's training end by itself; None where it did, or where that is not known."""
    for what, history in curves:
        epochs = [epoch for epoch in history.get("epochs", []) if is_number(epoch.get("value"))]
        most = history.get("settings", {}).get("epochs")
        if what != "network" or not epochs or not is_number(most):
            continue
        last = epochs[-1]
        if _is_cut_short(history, epochs, most):
            sure = "leave --budget out"
            if is_number(last.get("seconds")) and last["epoch"]:
                whole = most * last["seconds"] / last["epoch"] / SHARES["train"]
                sure += f", or give --budget {_minutes(whole)}"
            return f"Training ended after {number(last['epoch'])} of at most {int(most)} epochs: {sure}."
        if last["epoch"] >= most and last["value"] == max(epoch["value"] for epoch in epochs):
            return f"Train longer: --epochs {2 * int(most)}."
    return None


def _is_cut_short(history: Document, epochs: Sequence[Document], most: float) -> bool:
    """Whether the budget ended a training; histories of before do not say, but show whether it had stopped rising."""
    if "cut_short" in history:
        return history["cut_short"] is not None
    best = max(range(len(epochs)), key=lambda place: epochs[place]["value"])
    return len(epochs) < most and len(epochs) - 1 - best < history.get("settings", {}).get("patience", 0)


def cut_by_time(document: EvaluationDocument) -> str | None:
    """How to measure by what only knows the past; None where that is done, or the log has no times."""
    if NOT_CAUSAL not in document.notes:
        return None
    return f"Run again with --split {BY_TIME}: on this cut, near events of other users tell of what is held out."


def tell_apart(report: Report, lift: Difference, ones: str) -> str:
    """What would show whether a difference is real; `ones` is what is scored."""
    low, high = lift.ci95
    users, half = report.counts.get("n"), (high - low) / 2
    if users and is_number(lift.difference) and lift.difference > 0:
        times = (half / lift.difference) ** 2
        if times <= MOST_TIMES_THE_LOG:
            needed = float(f"{times * users:.2g}")
            return (
                f"Hand over more days of log: about {count(needed)} scored {ones}, now {count(users)}, would tell. "
                "Publish anyway if you cannot wait: it is ahead, though perhaps by chance."
            )
    return (
        "More of this log will hardly tell them apart. Publish anyway where you need what the other cannot do: "
        "filters, new items, searches, reasons."
    )


def gain_ground(document: EvaluationDocument, curves: Sequence[tuple[str, Document]], otherwise: str) -> str:
    """What may lift a bundle over a simpler method."""
    steps = [step for step in (cut_by_time(document), train_longer(curves)) if step is not None]
    return " ".join(steps) or otherwise


def _minutes(seconds: float) -> str:
    return f"{max(1, math.ceil(seconds / _MINUTE))}m"
