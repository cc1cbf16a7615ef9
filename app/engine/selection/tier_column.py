"""One column of some live documents: their values as pairs of a document's place and a value."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.attribute_values import FLAGS, number_of
from app.artifact.filter_columns import LEVELS, Kind, levels_of
from app.engine.selection.column import Column
from app.engine.selection.filters import Comparison, Value


@dataclass(frozen=True, eq=False)
class ValueTest:
    """The comparisons of one condition, prepared once for all tiers; as `Column.passing` reads them."""

    exists: tuple[bool, ...]  # what is said of having a value at all
    comparisons: tuple[Comparison, ...]  # of the values themselves
    wishes: tuple[frozenset[Value], ...]  # of each of these the values it is content with, texts in lower case

    @classmethod
    def of(cls, comparisons: Iterable[Comparison], *, nested: bool) -> "ValueTest":
        """The test of a condition on a column, whose values perhaps have levels."""
        comparisons = tuple(comparisons)
        others = tuple(comparison for comparison in comparisons if comparison.operator != "exists")
        return cls(
            tuple(bool(comparison.value) for comparison in comparisons if comparison.operator == "exists"),
            others,
            tuple(frozenset(_folded(values_of(comparison), nested=nested)) for comparison in others),
        )


@dataclass(frozen=True, eq=False)
class Places:
    """Where the texts of a tier stand among the values of a bundle's column."""

    base: Column | None
    firsts: NDArray[np.int32]  # [texts] the code of the bundle's first value that is not sorted before the text
    fresh: dict[str, int]  # the texts that the bundle does not have, with that code


@dataclass(frozen=True, eq=False)
class TierColumn:
    """The values of the documents of a tier. Texts that differ in case only are one value."""

    size: int  # documents of the tier
    kind: Kind
    places: NDArray[np.int32]  # [pairs] documents, ascending; none twice with one value
    values: NDArray[Any]  # [pairs] float64 numbers, or codes: 0 and 1 of flags, a position in `folds` of texts
    folds: dict[str, int]  # the texts in lower case, and their positions
    spelling_places: NDArray[np.int32]  # [spelled pairs] documents, once for each text that they have
    spelling_codes: NDArray[np.int32]  # [spelled pairs] positions in `spellings`
    spellings: tuple[tuple[str, str], ...]  # a text in lower case, and how it, or its last level, is spelled
    _places: list[Places] = field(default_factory=list, repr=False)  # the newest

    @cached_property
    def spelling_codes_of(self) -> dict[str, tuple[int, ...]]:
        """Where the spellings of each text in lower case stand."""
        codes: dict[str, tuple[int, ...]] = {}
        for code, (fold, _) in enumerate(self.spellings):
            codes[fold] = (*codes.get(fold, ()), code)
        return codes

    def spells_only(self, fold: str, spelling: str) -> bool:
        """Whether no document has a text in lower case, or all of them spell it so."""
        codes = self.spelling_codes_of.get(fold, ())
        return not codes or (len(codes) == 1 and self.spellings[codes[0]][1] == spelling)

    def places_in(self, base: Column | None) -> Places:
        """Where the texts stand among the values of a bundle's column, which is looked up once; None has no values."""
        places = self._places[0] if self._places else None
        if places is None or places.base is not base:
            folds = list(self.folds)
            found_places = [(0, False)] * len(folds) if base is None else base.places_of(folds)
            firsts = np.array([first for first, _ in found_places], dtype=np.int32)
            pairs = zip(folds, found_places, strict=True)
            places = Places(base, firsts, {fold: first for fold, (first, is_known) in pairs if not is_known})
            self._places[:] = [places]
        return places

    def passing(self, test: ValueTest) -> NDArray[np.bool_]:
        """`[size]`, the documents with a value that passes all comparisons of the test."""
        passing = np.zeros(self.size, dtype=np.bool_)
        if test.exists and False in test.exists:
            if not test.comparisons and True not in test.exists:
                passing[:] = True
                passing[self.places] = False
            return passing
        passing[self.places[self._hits(test)] if test.comparisons else self.places] = True
        return passing

    def _hits(self, test: ValueTest) -> NDArray[np.bool_]:
        """`[pairs]`, those with a value that passes."""
        if self.kind == "number":
            return _numbers_that_pass(self.values, test.comparisons)
        if not test.wishes:
            return np.zeros(len(self.places), dtype=np.bool_)
        wishes = frozenset.intersection(*test.wishes)
        codes = np.zeros(max(len(self.folds), len(FLAGS)), dtype=np.bool_)
        if self.kind == "boolean":
            codes[[int(value) for value in wishes if isinstance(value, bool)]] = True
        else:
            hits = self.folds.keys() & wishes  # walks the smaller one
            codes[[self.folds[str(fold)] for fold in hits]] = True
        return np.asarray(codes[self.values], dtype=np.bool_)


