"""The ranker's features: one function for training and serving, from candidates and events to numbers.

The features of a request do not depend on the rest of its batch, to the last bit: products of quantised vectors are
whole numbers that float32 holds exactly, so that their order does not matter, and all else is computed candidate by
candidate.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOURS, CART, PURCHASE, VIEW
from app.artifact.names import PADDING_ROW
from app.artifact.rank_tables import RankTables

RECENT: Final = 10  # newest events whose similarity to a candidate counts
DECAY: Final = 0.8  # factor of an event's weight for each newer event
_QUERY_LIMIT: Final = 127  # largest number of a quantised query, as in the retrieval graph
_LEAST_CO_OCCURRENCE: Final = 1e-4  # a smaller one does not count as occurring together

GROUPS: Final[dict[str, tuple[str, ...]]] = {
    "retrieval": ("score", "score_gap", "log_rank"),
    "similarity": ("like_last", "like_recent", "like_nearest"),
    "content": ("content_like_last", "content_like_recent", "content_like_nearest"),
    "co_occurrence": ("with_last", "with_recent", "with_nearest", "with_events"),
    "history": ("viewed", "carted", "purchased", "touched", "log_events_since", "log_minutes_since"),
    "popularity": (
        "log_popularity",
        "log_views",
        "log_carts",
        "log_purchases",
        "carts_a_view",
        "purchases_a_view",
    ),
    "catalogue": (
        "same_category_last",
        "same_category_recent",
        "same_brand_last",
        "same_brand_recent",
        "category_missing",
        "brand_missing",
        "price_over_habit",
        "price_off_habit",
        "log_price",
        "price_missing",
    ),
    "user": ("log_events", "log_distinct", "log_minutes_idle"),
}
"""Feature names by what they are about."""
FEATURES: Final = tuple(name for group in GROUPS.values() for name in group)
OF_TIME: Final = ("log_minutes_since", "log_minutes_idle")
"""Features that say nothing where events have no times."""
OF_ORDER: Final = (
    *(f"{kind}_{event}" for kind in ("like", "content_like", "with") for event in ("last", "recent")),
    "log_events_since",
    *(f"same_{code}_{event}" for code in ("category", "brand") for event in ("last", "recent")),
)
"""Features that say nothing where events have no order: of the last event, and of events that weigh by how new they
are."""
POPULARITY: Final = slice(FEATURES.index(GROUPS["popularity"][0]), FEATURES.index(GROUPS["popularity"][-1]) + 1)
"""The columns of the popularity group."""
_COLUMNS: Final = {
    group: range(FEATURES.index(members[0]), FEATURES.index(members[0]) + len(members))
    for group, members in GROUPS.items()
}
DECAYS: Final = np.asarray(DECAY ** np.arange(RECENT), dtype=np.float32)
"""The weights of the newest events, newest first."""


@dataclass(frozen=True)
class CandidateList:
    """The candidates of a batch in one flat list: ordered by request, and by item row within a request."""

    request_index: NDArray[np.int64]  # [candidates] the request of each
    rows: NDArray[np.int64]  # [candidates] item rows, never 0, distinct within a request
    sources: NDArray[np.uint8]  # [candidates] the candidate sources of each, as bits
    offsets: NDArray[np.int64]  # [batch + 1]

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, request: int) -> slice:
        """Where the candidates of one request are."""
        return slice(int(self.offsets[request]), int(self.offsets[request + 1]))

    def rows_of_requests(self) -> tuple[NDArray[np.int64], ...]:
        """The rows of each request."""
        return tuple(self.rows[self.part(request)] for request in range(len(self.offsets) - 1))

    def longest(self) -> int:
        """How many candidates a request has at most."""
        return len(self.rows) if len(self.offsets) == 2 else int((self.offsets[1:] - self.offsets[:-1]).max(initial=0))

    def of_requests(self, chosen: NDArray[np.bool_]) -> "CandidateList":
        """The candidates of the chosen requests, `[batch]`, with the requests renumbered."""
        inside = chosen[self.request_index]
        request_index = (np.cumsum(chosen) - 1)[self.request_index[inside]]
        offsets = np.searchsorted(request_index, np.arange(int(chosen.sum()) + 1))
        return CandidateList(request_index, self.rows[inside], self.sources[inside], offsets)


@dataclass(frozen=True)
class UserContext:
    """What the features read of the user of each request. Events are right-aligned, newest last; row 0 pads."""

    event_rows: NDArray[np.int32]  # [batch, window]
    event_types: NDArray[np.uint8]  # [batch, window]
    event_times: NDArray[np.float64]  # [batch, window] unix seconds, NaN when unknown
    now: NDArray[np.float64]  # [batch] unix seconds, NaN without a clock
    query_vectors: NDArray[np.float32]  # [batch, dim] of the query tower

    def __len__(self) -> int:
        return len(self.now)

    def take(self, requests: NDArray[np.int64]) -> "UserContext":
        """The context of the chosen requests, in that order."""
        return UserContext(
            self.event_rows[requests],
            self.event_types[requests],
            self.event_times[requests],
            self.now[requests],
            self.query_vectors[requests],
        )


def rank_features(
    tables: RankTables, candidates: CandidateList, context: UserContext, reference: CandidateList | None = None
) -> NDArray[np.float32]:
    """Features `[candidates, FEATURES]`. An unknown value is 0, and a feature of its own marks it as missing.

    Args:
        reference: the lists that the candidates are ranked within; by default the candidates themselves.
    """
    columns = np.zeros((len(FEATURES), len(candidates)), dtype=np.float32)  # a row a feature: all work goes along them
    if not len(candidates):
        return columns.T
    recent = np.zeros((RECENT, len(context)), dtype=np.int64)  # newest first
    width = min(RECENT, context.event_rows.shape[1])
    recent[:width] = context.event_rows[:, ::-1][:, :width].T
    weights = np.where(recent != PADDING_ROW, DECAYS[:, None], np.float32(0.0))
    weights /= np.maximum(_total(weights), np.float32(1e-9))
    candidate_weights = weights[:, candidates.request_index]
    scores, similarity = _vector_products(tables, candidates, context.query_vectors, recent)
    put_group(
        columns,
        "retrieval",
        (scores, *_gap_and_rank(tables, candidates, scores, context.query_vectors, reference)),
    )
    put_group(columns, "similarity", _last_recent_nearest(similarity, candidate_weights))
    if tables.content.shape[1]:
        content = _content_products(tables, candidates, recent)
        put_group(columns, "content", _last_recent_nearest(content, candidate_weights))
    co_occurrence = _co_occurrence(tables, candidates, recent)
    put_group(
        columns,
        "co_occurrence",
        (
            np.sqrt(co_occurrence[0]),
            np.sqrt(_total(co_occurrence * candidate_weights)),
            np.sqrt(_largest(co_occurrence)),
            (co_occurrence > _LEAST_CO_OCCURRENCE).sum(axis=0, dtype=np.float32) / np.float32(RECENT),
        ),
    )
    put_group(columns, "history", _history_features(tables, candidates, context))
    put_group(columns, "popularity", popularity_features(tables, candidates.rows))
    put_group(columns, "catalogue", _catalogue_features(tables, candidates, recent, weights, candidate_weights))
    put_group(columns, "user", (column[candidates.request_index] for column in _user_features(context)))
    return np.ascontiguousarray(columns.T)


def put_group(columns: NDArray[np.float32], group: str, values: Iterable[NDArray[np.floating]]) -> None:
    """Write the features of a group into their columns.

    Args:
        columns: `[FEATURES, candidates]`.
        values: `[candidates]` each, one for every feature of the group.

    Raises:
        ValueError: there are more or fewer values than features, which would shift the columns of other groups.
    """
    for column, value in zip(_COLUMNS[group], values, strict=True):
        columns[column] = value


def quantised_queries(queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Query vectors as whole numbers `[batch, dim]` (in float32) and units `[batch]`, as the retrieval graph makes."""
    units = np.maximum(np.abs(queries).max(axis=1) / np.float32(_QUERY_LIMIT), np.float32(1e-12))
    return np.rint(queries / units[:, None]), units


