"""Reasons for an answered item: what each part of the request adds to its score, to the last digit shown."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final, Literal, NamedTuple

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
