"""Learning from logged queries: which item followed a query, asked by its words alone and by its user too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from app.artifact.event_features import age_buckets
from model.item_tower import ItemGraph
from model.losses import Targets
from model.query_tower import QueryTower
from model.text_tower import Bags, bag_vectors
from offline.dataset.histories import Histories
from offline.dataset.logged_queries import query_events, query_nodes
from offline.dataset.split_events import read_events
from offline.training.item_bags import bucket_idf, text_bags
from offline.training.text_augmentation import draw_query_text

HIDDEN_SHARE = 0.5
"""Of the queries, a step: they send no message, so that the words of other queries must lead to the item."""
CONNECTED_SHARE = 0.5
"""Of the events of queries that do send one, a step: many a search repeats one that was logged. Without these the tower
learns that whatever is asked for was never asked for before; validation .131 with a fifth, .136 with half."""
USER_SHARE, USER_ALONE_SHARE = 0.6, 0.2
"""Of the lines: those that have a user, and those that have nothing else. A history without the item that followed says
more of a user than one that holds it."""


@dataclass(frozen=True)
class QueryEvents:
    """Events that a query led to, each with the user's history without it."""

    queries: list[str]  # distinct
    nodes: NDArray[np.int64]  # [queries] of the graph, -1 for those that are none
    query: NDArray[np.int64]  # [events] place in `queries`
    item: NDArray[np.int64]  # [events]
    user: NDArray[np.int64]  # [events]
    place: NDArray[np.int64]  # [events] in the flat histories
    weight: NDArray[np.float64]  # [events] how often each is drawn
    idf: NDArray[np.float32]  # [buckets]

    def __len__(self) -> int:
        return len(self.item)


@dataclass(frozen=True)
class QueryBatch:
    """Queries by their words, by their user or by both, and the item that followed each."""

    words: Bags  # [lines]
    words_given: Tensor  # [lines] float, 0 where the words are left out
    user_lines: Tensor  # [users] the lines that have a user, ascending
    rows: Tensor  # [users, window] int64 item rows, newest last, 0 for padding
    types: Tensor  # [users, window] int64
    ages: Tensor  # [users, 1, window] int64
    targets: Targets  # a line each
    connected: Tensor  # [queries of the graph] bool, those that send messages

    def to(self, device: torch.device) -> "QueryBatch":
        """The same batch on a device."""
        return QueryBatch(
            self.words.to(device),
            self.words_given.to(device),
            self.user_lines.to(device),
            self.rows.to(device),
            self.types.to(device),
            self.ages.to(device),
            self.targets.to(device),
            self.connected.to(device),
        )


def load_query_events(split: Path, parts: Sequence[str], graph: ItemGraph, power: float) -> QueryEvents | None:
    """The query events of some parts, as `histories_of` the same parts orders them; None where there are none.

    Args:
        parts: whose events are learned.
        graph: of the same parts.
        power: a query is drawn as often as the number of its events to this power.
    """
    if graph.query_text is None:
        return None
    events = query_events(split, parts)
    nodes = query_nodes(events.filter(pl.col("item") > 0)).to_frame("query").with_row_index("node")
    queries = events.filter(pl.col("item") > 0).get_column("query").unique().sort()
    places = read_events(split, parts, ("user", "item", "order"))
    places = places.filter(pl.col("item") > 0).with_row_index("place").drop("item")
    numbered = queries.to_frame("query").with_row_index("number").join(nodes, on="query", how="left").sort("number")
    joined = events.filter(pl.col("item") > 0).join(places, on=["user", "order"]).join(numbered, on="query")
    joined = joined.sort("place")
    query = joined.get_column("number").to_numpy().astype(np.int64)
    counts = np.bincount(query, minlength=len(queries)).astype(np.float64)
    return QueryEvents(
        queries=queries.to_list(),
        nodes=numbered.get_column("node").cast(pl.Int64).fill_null(-1).to_numpy(),
        query=query,
        item=joined.get_column("item").to_numpy().astype(np.int64),
        user=joined.get_column("user").to_numpy().astype(np.int64),
        place=joined.get_column("place").to_numpy().astype(np.int64),
        weight=counts[query] ** (power - 1),
        idf=bucket_idf(graph),
    )


