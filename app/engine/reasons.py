"""Reasons for an answered item: what each piece of the request gave to its score, to the last digit shown."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.names import PADDING_ROW

Kind = Literal["viewed", "carted", "purchased", "query_match", "popular", "boost", "pin", "base"]

SCORE_DECIMALS: Final = 6  # past them a score differs between processors
_UNIT: Final = 10**SCORE_DECIMALS
_KINDS: Final[dict[int, Kind]] = {VIEW: "viewed", CART: "carted", PURCHASE: "purchased"}


@dataclass(frozen=True, slots=True)
class Reason:
    """What one piece gave."""

    kind: Kind
    weight: float  # signed, a part of the score
    row: int = PADDING_ROW  # of the item that was viewed, carted or purchased
    terms: tuple[str, ...] | None = None  # of a query, the words that the item has
    position: int | None = None  # of a pin


def kind_of(behaviour: int) -> Kind:
    """What an event of a behaviour is called."""
    return _KINDS.get(behaviour, "viewed")


def settled(score: float, pieces: Sequence[Reason], rest: Literal["base", "popular"] = "base") -> list[Reason]:
    """The reasons of one item: pieces that gave something and pins, the weightiest first; `base` behind them.

    Weights have six decimals, and their decimal sum is the score to six decimals.

    Args:
        score: of the item.
        pieces: in any order; equally weighty ones stay in it.
        rest: what the remainder is called. Where that is all that is known of an item, it stands there even if it
            is nothing.
    """
    units = [round(piece.weight * _UNIT) for piece in pieces]
    remainder = round(score * _UNIT) - sum(units)
    told = [(piece, unit) for piece, unit in zip(pieces, units, strict=True) if unit or piece.kind == "pin"]
    if rest == "popular":
        told.append((Reason(rest, 0.0), remainder))
    told.sort(key=lambda pair: -abs(pair[1]))
    reasons = [replace(piece, weight=unit / _UNIT) for piece, unit in told]
    return [*reasons, Reason(rest, remainder / _UNIT)] if remainder and rest == "base" else reasons
