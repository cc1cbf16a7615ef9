"""The items of a bundle: their table of ids, vectors and popularity, and the columns of the catalogue."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.filter_columns import PATHS
from app.artifact.hashing import stable_hash, stable_hashes
from app.artifact.item_document import ItemDocument
from app.artifact.manifest import Shapes
from app.artifact.names import CATALOGUE
from app.artifact.quantise import dequantise_rows
from app.artifact.rank_tables import RankTables
from app.artifact.variants import Variants
from app.engine.id_table import IdTable
from app.engine.kernels.hashes import hashes_of_texts
from app.engine.written_fields import WrittenFields

_ATTRIBUTES: Final = "attributes"  # the column of all of them
_TEXTS: Final = ("title", "category", "brand", "description", "currency")
_COLUMNS: Final = (*_TEXTS, "price", "in_stock", _ATTRIBUTES)
"""All columns that a catalogue may have beside those for display, in their order."""


@dataclass(frozen=True)
class Items:
    """Items by row `1..n`. Row 0 and the filler rows past `n` are no items.

    Whatever an item is asked for by may be the id of one of its variants; it is answered by its own. Some items may be
    absent from the catalogue: they speak through what people did with them, but they are never answered.
    """

    ids: IdTable  # [n + 1]
    vectors: NDArray[np.int8]  # [rows, dim]
    scales: NDArray[np.float32]  # [rows]
    popularity: NDArray[np.float32]  # [rows]
    selectable: NDArray[np.bool_]  # [1, rows] true for items that may be answered
    popular_rows: NDArray[np.int64]  # [answerable] rows, most popular first
    _hashes: NDArray[np.uint64]  # [n + variants] ascending
    _hash_rows: NDArray[np.int32]  # [n + variants] the row of each hash
    _own_hashes: NDArray[np.uint64]  # [n + 1] by row; 0 for row 0
    _row_of_variant: dict[str, int]

    @property
    def count(self) -> int:
        """The number of items that may be answered."""
        return len(self.popular_rows)

    @property
    def last_row(self) -> int:
        """The row of the last item: how many there are, those absent from the catalogue among them."""
        return len(self.ids) - 1

    def row_of(self, item_id: str) -> int:
        """The row of an id, 0 when there is no such item. It may be absent from the catalogue."""
        return self.ids.find(item_id) or self._row_of_variant.get(item_id, names.PADDING_ROW)

    def own_row_of(self, item_id: str) -> int:
        """The row of an item's own id, 0 when no item of the bundle has it."""
        return self.ids.find(item_id)

    def answerable_row_of(self, item_id: str) -> int:
        """The row of an id, 0 when no item of the catalogue has it."""
        row = self.row_of(item_id)
        return row if self.selectable[0, row] else names.PADDING_ROW

    def rows_of(self, item_ids: Iterable[str]) -> NDArray[np.int64]:
        """The rows of the ids that are items, in their order; unknown ids are left out."""
        rows = (self.row_of(item_id) for item_id in item_ids)
        return np.array([row for row in rows if row], dtype=np.int64)

    def rows_of_hashes(self, hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
        """The row of each item hash, 0 where there is no such item; of any shape."""
        if not len(self._hashes):
            return np.zeros(hashes.shape, dtype=np.int32)
        position = self._hashes.searchsorted(hashes)
        rows = self._hash_rows.take(position, mode="clip")  # past the last hash is none of them
        rows[self._hashes.take(position, mode="clip") != hashes] = names.PADDING_ROW
        return rows

    def hashes_by_row(self) -> NDArray[np.uint64]:
        """The stable hash of the item in each row, `[n + 1]`; 0 for row 0."""
        return self._own_hashes

    def all_ids(self) -> Sequence[str]:
        """The ids by row, `[n + 1]`; row 0 has none."""
        return self.ids

    def distinct_ids(self) -> int:
        """How many different ids the items have."""
        hashes = np.sort(self._own_hashes[1:])
        if (hashes[1:] == hashes[:-1]).any():
            return len(set(self.ids) - {""})
        return len(hashes) - bool((hashes == np.uint64(stable_hash(""))).any())

    def hash_of_row(self, row: int) -> int:
        """The stable hash of the item in a row."""
        return stable_hash(self.id_of(row))

    def id_of(self, row: int) -> str:
        """The id of the item in a row."""
        return self.ids[row]

    def vectors_of(self, rows: NDArray[np.integer]) -> NDArray[np.float32]:
        """Vectors of item rows, any shape: `[..., dim]`; zeros for row 0."""
        return dequantise_rows(self.vectors[rows], self.scales[rows])


def items_of(ids: TextColumn, shapes: Shapes, tables: RankTables, variants: Variants | None = None) -> Items:
    """The item table of a bundle; it shares the arrays of `tables`."""
    popularity = tables.popularity
    variants = variants or Variants.none()
    variant_ids = variants.ids.all()
    own = hashes_of_texts(ids)[1:]
    hashes = np.concatenate([own, stable_hashes(variant_ids)])
    rows = np.concatenate([np.arange(1, len(own) + 1, dtype=np.int32), variants.rows.astype(np.int32, copy=False)])
    order = np.argsort(hashes, kind="stable")
    hashes, rows = hashes[order], rows[order]
    selectable = np.zeros((1, shapes.rows), dtype=bool)
    selectable[0, 1 : shapes.items + 1] = True
    selectable[0, tables.absent] = False
    popular_rows = 1 + np.argsort(-popularity[1 : shapes.items + 1], kind="stable")
    return Items(
        ids=IdTable(ids, hashes, rows),
        vectors=tables.vectors,
        scales=tables.scales,
        popularity=popularity,
        selectable=selectable,
        popular_rows=popular_rows[selectable[0, popular_rows]],
        _hashes=hashes,
        _hash_rows=rows,
        _own_hashes=np.concatenate([np.zeros(1, dtype=np.uint64), own]),
        _row_of_variant=dict(zip(variant_ids, variants.rows.tolist(), strict=True)),
    )


@dataclass(frozen=True)
class Catalogue:
    """Columns `[items + 1]` by name. A missing value is read as `None`.

    Rows with a live document are answered from it; rows past the bundle's without one hold nothing.
    """

    texts: dict[str, TextColumn]
    numbers: dict[str, NDArray[np.float64]]  # NaN is missing
    documents: dict[str, TextColumn]  # JSON texts
    display: dict[str, TextColumn] = field(default_factory=dict)  # JSON texts that nothing but answers reads
    live: dict[int, ItemDocument] = field(default_factory=dict, repr=False)  # by row; never changed
    live_names: dict[str, int] = field(default_factory=dict)  # how many of them have columns that the bundle has not
    written: WrittenFields = field(default_factory=WrittenFields, repr=False, compare=False)
    """What answers wrote of items; one for all that comes from the same bundle."""

    @property
    def fields(self) -> list[str]:
        """The names of all columns."""
        if any(self.live_names.values()):
            return [*filter(self.has, _COLUMNS), *self.display]
        return [*self.texts, *self.numbers, *self.documents, *self.display]

    def has(self, name: str) -> bool:
        """Whether there is a column of that name."""
        return self._stores(name) or self.live_names.get(name, 0) > 0

    def texts_of(self, row: int) -> Iterator[str]:
        """The texts of one item: each column of texts, and each attribute, by its name where its value is true."""
        document = self.live.get(row) if self.live else None
        if document is None:
            texts: Iterable[str | None] = (_entry(column, row) for column in self.texts.values())
        else:
            texts = (_live_value(document, name) for name in _TEXTS)
        yield from filter(None, texts)
        for pair in self._value(row, _ATTRIBUTES) or ():
            name, _, value = pair.partition("=")
            if value != "false":
                yield name.replace("_", " ") if value == "true" else value

    def values_of(self, row: int, fields: list[str]) -> dict[str, Any]:
        """The named columns of one item row."""
        return {name: self._value(row, name) for name in fields}

    def with_documents(self, documents: Mapping[int, ItemDocument | None]) -> "Catalogue":
        """The catalogue with these live documents by row beside those that it has; this one stays as it is.

        None takes the document of a row away.
        """
        live, live_names = dict(self.live), dict(self.live_names)
        unknown = [name for name in _COLUMNS if not self._stores(name)]
        for row, document in documents.items():
            before = live.pop(row, None)
            if document is not None:
                live[row] = document
            for name in unknown:
                change = _has_value(document, name) - _has_value(before, name)
                live_names[name] = live_names.get(name, 0) + change
        return replace(self, live=live, live_names=live_names)

    def _stores(self, name: str) -> bool:
        return name in self.texts or name in self.numbers or name in self.documents or name in self.display

    def _value(self, row: int, name: str) -> Any:
        document = self.live.get(row) if self.live else None
        if document is not None:
            return _live_value(document, name)
        if name in self.texts:
            return _entry(self.texts[name], row)
        if name in self.numbers:
            number = float(self.numbers[name][row]) if row < len(self.numbers[name]) else np.nan
            return None if np.isnan(number) else number
        column = self.documents.get(name, self.display.get(name))
        text = None if column is None else _entry(column, row)
        return None if text is None else json.loads(text)


def _entry(column: TextColumn, row: int) -> str | None:
    return column[row] if row < len(column) else None


def _has_value(document: ItemDocument | None, name: str) -> bool:
    return document is not None and _live_value(document, name) is not None


def _live_value(document: ItemDocument, name: str) -> Any:
    """The value of a column in a document, as a column of a bundle has it."""
    if name not in _COLUMNS:
        text = document.display.get(name)
        return None if text is None else json.loads(text)
    if name == _ATTRIBUTES:
        return list(document.attributes) or None
    value = getattr(document, name)
    if name == "category" and value:  # of several the first one is answered
        value = value.partition(PATHS)[0]
    return None if value == "" else value


def read_catalogue(folder: Path, columns: dict[str, str], display: dict[str, TextColumn] | None = None) -> Catalogue:
    """The columns of the bundle in `folder`; `columns` maps each name to text, number or json."""
    below = folder / CATALOGUE
    return Catalogue(
        texts={name: TextColumn.read(below / name) for name, kind in columns.items() if kind == "text"},
        numbers={
            name: load_array(below / f"{name}.npy", mmap_mode="r") for name, kind in columns.items() if kind == "number"
        },
        documents={name: TextColumn.read(below / name) for name, kind in columns.items() if kind == "json"},
        display=display or {},
    )
