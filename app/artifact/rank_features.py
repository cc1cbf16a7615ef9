"""The ranker's features: one function for training and serving, from candidates and events to numbers.

Nothing of one request reaches another, to the last bit: products of quantised vectors are whole numbers that float32
holds exactly, so that their order does not matter, and all else is done candidate by candidate.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.names import PADDING_ROW
from app.artifact.rank_tables import RankTables

RECENT: Final = 10  # newest events whose likeness to a candidate counts
DECAY: Final = 0.8  # of an event's say, for each newer one
_LIMIT: Final = 127  # of a quantised query, as in the search
_ORDER_OF: Final = 1e-4  # below it a co-occurrence says nothing

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
POPULARITY: Final = slice(FEATURES.index(GROUPS["popularity"][0]), FEATURES.index(GROUPS["popularity"][-1]) + 1)
"""Where the features of that group stand."""
_START: Final = {group: FEATURES.index(members[0]) for group, members in GROUPS.items()}
_DECAYS: Final = np.asarray(DECAY ** np.arange(RECENT), dtype=np.float32)


@dataclass(frozen=True)
class CandidateList:
    """The candidates of a batch one after another: request by request, by row within a request."""

    lines: NDArray[np.int64]  # [candidates] the request of each
    rows: NDArray[np.int64]  # [candidates] item rows, never 0, distinct within a request
    sources: NDArray[np.uint8]  # [candidates] which sources found it
    offsets: NDArray[np.int64]  # [batch + 1]

    def __len__(self) -> int:
        return len(self.rows)

    def of_lines(self, kept: NDArray[np.bool_]) -> "CandidateList":
        """The candidates of the requests that are `kept`, `[batch]`, renumbered."""
        theirs = kept[self.lines]
        lines = (np.cumsum(kept) - 1)[self.lines[theirs]]
        offsets = np.searchsorted(lines, np.arange(int(kept.sum()) + 1))
        return CandidateList(lines, self.rows[theirs], self.sources[theirs], offsets)


@dataclass(frozen=True)
class AskedBy:
    """What is known of who asks. Events stand at the right end, newest last; row 0 pads."""

    event_rows: NDArray[np.int32]  # [batch, window]
    event_types: NDArray[np.uint8]  # [batch, window]
    event_times: NDArray[np.float64]  # [batch, window] unix seconds, NaN when unknown
    now: NDArray[np.float64]  # [batch] unix seconds, NaN without a clock
    queries: NDArray[np.float32]  # [batch, dim] of the query tower


def rank_features(
    tables: RankTables, candidates: CandidateList, asked: AskedBy, among: CandidateList | None = None
) -> NDArray[np.float32]:
    """Features `[candidates, FEATURES]`; what is unknown is 0, and a feature of its own says so.

    Args:
        tables: of the items.
        candidates: of the batch.
        asked: who asks.
        among: the whole lists that the candidates are compared with; those of the candidates themselves by default.
    """
    columns = np.zeros((len(FEATURES), len(candidates)), dtype=np.float32)  # a row a feature: all work goes along them
    if not len(candidates):
        return columns.T
    recent = np.zeros((RECENT, len(asked.now)), dtype=np.int64)  # newest first
    width = min(RECENT, asked.event_rows.shape[1])
    recent[:width] = asked.event_rows[:, ::-1][:, :width].T
    weights = np.where(recent != PADDING_ROW, _DECAYS[:, None], np.float32(0.0))
    weights /= np.maximum(_total(weights), np.float32(1e-9))
    weight_of = weights[:, candidates.lines]

    def put(group: str, *found: NDArray[np.floating]) -> None:
        start = _START[group]
        for place, column in enumerate(found):
            columns[start + place] = column

    scores, likeness = _vector_products(tables, candidates, asked.queries, recent)
    put("retrieval", scores, *_compared(tables, candidates, scores, asked.queries, among))
    put("similarity", *_as_seen(likeness, weight_of))
    if tables.content.shape[1]:
        put("content", *_as_seen(_content_products(tables, candidates, recent), weight_of))
    together = _together(tables, candidates, recent)
    put(
        "co_occurrence",
        np.sqrt(together[0]),
        np.sqrt(_total(together * weight_of)),
        np.sqrt(_largest(together)),
        (together > _ORDER_OF).sum(axis=0, dtype=np.float32) / np.float32(RECENT),
    )
    put("history", *_own_history(tables, candidates, asked))
    put("popularity", *popularity_features(tables, candidates.rows))
    put("catalogue", *_catalogue(tables, candidates, recent, weights, weight_of))
    put("user", *(column[candidates.lines] for column in _user(asked)))
    return np.ascontiguousarray(columns.T)


def quantised_queries(queries: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Whole numbers `[batch, dim]` (as float32) and units `[batch]`: what the search makes of a query."""
    units = np.maximum(np.abs(queries).max(axis=1) / np.float32(_LIMIT), np.float32(1e-12))
    return np.rint(queries / units[:, None]), units


