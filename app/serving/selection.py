"""Which items may be answered to each call of a batch: what `total` and facets count, orders sort and groups part."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.engine.candidates import Candidates, popular
from app.engine.recommend import recommend
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch, Stages
from app.engine.selection.facets import facet_of
from app.engine.selection.grouping import Grouping, first_of_groups, group_candidates
from app.engine.selection.orders import RELEVANCE, sorted_rows, with_rows
from app.engine.snapshot import Snapshot
from app.serving.call import RecommendCall

BY_RETRIEVAL: Final = Stages(ranking=False)
"""What lies deeper than the ranker reads stands in retrieval's order, wherever it is asked for."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The items that pass a call's filter, and what the call does not want of them."""

    snapshot: Snapshot
    call: RecommendCall
    passing: NDArray[np.bool_] | None  # [rows] None where every item passes
    excluded: NDArray[np.int64]  # rows, padded with 0; one may be there more than once
    wanted: int  # groups, of a call that groups

    def mask(self, found: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """`[rows]`, the items that may be answered; `found` `[rows]` are those of a search, which are such already."""
        if found is not None:
            return found
        mask = (self.snapshot.items.selectable[0] if self.passing is None else self.passing).copy()
        mask[self.excluded] = False
        return mask

    def total(self, found: NDArray[np.bool_] | None = None) -> int:
        """How many items may be answered, or of a call that groups: how many groups."""
        if self.call.group_by is not None:
            return self.grouping(found).count()
        if found is not None:
            return int(np.count_nonzero(found))
        unwanted = set(self.excluded.tolist()) - {PADDING_ROW}
        if self.passing is None:
            return self.snapshot.items.count - len(unwanted)
        return int(np.count_nonzero(self.passing)) - int(self.passing[list(unwanted)].sum())

    def facets(self, found: NDArray[np.bool_] | None = None) -> dict[str, list[dict[str, Any]]] | None:
        """Values and counts of each column that the call names; None where it names none."""
        if not self.call.facets:
            return None
        mask = self.mask(found)
        return {name: facet_of(self.snapshot.filters.column(name, "facets"), mask) for name in self.call.facets}

    def grouping(self, found: NDArray[np.bool_] | None = None) -> Grouping:
        """What the call wants grouped."""
        column = self.snapshot.filters.column(self.call.group_by or "", "group_by")
        return Grouping(column, self.wanted, self.mask(found))

    def sorted_rows(
        self, depth: int, found: NDArray[np.bool_] | None, relevant: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The first `depth` rows in the call's order."""
        return self._heads(
            sorted_rows(self.snapshot.orders, self.call.sort, self.mask(found), None if found is None else relevant),
            depth,
        )

    def popular_rows(self, count: int) -> NDArray[np.int64]:
        """The first `count` rows in the call's order, by popularity where it wants none."""
        if self.call.sort != RELEVANCE:
            return self.sorted_rows(count, None, np.zeros(0, dtype=np.int64))
        if self.call.group_by is None:
            return popular(self.snapshot.items, count, self.excluded, self.passing)
        rows = self.snapshot.items.popular_rows
        return self._heads(rows[self.mask()[rows]], count)

    def _heads(self, rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """The first rows, or of a call that groups: the first of each group."""
        if self.call.group_by is None:
            return rows[:most]
        column = self.snapshot.filters.column(self.call.group_by, "group_by")
        return rows[first_of_groups(rows, column, most)]


def is_selective(call: RecommendCall) -> bool:
    """Whether a call chooses among items, or says how they are ordered."""
    return call.filter is not None or call.sort != RELEVANCE or call.group_by is not None


def select(snapshot: Snapshot, call: RecommendCall, excluded: NDArray[np.int64], wanted: int) -> Selection:
    """The items of a call.

    Args:
        snapshot: the loaded bundle.
        call: what is wanted.
        excluded: rows that must not be answered, padded with 0.
        wanted: groups, of a call that groups.
    """
    passing = None if call.filter is None else snapshot.filters.mask(call.filter)
    return Selection(snapshot, call, passing, excluded, wanted)


def item_mask_of(selections: Sequence[Selection]) -> ItemMask:
    """The masks of a batch: one for all calls where their filters are equal."""
    masks = [each.passing for each in selections]
    first = masks[0]
    if all(mask is first for mask in masks):  # equal filters share a mask
        return ALL_ITEMS if first is None else ItemMask(first[None])
    return ItemMask(
        np.stack([each.snapshot.items.selectable[0] if each.passing is None else each.passing for each in selections])
    )


def arranged(
    snapshot: Snapshot,
    batch: RequestBatch,
    candidates: Candidates,
    selections: Sequence[Selection],
    depth: int,
) -> Candidates:
    """The candidates of those calls sorted and grouped that want it, from all items that may be answered to them.

    Args:
        snapshot: the loaded bundle.
        batch: the requests.
        candidates: of the requests, by relevance.
        selections: of the requests.
        depth: items a request.
    """
    groupings: list[Grouping | None] = [None] * len(selections)
    for line, each in enumerate(selections):
        found = None if candidates.matched_items is None else candidates.matched_items[line]
        if each.call.sort != RELEVANCE:
            relevant = candidates.rows[line]
            rows = each.sorted_rows(depth, found, relevant[relevant != PADDING_ROW])
            candidates = with_rows(candidates, line, rows, snapshot.items)
        elif each.call.group_by is not None:
            groupings[line] = each.grouping(found)
    if not any(groupings):
        return candidates
    return group_candidates(
        candidates,
        groupings,
        lambda lines, masks: recommend(snapshot, batch.take(lines), depth, BY_RETRIEVAL, item_mask=masks),
    )
