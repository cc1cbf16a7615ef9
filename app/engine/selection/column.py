"""A column of the catalogue for filters, facets and orders: the items with a value, and the value of an item."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.filter_columns import TRUE_TEXT, FilterColumn, Kind, levels_of, sort_key
from app.engine.kernels.facets import value_counts
from app.engine.selection.filters import Comparison, Value

OPERATORS: Final[dict[Kind, tuple[str, ...]]] = {
    "text": ("eq", "in", "exists"),
    "number": ("eq", "in", "lt", "lte", "gt", "gte", "exists"),
    "boolean": ("eq", "in", "exists"),
}
KINDS: Final[tuple[Kind, ...]] = ("text", "number", "boolean")
ATTRIBUTES: Final = "attributes."
"""May stand before the name of an attribute."""
NO_VALUE: Final = -1
_FEW: Final = 64  # ranges that are marked one by one
_MOST_PLACES: Final = 20_000  # texts whose places among the values are remembered
_REMEMBERED: Final = 11  # halvings of a look-up whose texts are remembered: all look-ups begin with them


@dataclass(frozen=True, eq=False)
class Column:
    """A column of the bundle; `span` is the number of rows of the item tables."""

    stored: FilterColumn
    span: int
    referenced: TextColumn | None = field(repr=False, default=None)  # the catalogue's, which then holds the values
    _places: dict[str, tuple[int, bool]] = field(repr=False, default_factory=dict)  # by text, see `places_of`
    _first_keys: dict[int, tuple[str, str]] = field(repr=False, default_factory=dict)  # by code, see `_REMEMBERED`

    @property
    def name(self) -> str:
        """The name in the catalogue."""
        return self.stored.entry.name

    @property
    def kind(self) -> Kind:
        """The kind of its values."""
        return self.stored.entry.kind

    @property
    def path(self) -> str:
        """The name that no other column has."""
        return f"{ATTRIBUTES}{self.name}" if self.attribute else self.name

    @property
    def attribute(self) -> bool:
        """Whether it is the shop's own, rather than a column that every catalogue may have."""
        return self.stored.entry.attribute

    @property
    def nested(self) -> bool:
        """Whether its values have levels, and an item with a value those above it, too."""
        return self.stored.entry.nested

    @property
    def by_reference(self) -> bool:
        """Whether nearly every item has a value of its own, which the catalogue holds."""
        return self.stored.entry.by_reference

    @property
    def pairs(self) -> int:
        """The number of pairs of an item and a value of it."""
        return self.stored.entry.pairs

    @property
    def values(self) -> int:
        """The number of distinct values; 0 for numbers."""
        return self.stored.entry.values

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of the values that it may be compared with: any, where no item has a value of an attribute."""
        return KINDS if self.attribute and not self.pairs else (self.kind,)

    @cached_property
    def has_one_value(self) -> bool:
        """Whether no item has several values; the levels of one category count as one."""
        return self.nested or int(self.passing(()).sum()) == len(self.stored.rows)

    def passing(self, comparisons: Iterable[Comparison]) -> NDArray[np.bool_]:
        """`[span]`, the items with a value that passes all comparisons."""
        passing = np.zeros(self.span, dtype=np.bool_)
        others = [comparison for comparison in comparisons if comparison.operator != "exists"]
        exists = [comparison.value for comparison in comparisons if comparison.operator == "exists"]
        if not others or False in exists:
            passing[self.stored.rows] = True
            if False in exists:
                passing = np.zeros(self.span, dtype=np.bool_) if others or True in exists else ~passing
            return passing
        if not self.pairs:
            return passing
        ranges = self._ranges_of_numbers(others) if self.kind == "number" else self._ranges_of_values(others)
        if len(ranges) > _FEW:
            passing[self.stored.rows[_inside(ranges, self.pairs)]] = True
            return passing
        for start, end in ranges:
            passing[self.stored.rows[start:end]] = True
        return passing

    def value_of(self, code: int) -> Value:
        """The value of a code, its position in the order of texts; true or false in a boolean column."""
        text = self._text(code)
        return text == TRUE_TEXT if self.kind == "boolean" else text

    def counts(self, mask: NDArray[np.bool_]) -> NDArray[np.int64]:
        """`[values]`, the number of items of the mask `[span]` with each value."""
        return value_counts(self.stored.rows, self._offsets, mask)

    def range_of(self, mask: NDArray[np.bool_]) -> tuple[float, float, int] | None:
        """The least and the largest number among the items of the mask `[span]`, and how many of them have one."""
        hits = np.flatnonzero(mask.take(self.stored.rows))
        if not len(hits):
            return None
        count = len(hits) if self.has_one_value else len(np.unique(self.stored.rows[hits]))
        return float(self._numbers[hits[0]]), float(self._numbers[hits[-1]]), count

    @cached_property
    def codes(self) -> NDArray[np.int32]:
        """`[span]`, the code of every item's value, -1 for none; of the levels of a category the deepest."""
        codes = np.full(self.span, NO_VALUE, dtype=np.int32)
        sizes = np.diff(self._offsets)
        # A level precedes those below it, so that the deepest is written last.
        codes[self.stored.rows] = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        return codes

    @cached_property
    def least(self) -> NDArray[np.float64]:
        """`[span]`, the least number of every item, NaN for none."""
        least = np.full(self.span, np.nan)
        least[self.stored.rows[::-1]] = self._numbers[::-1]
        return least

    def rows_of(self, code: int) -> NDArray[np.int32]:
        """The rows of the items with the value of a code, ascending but for the first."""
        return self.stored.rows[self._offsets[code] : self._offsets[code + 1]]

    def codes_of(self, row: int) -> list[int]:
        """The codes of all values of an item, ascending; of a column that holds no numbers."""
        order, rows = self._by_row
        start, end = np.searchsorted(rows, [row, row + 1])
        codes: list[int] = (np.searchsorted(self._offsets, np.sort(order[start:end]), side="right") - 1).tolist()
        return codes

    def places_of(self, folds: Sequence[str]) -> list[tuple[int, bool]]:
        """Of each text, in lower case, the code of the first value that is not sorted before it, and whether it is it.

        What was looked up is remembered, within limits: the values of live items are looked up at each change.
        """
        known = {fold: place for fold in folds if (place := self._places.get(fold)) is not None}
        keys = sorted((fold, "") for fold in folds if fold not in known)
        if keys:
            fresh = {
                fold: (first, first < self.values and self._text(first).casefold() == fold)
                for (fold, _), first in zip(keys, self._first_from(keys), strict=True)
            }
            if len(self._places) > _MOST_PLACES:
                self._places.clear()
            self._places.update(fresh)
            known |= fresh
        return [known[fold] for fold in folds]

    def text_of(self, code: int) -> str:
        """The text of a value."""
        return self._text(code)

    def _ranges_of_numbers(self, comparisons: list[Comparison]) -> list[tuple[int, int]]:
        """The ranges of the sorted numbers that pass."""
        numbers = self._numbers
        start, end = 0, len(numbers)
        equal: set[Value] | None = None
        for comparison in comparisons:
            operator = comparison.operator
            if operator in ("eq", "in"):
                equal = _values_of(comparison) if equal is None else equal & _values_of(comparison)
                continue
            bound = float(comparison.value)  # type: ignore[arg-type] # parsed against the column's kind
            position = int(np.searchsorted(numbers, bound, side="left" if operator in ("lt", "gte") else "right"))
            start, end = (start, min(end, position)) if operator in ("lt", "lte") else (max(start, position), end)
        if equal is None:
            return [(start, max(start, end))]
        values = np.sort(np.array(list(equal), dtype=np.float64))
        firsts, lasts = (np.searchsorted(numbers, values, side=side) for side in ("left", "right"))
        return [
            (max(start, first), min(end, last))
            for first, last in zip(firsts.tolist(), lasts.tolist(), strict=True)
            if max(start, first) < min(end, last)
        ]

    def _ranges_of_values(self, comparisons: list[Comparison]) -> list[tuple[int, int]]:
        codes: set[int] | None = None
        for comparison in comparisons:
            passing = self._codes_of(_values_of(comparison))
            codes = passing if codes is None else codes & passing
        offsets = self._offsets
        return [(int(offsets[code]), int(offsets[code + 1])) for code in sorted(codes or ())]

    def _codes_of(self, values: Iterable[Value]) -> set[int]:
        """The codes of values: of each that of the same text, else those of texts that differ in case only."""
        codes: set[int] = set()
        texts: dict[str, set[str]] = {}  # by how they are folded
        for value in values:
            if isinstance(value, bool):
                codes.add(int(value))
                continue
            text = str(value)
            if self.nested:
                levels = levels_of(text)
                text = levels[-1] if levels else ""
            if text:
                texts.setdefault(text.casefold(), set()).add(text)
        keys = sorted((folded, "") for folded in texts)
        for (folded, _), first in zip(keys, self._first_from(keys), strict=True):
            codes |= self._codes_between(folded, first, texts[folded])
        return codes

    def _codes_between(self, folded: str, first: int, texts: set[str]) -> set[int]:
        """The codes of texts that are folded alike; `first` is the first code of any text that is folded so."""
        spellings: dict[str, int] = {}
        for code in range(first, self.values):
            spelling = self._text(code)
            if spelling.casefold() != folded:
                break
            spellings[spelling] = code
        exact = {spellings[text] for text in texts if text in spellings}
        return exact if len(exact) == len(texts) else set(spellings.values())

    def _first_from(self, keys: Sequence[tuple[str, str]]) -> list[int]:
        """Of each key the first code that is not sorted before it.

        All keys are looked up together, so that a text is read once for those on both sides of it: of as many keys as
        there are values no more than each value.

        Args:
            keys: ascending.
        """
        firsts = [0] * len(keys)
        parts = [(0, len(keys), 0, self.values, 0)]  # keys, the codes between which they are, halvings
        while parts:
            start, end, low, high, halvings = parts.pop()
            if low == high:
                firsts[start:end] = [low] * (end - start)
                continue
            middle = (low + high) // 2
            probe = self._first_keys.get(middle)
            if probe is None:
                probe = sort_key(self._text(middle))
                if halvings < _REMEMBERED:
                    self._first_keys[middle] = probe
            split = bisect_right(keys, probe, start, end)
            if start < split:
                parts.append((start, split, low, middle, halvings + 1))
            if split < end:
                parts.append((split, end, middle + 1, high, halvings + 1))
        return firsts

    def _text(self, code: int) -> str:
        if self.stored.texts is not None:
            return self.stored.texts[self.stored.first_text + code] or ""
        if self.referenced is None:
            return ""
        return self.referenced[int(self.stored.rows[self._offsets[code]])] or ""

    @cached_property
    def _by_row(self) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        """`[pairs]` the pairs by the row of their item, and those rows."""
        order = np.argsort(self.stored.rows, kind="stable").astype(np.int32)
        return order, self.stored.rows[order]

    @property
    def _offsets(self) -> NDArray[np.int64]:
        return np.zeros(1, dtype=np.int64) if self.stored.offsets is None else self.stored.offsets

    @property
    def _numbers(self) -> NDArray[np.float64]:
        return np.zeros(0) if self.stored.numbers is None else self.stored.numbers


def _values_of(comparison: Comparison) -> set[Value]:
    return set(comparison.value) if isinstance(comparison.value, tuple) else {comparison.value}


def _inside(ranges: Sequence[tuple[int, int]], length: int) -> NDArray[np.bool_]:
    """`[length]`, the positions inside ranges that do not overlap."""
    edges = np.zeros(length + 1, dtype=np.int8)
    starts, ends = np.array(ranges).T
    edges[starts] += 1
    edges[ends] -= 1
    return np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
