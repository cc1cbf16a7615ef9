"""The union of candidate sources: retrieval, the user's own history, what occurs together with it, what is popular."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.artifact.rank_tables import RankTables
from app.engine.candidates import Candidates, Source
from app.engine.requests import RequestBatch

NEIGHBOURS_OF: Final = 5  # newest events whose neighbours are candidates
NEIGHBOURS_EACH: Final = 20
POPULAR: Final = 20


def union_of_sources(
    batch: RequestBatch,
    retrieved: Candidates,
    tables: RankTables,
    popular_rows: NDArray[np.int64],
    item_mask: NDArray[np.bool_] | None = None,
    asked: NDArray[np.int64] | None = None,
) -> CandidateList:
    """Every item that a source finds for a request, once, less what the request excludes.

    Args:
        batch: the requests.
        retrieved: what the search found.
        tables: of the items.
        popular_rows: the most popular rows, most popular first.
        item_mask: `[1 or batch, rows]`, false for items that must not be answered.
        asked: `[batch, items]` rows that the caller names, padded with 0: they stay whatever is excluded.
    """
    size = len(batch)
    newest = batch.event_rows[:, ::-1][:, :NEIGHBOURS_OF]
    near = tables.neighbours[newest, :NEIGHBOURS_EACH].reshape(size, -1)
    popular = np.broadcast_to(popular_rows[:POPULAR], (size, min(POPULAR, len(popular_rows))))
    parts = (
        (retrieved.rows, Source.RETRIEVAL),
        (batch.event_rows, Source.HISTORY),
        (near, Source.CO_OCCURRENCE),
        (popular, Source.POPULAR),
        (np.zeros((size, 0), dtype=np.int64) if asked is None else asked, Source.ASKED),
    )
    return union_of(parts, len(tables.scales), batch.exclude_rows, item_mask)


def union_of(
    parts: Sequence[tuple[NDArray[np.integer], Source]],
    span: int,
    exclude_rows: NDArray[np.int64],
    item_mask: NDArray[np.bool_] | None = None,
) -> CandidateList:
    """Every item of the parts of a request, once.

    Args:
        parts: `[batch, items]` rows, padded with 0, and the source that found them.
        span: rows of the item tables.
        exclude_rows: `[batch, excluded]`, padded with 0.
        item_mask: `[1 or batch, rows]`, false for items that must not be answered.
    """
    size = len(exclude_rows)
    rows = [found.astype(np.int64) for found, _ in parts]
    sources = [np.full(found.shape, source, dtype=np.uint8) for found, source in parts]
    every = np.concatenate(rows, axis=1)
    line = np.broadcast_to(np.arange(size)[:, None], every.shape)
    real = every != PADDING_ROW
    keys, bits = (line * span + every)[real], np.concatenate(sources, axis=1)[real]
    order = np.argsort(keys, kind="stable")
    keys, bits = keys[order], bits[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    keys = keys[first]
    bits = np.bitwise_or.reduceat(bits, first) if len(first) else bits
    allowed = ~_excluded(keys, exclude_rows, span)
    if item_mask is not None:
        lines, items = keys // span, keys % span
        allowed &= item_mask[lines if len(item_mask) > 1 else 0, items]
    allowed |= (bits & Source.ASKED) != 0
    keys, bits = keys[allowed], bits[allowed]
    lines = keys // span
    return CandidateList(lines, keys % span, bits, np.searchsorted(lines, np.arange(size + 1)))


def _excluded(keys: NDArray[np.int64], exclude_rows: NDArray[np.int64], span: int) -> NDArray[np.bool_]:
    """Which keys a request does not want."""
    if not exclude_rows.shape[1] or not len(keys):
        return np.zeros(len(keys), dtype=np.bool_)
    unwanted = np.sort((np.arange(len(exclude_rows))[:, None] * span + exclude_rows)[exclude_rows != PADDING_ROW])
    if not len(unwanted):
        return np.zeros(len(keys), dtype=np.bool_)
    place = np.minimum(np.searchsorted(unwanted, keys), len(unwanted) - 1)
    return np.asarray(unwanted[place] == keys, dtype=np.bool_)