def draw_query_batch(
    events: QueryEvents,
    histories: Histories,
    graph_queries: int,
    size: int,
    window: int,
    *,
    ordered: bool,
    timed: bool,
    rng: np.random.Generator,
    share: slice = slice(None),
) -> QueryBatch | None:
    """Draw events, and the queries that send messages meanwhile; None where no event is left to draw.

    The words are drawn with typos and omissions, as another user might type them. The history of a user is the one
    before the event or, without an order, the one without that item.

    Args:
        events: of the log.
        histories: of the same parts.
        graph_queries: query nodes of the graph.
        size: how many events to draw.
        window: events of a history.
        ordered: whether the order of events means anything.
        timed: whether events have times.
        share: which of the lines to make; the draws are those of all.
    """
    hidden = rng.random(len(events.queries)) < HIDDEN_SHARE
    able = np.flatnonzero(hidden[events.query] | (rng.random(len(events)) < CONNECTED_SHARE))
    if not len(able):
        return None
    weight = events.weight[able]
    drawn = np.sort(rng.choice(able, size=min(size, len(able)), p=weight / weight.sum()))
    connected = np.ones(graph_queries, dtype=np.bool_)
    connected[events.nodes[hidden & (events.nodes >= 0)]] = False
    texts = [draw_query_text(events.queries[number], rng) for number in events.query[drawn]][share]
    drawn, kind = drawn[share], rng.random(len(drawn))[share]
    with_user = np.flatnonzero(kind < USER_SHARE)
    rows, types, times, when = _histories_before(histories, events, drawn[with_user], window, ordered=ordered)
    some = (types != 0).any(axis=1)
    with_user, rows, types, times, when = with_user[some], rows[some], types[some], times[some], when[some]
    longest = max(1, int((types != 0).any(axis=0).sum()))
    rows, types, times = rows[:, -longest:], types[:, -longest:], times[:, -longest:]
    ages = age_buckets(times, when[:, None]) if timed else np.zeros(rows.shape, dtype=np.int64)
    count = len(drawn)
    words_given = np.ones(count, dtype=np.float32)
    words_given[with_user[kind[with_user] < USER_ALONE_SHARE]] = 0.0
    return QueryBatch(
        words=text_bags(texts, events.idf).bags(),
        words_given=torch.from_numpy(words_given),
        user_lines=torch.from_numpy(with_user),
        rows=torch.from_numpy(rows.astype(np.int64)),
        types=torch.from_numpy(types.astype(np.int64)),
        ages=torch.from_numpy(ages)[:, None, :],
        targets=Targets(torch.arange(count), torch.from_numpy(events.item[drawn]), torch.ones(count)),
        connected=torch.from_numpy(connected),
    )


def _histories_before(
    histories: Histories, events: QueryEvents, drawn: NDArray[np.int64], window: int, *, ordered: bool
) -> tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.float64], NDArray[np.float64]]:
    """Rows, types and times `[drawn, window]` of the histories, newest last, and the times of the events `[drawn]`."""
    user, place = events.user[drawn], events.place[drawn]
    first, last = histories.offsets[user], histories.offsets[user + 1]
    end = place if ordered else last
    positions = end[:, None] - window + np.arange(window)[None, :]
    rows, types, times = histories.take(positions, positions >= first[:, None])
    if not ordered:
        own = rows == events.item[drawn][:, None]
        rows, types = np.where(own, 0, rows), np.where(own, 0, types)
        front = np.argsort(types != 0, axis=1, kind="stable")  # padding first
        rows, types = np.take_along_axis(rows, front, axis=1), np.take_along_axis(types, front, axis=1)
        times = np.take_along_axis(times, front, axis=1)
    return rows, types, times, histories.times[place]


def query_vectors_of(tower: QueryTower, table: Tensor, units: Tensor, batch: QueryBatch, text_scale: float) -> Tensor:
    """`[lines, dim]` the query vector of each line: that of its words, plus its user's vector where there is one."""
    words = functional.normalize(bag_vectors(table, batch.words), dim=1) * text_scale * batch.words_given[:, None]
    if not len(batch.user_lines):
        return words
    present = (batch.types != 0)[:, :, None]
    zero = units.new_zeros(len(batch.user_lines), units.shape[1])
    users = tower(units[batch.rows] * present, batch.types, batch.ages, zero, zero[:, :1])[:, 0]
    return words.index_add(0, batch.user_lines, users)
