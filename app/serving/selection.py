"""Which items may be answered to each call of a batch: what `total` and facets count, and sorts and groups order."""

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
"""What lies deeper than the ranker reads stays in retrieval's order, however deep a call goes."""


@dataclass(frozen=True, eq=False)
class Selection:
    """The items that may be answered to one call: those that pass its filter, less those that it excludes.

    Its methods take `matched_items`, `[rows]`, of a call that searches: the items that the search matched, all of which
    may be answered. `None` stands for no search.
    """

    snapshot: Snapshot
    call: RecommendCall
    passing: NDArray[np.bool_] | None  # [rows] None where every item passes
    exclude_rows: NDArray[np.int64]  # padded with 0; one may be there more than once
    group_count: int  # how many groups a call with `group_by` gets

    def mask(self, matched_items: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
        """`[rows]`, the items that may be answered."""
        if matched_items is not None:
            return matched_items
        mask = (self.snapshot.items.selectable[0] if self.passing is None else self.passing).copy()
        mask[self.exclude_rows] = False
        return mask

    def total(self, matched_items: NDArray[np.bool_] | None = None) -> int:
        """How many items may be answered, or with `group_by`: how many groups."""
        if self.call.group_by is not None:
            return self.grouping(matched_items).count()
        if matched_items is not None:
            return int(np.count_nonzero(matched_items))
        items = self.snapshot.items
        passing, count = self.passing, items.count
        if passing is None:
            passing = items.selectable[0]
        else:
            count = int(np.count_nonzero(passing))
        excluded = set(self.exclude_rows.tolist()) - {PADDING_ROW}
        return count - int(np.count_nonzero(passing[list(excluded)])) if excluded else count

    def facets(self, matched_items: NDArray[np.bool_] | None = None) -> dict[str, list[dict[str, Any]]] | None:
        """Values and counts of each column that the call names; None where it names none."""
        if not self.call.facets:
            return None
        mask = self.mask(matched_items)
        return {name: facet_of(self.snapshot.filters.column(name, "facets"), mask) for name in self.call.facets}

    def grouping(self, matched_items: NDArray[np.bool_] | None = None) -> Grouping:
        """The groups of a call with `group_by`."""
        column = self.snapshot.filters.column(self.call.group_by or "", "group_by")
        return Grouping(column, self.group_count, self.mask(matched_items))

    def sorted_rows(
        self, depth: int, matched_items: NDArray[np.bool_] | None, relevant: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """The first `depth` rows in the call's order; of a search, `relevant` rows break ties, the best first."""
        ties = None if matched_items is None else relevant
        rows = sorted_rows(self.snapshot.orders, self.call.sort, self.mask(matched_items), ties)
        return self._heads(rows, depth)

    def popular_rows(self, count: int) -> NDArray[np.int64]:
        """The first `count` rows in the call's order, by popularity where it names none."""
        if self.call.sort != RELEVANCE:
            return self.sorted_rows(count, None, np.zeros(0, dtype=np.int64))
        if self.call.group_by is None:
            return popular(self.snapshot.items, count, self.exclude_rows, self.passing)
        rows = self.snapshot.items.popular_rows
        return self._heads(rows[self.mask()[rows]], count)

    def _heads(self, rows: NDArray[np.int64], count: int) -> NDArray[np.int64]:
        """The first rows, or with `group_by`: the first of each group."""
        if self.call.group_by is None:
            return rows[:count]
        column = self.snapshot.filters.column(self.call.group_by, "group_by")
        return rows[first_of_groups(rows, column, count)]


def has_selection(call: RecommendCall) -> bool:
    """Whether a call filters, sorts or groups."""
    return call.filter is not None or call.sort != RELEVANCE or call.group_by is not None


def select(snapshot: Snapshot, call: RecommendCall, exclude_rows: NDArray[np.int64], group_count: int) -> Selection:
    """The selection of a call.

    Args:
        snapshot: the loaded bundle.
        call: the call, with a filter or without.
        exclude_rows: rows that must not be answered, padded with 0.
        group_count: how many groups a call with `group_by` gets.
    """
    passing = None if call.filter is None else snapshot.filters.mask(call.filter)
    return Selection(snapshot, call, passing, exclude_rows, group_count)


def item_mask_of(selections: Sequence[Selection]) -> ItemMask:
    """The filters of a batch as masks: one for all calls where their filters are equal."""
    masks = [selection.passing for selection in selections]
    first = masks[0]
    if all(mask is first for mask in masks):  # equal filters share a mask
        return ALL_ITEMS if first is None else ItemMask(first[None])
    return ItemMask(
        np.stack(
            [
                selection.snapshot.items.selectable[0] if selection.passing is None else selection.passing
                for selection in selections
            ]
        )
    )


def sort_and_group(
    snapshot: Snapshot,
    batch: RequestBatch,
    candidates: Candidates,
    selections: Sequence[Selection],
    depth: int,
) -> Candidates:
    """The candidates, sorted and grouped for the calls that ask for it, out of all items that may be answered.

    Args:
        snapshot: the loaded bundle.
        batch: the requests.
        candidates: the candidates of each request, by relevance.
        selections: the selection of each request.
        depth: items a request.
    """
    groupings: list[Grouping | None] = [None] * len(selections)
    for index, selection in enumerate(selections):
        matched_items = None if candidates.matched_items is None else candidates.matched_items[index]
        if selection.call.sort != RELEVANCE:
            relevant = candidates.rows[index]
            rows = selection.sorted_rows(depth, matched_items, relevant[relevant != PADDING_ROW])
            candidates = with_rows(candidates, index, rows, snapshot.items)
        elif selection.call.group_by is not None:
            groupings[index] = selection.grouping(matched_items)
    if not any(groupings):
        return candidates
    return group_candidates(
        candidates,
        groupings,
        lambda indices, masks: recommend(snapshot, batch.take(indices), depth, BY_RETRIEVAL, item_mask=masks),
    )
