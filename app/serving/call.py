"""A call and its answer, as the service knows them: no HTTP, no JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.people import user_hash, visitor_hash
from app.engine.reasons import Reason
from app.engine.rules import Boost, Pin
from app.engine.selection.filters import Filter
from app.engine.text.meaning_match import QueryKind
from app.stores.state import Exclude


@dataclass(frozen=True, slots=True)
class EventHistory:
    """The history that a caller keeps itself, oldest first; three lists of one length."""

    item_ids: Sequence[str]
    types: Sequence[int]  # behaviour codes
    times: Sequence[float]  # unix seconds, NaN when unknown


@dataclass(frozen=True, slots=True)
class RecommendCall:
    """A request after parsing: its fields are named as on the wire, and their values are what the engine reads."""

    k: int
    user_id: str | None = None
    visitor_id: str | None = None  # looked up when there is no user, or nothing is known of them
    session_id: str | None = None  # likewise, when nothing is known of the visitor either
    query: str | None = None
    exact: bool = False  # the query is not corrected
    context_item_ids: Sequence[str] = ()  # seen just now, the newest last
    recent_events: EventHistory | None = None  # replaces what is stored
    exclude_item_ids: Sequence[str] = ()
    exclude: Exclude = Exclude.NONE  # items of the user's past that must not be answered
    similar_to: int = PADDING_ROW  # an item row: answer its neighbours, the same for everybody
    objective: int = 0  # of `engine.requests.OBJECTIVES`, 0 for the usual order
    explain: bool = False
    timeout_ms: float | None = None  # the service's own limit if None
    pin: Sequence[Pin] = ()
    diversity: float = 0.0  # 0 to 1
    boost: Sequence[Boost] = ()
    filter: Filter | None = None  # every answered item passes it
    facets: Sequence[str] = ()  # columns whose values are counted
    sort: str = "relevance"  # or price_asc, price_desc, newest
    group_by: str | None = None  # a column; at most one item of each of its values
    conditions: int = 0  # in the filter and in those of the boosts
    values: int = 0  # in the lists of these conditions

    def person_hashes(self) -> list[int]:
        """The hashes of the user, the visitor and the session whose states may be stored, the preferred one first."""
        if self.recent_events is not None or self.similar_to:
            return []
        return person_hashes(self.user_id, self.visitor_id, self.session_id)


def person_hashes(user_id: str | None, visitor_id: str | None, session_id: str | None) -> list[int]:
    """The hashes of those under whom states may be stored, the preferred one first."""
    hashes = [] if user_id is None else [user_hash(user_id)]
    hashes += [] if visitor_id is None else [visitor_hash(visitor_id)]
    return hashes if session_id is None else [*hashes, visitor_hash(session_id)]


@dataclass(slots=True)
class Answer:
    """At most `k` items, best first. Of one request alone, which may still say what it knows better."""

    model_version: str
    item_rows: list[int]
    item_ids: list[str]
    scores: list[float]
    reasons: list[list[Reason]] | None  # of each item; `None` without `explain`
    total: int  # items that may be answered, or groups of them
    degraded: list[str]  # what was missing
    unknown_item_ids: list[str]  # items of the context that the catalogue lacks, each once
    stages: list[tuple[str, float]]  # name and seconds, of the batch that it was answered in
    facets: dict[str, list[dict[str, Any]]] | None = None  # values and counts by column; `None` without `facets`
    next_cursor: str | None = None
    corrected_query: str | None = None
    matched_by: str | None = None  # of `MATCHED_BY`, where there was a query
    dropped_words: tuple[str, ...] = ()  # of the query, which no item has
    query_kinds: tuple[QueryKind, ...] = ()  # that it means, by a text encoder
    similar_queries: list[str] | None = None  # where a search has no items to answer
    popular_rows: list[int] | None = None  # as `similar_queries`
    first_rank: int = 1  # of its first item in the whole list
    rest: tuple[NDArray[np.int64], NDArray[np.floating]] | None = None  # rows and scores behind this page

    @property
    def has_more(self) -> bool:
        """Whether its list goes on."""
        return self.rest is not None and len(self.rest[0]) > 0


class ClientDisconnected(Exception):
    """The client has gone: nobody waits for the answer, and none was worked out."""
