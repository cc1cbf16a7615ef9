"""The catalogue's columns, read by item row."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.names import CATALOGUE


@dataclass(frozen=True)
class Catalogue:
    """Columns `[items + 1]`, by name. A missing value is `None` on the way out."""

    texts: dict[str, TextColumn]
    numbers: dict[str, NDArray[np.float64]]  # NaN is missing
    documents: dict[str, TextColumn]  # JSON texts

    @property
    def fields(self) -> list[str]:
        """The names of all columns."""
        return [*self.texts, *self.numbers, *self.documents]

    def has(self, name: str) -> bool:
        """Whether there is a column of that name."""
        return name in self.texts or name in self.numbers or name in self.documents

    def values_of(self, row: int, fields: list[str]) -> dict[str, Any]:
        """The named columns of one item row."""
        return {field: self._value(row, field) for field in fields}

    def _value(self, row: int, field: str) -> Any:
        if field in self.texts:
            return self.texts[field][row]
        if field in self.numbers:
            number = float(self.numbers[field][row])
            return None if np.isnan(number) else number
        text = self.documents[field][row]
        return None if text is None else json.loads(text)


def read_catalogue(folder: Path, columns: dict[str, str]) -> Catalogue:
    """The columns of the bundle in `folder`; `columns` maps each name to text, number or json."""
    below = folder / CATALOGUE
    return Catalogue(
        texts={name: TextColumn.read(below / name) for name, kind in columns.items() if kind == "text"},
        numbers={
            name: np.load(below / f"{name}.npy", mmap_mode="r", allow_pickle=False)
            for name, kind in columns.items()
            if kind == "number"
        },
        documents={name: TextColumn.read(below / name) for name, kind in columns.items() if kind == "json"},
    )
