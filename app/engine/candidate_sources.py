"""Candidate generation: the union of retrieval, the user's history, co-occurring items, popular items and searches."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import CandidateList
from app.artifact.rank_tables import RankTables
from app.engine.candidates import Candidates, Source
from app.engine.kernels.union import Answerable, union_of_parts
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
    popular = popular_rows[None, :POPULAR]
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
        parts: `[batch, items]` rows, padded with 0, or `[1, items]` of all requests, and their source.
        span: rows of the item tables.
        exclude_rows: `[batch, excluded]`, padded with 0.
        item_mask: which items may be answered to each request.
        answerable: `[span]`, false for items that may be answered to none; None where all may.
    """
    may_be = Answerable(item_mask.allowed, answerable, Source.NAMED)
    return union_of_parts([(rows, int(source)) for rows, source in parts], span, exclude_rows, may_be)
