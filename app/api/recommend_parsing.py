"""From the wire to a call of the service: parsing, the fields that are not served yet, and the operator's limits."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson
from starlette.datastructures import QueryParams

from app.api.schemas import NOT_YET, PinRule, RecentEvent, RecommendRequest
from app.api.wire_values import fields_of, unix_of
from app.artifact.behaviours import BEHAVIOURS
from app.artifact.hashing import stable_hash
from app.engine.catalogue import Items
from app.engine.requests import OBJECTIVES
from app.engine.rules import Boost, Pin
from app.engine.selection.grouping import check_groups
from app.engine.selection.orders import RELEVANCE
from app.engine.snapshot import Snapshot
from app.errors import InvalidRequest, NotYet
from app.serving.call import GivenEvents, RecommendCall
from app.stores.state import Hidden

_OF_A_PAGE: Final = {"k", "cursor", "fields", "facets", "explain", "timeout_ms"}


def fingerprint_of(asked: RecommendRequest) -> int:
    """A 64-bit hash of the fields that make the list; of a request that gives none, `NO_LIST`."""
    return stable_hash(asked.model_dump_json(exclude=_OF_A_PAGE, exclude_defaults=True))


NO_LIST: Final = stable_hash("{}")
"""The fingerprint of a request that says nothing but which page it wants, and how."""


def with_selection(call: RecommendCall, asked: RecommendRequest, snapshot: Snapshot) -> RecommendCall:
    """The call with what the request says of which items are answered, how they are ordered, and what is counted.

    Raises:
        InvalidRequest: names the part that does not fit the catalogue.
    """
    filters = snapshot.filters
    if asked.filter is not None:
        call = replace(call, filter=filters.parse(asked.filter))
    if asked.facets:
        for place, name in enumerate(asked.facets):
            filters.column(name, f"facets.{place}")
        call = replace(call, facets=tuple(dict.fromkeys(asked.facets)))
    if asked.sort not in (None, RELEVANCE):
        snapshot.orders.check(asked.sort)
        if asked.objective is not None:
            raise InvalidRequest(
                f"sort: expected relevance beside an objective, came {asked.sort!r}: leave one of them out", "sort"
            )
        call = replace(call, sort=asked.sort)
    if asked.group_by is not None:
        check_groups(filters.column(asked.group_by, "group_by"))
        call = replace(call, group_by=asked.group_by)
    return call


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


CONTEXT_ITEM_IDS: Final = "context.item_ids"  # the one field that is flat only as a query parameter
_LISTS: Final = frozenset((CONTEXT_ITEM_IDS, "exclude_item_ids", "fields", "facets"))


@dataclass(frozen=True)
class Limits:
    """The longest lists that an operator accepts."""

    max_events: int
    max_item_ids: int


def read_body(body: bytes) -> RecommendRequest:
    """The request that a JSON body spells; an empty one asks for all defaults.

    Raises:
        ValidationError: it is no JSON, or a field is unknown or wrong.
    """
    return RecommendRequest.model_validate_json(body or b"{}")


def read_flat(parameters: QueryParams) -> RecommendRequest:
    """The request that query parameters spell.

    Raises:
        NotYet: a parameter is a field that this version does not serve, whatever its value.
        InvalidRequest: the filter is no JSON.
        ValidationError: a parameter is unknown or wrong.
    """
    given = fields_of(parameters, _LISTS)
    for field in NOT_YET:
        if field in given:
            raise _not_yet(field)
    if CONTEXT_ITEM_IDS in given:
        given["context"] = {"item_ids": given.pop(CONTEXT_ITEM_IDS)}
    if "filter" in given:
        given["filter"] = _json_of(given["filter"], "filter")
    return RecommendRequest.model_validate(given)


def call_of(request: RecommendRequest, limits: Limits) -> RecommendCall:
    """The call that a request makes.

    Raises:
        NotYet: it gives a field that this version does not serve.
        InvalidRequest: a list is too long.
    """
    refuse_not_yet(request)
    context = request.context.item_ids if request.context is not None else ()
    check_length("context.item_ids", len(context), limits.max_item_ids)
    check_length("exclude_item_ids", len(request.exclude_item_ids), limits.max_item_ids)
    events = request.recent_events
    if events is not None:
        check_length("recent_events", len(events), limits.max_events)
    return RecommendCall(
        k=request.k,
        user_id=request.user_id,
        visitor_id=request.visitor_id,
        context_item_ids=context,
        recent_events=None if events is None else given_events(events),
        exclude_item_ids=request.exclude_item_ids,
        explain=request.explain,
        hidden=_HIDDEN[request.exclude or "none"],
        query=request.query,
        objective=OBJECTIVES.get(request.objective or "", 0),
        timeout_s=None if request.timeout_ms is None else request.timeout_ms / 1e3,
    )


def refuse_not_yet(request: RecommendRequest) -> None:
    """Refuse what the contract has and this version has not, rather than leave it out silently.

    Raises:
        NotYet: names the field.
    """
    if request.model_fields_set.isdisjoint(_MAY_BE_NOT_YET):
        return
    for field in NOT_YET:
        if getattr(request, field) is not None:
            raise _not_yet(field)


_MAY_BE_NOT_YET: Final = frozenset(NOT_YET)
_HIDDEN: Final = {"none": Hidden.NONE, "purchased": Hidden.PURCHASED, "seen": Hidden.SEEN}


def check_objective(objective: str | None, snapshot: Snapshot) -> None:
    """Refuse an objective that the bundle cannot follow, since its data lacks the behaviour.

    Raises:
        InvalidRequest: names the objectives that there are.
    """
    known = [] if snapshot.ranker is None else snapshot.ranker.objectives
    if objective is not None and objective not in known:
        raise InvalidRequest(
            f"objective: this bundle knows {', '.join(known) or 'none'}, came {objective!r}: its data has no such "
            "behaviour",
            "objective",
        )


def _json_of(text: str, field: str) -> Any:
    """What a parameter says in JSON.

    Raises:
        InvalidRequest: it is none.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{field}: expected a JSON document, came none ({error})", field) from error


def _not_yet(field: str) -> NotYet:
    return NotYet(f"{field} is not served by this version yet: leave it out", field)


def check_length(field: str, length: int, limit: int) -> None:
    """Refuse a list that is too long.

    Raises:
        InvalidRequest: names the field and the limit.
    """
    if length > limit:
        raise InvalidRequest(f"{field}: at most {limit} entries, came {length}: send fewer", field)


def given_events(events: list[RecentEvent]) -> GivenEvents:
    """The history that a caller brings, oldest first."""
    times = [unix_of(event.time) for event in events]
    pairs = list(zip(times, events, strict=True))
    if all(event.time is not None for event in events):
        pairs.sort(key=lambda pair: pair[0])
    return GivenEvents(
        item_ids=[event.item_id for _, event in pairs],
        types=[BEHAVIOURS[event.type] for _, event in pairs],
        times=[time for time, _ in pairs],
    )
