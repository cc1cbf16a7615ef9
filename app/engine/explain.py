"""What each piece of a request gave to the score of an item: the score, less the score without that piece.

Leave-one-out, after Robnik-Šikonja and Kononenko, "Explaining Classifications For Individual Instances" (2008): every
request is scored again without each of its newest items, without its query, and with all items as popular as their
list is on average; all of these variants in one batch, over the same candidates as the request itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList, popularity_features
from app.artifact.rank_tables import RankTables
from app.engine.ablation import Muted
from app.engine.candidate_sources import union_of_sources
from app.engine.recommend import retrieve
from app.engine.requests import RequestBatch
from app.engine.scoring import Paths, list_of, paths_of, score_list
from app.engine.search import search_candidates
from app.engine.snapshot import Snapshot

MOST_ITEMS: Final = 10
"""Items of the history, newest first, that are told apart."""
_TOGETHER: Final = 16  # requests whose variants are scored at once, which bounds the memory


@dataclass(frozen=True)
class Contributions:
    """What the pieces of one request gave to `n` items."""

    event_rows: NDArray[np.int64]  # [events] different items, the newest first
    behaviours: NDArray[np.uint8]  # [events] of the newest event on each
    by_events: NDArray[np.float64]  # [events, n]
    by_query: NDArray[np.float64]  # [n] zeros without a query
    by_popularity: NDArray[np.float64]  # [n]


def contributions(
    snapshot: Snapshot,
    batch: RequestBatch,
    answered: Sequence[NDArray[np.int64]],
    lists: Sequence[NDArray[np.int64]],
    depth: int,
    ranked: int,
    item_mask: NDArray[np.bool_] | None = None,
) -> list[Contributions]:
    """What each request's pieces gave to its answered items.

    Args:
        snapshot: the loaded bundle.
        batch: requests of which something is known, or that search for something.
        answered: of each request, the rows to explain; at least one.
        lists: of each request, the rows of the whole list, whose mean popularity is the level.
        depth: as `recommend` was given it.
        ranked: as `recommend` was given it.
        item_mask: `[1 or batch, rows]`, false for items that must not be answered.
    """
    found: list[Contributions] = []
    for start in range(0, len(batch), _TOGETHER):
        part = slice(start, start + _TOGETHER)
        mask = item_mask if item_mask is None or len(item_mask) == 1 else item_mask[part]
        found += _of_some(snapshot, batch.take(part), answered[part], lists[part], depth, ranked, mask)
    return found


def _of_some(
    snapshot: Snapshot,
    batch: RequestBatch,
    answered: Sequence[NDArray[np.int64]],
    lists: Sequence[NDArray[np.int64]],
    depth: int,
    ranked: int,
    item_mask: NDArray[np.bool_] | None,
) -> list[Contributions]:
    paths = paths_of(snapshot, batch)
    recent = [_recent(*events) for events in zip(batch.event_rows, batch.event_types, strict=True)]
    variants = _variants(paths, [rows for rows, _ in recent])
    changed = _without(batch.take(variants.owner), variants.removed)
    vectors = snapshot.retriever.run(changed, 1).query_vectors
    vectors = np.where(changed.has_signal()[:, None], vectors, np.float32(0.0))
    levels = np.stack([_level(snapshot.tables, rows) for rows in lists])
    compared = _compared(snapshot, batch, paths, answered, depth, ranked, item_mask)
    listed = list_of([answered[line] for line in variants.owner])
    among = list_of([compared[line] for line in variants.owner])
    muted = Muted(variants.query, variants.popularity, levels[variants.owner], among)
    scores = score_list(snapshot, changed, listed, vectors, paths.take(variants.owner), muted).astype(np.float64)
    found = []
    for line, (rows, behaviours) in enumerate(recent):
        lines = np.flatnonzero(variants.owner == line)
        block = scores[listed.offsets[lines[0]] : listed.offsets[lines[-1] + 1]].reshape(len(lines), -1)
        block = block[:, np.searchsorted(np.sort(answered[line]), answered[line])]
        gave = block[0] - block  # of the request itself nothing
        found.append(
            Contributions(
                event_rows=rows,
                behaviours=behaviours,
                by_events=gave[1 : 1 + len(rows)],
                by_query=gave[variants.query[lines]].sum(axis=0),
                by_popularity=gave[variants.popularity[lines]].sum(axis=0),
            )
        )
    return found


@dataclass(frozen=True)
class _Variants:
    """Every request as it is, then without each of its pieces; request by request."""

    owner: NDArray[np.int64]  # [variants] the request
    removed: NDArray[np.int64]  # [variants] the row of the item without whose events it is, else 0
    query: NDArray[np.bool_]  # [variants] whether the query is muted
    popularity: NDArray[np.bool_]  # [variants] whether popularity is


def _variants(paths: Paths, recent: Sequence[NDArray[np.int64]]) -> _Variants:
    """The variants of requests of which `recent` are the items to leave out.

    Retrieval knows no popularity, and a request's query counts where it is searched for.
    """
    owner: list[int] = []
    removed: list[int] = []
    query: list[bool] = []
    popularity: list[bool] = []
    for line, rows in enumerate(recent):
        pieces = [(int(row), False, False) for row in rows]
        pieces += [(PADDING_ROW, True, False)] if paths.search[line] else []
        pieces += [(PADDING_ROW, False, True)] if paths.search[line] or paths.ranker[line] else []
        for row, no_query, no_popularity in [(PADDING_ROW, False, False), *pieces]:
            owner.append(line)
            removed.append(row)
            query.append(no_query)
            popularity.append(no_popularity)
    return _Variants(
        np.array(owner, dtype=np.int64),
        np.array(removed, dtype=np.int64),
        np.array(query, dtype=np.bool_),
        np.array(popularity, dtype=np.bool_),
    )


def _recent(
    event_rows: NDArray[np.int32], event_types: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """The newest items of a window, newest first, and the behaviour of the newest event on each."""
    present = event_rows != PADDING_ROW
    rows, types = event_rows[present][::-1], event_types[present][::-1]
    _, first = np.unique(rows, return_index=True)
    first = np.sort(first)[:MOST_ITEMS]
    return rows[first].astype(np.int64), types[first]


def _without(batch: RequestBatch, removed: NDArray[np.int64]) -> RequestBatch:
    """The requests as if nothing had happened with one item of each, `[batch]`, 0 for none."""
    stays = (batch.event_rows != PADDING_ROW) & (batch.event_rows != removed[:, None])
    order = np.argsort(stays, axis=1, kind="stable")  # what stays moves to the right end, and keeps its order
    there = np.take_along_axis(stays, order, axis=1)
    return replace(
        batch,
        event_rows=np.where(there, np.take_along_axis(batch.event_rows, order, axis=1), np.int32(PADDING_ROW)),
        event_types=np.where(there, np.take_along_axis(batch.event_types, order, axis=1), np.uint8(0)),
        event_times=np.where(there, np.take_along_axis(batch.event_times, order, axis=1), np.nan),
    )


def _level(tables: RankTables, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The means of the popularity features over some items."""
    return np.array([column.mean(dtype=np.float64) for column in popularity_features(tables, rows)], dtype=np.float32)


