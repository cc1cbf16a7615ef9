"""Pages of a list that was frozen when its first page was answered."""

import time
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.hashing import stable_hash, stable_hashes
from app.engine.reasons import SCORE_DECIMALS
from app.errors import CursorExpired, InvalidCursor, InvalidRequest
from app.serving.call import Answer
from app.serving.cursor import LASTS_S, Rest, codes_of, read_cursor, write_cursor
from app.serving.cursor_keys import CursorKeys, changed_cursor
from app.serving.release import Release

CLOCKS_DIFFER_S: Final = 300
"""Seconds by which the clocks of two replicas may differ."""
_NO_HASHES: Final = np.zeros(0, dtype=np.uint64)
_MATCHED_BY: Final = (None, "words", "meaning", "nothing", "words_and_meaning")  # cursors hold the positions


def next_cursor_of(answer: Answer, fingerprint: int, release: Release, keys: CursorKeys) -> str | None:
    """The cursor of the second page; None where the list ends with the first.

    Args:
        answer: the first page.
        release: that it is of.
        fingerprint: the fingerprint of the request that it answers.
        keys: sign it.
    """
    if answer.rest is None or not answer.has_more:
        return None
    rows, scores = answer.rest
    codes, largest, smallest = codes_of(scores)
    rows, new_hashes = _without_new_rows(rows, release)
    rest = Rest(
        version=stable_hash(answer.model_version),
        fingerprint=fingerprint,
        expires=int(time.time()) + LASTS_S,
        offset=len(answer.item_rows),
        total=answer.total,
        flags=_MATCHED_BY.index(answer.matched_by),
        corrected_query=answer.corrected_query,
        rows=rows,
        codes=codes,
        largest=largest,
        smallest=smallest,
        new_hashes=new_hashes,
    )
    return write_cursor(rest, keys)


def read_page(cursor: str, fingerprint: int | None, keys: CursorKeys) -> Rest:
    """Read the `next_cursor` of an answer.

    Args:
        cursor: the text that the caller sent.
        fingerprint: the fingerprint of the request around it; None where that has only fields of a page.
        keys: those that may have signed it.

    Raises:
        InvalidCursor: it is no cursor, or belongs to another request.
        CursorExpired: its list is no longer kept, or what signed it.
    """
    rest = read_cursor(cursor, keys)
    age_s = time.time() + LASTS_S - rest.expires
    if age_s >= LASTS_S:
        raise CursorExpired(
            f"cursor: lists are kept for {LASTS_S // 60} minutes, and this one's are over: ask again without it",
            "cursor",
        )
    if fingerprint is not None and fingerprint != rest.fingerprint:
        raise InvalidCursor(
            "cursor: belongs to another request: send it alone with k and fields, or with all else as it was", "cursor"
        )
    if age_s < -CLOCKS_DIFFER_S or not 0 <= rest.flags < len(_MATCHED_BY):
        raise changed_cursor()
    return rest


def page_of(rest: Rest, k: int, release: Release, max_k: int, keys: CursorKeys) -> Answer:
    """The next `k` items of a list, without those that are gone since.

    Args:
        rest: the list, from `read_page`.
        k: items of this page.
        release: the one that the list was answered from.
        max_k: the largest `k`.
        keys: sign the cursor of the page behind it.

    Raises:
        InvalidRequest: `k` is larger.
        InvalidCursor: it names an item that the release lacks.
    """
    if k > max_k:
        raise InvalidRequest(f"k must be at most {max_k}, got {k}: ask for fewer items", "k")
    span = release.bundle_span
    if rest.rows.min() < 1 or rest.rows.max() >= span + len(rest.new_hashes) or rest.total >= len(release.item_ids):
        raise InvalidCursor("cursor: names items that there are not: ask again without it", "cursor")
    items = release.snapshot.items
    all_rows = rest.rows.copy()
    is_new = all_rows >= span
    all_rows[is_new] = items.rows_of_hashes(rest.new_hashes)[all_rows[is_new] - span]
    is_there = items.selectable[0, all_rows]
    places = np.flatnonzero(is_there)[:k]
    read = int(places[-1]) + 1 if len(places) == k else len(all_rows)
    rows = all_rows[places].tolist()
    after = rest.after(read, len(places)) if is_there[read:].any() else None
    return Answer(
        model_version=release.version,
        item_rows=rows,
        item_ids=[release.item_ids[row] for row in rows],
        scores=np.round(rest.scores()[places], SCORE_DECIMALS).tolist(),
        reasons=None,
        total=rest.total,
        degraded=[],
        unknown_item_ids=[],
        stages=[],
        next_cursor=None if after is None else write_cursor(after, keys),
        corrected_query=rest.corrected_query,
        matched_by=_MATCHED_BY[rest.flags],
        first_rank=rest.offset + 1,
    )


def _without_new_rows(rows: NDArray[np.int64], release: Release) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Rows with those behind the bundle's numbered from the first one on, and the hashes of their items."""
    span = release.bundle_span
    if np.maximum.reduce(rows) < span:
        return rows, _NO_HASHES
    is_new = rows >= span
    new, places = np.unique(rows[is_new], return_inverse=True)
    numbered = rows.copy()
    numbered[is_new] = span + places
    return numbered, stable_hashes(release.item_ids[row] for row in new.tolist())
