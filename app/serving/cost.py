"""What a call costs beyond a plain one, told from its fields before anything is done.

Microseconds of one core, as measured at 10,000 items on 2 cores of an AMD EPYC: near enough to tell what is cheap from
what is dear, and how many calls make a group.
"""

from typing import Final

from app.engine.explain import MOST_ITEMS
from app.engine.selection.orders import RELEVANCE
from app.engine.text.operators import parse_query
from app.serving.call import RecommendCall

DEAR_US: Final = 6_000
"""From here on a call is dear: it is worked on where no cheap one waits."""
GROUP_US: Final = 20_000
"""What the calls of one group cost together: all of them wait for all of it."""
DEAR_WRITING_US: Final = 1_000
"""From here on an answer is written in a thread; the loop writes others at once."""
DEAR_READING_BYTES: Final = 4_096
"""From here on a request is read in a thread: some 300 nanoseconds a byte where it is all conditions."""
WRITTEN_FIELD_US: Final = 4
"""To write one field of one item."""

_ROWS: Final = 10_000  # of the catalogue that was measured
_CONDITION_US: Final = 35
_VALUE_US: Final = 10  # of a list: read, and looked up together; ids of items and numbers take less
_BOOST_US: Final = 250
_FACET_US: Final = 180
_QUERY_US: Final = 500
_QUERY_ROWS_US: Final = 40  # the part that grows with the catalogue
_OPERATORS_US: Final = 60_000  # of the longest texts; where one is new
_SORT_US: Final = 500
_GROUPS_US: Final = 4_000
_DIVERSITY_US: Final = 600
_DIVERSE_ITEM_US: Final = 6
_PINS_US: Final = 1_500
_EXPLAIN_US: Final = 3_000
_REASON_US: Final = 5
_ID_US: Final = 1
_WRITTEN_REASON_US: Final = 3
_PREDICTED_US: Final = 16
_PREDICTED_EVENT_US: Final = 8


def cost_of(call: RecommendCall, rows: int) -> float:
    """Microseconds of the engine beyond those of a plain call, in a catalogue of so many rows."""
    cost: float = call.conditions * _CONDITION_US + call.values * _VALUE_US
    cost += len(call.boost) * _BOOST_US + bool(call.pin) * _PINS_US
    cost += _DIVERSITY_US + _DIVERSE_ITEM_US * call.k if call.diversity else 0.0
    cost += _ID_US * (len(call.context_item_ids) + len(call.exclude_item_ids))
    cost += _ID_US * (0 if call.recent_events is None else len(call.recent_events.item_ids))
    if call.explain:
        cost += _EXPLAIN_US + _REASON_US * reasons_of(call)
    if call.query is not None:
        cost += _QUERY_US
    return cost + _catalogue_cost(call) * max(1.0, rows / _ROWS)


def late_cost_of(call: RecommendCall, rows: int, *, has_mask: bool) -> float:
    """Microseconds of an answer that is only what is popular; `has_mask` says whether its filter's mask is kept."""
    cost = 0.0 if has_mask else call.conditions * _CONDITION_US + call.values * _VALUE_US
    return cost + (len(call.facets) * _FACET_US + (call.sort != RELEVANCE) * _SORT_US) * max(1.0, rows / _ROWS)


def reasons_of(call: RecommendCall) -> int:
    """The most reasons that the answer to a call can have: those of its items for each event, rule and text."""
    if not call.explain:
        return 0
    events = MOST_ITEMS if call.recent_events is None else min(MOST_ITEMS, len(call.recent_events.item_ids))
    of_an_item = events + (call.query is not None) + len(call.boost) + bool(call.pin) + 2  # popularity, and the rest
    return call.k * of_an_item


def writing_cost_of(call: RecommendCall, fields: int) -> float:
    """Microseconds that it takes to write the answer to a call; `fields` are those of each item."""
    return call.k * fields * WRITTEN_FIELD_US + reasons_of(call) * _WRITTEN_REASON_US


def prediction_cost_of(items: int, events: int) -> float:
    """Microseconds of a prediction beyond those of a few items."""
    return items * _PREDICTED_US + events * _PREDICTED_EVENT_US


def _catalogue_cost(call: RecommendCall) -> float:
    """The part that grows with the catalogue."""
    cost = len(call.facets) * _FACET_US
    if call.query is not None:
        cost += _QUERY_ROWS_US + _OPERATORS_US * parse_query(call.query).has_operators
    cost += _SORT_US if call.sort != RELEVANCE else 0
    return cost + (_GROUPS_US if call.group_by is not None else 0)
