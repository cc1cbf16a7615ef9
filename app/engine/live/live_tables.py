"""The item columns that the features read, of the items of a bundle as they are now and of those that came after it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import PATHS
from app.artifact.item_document import ItemDocument
from app.artifact.rank_tables import RankTables
from app.engine.catalogue import Catalogue
from app.engine.live.growing import GrowingArray

_COLUMNS: Final = (
    "vectors",
    "scales",
    "score_scales",
    "content",
    "content_scales",
    "neighbours",
    "neighbour_weights",
    "counts",
    "popularity",
    "codes",
    "log_price",
)
DESCRIBED_COLUMNS: Final = ("codes", "log_price")
"""What a document says besides its words."""
PLACED_COLUMNS: Final = ("vectors", "scales", "score_scales", "content", "content_scales")
"""Where an item stands, by its words and attributes."""


class LiveTables:
    """Rank tables for one writer, who hands out those of a moment.

    Args:
        base: of the bundle.
        catalogue: of the bundle, whose categories and brands have numbers in `base`.
    """

    def __init__(self, base: RankTables, catalogue: Catalogue) -> None:
        self._base = base
        self._columns = {name: GrowingArray(getattr(base, name)) for name in _COLUMNS}
        counts, popularity = base.assumed
        self._never_seen = GrowingArray(base.never_seen)
        self._assumed = GrowingArray(counts), GrowingArray(popularity)
        self._medians = _medians_of(base)
        self._numbers = [_numbers_of(base.codes[:, place], catalogue, name) for place, name in enumerate(_CODED)]

    @property
    def span(self) -> int:
        """How many rows there are."""
        return len(self._never_seen)

    def extend(self, count: int) -> None:
        """Append items of which nothing is known yet."""
        for name, column in self._columns.items():
            column.extend(self._nothing(name, count))
        self._never_seen.extend(np.ones(count, dtype=np.bool_))
        for column, median in zip(self._assumed, self._medians, strict=True):
            column.extend(np.repeat(np.asarray(median)[None], count, axis=0))

    def describe(self, documents: Mapping[int, ItemDocument]) -> None:
        """Take category, brand and price of items by row from their documents."""
        rows = np.fromiter(documents, dtype=np.int64, count=len(documents))
        codes = [self._codes_of(document) for document in documents.values()]
        prices = [np.nan if document.price is None else document.price for document in documents.values()]
        self._change("codes", rows, np.array(codes, dtype=np.int32).reshape(-1, len(_CODED)))
        self._change("log_price", rows, np.log1p(np.array(prices, dtype=np.float64)).astype(np.float32))

    def place(self, rows: NDArray[np.int64], placed: Mapping[str, NDArray[Any]]) -> None:
        """Give items other vectors: `placed` has the columns of `PLACED_COLUMNS`, one row an item."""
        for name in PLACED_COLUMNS:
            self._change(name, rows, placed[name])

    def restore(self, rows: Sequence[int], columns: Sequence[str]) -> None:
        """Give items the values that they began with: those of the bundle, and nothing for an item that came later."""
        span = len(self._base.scales)
        bundled = np.array([row for row in rows if row < span], dtype=np.int64)
        new = np.array([row for row in rows if row >= span], dtype=np.int64)
        for name in columns:
            self._change(name, bundled, getattr(self._base, name)[bundled])
            self._change(name, new, self._nothing(name, len(new)))

    def count(
        self,
        rows: NDArray[np.int64],
        counts: NDArray[np.float32],
        popularity: NDArray[np.float32],
        neighbours: NDArray[np.int32],
        weights: NDArray[np.float16],
    ) -> None:
        """Take what people did with items since the bundle: one row an item, as the columns of the same names."""
        for name, values in (
            ("counts", counts),
            ("popularity", popularity),
            ("neighbours", neighbours),
            ("neighbour_weights", weights),
        ):
            self._change(name, rows, values)
        self._never_seen.change(rows, counts.sum(axis=1) == 0)
        for column, values in zip(self._assumed, (counts, popularity), strict=True):
            column.change(rows, values)

    def as_of_now(self, answerable: NDArray[np.bool_]) -> RankTables:
        """The tables at this moment; `answerable`, `[rows]`, is false for items that may be answered to none."""
        arrays = {name: column.share() for name, column in self._columns.items()}
        counts, popularity = self._assumed
        return replace(self._base, **arrays).knowing(
            answerable, self._never_seen.share(), (counts.share(), popularity.share())
        )

    def _nothing(self, name: str, count: int) -> NDArray[Any]:
        """A column of items of which nothing is known."""
        column = self._columns[name].now
        return np.full((count, *column.shape[1:]), np.nan if name == "log_price" else 0, dtype=column.dtype)

    def _change(self, name: str, rows: NDArray[np.int64], values: NDArray[Any]) -> None:
        if not len(rows):
            return
        column = self._columns[name]
        is_other = (column.now[rows] != values) & ~_both_missing(column.now[rows], values)
        differs = is_other.any(axis=tuple(range(1, is_other.ndim))) if is_other.ndim > 1 else is_other
        column.change(rows[differs], values[differs])

    def _codes_of(self, document: ItemDocument) -> list[int]:
        category = document.category and document.category.partition(PATHS)[0]
        return [
            0 if not text else numbers.setdefault(text, 1 + len(numbers))
            for text, numbers in zip((category, document.brand), self._numbers, strict=True)
        ]


_CODED: Final = ("category", "brand")


def _both_missing(values: NDArray[Any], others: NDArray[Any]) -> NDArray[np.bool_]:
    if values.dtype.kind != "f":
        return np.zeros(values.shape, dtype=np.bool_)
    return np.asarray(np.isnan(values) & np.isnan(others), dtype=np.bool_)


def _medians_of(base: RankTables) -> tuple[NDArray[np.float32], np.float32]:
    """What is assumed of an item that nobody has seen."""
    seen = ~base.never_seen
    if not seen.any():
        return np.zeros(base.counts.shape[1], dtype=np.float32), np.float32(0.0)
    return np.median(base.counts[seen], axis=0).astype(np.float32), np.float32(np.median(base.popularity[seen]))


def _numbers_of(codes: NDArray[np.int32], catalogue: Catalogue, name: str) -> dict[str, int]:
    """The number of each text of a column; those that are not shown so have none that anybody could ask for."""
    numbers, rows = np.unique(codes, return_index=True)
    texts = catalogue.texts.get(name)
    known: dict[str, int] = {}
    for number, row in zip(numbers.tolist(), rows.tolist(), strict=True):
        text = texts[row] if texts is not None and number else None
        known.setdefault(text or f"\n{number}", number)
    return known
