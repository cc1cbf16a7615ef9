"""What stands between several values of a cell, told from all cells of a column."""

import re
from collections.abc import Collection

import polars as pl

_MARKS = ("|", ";", ",")
_SHARE = 0.02
"""The least share of cells that hold several values."""
_LONGEST = 40.0  # mean letters of a value: longer ones are sentences
_NAMES = re.compile(
    r"(^|_)(tags?|genres?|keywords?|labels?|topics?|categories|kategorien|colou?rs|sizes|features|ingredients|"
    r"materials|languages|platforms|mots_cles|schlagworte|etiquetas)($|_)"
)


def list_separator(values: pl.Series, name: str) -> str | None:
    """What parts the values of the cells of a column, `A|B`, `a, b`, `x; y`; None where cells hold one value each.

    Parts come again in other cells: a comma within names does not part them. `name`: of the column, in plain letters.
    """
    cells = values.drop_nulls().unique(maintain_order=True)
    cells = cells.filter(~cells.str.contains(r"^\s*[\[{]"))
    for mark in _MARKS:
        several = cells.filter(cells.str.contains(mark, literal=True))
        if len(several) < max(1.0, _SHARE * len(cells)):
            continue
        if mark == "," and several.str.contains(r"\d,\d").sum() > 0.2 * len(several):
            continue
        parts = several.str.split(mark).explode().str.strip_chars()
        parts = parts.filter(parts != "")
        if not len(parts) or float(parts.str.len_chars().sum()) / len(parts) > _LONGEST:
            continue
        single = cells.filter(~cells.str.contains(mark, literal=True)).str.strip_chars()
        again = parts.value_counts().filter((pl.col("count") > 1) | pl.col(parts.name).is_in(single.implode()))
        repeated = int(again.get_column("count").sum()) / len(parts)
        promised = _NAMES.search(name) is not None
        if repeated > (0.3 if promised or mark == "|" else 0.7) or (promised and len(several) < 20):
            spaced = several.str.contains(mark + " ", literal=True).sum() == len(several)
            return f"{mark} " if spaced and mark != "|" else mark
    return None


def id_separator(ids: pl.Series, known: Collection[str] = ()) -> str | None:
    """What parts several ids of a cell: each part is an id of another cell, or one of `known`; None: nothing does."""
    cells = ids.drop_nulls().unique()
    single = set(known)
    for mark in _MARKS:
        several = cells.filter(cells.str.contains(mark, literal=True))
        if not len(several):
            continue
        alone = cells.filter(~cells.str.contains(mark, literal=True))
        every = single | set(alone.str.strip_chars().to_list())
        parts = [[part.strip(" []\"'") for part in cell.split(mark)] for cell in several.head(1_000).to_list()]
        whole = [cell for cell in parts if all(part in every for part in cell if part) and sum(map(bool, cell)) > 1]
        if len(whole) > 0.5 * len(parts):
            return mark
    return None