def retrieval_scores(
    tables: RankTables, candidates: CandidateList, queries: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The inner products `[candidates]` of the int8 search, bit for bit as the retrieval graph computes them."""
    codes, units = quantised_queries(queries)
    products = int8_products(tables.vectors, candidates, codes[:, None])[0]
    scores: NDArray[np.float32] = products * units[candidates.request_index] * tables.score_scales[candidates.rows]
    return scores


def int8_products(
    item_codes: NDArray[np.int8], candidates: CandidateList, codes: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Inner products `[n, candidates]` of the `n` code vectors of a request and the codes of its candidates.

    All numbers are whole, and float32 holds every partial sum exactly: the order of the sums does not matter.

    Args:
        item_codes: `[rows, dim]`.
        codes: `[batch, n, dim]` whole numbers of at most 127.
    """
    products = np.empty((codes.shape[1], len(candidates)), dtype=np.float32)
    candidate_codes = item_codes[candidates.rows].astype(np.float32)
    for request, request_codes in enumerate(codes):
        part = candidates.part(request)
        products[:, part] = request_codes @ candidate_codes[part].T
    return products


def _gap_and_rank(
    tables: RankTables,
    candidates: CandidateList,
    scores: NDArray[np.float32],
    queries: NDArray[np.float32],
    reference: CandidateList | None,
) -> tuple[NDArray[np.float32], NDArray[np.floating]]:
    """The gap to the best score of the reference list, and the log of the rank within it."""
    if reference is None:
        full_list, full_scores = candidates, scores
        ranks = _ranks(scores, candidates)
    else:
        full_list, full_scores = reference, retrieval_scores(tables, reference, queries)
        ranks = _ranks_within(scores, candidates, full_scores, reference)
    lengths = np.diff(full_list.offsets)
    best = np.zeros(len(lengths), dtype=np.float32)
    best[lengths > 0] = np.maximum.reduceat(full_scores, full_list.offsets[:-1][lengths > 0])
    return scores - best[candidates.request_index], np.log1p(ranks)


def _vector_products(
    tables: RankTables, candidates: CandidateList, queries: NDArray[np.float32], recent: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Retrieval scores `[candidates]`, and cosines with the recent events `[RECENT, candidates]`."""
    codes, units = quantised_queries(queries)
    event_codes = tables.vectors[recent.T].astype(np.float32)
    products = int8_products(tables.vectors, candidates, np.concatenate([codes[:, None], event_codes], axis=1))
    scores = products[0] * units[candidates.request_index] * tables.score_scales[candidates.rows]
    cosines = products[1:] * tables.scales[candidates.rows] * tables.scales[recent][:, candidates.request_index]
    return scores, cosines


def _content_products(tables: RankTables, candidates: CandidateList, recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosines of the content vectors with those of the recent events `[RECENT, candidates]`."""
    products = int8_products(tables.content, candidates, tables.content[recent.T].astype(np.float32))
    scales = tables.content_scales
    return np.asarray(
        products * scales[candidates.rows] * scales[recent][:, candidates.request_index], dtype=np.float32
    )


def _last_recent_nearest(
    similarity: NDArray[np.float32], candidate_weights: NDArray[np.float32]
) -> tuple[NDArray[np.float32], ...]:
    """Similarity to the last event, to the decayed history, and to the nearest event."""
    return similarity[0], _total(similarity * candidate_weights), _largest(similarity)


def _total(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over the first axis, one row after another: the same whatever the other columns hold."""
    total = np.array(values[0])
    for row in values[1:]:
        total += row
    return total


def _largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(np.maximum.reduce(values, axis=0))


def _ranks(scores: NDArray[np.float32], candidates: CandidateList) -> NDArray[np.int64]:
    """The rank of each candidate by score within its request, from 0."""
    order = np.lexsort((-scores, candidates.request_index))  # stable: candidates are in order of rows
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.arange(len(scores)) - candidates.offsets[candidates.request_index[order]]
    return ranks


def _ranks_within(
    scores: NDArray[np.float32],
    candidates: CandidateList,
    reference_scores: NDArray[np.float32],
    reference: CandidateList,
) -> NDArray[np.int64]:
    """The rank that each candidate has, or would have, within the reference list of its request."""
    ranks = np.empty(len(scores), dtype=np.int64)
    for request in range(len(candidates.offsets) - 1):
        part, full = candidates.part(request), reference.part(request)
        own_scores, other_scores = scores[part, None], reference_scores[full]
        first_of_tie = (other_scores == own_scores) & (reference.rows[full] < candidates.rows[part, None])
        ranks[part] = np.count_nonzero((other_scores > own_scores) | first_of_tie, axis=1)
    return ranks


def _positions(
    candidates: CandidateList, span: int, keys: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The position of each key `request * span + row` among the candidates, and whether it is one of them."""
    candidate_keys = candidates.request_index * span + candidates.rows
    position = np.minimum(np.searchsorted(candidate_keys, keys), len(candidate_keys) - 1)
    return position, candidate_keys[position] == keys


def _co_occurrence(tables: RankTables, candidates: CandidateList, recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """Co-occurrence of each candidate with each recent event, `[RECENT, candidates]`."""
    span = len(tables.scales)
    neighbours = tables.neighbours[recent]  # [RECENT, batch, neighbours]
    keys = np.arange(recent.shape[1])[:, None] * span + neighbours
    position, is_candidate = _positions(candidates, span, keys)
    is_candidate &= (neighbours != PADDING_ROW) & (recent != PADDING_ROW)[:, :, None]
    event = np.nonzero(is_candidate)[0]
    co_occurrence = np.zeros((RECENT, len(candidates)), dtype=np.float32)
    co_occurrence[event, position[is_candidate]] = tables.neighbour_weights[recent][is_candidate]
    return co_occurrence


def _history_features(
    tables: RankTables, candidates: CandidateList, context: UserContext
) -> list[NDArray[np.floating]]:
    """Counts by behaviour, whether the user has touched the item, and how long ago the last time was."""
    window = context.event_rows.shape[1]
    span = len(tables.scales)
    keys = np.arange(len(context))[:, None] * span + context.event_rows
    position, is_candidate = _positions(candidates, span, keys)
    is_candidate &= context.event_rows != PADDING_ROW
    request, column = np.nonzero(is_candidate)  # oldest first within a request, so that the newest is written last
    candidate = position[is_candidate]
    counts = np.zeros((1 + len(BEHAVIOURS), len(candidates)), dtype=np.float32)
    np.add.at(counts, (context.event_types[is_candidate], candidate), np.float32(1.0))
    events_since = np.full(len(candidates), float(window))
    events_since[candidate] = window - 1 - column
    log_minutes = np.zeros(len(candidates))
    minutes = np.maximum(context.now[request] - context.event_times[is_candidate], 0.0) / 60.0
    log_minutes[candidate] = np.log1p(np.where(np.isfinite(minutes), minutes, 0.0))
    return [
        *(np.log1p(counts[behaviour]) for behaviour in (VIEW, CART, PURCHASE)),
        (events_since < window).astype(np.float32),
        np.log1p(events_since),
        log_minutes,
    ]


def popularity_features(tables: RankTables, rows: NDArray[np.int64]) -> list[NDArray[np.floating]]:
    """The group `popularity` of item rows `[n]`, a column a feature."""
    counts, popularity = tables.assumed
    views, carts, purchases = counts[rows].T
    return [
        np.log(popularity[rows] + np.float32(1e-5)),
        np.log1p(views),
        np.log1p(carts),
        np.log1p(purchases),
        np.minimum((carts + np.float32(0.1)) / (views + np.float32(5.0)), 1.0),
        np.minimum((purchases + np.float32(0.05)) / (views + np.float32(5.0)), 1.0),
    ]


def _catalogue_features(
    tables: RankTables,
    candidates: CandidateList,
    recent: NDArray[np.int64],
    weights: NDArray[np.float32],
    candidate_weights: NDArray[np.float32],
) -> list[NDArray[np.floating]]:
    request_index = candidates.request_index
    same: list[NDArray[np.floating]] = []
    missing: list[NDArray[np.floating]] = []
    for codes in tables.codes.T:
        candidate_codes = codes[candidates.rows]
        event_codes = np.where(recent != PADDING_ROW, codes[recent], 0)
        is_same = ((event_codes[:, request_index] == candidate_codes) & (candidate_codes != 0)).astype(np.float32)
        same += [is_same[0], _total(is_same * candidate_weights)]
        missing.append((candidate_codes == 0).astype(np.float32))
    event_prices = tables.log_price[recent]
    is_known = np.isfinite(event_prices)
    price_weights = np.where(is_known, weights, np.float32(0.0))
    total = _total(price_weights)
    weighted_prices = np.where(is_known, event_prices, np.float32(0.0)) * price_weights
    usual_price = _total(weighted_prices) / np.maximum(total, np.float32(1e-9))
    price = tables.log_price[candidates.rows]
    has_price = np.isfinite(price)
    over_habit = np.where(has_price & (total > 0)[request_index], price - usual_price[request_index], 0.0)
    return [
        *same,
        *missing,
        over_habit,
        np.abs(over_habit),
        np.where(has_price, price, 0.0),
        (~has_price).astype(np.float32),
    ]


def _user_features(context: UserContext) -> list[NDArray[np.floating]]:
    """How many events and items are known of a user, and for how long nothing has happened, `[batch]` each."""
    present = context.event_rows != PADDING_ROW
    ordered = np.sort(context.event_rows, axis=1)
    distinct = ((ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] != PADDING_ROW)).sum(axis=1)
    distinct = distinct + (ordered[:, 0] != PADDING_ROW)
    minutes_idle = np.maximum(context.now - context.event_times[:, -1], 0.0) / 60.0
    return [
        np.log1p(present.sum(axis=1)),
        np.log1p(distinct),
        np.log1p(np.where(np.isfinite(minutes_idle), minutes_idle, 0.0)),
    ]
