"""Reasons for an answered item: what each part of the request adds to its score, to the last digit shown."""

from collections.abc import Sequence
from itertools import compress
from operator import itemgetter
from typing import Final, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.names import PADDING_ROW

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
    units = np.rint(weights * _UNIT)
    remainders = np.rint(scores * _UNIT) - units.sum(axis=0) + 0.0
    has_reason = units != 0
    columns = list(parts)
    for place, of_items in enumerate(parts):
        first = next(filter(None, of_items), None)
        if first is not None and first.kind == "pin":
            has_reason[place] = [part is not None for part in of_items]
    if remainder_kind == "popular":
        columns.append([Reason(remainder_kind, 0.0)] * len(scores))
        units = np.concatenate([units, remainders[None]])
        has_reason = np.concatenate([has_reason, np.ones((1, len(scores)), dtype=np.bool_)])
    order = np.argsort(-np.abs(units), axis=0, kind="stable")
    line = np.arange(len(scores))
    ordered, has_reason = units[order, line] / _UNIT + 0.0, has_reason[order, line]
    reasons = []
    lines = zip(zip(*columns, strict=True), order.T.tolist(), ordered.T.tolist(), has_reason.T.tolist(), strict=True)
    for of_item, places, values, marks in lines if columns else ():
        reasons.append(
            [
                tuple.__new__(Reason, (part[0], weight, part[2], part[3], part[4]))  # half of what `Reason` takes
                for part, weight in zip(
                    map(of_item.__getitem__, compress(places, marks)), compress(values, marks), strict=True
                )
                if part is not None
            ]
        )
    if not columns:
        reasons = [[] for _ in scores]
    if remainder_kind == "base":
        base = remainders / _UNIT
        for item in np.flatnonzero(remainders).tolist():
            reasons[item].append(Reason(remainder_kind, float(base[item])))
    return reasons


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
