"""Candidate generation: the union of retrieval, the user's history, co-occurring items, popular items and searches."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.artifact.rank_tables import RankTables
from app.engine.candidates import Candidates, Source
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch

NEIGHBOURS_OF: Final = 5  # newest events whose neighbours are candidates
NEIGHBOURS_EACH: Final = 20
POPULAR: Final = 20

USER_SOURCES: Final = (Source.RETRIEVAL, Source.HISTORY, Source.CO_OCCURRENCE, Source.POPULAR)
"""The sources of a request without a query."""
SEARCH_SOURCES: Final = (Source.LEXICAL, Source.RETRIEVAL)
"""The sources of a search."""


def union_of_sources(
    batch: RequestBatch,
    retrieved: Candidates,
    tables: RankTables,
    popular_rows: NDArray[np.int64],
    item_mask: ItemMask = ALL_ITEMS,
    named_rows: NDArray[np.int64] | None = None,
) -> CandidateList:
    """The candidates of requests without a query: every item of a source, once, without the excluded ones.

    Args:
        retrieved: candidates of retrieval.
        popular_rows: the most popular rows, most popular first.
        named_rows: `[batch, items]` rows that the caller names, padded with 0; they are never excluded.
    """
    size = len(batch)
    newest = batch.event_rows[:, ::-1][:, :NEIGHBOURS_OF]
    neighbours = tables.neighbours[newest, :NEIGHBOURS_EACH].reshape(size, -1)
    popular = np.broadcast_to(popular_rows[:POPULAR], (size, min(POPULAR, len(popular_rows))))
    rows: tuple[NDArray[np.integer], ...] = (retrieved.rows, batch.event_rows, neighbours, popular)
    parts = list(zip(rows, USER_SOURCES, strict=True))
    if named_rows is not None:
        parts.append((named_rows, Source.NAMED))
    return union_of(parts, len(tables.scales), batch.exclude_rows, item_mask, tables.answerable)


def union_for_search(
    batch: RequestBatch,
    text_rows: NDArray[np.int64],
    meaning_rows: NDArray[np.int64],
    tables: RankTables,
    item_mask: ItemMask = ALL_ITEMS,
) -> CandidateList:
    """The candidates of searches: items with words of the query, and items that retrieval finds, each once.

    Args:
        text_rows: `[batch, items]`, padded with 0, and so are `meaning_rows`.
    """
    parts = list(zip((text_rows, meaning_rows), SEARCH_SOURCES, strict=True))
    return union_of(parts, len(tables.scales), batch.exclude_rows, item_mask, tables.answerable)


def union_of(
    parts: Sequence[tuple[NDArray[np.integer], Source]],
    span: int,
    exclude_rows: NDArray[np.int64],
    item_mask: ItemMask = ALL_ITEMS,
    answerable: NDArray[np.bool_] | None = None,
) -> CandidateList:
    """Every item of the parts of a request, once, without the excluded and the masked ones.

    Args:
        parts: `[batch, items]` rows, padded with 0, and their source.
        span: rows of the item tables.
        exclude_rows: `[batch, excluded]`, padded with 0.
        item_mask: which items may be answered to each request.
        answerable: `[span]`, false for items that may be answered to none; None where all may.
    """
    size = len(exclude_rows)
    rows = np.concatenate([part.astype(np.int64) for part, _ in parts], axis=1)
    sources = np.concatenate([np.full(part.shape, source, dtype=np.uint8) for part, source in parts], axis=1)
    request_index = np.broadcast_to(np.arange(size)[:, None], rows.shape)
    is_item = rows != PADDING_ROW
    keys, bits = (request_index * span + rows)[is_item], sources[is_item]
    order = np.argsort(keys, kind="stable")
    keys, bits = keys[order], bits[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    keys = keys[first]
    bits = np.bitwise_or.reduceat(bits, first) if len(first) else bits
    allowed = ~_is_excluded(keys, exclude_rows, span)
    if item_mask.allowed is not None:
        allowed &= item_mask.allows(keys // span, keys % span)
    if answerable is not None:
        allowed &= answerable[keys % span]
    allowed |= (bits & Source.NAMED) != 0
    keys, bits = keys[allowed], bits[allowed]
    kept_requests = keys // span
    offsets = np.searchsorted(kept_requests, np.arange(size + 1))
    return CandidateList(kept_requests, keys % span, bits, offsets)


def _is_excluded(keys: NDArray[np.int64], exclude_rows: NDArray[np.int64], span: int) -> NDArray[np.bool_]:
    """Which keys `request * span + row` a request excludes."""
    if not exclude_rows.shape[1] or not len(keys):
        return np.zeros(len(keys), dtype=np.bool_)
    excluded = np.sort((np.arange(len(exclude_rows))[:, None] * span + exclude_rows)[exclude_rows != PADDING_ROW])
    if not len(excluded):
        return np.zeros(len(keys), dtype=np.bool_)
    position = np.minimum(np.searchsorted(excluded, keys), len(excluded) - 1)
    return np.asarray(excluded[position] == keys, dtype=np.bool_)