def retrieval_scores(
    tables: RankTables, candidates: CandidateList, queries: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The inner products of the int8 search `[candidates]`: of whole numbers, so that their order does not matter."""
    whole, units = quantised_queries(queries)
    products = np.empty(len(candidates), dtype=np.float32)
    of_items = tables.vectors[candidates.rows].astype(np.float32)
    for line in range(len(queries)):
        part = slice(int(candidates.offsets[line]), int(candidates.offsets[line + 1]))
        products[part] = of_items[part] @ whole[line]
    found: NDArray[np.float32] = products * units[candidates.lines] * tables.score_scales[candidates.rows]
    return found


def _compared(
    tables: RankTables,
    candidates: CandidateList,
    scores: NDArray[np.float32],
    queries: NDArray[np.float32],
    among: CandidateList | None,
) -> tuple[NDArray[np.float32], NDArray[np.floating]]:
    """How far behind the best of its list each candidate is, and the log of its place there."""
    whole, whole_scores = candidates, scores
    if among is not None:
        whole, whole_scores = among, retrieval_scores(tables, among, queries)
    lengths = np.diff(whole.offsets)
    best = np.zeros(len(lengths), dtype=np.float32)
    best[lengths > 0] = np.maximum.reduceat(whole_scores, whole.offsets[:-1][lengths > 0])
    ranks = _ranks(scores, candidates) if among is None else _ranks_among(scores, candidates, whole_scores, among)
    return scores - best[candidates.lines], np.log1p(ranks)


def _vector_products(
    tables: RankTables, candidates: CandidateList, queries: NDArray[np.float32], recent: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Search scores `[candidates]`, and cosines with the recent events `[RECENT, candidates]`."""
    whole, units = quantised_queries(queries)
    products = np.empty((1 + RECENT, len(candidates)), dtype=np.float32)
    of_items = tables.vectors[candidates.rows].astype(np.float32)
    of_events = tables.vectors[recent].astype(np.float32)
    for line in range(len(queries)):
        part = slice(int(candidates.offsets[line]), int(candidates.offsets[line + 1]))
        asking = np.concatenate([whole[line, None], of_events[:, line]])
        products[:, part] = asking @ of_items[part].T
    scores = products[0] * units[candidates.lines] * tables.score_scales[candidates.rows]
    cosines = products[1:] * tables.scales[candidates.rows] * tables.scales[recent][:, candidates.lines]
    return scores, cosines


def _content_products(tables: RankTables, candidates: CandidateList, recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """Cosines of what text and attributes say `[RECENT, candidates]`."""
    products = np.empty((RECENT, len(candidates)), dtype=np.float32)
    of_items = tables.content[candidates.rows].astype(np.float32)
    of_events = tables.content[recent].astype(np.float32)
    for line in range(recent.shape[1]):
        part = slice(int(candidates.offsets[line]), int(candidates.offsets[line + 1]))
        products[:, part] = of_events[:, line] @ of_items[part].T
    scales = tables.content_scales
    return np.asarray(products * scales[candidates.rows] * scales[recent][:, candidates.lines], dtype=np.float32)


def _as_seen(likeness: NDArray[np.float32], weight_of: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
    """Likeness to the last event, to the decayed history, and to the nearest event."""
    return likeness[0], _total(likeness * weight_of), _largest(likeness)


def _total(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums over the first axis, one after another: the same whatever stands in other columns."""
    total = np.array(values[0])
    for row in values[1:]:
        total += row
    return total


def _largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Maxima over the first axis."""
    return np.asarray(np.maximum.reduce(values, axis=0))


def _ranks(scores: NDArray[np.float32], candidates: CandidateList) -> NDArray[np.int64]:
    """The place of each candidate by score within its request, from 0."""
    order = np.lexsort((-scores, candidates.lines))  # stable: candidates stand by row
    ranks = np.empty(len(scores), dtype=np.int64)
    ranks[order] = np.arange(len(scores)) - candidates.offsets[candidates.lines[order]]
    return ranks


def _ranks_among(
    scores: NDArray[np.float32], candidates: CandidateList, whole_scores: NDArray[np.float32], among: CandidateList
) -> NDArray[np.int64]:
    """The place that each candidate has, or would have, in the whole list of its request."""
    ranks = np.empty(len(scores), dtype=np.int64)
    for line in range(len(candidates.offsets) - 1):
        part = slice(int(candidates.offsets[line]), int(candidates.offsets[line + 1]))
        whole = slice(int(among.offsets[line]), int(among.offsets[line + 1]))
        own, others = scores[part, None], whole_scores[whole]
        before = (others == own) & (among.rows[whole] < candidates.rows[part, None])
        ranks[part] = np.count_nonzero((others > own) | before, axis=1)
    return ranks


def _places(
    candidates: CandidateList, span: int, keys: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where `line * span + row` stands among the candidates, and whether it does."""
    own = candidates.lines * span + candidates.rows
    place = np.minimum(np.searchsorted(own, keys), len(own) - 1)
    return place, own[place] == keys


def _together(tables: RankTables, candidates: CandidateList, recent: NDArray[np.int64]) -> NDArray[np.float32]:
    """Co-occurrence of each candidate with each recent event, `[RECENT, candidates]`."""
    span = len(tables.scales)
    near = tables.neighbours[recent]  # [RECENT, batch, neighbours]
    keys = np.arange(recent.shape[1])[:, None] * span + near
    place, met = _places(candidates, span, keys)
    met &= (near != PADDING_ROW) & (recent != PADDING_ROW)[:, :, None]
    event = np.nonzero(met)[0]
    found = np.zeros((RECENT, len(candidates)), dtype=np.float32)
    found[event, place[met]] = tables.neighbour_weights[recent][met]
    return found


def _own_history(tables: RankTables, candidates: CandidateList, asked: AskedBy) -> list[NDArray[np.floating]]:
    """Counts by behaviour, whether touched, and how long ago the last time was."""
    window = asked.event_rows.shape[1]
    span = len(tables.scales)
    keys = np.arange(len(asked.now))[:, None] * span + asked.event_rows
    place, met = _places(candidates, span, keys)
    met &= asked.event_rows != PADDING_ROW
    line, column = np.nonzero(met)  # oldest first within a request, so that the newest is written last
    at = place[met]
    counts = np.zeros((4, len(candidates)), dtype=np.float32)
    np.add.at(counts, (asked.event_types[met], at), np.float32(1.0))
    since = np.full(len(candidates), float(window))
    since[at] = window - 1 - column
    minutes = np.zeros(len(candidates))
    gone = np.maximum(asked.now[line] - asked.event_times[met], 0.0) / 60.0
    minutes[at] = np.log1p(np.where(np.isfinite(gone), gone, 0.0))
    return [
        *(np.log1p(counts[behaviour]) for behaviour in (VIEW, CART, PURCHASE)),
        (since < window).astype(np.float32),
        np.log1p(since),
        minutes,
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


def _catalogue(
    tables: RankTables,
    candidates: CandidateList,
    recent: NDArray[np.int64],
    weights: NDArray[np.float32],
    weight_of: NDArray[np.float32],
) -> list[NDArray[np.floating]]:
    line = candidates.lines
    found: list[NDArray[np.floating]] = []
    missing: list[NDArray[np.floating]] = []
    for codes in tables.codes.T:
        own = codes[candidates.rows]
        of_events = np.where(recent != PADDING_ROW, codes[recent], 0)
        alike = ((of_events[:, line] == own) & (own != 0)).astype(np.float32)
        found += [alike[0], _total(alike * weight_of)]
        missing.append((own == 0).astype(np.float32))
    prices = tables.log_price[recent]
    known = np.isfinite(prices)
    weight = np.where(known, weights, np.float32(0.0))
    total = _total(weight)
    habit = _total(np.where(known, prices, np.float32(0.0)) * weight) / np.maximum(total, np.float32(1e-9))
    price = tables.log_price[candidates.rows]
    told = np.isfinite(price)
    over = np.where(told & (total > 0)[line], price - habit[line], 0.0)
    return [
        *found,
        *missing,
        over,
        np.abs(over),
        np.where(told, price, 0.0),
        (~told).astype(np.float32),
    ]


def _user(asked: AskedBy) -> list[NDArray[np.floating]]:
    """How much is known of who asks, `[batch]` each."""
    present = asked.event_rows != PADDING_ROW
    ordered = np.sort(asked.event_rows, axis=1)
    distinct = ((ordered[:, 1:] != ordered[:, :-1]) & (ordered[:, 1:] != PADDING_ROW)).sum(axis=1)
    distinct = distinct + (ordered[:, 0] != PADDING_ROW)
    idle = np.maximum(asked.now - asked.event_times[:, -1], 0.0) / 60.0
    return [
        np.log1p(present.sum(axis=1)),
        np.log1p(distinct),
        np.log1p(np.where(np.isfinite(idle), idle, 0.0)),
    ]
