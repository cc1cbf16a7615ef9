"""The answer of a request whose time has run out: what is popular, so cheap that the loop works it out itself."""

from typing import Any, Final

import numpy as np

from app.engine.reasons import SCORE_DECIMALS, round_reasons
from app.serving.assemble import exclude_rows_of, rows_of, unknown_item_ids_of
from app.serving.call import Answer, RecommendCall
from app.serving.cost import late_cost_of
from app.serving.release import Release
from app.serving.selection import select
from app.stores.state import UserState

TIMEOUT: Final = "timeout"  # in `degraded`: the answer was not there in time, this is what is popular
LATE_US: Final = 2_000
"""Microseconds that a late answer may take on the loop, about."""


def late_answer(release: Release, call: RecommendCall, state: UserState | None) -> Answer:
    """What is popular and passes the filter, without what the call excludes as far as the bundle knows.

    Where even that would take long, since a large filter was never worked out before, or what is to be counted and
    sorted is the whole of a large catalogue, the answer is empty: never an item that must not be answered.

    Args:
        release: the one that the call began with.
        call: the parsed request.
        state: of its user, as of the bundle's cut.
    """
    snapshot = release.snapshot
    items = snapshot.items
    has_mask = call.filter is None or snapshot.filters.has_mask(call.filter)
    if late_cost_of(call, len(items.scales), has_mask=has_mask) > LATE_US:
        return _answer(release, call, [], [], 0, {name: [] for name in call.facets} or None)
    excluded = exclude_rows_of(call, state, rows_of(items, call.context_item_ids), items)
    exclude_rows = np.asarray(excluded, dtype=np.int64)
    selection = select(snapshot, call, exclude_rows, call.k)
    rows = selection.popular_rows(call.k)
    scores = np.round(items.popularity[rows].astype(np.float64), SCORE_DECIMALS).tolist()
    return _answer(release, call, rows.tolist(), scores, selection.total(), selection.facets())


def _answer(
    release: Release,
    call: RecommendCall,
    rows: list[int],
    scores: list[float],
    total: int,
    facets: dict[str, list[dict[str, Any]]] | None,
) -> Answer:
    return Answer(
        model_version=release.version,
        item_rows=rows,
        item_ids=[release.item_ids[row] for row in rows],
        scores=scores,
        reasons=[round_reasons(score, [], "popular") for score in scores] if call.explain else None,
        total=total,
        degraded=[TIMEOUT],
        unknown_item_ids=unknown_item_ids_of(call, release.snapshot.items),
        stages=[],
        facets=facets,
    )
