"""Reasons for an answered item: what each part of the request adds to its score, to the last digit shown."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.names import PADDING_ROW
from app.engine.kernels.reasons import ordered_weights

Kind = Literal["viewed", "carted", "purchased", "query_match", "popular", "boost", "pin", "base"]

SCORE_DECIMALS: Final = 6  # a further digit would differ between processors
_UNIT: Final = 10**SCORE_DECIMALS
_SORT_KEY: Final = itemgetter(0)
_KINDS: Final[dict[int, Kind]] = {VIEW: "viewed", CART: "carted", PURCHASE: "purchased"}


class Reason(NamedTuple):
    """What one part of a request, or a rule, adds to the score of an item."""

    kind: Kind
    weight: float  # signed, a part of the score
    row: int = PADDING_ROW  # of the item that was viewed, carted or purchased
    terms: tuple[str, ...] | None = None  # of a query, those that the item has
    position: int | None = None  # of a pin


def kind_of(behaviour: int) -> Kind:
    """The kind of a reason that is an event of this behaviour."""
    return _KINDS[behaviour]


def reasons_of_items(
    scores: NDArray[np.float64],
    weights: NDArray[np.float64],
    parts: Sequence[Sequence[Reason | None]],
    remainder_kind: Literal["base", "popular"] = "base",
) -> list[list[Reason]]:
    """The reasons of each of `n` items, as `round_reasons` makes those of one.

    Args:
        scores: `[n]`.
        weights: `[parts, n]`.
        parts: of each part a reason for every item, whose weight is not read; None where the item has none, and a
            weight of 0.
        remainder_kind: as for `round_reasons`.
    """
    columns = list(parts)
    kept = _kept(parts, len(scores))
    rounded = np.rint(scores * _UNIT)
    if remainder_kind == "popular":
        remainders = rounded - np.rint(weights * _UNIT).sum(axis=0)
        columns.append([Reason(remainder_kind, 0.0)] * len(scores))
        weights = np.concatenate([weights, remainders[None] / _UNIT])
        kept = np.zeros(weights[:-1].shape, dtype=np.bool_) if kept is None else kept
        kept = np.concatenate([kept, np.ones((1, len(scores)), dtype=np.bool_)])
    if not columns:
        reasons: list[list[Reason]] = [[] for _ in scores]
        remainders = rounded + 0.0
    else:
        ordered = ordered_weights(weights * _UNIT, kept)
        remainders = rounded - ordered.totals + 0.0
        values = ordered.units / _UNIT + 0.0
        lines = zip(
            zip(*columns, strict=True),
            ordered.places.tolist(),
            values.tolist(),
            ordered.counts.tolist(),
            strict=True,
        )
        reasons = [
            [
                tuple.__new__(Reason, (part[0], weight, part[2], part[3], part[4]))  # half of what `Reason` takes
                for part, weight in zip(map(of_item.__getitem__, places[:count]), of_parts, strict=False)
                if part is not None
            ]
            for of_item, places, of_parts, count in lines
        ]
    if remainder_kind == "base":
        base = remainders / _UNIT
        for item in np.flatnonzero(remainders).tolist():
            reasons[item].append(Reason(remainder_kind, float(base[item])))
    return reasons


def _kept(parts: Sequence[Sequence[Reason | None]], items: int) -> NDArray[np.bool_] | None:
    """`[parts, items]`, the pins, which are told whatever their weight; None where there are none."""
    kept: NDArray[np.bool_] | None = None
    for place, of_items in enumerate(parts):
        first = next(filter(None, of_items), None)
        if first is not None and first.kind == "pin":
            kept = np.zeros((len(parts), items), dtype=np.bool_) if kept is None else kept
            kept[place] = [part is not None for part in of_items]
    return kept


def round_reasons(
    score: float, parts: Sequence[Reason], remainder_kind: Literal["base", "popular"] = "base"
) -> list[Reason]:
    """The reasons of one item: parts with a weight, and pins, by descending weight; `base` last.

    Weights have six decimals, and their decimal sum is the score to six decimals.

    Args:
        parts: in any order, which parts of equal weight keep.
        remainder_kind: the kind of the remainder. A remainder of kind `popular`, the only reason of an item of which
            nothing else is known, is kept even if it is 0.
    """
    rounded: list[tuple[int, int, Reason]] = []  # the sort key, weight in units, and what it is of
    total = 0
    for part in parts:
        unit = round(part.weight * _UNIT)
        if unit or part.kind == "pin":
            total += unit
            rounded.append((-abs(unit), unit, part))
    remainder = round(score * _UNIT) - total
    if remainder_kind == "popular":
        rounded.append((-abs(remainder), remainder, Reason(remainder_kind, 0.0)))
    rounded.sort(key=_SORT_KEY)
    reasons = [Reason(part.kind, unit / _UNIT, part.row, part.terms, part.position) for _, unit, part in rounded]
    if remainder and remainder_kind == "base":
        reasons.append(Reason(remainder_kind, remainder / _UNIT))
    return reasons
