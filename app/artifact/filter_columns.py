"""Filter columns of a bundle: for every value of a column, the items that have it.

A column is stored as lists of rows by value rather than as one value a row, so that thousands of attributes cost no
more than the values that items have: four bytes each, and eight more for a number. All columns share a few flat arrays,
which are mapped into memory. No attribute is left out, however rare.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, NonNegativeInt, TypeAdapter

from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.names import FILTERS

Kind = Literal["text", "number", "boolean"]

FALSE_TEXT: Final = "false"
TRUE_TEXT: Final = "true"
LEVELS: Final = " > "  # between the levels of a category
PATHS: Final = "\n"  # between the categories of an item that stands in several
ADDED: Final = "added"  # the column of when an item was added, unix seconds

_ENTRIES: Final = "columns.json"
_ROWS: Final = "rows.npy"  # int32 [pairs] item rows: by column, by value
_NUMBERS: Final = "numbers.npy"  # float64 [pairs of number columns], ascending within a column
_OFFSETS: Final = "offsets.npy"  # int64 [values + 1 of every other column], from the column's first pair
_TEXTS: Final = "texts"  # a text column: the values of those columns that keep their own


class ColumnEntry(BaseModel):
    """One column: its name, and how much of the flat arrays is its own."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    kind: Kind
    attribute: bool  # the shop's own, rather than a column that every catalogue may have
    nested: bool = False  # an item of `A > B` also has the value `A`
    by_reference: bool = False  # the catalogue's column of that name holds the values
    pairs: NonNegativeInt  # of a row and a value
    values: NonNegativeInt  # distinct ones; 0 for numbers


@dataclass(frozen=True)
class FilterColumn:
    """A column with its parts of the arrays. Texts are sorted by `sort_key`, numbers ascend."""

    entry: ColumnEntry
    rows: NDArray[np.int32]  # [pairs] by value; the first one of a value has it in just that spelling
    numbers: NDArray[np.float64] | None  # [pairs] of a number column
    offsets: NDArray[np.int64] | None  # [values + 1] of any other
    texts: TextColumn | None  # [values of all columns] those of this one begin at `first_text`
    first_text: int


def sort_key(text: str) -> tuple[str, str]:
    """The key that texts are sorted by: case-insensitive, then by code point."""
    return text.casefold(), text


def write_filter_columns(folder: Path, columns: Sequence[FilterColumn]) -> None:
    """Write the columns into the bundle in `folder`; `texts` of each hold its values from `first_text` on."""
    below = folder / FILTERS
    below.mkdir(parents=True, exist_ok=True)
    entries = [column.entry for column in columns]
    (below / _ENTRIES).write_bytes(_ENTRIES_OF.dump_json(entries, indent=1))
    np.save(below / _ROWS, _concatenate([column.rows for column in columns], np.int32))
    np.save(below / _NUMBERS, _concatenate([c.numbers for c in columns if c.numbers is not None], np.float64))
    np.save(below / _OFFSETS, _concatenate([c.offsets for c in columns if c.offsets is not None], np.int64))
    owned = [(column.texts, column) for column in columns if column.texts is not None]
    TextColumn.of([texts[c.first_text + value] for texts, c in owned for value in range(c.entry.values)]).write(
        below / _TEXTS
    )


def read_filter_columns(folder: Path) -> list[FilterColumn]:
    """The columns of the bundle in `folder`, mapped into memory.

    Raises:
        OSError: a file is missing.
        ValueError: the files do not fit each other.
    """
    below = folder / FILTERS
    entries = _ENTRIES_OF.validate_json((below / _ENTRIES).read_bytes())
    rows, numbers, offsets = (
        np.asarray(load_array(below / name, mmap_mode="r")) for name in (_ROWS, _NUMBERS, _OFFSETS)
    )
    texts = TextColumn.read(below / _TEXTS)
    columns = []
    pair = number = offset = text = 0
    for entry in entries:
        is_number = entry.kind == "number"
        own_texts = not is_number and not entry.by_reference
        columns.append(
            FilterColumn(
                entry=entry,
                rows=rows[pair : pair + entry.pairs],
                numbers=numbers[number : number + entry.pairs] if is_number else None,
                offsets=None if is_number else offsets[offset : offset + entry.values + 1],
                texts=texts if own_texts else None,
                first_text=text,
            )
        )
        pair += entry.pairs
        number += entry.pairs if is_number else 0
        offset += 0 if is_number else entry.values + 1
        text += entry.values if own_texts else 0
    if (pair, number, offset, text) != (len(rows), len(numbers), len(offsets), len(texts)):
        raise ValueError(f"{below}: expected arrays as long as {_ENTRIES} says, got others")
    return columns


def levels_of(path: str) -> list[str]:
    """A category and those above it, the topmost first: `A`, `A > B` of `A>B`; those of every line, each once."""
    levels = []
    for line in path.split(PATHS):
        parts = [part for part in (part.strip() for part in line.split(LEVELS.strip())) if part]
        levels += [LEVELS.join(parts[: depth + 1]) for depth in range(len(parts))]
    return list(dict.fromkeys(levels))


_ENTRIES_OF: Final = TypeAdapter(list[ColumnEntry])


def _concatenate(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype=dtype), *parts]).astype(dtype, copy=False)
