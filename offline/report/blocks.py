"""What a page is made of: sections, each of sentences, tables and plots."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from markupsafe import Markup


@dataclass(frozen=True)
class Column:
    """The head of a column, with the unit of its numbers."""

    text: str
    numeric: bool = True


@dataclass(frozen=True)
class Row:
    """Cells as texts; a strong row is the one that the table is about."""

    cells: Sequence[str]
    strong: bool = False


@dataclass(frozen=True)
class Table:
    """A table and what it shows."""

    kind: ClassVar = "table"
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Row]


@dataclass(frozen=True)
class Plot:
    """An inline SVG, and what to look for in it."""

    svg: Markup
    caption: str


@dataclass(frozen=True)
class Gallery:
    """Plots that stand beside each other where there is room."""

    kind: ClassVar = "gallery"
    plots: Sequence[Plot]


@dataclass(frozen=True)
class Commands:
    """Lines for a shell, and what they do."""

    kind: ClassVar = "commands"
    caption: str
    lines: Sequence[str]


@dataclass(frozen=True)
class Section:
    """A part of the page. Without blocks it says in its sentences why there is nothing to show."""

    anchor: str
    title: str
    sentences: Sequence[str] = ()
    blocks: Sequence[Table | Gallery | Commands] = ()


def words(*heads: str) -> list[Column]:
    """Columns of words."""
    return [Column(head, numeric=False) for head in heads]


def numbers(*heads: str) -> list[Column]:
    """Columns of numbers, each with its unit where it has one."""
    return [Column(head) for head in heads]
