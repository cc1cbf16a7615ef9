"""Orders by a column instead of relevance: price, or when an item was added."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import ADDED
from app.engine.candidates import Candidates
from app.engine.catalogue import Items
from app.engine.selection.filter_index import FilterIndex
from app.engine.selection.filter_view import FilterView
from app.errors import InvalidRequest

RELEVANCE: Final = "relevance"
_COLUMN_OF: Final = {"price_asc": "price", "price_desc": "price", "newest": ADDED}
_DESCENDS: Final = ("price_desc", "newest")


class Orders:
    """All items of a catalogue in each order; an order is computed on its first use.

    Args:
        filters: holds the columns of the orders.
        items: whose popularity breaks ties.
        base: the orders of the bundle, where `filters` and `items` hold live documents over it.
    """

    def __init__(self, filters: FilterIndex, items: Items, base: "Orders | None" = None) -> None:
        self._filters = filters
        self._items = items
        self._base = base
        self._keys: dict[str, NDArray[np.float64]] = {}
        self._rows: dict[str, NDArray[np.int64]] = {}

    def check(self, sort: str) -> None:
        """Refuse an order by a column that the catalogue does not have, or that holds no numbers.

        Raises:
            InvalidRequest: no item has a number in that column.
        """
        name = _COLUMN_OF.get(sort)
        if name is not None and not (self._filters.has(name) and self._filters.column(name, "sort").kind == "number"):
            raise InvalidRequest(
                f"sort: expected an order by what the catalogue has, got {sort!r}, and no item has a number "
                f"in {name!r}: leave it out",
                "sort",
            )

    def column_of(self, sort: str) -> str | None:
        """The path of the column of an order; None where the catalogue has none."""
        return self._filters.path_of.get(_COLUMN_OF[sort])

    def rows(self, sort: str) -> NDArray[np.int64]:
        """`[items]` rows in that order; missing values are last, equal ones are ordered by popularity, then by row."""
        if sort not in self._rows:
            base = self._base
            if (
                base is not None
                and isinstance(self._filters, FilterView)
                and base.column_of(sort) == self.column_of(sort)
            ):
                self._rows[sort] = self._merged(sort, base, self._filters.kept)
            else:
                popular = self._items.popular_rows
                self._rows[sort] = popular[np.argsort(self.keys(sort)[popular], kind="stable")]
        return self._rows[sort]

    def keys(self, sort: str) -> NDArray[np.float64]:
        """`[rows]`, the sort keys of the items, ascending; infinite for a missing value."""
        if sort not in self._keys:
            values = self._filters.column(_COLUMN_OF[sort], "sort").least
            self._keys[sort] = np.nan_to_num(-values if sort in _DESCENDS else values, nan=np.inf)
        return self._keys[sort]

    def _merged(self, sort: str, base: "Orders", kept: NDArray[np.bool_]) -> NDArray[np.int64]:
        """The bundle's order, with the items that live documents are of put in where they belong."""
        popularity, keys = self._items.popularity, self.keys(sort)
        same = kept & (popularity[: len(kept)] == base.popularity[: len(kept)])
        of_base = base.rows(sort)
        of_base = of_base[same[of_base]]
        is_other = self._items.selectable[0].copy()
        is_other[: len(kept)] &= ~same
        others = np.flatnonzero(is_other)
        others = others[np.lexsort((others, -popularity[others], keys[others]))]
        base_keys = keys[of_base]
        low = np.searchsorted(base_keys, keys[others], side="left")
        high = np.searchsorted(base_keys, keys[others], side="right")
        undecided = np.flatnonzero(low < high)  # those whose place among equal keys is still to be found
        while len(undecided):
            middle = (low[undecided] + high[undecided]) // 2
            rows, of_others = of_base[middle], others[undecided]
            before = (popularity[rows] > popularity[of_others]) | (
                (popularity[rows] == popularity[of_others]) & (rows < of_others)
            )
            low[undecided] = np.where(before, middle + 1, low[undecided])
            high[undecided] = np.where(before, high[undecided], middle)
            undecided = undecided[low[undecided] < high[undecided]]
        return np.insert(of_base, low, others)

    @property
    def popularity(self) -> NDArray[np.float32]:
        """`[rows]`, what breaks ties."""
        return self._items.popularity


def sorted_rows(
    orders: Orders, sort: str, mask: NDArray[np.bool_], relevant: NDArray[np.int64] | None = None
) -> NDArray[np.int64]:
    """All rows of a set in an order.

    Args:
        sort: price_asc, price_desc or newest.
        mask: `[rows]`, the set.
        relevant: rows, the most relevant first; their rank breaks ties before popularity does.
    """
    rows = orders.rows(sort)
    rows = rows[mask[rows]]
    if relevant is None or not len(relevant):
        return rows
    rank = np.full(len(mask), len(relevant), dtype=np.int64)
    rank[relevant[::-1]] = np.arange(len(relevant))[::-1]
    return np.asarray(rows[np.lexsort((rank[rows], orders.keys(sort)[rows]))], dtype=np.int64)


def with_rows(candidates: Candidates, request: int, rows: NDArray[np.int64], items: Items) -> Candidates:
    """The candidates with those of one request replaced; their scores are the items' popularity."""
    requests = np.array([request])
    replacement = Candidates(
        rows=rows[None],
        scores=items.popularity[rows][None],
        sources=np.zeros((1, len(rows)), dtype=np.uint8),
        query_vectors=candidates.query_vectors[requests],
    )
    return candidates.with_requests(requests, replacement)
