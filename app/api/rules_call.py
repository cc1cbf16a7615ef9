"""The rules of a request: boosts, pins and diversity, checked against the bundle that answers."""

from collections.abc import Sequence
from dataclasses import replace

from app.api.schemas import PinRule, RecommendRequest
from app.engine.items import Items
from app.engine.rules import Boost, Pin
from app.engine.snapshot import Snapshot
from app.errors import InvalidRequest
from app.serving.call import RecommendCall


def with_rules(call: RecommendCall, asked: RecommendRequest, snapshot: Snapshot) -> RecommendCall:
    """The call with the rules that the request gives.

    Raises:
        InvalidRequest: two pins contradict each other, a sorted list is to be diversified or boosted, or the filter of
            a boost does not fit the catalogue.
    """
    if asked.pin:
        call = replace(call, pins=_pins_of(asked.pin, snapshot.items))
    if asked.diversity:
        if asked.sort not in (None, "relevance"):
            raise InvalidRequest(
                f"diversity: reorders by relevance, came with sort {asked.sort!r}: leave one of them out", "diversity"
            )
        call = replace(call, diversity=asked.diversity)
    if asked.boost:
        if asked.sort not in (None, "relevance"):
            raise InvalidRequest(
                f"boost: moves items by relevance, came with sort {asked.sort!r}: leave one of them out", "boost"
            )
        parsed = [snapshot.filters.parse(rule.filter, f"boost.{n}.filter") for n, rule in enumerate(asked.boost)]
        boosts = (Boost(each, rule.factor) for each, rule in zip(parsed, asked.boost, strict=True))
        call = replace(call, boosts=tuple(boosts))
    return call


def _pins_of(rules: Sequence[PinRule], items: Items) -> tuple[Pin, ...]:
    """Pins of the items that there are; others are left out, since an item may have gone after it was pinned."""
    _refuse_twice("position", [rule.position for rule in rules])
    _refuse_twice("item_id", [rule.item_id for rule in rules])
    rows = [items.row_of(rule.item_id) for rule in rules]
    return tuple(Pin(row, rule.position) for row, rule in zip(rows, rules, strict=True) if row)


def _refuse_twice(name: str, values: Sequence[object]) -> None:
    for place, value in enumerate(values):
        if value in values[:place]:
            field = f"pin.{place}.{name}"
            raise InvalidRequest(
                f"{field}: each {name} may be pinned once, came {value!r} in pin.{values.index(value)} too", field
            )