def _compared(
    snapshot: Snapshot,
    batch: RequestBatch,
    paths: Paths,
    answered: Sequence[NDArray[np.int64]],
    depth: int,
    ranked: int,
    item_mask: NDArray[np.bool_] | None,
) -> list[NDArray[np.int64]]:
    """Of each request, the rows of the list that an item's score depends on.

    The ranker compares an item with the others that it read for the request. Elsewhere an item's score is its own, and
    the answered ones may stand for their list.
    """
    wishes = np.zeros(len(batch), dtype=np.bool_) if batch.objective is None else batch.objective > 0
    rows = list(answered)
    for which, candidates in (
        (paths.ranker, partial(_read_by_ranker, depth=min(depth, ranked))),
        (paths.search & wishes & (snapshot.ranker is not None), partial(_found_by_search, depth=depth)),
    ):
        lines = np.flatnonzero(which)
        if not len(lines):
            continue
        mask = item_mask if item_mask is None or len(item_mask) == 1 else item_mask[lines]
        listed = candidates(snapshot, batch.take(lines), item_mask=mask)
        for place, line in enumerate(lines.tolist()):
            part = slice(int(listed.offsets[place]), int(listed.offsets[place + 1]))
            rows[line] = listed.rows[part] if len(listed.rows[part]) else rows[line]
    return rows


def _read_by_ranker(
    snapshot: Snapshot, batch: RequestBatch, depth: int, item_mask: NDArray[np.bool_] | None
) -> CandidateList:
    retrieved = retrieve(snapshot, batch, depth, item_mask=item_mask)
    return union_of_sources(batch, retrieved, snapshot.tables, snapshot.items.popular_rows, item_mask)


def _found_by_search(
    snapshot: Snapshot, batch: RequestBatch, depth: int, item_mask: NDArray[np.bool_] | None
) -> CandidateList:
    assert snapshot.search is not None  # noqa: S101 - else nothing is a search
    return search_candidates(snapshot, snapshot.search, batch, depth, item_mask=item_mask)[0]
