"""The text encoder that was distilled: what each number of layers costs and is worth, and the one that was taken."""

from collections.abc import Mapping
from typing import Any

from offline.report.blocks import Gallery, Row, Table, numbers, words
from offline.report.numbers import figure, is_number, number, share
from offline.report.plots import trade_off

Figures = Mapping[str, Any]


def student_blocks(student: Figures | None) -> list[Table | Gallery]:
    """The table of the student and of the depths that were tried, with a plot of several; nothing without one."""
    if student is None:
        return []
    tried = list(student.get("tried") or [])
    rows = [
        Row(_cells(f"{depth['layers']}, after the short course", depth.get("figures") or {}, depth.get("cosine")))
        for depth in tried
    ]
    place = "in the bundle" if student.get("is_used", True) else "too little like its teacher to be used"
    rows.append(Row(_cells(f"{student.get('layers')}, {place}", student, None), strong=True))
    heads = [
        *words("layers"),
        *numbers("numbers a vector", "size, MB", "ms, 6 tokens", "ms, 12 tokens", "cosine to the teacher"),
        *numbers("cosine to itself in full precision", "ten nearest items that are the teacher's"),
    ]
    table = Table("The text encoder that was distilled, on queries that were held out", heads, rows)
    points = [
        (str(depth["layers"]), depth["figures"]["ms_12_tokens"], depth["cosine"], depth["layers"] == student["layers"])
        for depth in tried
        if is_number((depth.get("figures") or {}).get("ms_12_tokens")) and is_number(depth.get("cosine"))
    ]
    if len(points) < 2:
        return [table]
    caption = (
        "How near students of so many layers come to the teacher in a short course, against the time of a query of 12 "
        "tokens on one thread; the depth that was taken on is filled."
    )
    plot = trade_off("student-depth", "Layers of the text encoder", "ms a query", "cosine", points, caption)
    return [table, Gallery([plot])]


def _cells(name: str, figures: Figures, cosine: float | None) -> list[str]:
    return [
        name,
        str(figures.get("width") or ""),
        number(figures.get("megabytes")),
        number(figures.get("ms_6_tokens")),
        number(figures.get("ms_12_tokens")),
        figure(figures.get("cosine_to_teacher", cosine)),
        figure(figures.get("cosine_to_exact")),
        share(figures.get("overlap_at_10")),
    ]