def tier_column_of(given: Sequence[Sequence[Value]], kind: Kind, *, nested: bool) -> TierColumn:
    """The column of documents with these values, each several or none; values of another kind are left out.

    Args:
        given: `[documents]`, each with several values or none; a text where a column of numbers or of flags may hold
            what the text says.
        kind: of the column.
        nested: whether the values have levels.
    """
    if kind == "text":
        return _column_of_texts(given, nested=nested)
    places: list[int] = []
    values: list[float] = []
    for place, of_document in enumerate(given):
        known = {number for value in of_document if (number := _number(value, kind)) is not None}
        places += [place] * len(known)
        values += sorted(known)
    nothing = np.zeros(0, dtype=np.int32)
    dtype = np.float64 if kind == "number" else np.int32
    return TierColumn(
        len(given),
        kind,
        np.array(places, dtype=np.int32),
        np.array(values, dtype=dtype),
        {},
        nothing,
        nothing,
        (),
    )


def values_of(comparison: Comparison) -> tuple[Value, ...]:
    """The values that a comparison names."""
    return comparison.value if isinstance(comparison.value, tuple) else (comparison.value,)


def _column_of_texts(given: Sequence[Sequence[Value]], *, nested: bool) -> TierColumn:
    folds: dict[str, int] = {}
    spellings: dict[tuple[str, str], int] = {}
    codes_of: dict[Value, tuple[int, int]] = {}
    pairs: list[tuple[int, int]] = []
    spelled: list[tuple[int, int]] = []
    for place, of_document in enumerate(given):
        for text in of_document:
            codes = codes_of.get(text)
            if codes is None:
                if not isinstance(text, str):
                    continue
                fold = text.casefold()
                spelling = (fold, text.rpartition(LEVELS)[2] if nested else text)
                codes = (folds.setdefault(fold, len(folds)), spellings.setdefault(spelling, len(spellings)))
                codes_of[text] = codes
            pairs.append((place, codes[0]))
            spelled.append((place, codes[1]))
    places, values = _columns_of(list(dict.fromkeys(pairs)))
    spelling_places, spelling_codes = _columns_of(spelled)
    return TierColumn(len(given), "text", places, values, folds, spelling_places, spelling_codes, tuple(spellings))


def _columns_of(pairs: list[tuple[int, int]]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    array = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return np.ascontiguousarray(array[:, 0]), np.ascontiguousarray(array[:, 1])


def _number(value: Value, kind: Kind) -> float | None:
    """A value of a column of numbers, or of flags: 0 or 1; None for one of another kind."""
    if kind == "boolean":
        if isinstance(value, bool):
            return int(value)
        return FLAGS.index(value) if value in FLAGS else None
    if isinstance(value, str):
        return number_of(value)
    return None if isinstance(value, bool) or not np.isfinite(value) else float(value) + 0.0


def _numbers_that_pass(numbers: NDArray[np.float64], comparisons: Iterable[Comparison]) -> NDArray[np.bool_]:
    passing = np.ones(len(numbers), dtype=np.bool_)
    for comparison in comparisons:
        values = [float(v) for v in values_of(comparison) if isinstance(v, int | float) and not isinstance(v, bool)]
        match comparison.operator:
            case "eq" | "in":
                passing &= np.isin(numbers, values)
            case _ if not values:
                passing[:] = False
            case "lt":
                passing &= numbers < values[0]
            case "lte":
                passing &= numbers <= values[0]
            case "gt":
                passing &= numbers > values[0]
            case _:
                passing &= numbers >= values[0]
    return passing


def _folded(values: Iterable[Value], *, nested: bool) -> Iterable[Value]:
    for value in values:
        if not isinstance(value, str):
            yield value
            continue
        levels = levels_of(value) if nested else [value]
        if levels and levels[-1]:
            yield levels[-1].casefold()
