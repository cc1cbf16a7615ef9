"""From the wire to a `RecommendCall`: a JSON body or query parameters, checked against the bundle and the limits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from starlette.datastructures import QueryParams

from app.api.schemas import BoostRule, Context, PinRule, RecentEvent, RecommendRequest
from app.api.wire_values import fields_of, unix_of
from app.artifact.behaviours import BEHAVIOURS
from app.artifact.hashing import stable_hash
from app.artifact.parts import RANKER
from app.engine.catalogue import Items
from app.engine.requests import OBJECTIVES
from app.engine.rules import Boost, Pin
from app.engine.selection.fields import check_fields
from app.engine.selection.filter_index import FilterIndex
from app.engine.selection.filter_parsing import MAX_CONDITIONS_IN_ALL, FilterBudget
from app.engine.selection.grouping import check_groups
from app.engine.selection.orders import RELEVANCE
from app.engine.snapshot import Snapshot
from app.errors import InvalidRequest
from app.serving.call import EventHistory, RecommendCall, person_hashes
from app.serving.cost import reasons_of
from app.stores.state import Exclude, StateRequest

CONTEXT_ITEM_IDS: Final = "context.item_ids"  # the one field that is flat only as a query parameter
_LISTS: Final = frozenset((CONTEXT_ITEM_IDS, "exclude_item_ids", "fields", "facets"))
_EXCLUDE: Final = {None: Exclude.NONE, "none": Exclude.NONE, "purchased": Exclude.PURCHASED, "seen": Exclude.SEEN}
_PAGE_FIELDS: Final = {"k", "cursor", "fields", "facets", "explain", "timeout_ms"}  # they leave the list as it is

MAX_REASONS: Final = 4_000
"""Reasons of one answer, unless an operator wants more: 200 items with ten events and half a dozen boosts."""
_LIST_DEFAULTS: Final = [
    (name, field.default) for name, field in RecommendRequest.model_fields.items() if name not in _PAGE_FIELDS
]
_DEFAULTS: Final = {
    kind: {name: field.default for name, field in kind.model_fields.items()}
    for kind in (RecentEvent, Context, BoostRule, PinRule)
}

NO_LIST: Final = stable_hash("{}")
"""The fingerprint of a request that gives no field but those of a page."""


@dataclass(frozen=True)
class Limits:
    """The longest lists that an operator accepts, and the largest requests."""

    max_events: int
    max_item_ids: int
    max_conditions: int = MAX_CONDITIONS_IN_ALL  # of the filter and of all boosts together
    max_reasons: int = MAX_REASONS  # that an explained answer can have


def read_body(body: bytes) -> RecommendRequest:
    """Parse a JSON body; an empty one asks for all defaults.

    Raises:
        ValidationError: it is no JSON, or a field is unknown or wrong.
    """
    return RecommendRequest.model_validate_json(body or b"{}")


def read_parameters(parameters: QueryParams) -> RecommendRequest:
    """Parse query parameters.

    Raises:
        InvalidRequest: the filter is no JSON.
        ValidationError: a parameter is unknown or wrong.
    """
    fields = fields_of(parameters, _LISTS)
    if CONTEXT_ITEM_IDS in fields:
        fields["context"] = {"item_ids": fields.pop(CONTEXT_ITEM_IDS)}
    if "filter" in fields:
        fields["filter"] = _parse_json(fields["filter"], "filter")
    return RecommendRequest.model_validate(fields)


def parse_recommend(request: RecommendRequest, limits: Limits, snapshot: Snapshot) -> RecommendCall:
    """The call that a request makes of a bundle.

    Of several wrong fields the first is named, in the order below.

    Raises:
        InvalidRequest: a list is too long, or a field does not fit the bundle or another field.
    """
    context = request.context.item_ids if request.context is not None else ()
    check_length(CONTEXT_ITEM_IDS, len(context), limits.max_item_ids)
    check_length("exclude_item_ids", len(request.exclude_item_ids), limits.max_item_ids)
    budget = FilterBudget(limits.max_conditions)
    call = RecommendCall(
        k=request.k,
        user_id=request.user_id,
        visitor_id=request.visitor_id,
        session_id=request.session_id,
        query=request.query,
        exact=request.exact,
        context_item_ids=context,
        recent_events=parse_history(request.recent_events, limits),
        exclude_item_ids=request.exclude_item_ids,
        exclude=_EXCLUDE[request.exclude],
        objective=OBJECTIVES.get(request.objective or "", 0),
        explain=request.explain,
        timeout_ms=request.timeout_ms,
        pin=_parse_pins(request.pin or (), snapshot.items),
        diversity=_parse_diversity(request),
        boost=_parse_boosts(request.boost or (), request.sort, snapshot.filters, budget),
        filter=None if request.filter is None else snapshot.filters.parse(request.filter, budget=budget),
        facets=_parse_facets(request.facets or (), snapshot.filters),
        sort=_parse_sort(request, snapshot),
        group_by=_parse_group_by(request.group_by, snapshot.filters),
        conditions=budget.conditions,  # the filters stand above
        values=budget.values,
    )
    _check_reasons(call, limits.max_reasons)
    check_fields(request.fields or (), snapshot.catalogue, snapshot.filters)
    _check_objective(request.objective, snapshot)
    return call


def people_of(request: RecommendRequest) -> list[StateRequest]:
    """Those whose states the answer may need, the preferred one first; nobody for a further page."""
    if request.recent_events is not None or request.cursor is not None:
        return []
    exclude = _EXCLUDE[request.exclude]
    hashes = person_hashes(request.user_id, request.visitor_id, request.session_id)
    return [StateRequest(person_hash, exclude) for person_hash in hashes]


def check_length(field: str, length: int, limit: int) -> None:
    """Refuse a list that is too long.

    Raises:
        InvalidRequest: names the field and the limit.
    """
    if length > limit:
        raise InvalidRequest(f"{field}: at most {limit} entries, got {length}: send fewer", field)


def parse_history(events: Sequence[RecentEvent] | None, limits: Limits) -> EventHistory | None:
    """The history that a caller brings, oldest first; `None` where it brings none.

    Raises:
        InvalidRequest: it is too long.
    """
    if events is None:
        return None
    check_length("recent_events", len(events), limits.max_events)
    pairs = [(unix_of(event.time), event) for event in events]
    if all(event.time is not None for event in events):
        pairs.sort(key=lambda pair: pair[0])
    return EventHistory(
        item_ids=[event.item_id for _, event in pairs],
        types=[BEHAVIOURS[event.type] for _, event in pairs],
        times=[time for time, _ in pairs],
    )


def fingerprint_of(request: RecommendRequest) -> int:
    """A 64-bit hash of the fields that make the list, so that a cursor can tell whose it is; `NO_LIST` without any."""
    values = request.__dict__
    given = {name: values[name] for name, default in _LIST_DEFAULTS if values[name] != default}
    if not given:
        return NO_LIST
    try:
        text = orjson.dumps(given, _members_of, orjson.OPT_PASSTHROUGH_DATETIME).decode()
    except orjson.JSONEncodeError:  # a time, or a number that no machine word holds
        text = request.model_dump_json(exclude=_PAGE_FIELDS, exclude_defaults=True)
    return stable_hash(text)


def _members_of(value: Any) -> dict[str, Any]:
    """What is given of an object within a request."""
    if isinstance(value, RecentEvent | Context | BoostRule | PinRule):
        defaults = _DEFAULTS[type(value)]
        return {name: member for name, member in value.__dict__.items() if member != defaults[name]}
    raise TypeError


def _parse_json(text: str, field: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"{field}: expected a JSON document, got none ({error})", field) from error


def _parse_pins(rules: Sequence[PinRule], items: Items) -> tuple[Pin, ...]:
    """Pins of known items; unknown ones are left out, since an item may have gone after it was pinned."""
    if not rules:
        return ()
    _refuse_duplicates("position", [rule.position for rule in rules])
    _refuse_duplicates("item_id", [rule.item_id for rule in rules])
    rows = [items.answerable_row_of(rule.item_id) for rule in rules]
    return tuple(Pin(row, rule.position) for row, rule in zip(rows, rules, strict=True) if row)


def _refuse_duplicates(name: str, values: Sequence[object]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            field = f"pin.{index}.{name}"
            raise InvalidRequest(
                f"{field}: each {name} may be pinned once, got {value!r} in pin.{values.index(value)} too", field
            )


def _parse_diversity(request: RecommendRequest) -> float:
    if request.diversity and request.sort not in {None, RELEVANCE}:
        raise InvalidRequest(
            f"diversity: reorders by relevance, got sort {request.sort!r}: leave one of them out", "diversity"
        )
    return request.diversity or 0.0


def _check_reasons(call: RecommendCall, limit: int) -> None:
    """Refuse to explain more than is explained at once."""
    reasons = reasons_of(call)
    if reasons > limit:
        raise InvalidRequest(
            f"explain: at most {limit} reasons in an answer, got {call.k} items with up to {reasons // call.k} each: "
            "ask for fewer items, or with fewer boosts",
            "explain",
        )


def _parse_boosts(
    rules: Sequence[BoostRule], sort: str | None, filters: FilterIndex, budget: FilterBudget
) -> tuple[Boost, ...]:
    if not rules:
        return ()
    if sort not in {None, RELEVANCE}:
        raise InvalidRequest(f"boost: moves items by relevance, got sort {sort!r}: leave one of them out", "boost")
    return tuple(
        Boost(filters.parse(rule.filter, f"boost.{index}.filter", budget), rule.factor)
        for index, rule in enumerate(rules)
    )


def _parse_facets(names: Sequence[str], filters: FilterIndex) -> tuple[str, ...]:
    """The names without duplicates, each of which is a column."""
    for index, name in enumerate(names):
        filters.column(name, f"facets.{index}")
    return tuple(dict.fromkeys(names))


def _parse_sort(request: RecommendRequest, snapshot: Snapshot) -> str:
    sort = request.sort
    if sort is None or sort == RELEVANCE:
        return RELEVANCE
    snapshot.orders.check(sort)
    if request.objective is not None:
        raise InvalidRequest(
            f"sort: expected relevance beside an objective, got {sort!r}: leave one of them out", "sort"
        )
    return sort


def _parse_group_by(name: str | None, filters: FilterIndex) -> str | None:
    if name is not None:
        check_groups(filters.column(name, "group_by"))
    return name


def _check_objective(objective: str | None, snapshot: Snapshot) -> None:
    """Refuse an objective that the bundle cannot follow, since its data lacks the behaviour."""
    known = [] if snapshot.ranker is None else snapshot.ranker.objectives
    if objective is not None and objective not in known:
        unreadable = snapshot.parts.unreadable.get(RANKER)
        if unreadable is not None:
            raise InvalidRequest(f"objective: {objective!r} cannot be followed here: {unreadable}", "objective")
        raise InvalidRequest(
            f"objective: this bundle knows {', '.join(known) or 'none'}, got {objective!r}: its data has no such "
            "behaviour",
            "objective",
        )
