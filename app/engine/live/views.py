"""Views: one snapshot after another, each the one before with some changes of items."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace
from functools import lru_cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_content import document_text
from app.artifact.item_document import ItemDocument
from app.engine.catalogue import Items
from app.engine.gpu_retriever import GpuRetriever
from app.engine.kernels.features import KernelTables
from app.engine.live.activity import ActivityTally, NewItemEvent
from app.engine.live.item_change import ItemChange
from app.engine.live.known_columns import with_known_columns
from app.engine.live.live_items import IdBook, LiveItems
from app.engine.live.live_meaning import LiveMeaning
from app.engine.live.live_retriever import LiveRetriever
from app.engine.live.live_tables import DESCRIBED_COLUMNS, LiveTables
from app.engine.live.live_words import LiveWords
from app.engine.live.places import PlacedItems, placed_rows
from app.engine.live.tier_stack import Merging, TierStack
from app.engine.nearest import Nearest
from app.engine.pause import Pause, no_pause
from app.engine.retriever import Retriever
from app.engine.selection.documents import document_of
from app.engine.selection.filter_view import FilterView, with_tiers
from app.engine.selection.orders import Orders
from app.engine.selection.value_tier import ItemValues, ValueTier, merge
from app.engine.snapshot import Snapshot

_KEPT: Final = 2_048  # documents of the bundle that are kept: each is read several times for one view


class ViewMaker:
    """Makes views of one bundle. For one writer; a view may be read by anybody.

    After a failure it must not be used again.

    Args:
        base: the bundle.
    """

    def __init__(self, base: Snapshot) -> None:
        span = base.items.selectable.shape[1]
        self._base = base
        self._view = base
        self._ids = IdBook(span)
        self._documents: dict[int, ItemDocument] = {}  # of live items that are answered, by row
        self._read_again = lru_cache(_KEPT)(partial(document_of, catalogue=base.catalogue, filters=base.filters))
        self._touched: set[int] = set()  # rows of which anything was said
        self._tables: LiveTables | None = None  # from the first change on
        self._places = PlacedItems(base)
        self._meaning = LiveMeaning(base)
        self._values: TierStack[ItemValues, ValueTier] = TierStack(ValueTier.of, merge, len)
        self._superseded = np.zeros(span, dtype=np.bool_)  # rows of the bundle whose values are a tier's
        self._words = LiveWords(base, self._read_again)
        self._newest_born = 0  # of the items that got rows
        self._activity = ActivityTally(base.tables, base.items)
        self._order = np.zeros(0, dtype=np.int64)  # of all rows by popularity
        self._has_other_popularity = True  # than the order is by

    @property
    def view(self) -> Snapshot:
        """The newest one."""
        return self._view

    def bundled(self, item_id: str) -> ItemDocument | None:
        """An item as the bundle says it; None for one that the catalogue of the bundle lacks."""
        return self._bundled(self._base.items.own_row_of(item_id))

    def known(self, document: ItemDocument) -> ItemDocument:
        """A document in the terms of the bundle, which may know columns that were only kept for it."""
        return with_known_columns(document, self._base) if document.further else document

    def can_take(self, changes: Iterable[ItemChange]) -> bool:
        """Whether changes may follow those that were applied: no new item is older than one that has its row."""
        return all(change.born >= self._newest_born or self._row_of(change.item_id) for change in changes)

    def apply(self, changes: Sequence[ItemChange], pause: Pause = no_pause) -> Snapshot:
        """The next view: of an item that changes several times the last change counts; `pause` between its steps."""
        documents = self._by_row({change.item_id: change for change in changes})
        if not documents:
            return self._view
        tables = self._tables = self._tables or LiveTables(self._base.tables, self._base.catalogue)
        tables.extend(self._ids.end - tables.span)
        before = {row: self._document_of(row) for row in documents}
        alive = {row: document for row, document in documents.items() if document is not None}
        tables.describe(alive)
        self._take_values(documents)
        others = {row: document for row, document in alive.items() if not _say_the_same(before[row], document)}
        moved = {row: document for row, document in alive.items() if not _stand_alike(before[row], document)}
        self._places.take(tables, moved, {row: self._bundled(row) for row in moved if row < self._ids.span}, pause)
        gone = [row for row, document in documents.items() if document is None]
        reworded = {row: document for row, document in alive.items() if not _read_alike(before[row], document)}
        self._meaning.extend(self._ids.end)
        self._meaning.take(reworded, {row: self._bundled(row) for row in reworded}, pause)
        self._meaning.forget(gone)
        self._places.forget(tables, gone)
        tables.restore(gone, DESCRIBED_COLUMNS)
        for row in documents:
            self._documents.pop(row, None)
        self._documents |= alive
        self._touched |= documents.keys()
        worded = {
            row: document for row, document in documents.items() if row in others or (before[row] and not document)
        }
        self._words.take(worded, {row: self._id_of(row) for row in worded}, pause)
        self._view = self._snapshot(tables, documents, pause, has_other_words=bool(worded))
        return self._view

    def count(self, events: Sequence[NewItemEvent], pause: Pause = no_pause) -> Snapshot:
        """The next view: with what people did with new items; `pause` between its steps."""
        self._activity.add(events)
        if self._tables is None:
            return self._view
        columns = self._activity.columns(self._view.items, self._view.tables)
        if columns is None:
            return self._view
        self._tables.count(
            columns.rows, columns.counts, columns.popularity, columns.neighbours, columns.neighbour_weights
        )
        self._has_other_popularity = True
        self._view = self._snapshot(self._tables, {}, pause, has_other_words=False)
        return self._view

    def mergings(self) -> list[Merging]:
        """Tiers that are to be merged: no answer changes by it, and later views have fewer of them."""
        return [merging for stack in (self._values, self._words) if (merging := stack.merging()) is not None]

    def _by_row(self, newest: Mapping[str, ItemChange]) -> dict[int, ItemDocument | None]:
        """What items are from now on, by row: nothing where they are not answered. New ones get their rows."""
        rows = {item_id: self._row_of(item_id) for item_id in newest}
        new = sorted((change.born, item_id) for item_id, change in newest.items() if not rows[item_id])
        rows |= dict(zip((item_id for _, item_id in new), self._ids.add([item_id for _, item_id in new]), strict=True))
        self._newest_born = max([self._newest_born, *(born for born, _ in new)])
        return {row: _if_answered(newest[item_id].document) for item_id, row in rows.items()}

    def _row_of(self, item_id: str) -> int:
        return self._base.items.own_row_of(item_id) or self._ids.find(item_id)

    def _document_of(self, row: int) -> ItemDocument | None:
        """What an item is before the changes; None where it is not answered."""
        return self._documents.get(row) if row in self._touched else self._bundled(row)

    def _bundled(self, row: int) -> ItemDocument | None:
        base = self._base
        if row >= self._ids.span or not base.items.selectable[0, row]:
            return None
        return self._read_again(row)

    def _id_of(self, row: int) -> str:
        return self._base.items.id_of(row) if row < self._ids.span else self._ids.id_of(row)

    def _take_values(self, documents: Mapping[int, ItemDocument | None]) -> None:
        self._values.put({row: ItemValues.of(document) for row, document in documents.items()})
        self._superseded = self._superseded.copy()
        self._superseded[[row for row in documents if row < self._ids.span]] = True

    def _snapshot(
        self, live: LiveTables, documents: Mapping[int, ItemDocument | None], pause: Pause, *, has_other_words: bool
    ) -> Snapshot:
        pause()
        base, view, span = self._base, self._view, self._ids.end
        selectable = np.zeros((1, span), dtype=np.bool_)
        selectable[0, : view.items.selectable.shape[1]] = view.items.selectable[0]
        selectable[0, list(documents)] = [document is not None for document in documents.values()]
        tables = live.as_of_now(selectable[0])
        KernelTables.carry(view.tables, tables)
        items = self._items(tables.vectors, tables.scales, tables.popularity, selectable)
        moved = self._places.rows()
        placed = placed_rows(tables, moved[selectable[0, moved]])
        in_graph = selectable[:, : self._ids.span].copy()
        in_graph[0, moved[moved < self._ids.span]] = False
        retriever = LiveRetriever(_graph_of(base), items, placed, in_graph)
        pause()
        filters = with_tiers(base.filters, self._values.tiers(), self._superseded, selectable[0], items)
        if isinstance(filters, FilterView):
            filters.prepare(view.filters, pause)
        pause()
        catalogue = view.catalogue.with_documents(documents)
        nearest = Nearest(retriever, tables, base.manifest.shapes.window)
        search, suggester = view.search, view.suggester
        if has_other_words or span > view.items.selectable.shape[1]:  # a row without words is a row of its arrays
            pause()
            search, suggester = self._words.views(selectable[0], tables, nearest, catalogue.texts_of)
        meaning = self._meaning.as_of_now()
        return replace(
            base,
            items=items,
            catalogue=catalogue,
            retriever=retriever,
            tables=tables,
            ranker=None
            if base.ranker is None
            else replace(base.ranker, tables=tables, popular_rows=items.popular_rows),
            filters=filters,
            orders=Orders(filters, items, base.orders),
            search=None if search is None else search.with_meaning(meaning),
            suggester=suggester,
            meaning=meaning,
        )

    def _items(
        self,
        vectors: NDArray[np.int8],
        scales: NDArray[np.float32],
        popularity: NDArray[np.float32],
        selectable: NDArray[np.bool_],
    ) -> Items:
        base = self._base.items
        order = self._popular_order(popularity)
        values = {column.name: getattr(base, column.name) for column in fields(Items)}
        values |= {
            "vectors": vectors,
            "scales": scales,
            "popularity": popularity,
            "selectable": selectable,
            "popular_rows": order[selectable[0, order]],
        }
        return LiveItems(**values, new=self._ids.as_of_now())

    def _popular_order(self, popularity: NDArray[np.float32]) -> NDArray[np.int64]:
        """The rows of all items, most popular first, then by row."""
        if self._has_other_popularity:
            rows = np.concatenate(
                [np.arange(1, self._base.items.last_row + 1), np.arange(self._ids.span, self._ids.end)]
            )
            self._order = rows[np.argsort(-popularity[rows], kind="stable")]
            self._has_other_popularity = False
        else:  # of new items nothing is known: they stand at the end
            known = len(self._order) - self._base.items.last_row
            self._order = np.concatenate([self._order, np.arange(self._ids.span + known, self._ids.end)])
        return self._order


def _graph_of(base: Snapshot) -> Retriever | GpuRetriever:
    assert isinstance(base.retriever, Retriever | GpuRetriever)  # noqa: S101 - a bundle's, never a view's
    return base.retriever


def _if_answered(document: ItemDocument | None) -> ItemDocument | None:
    return None if document is None or document.hidden else document


def _stand_alike(before: ItemDocument | None, document: ItemDocument) -> bool:
    return before is not None and before.stands_where(document)


def _read_alike(before: ItemDocument | None, document: ItemDocument) -> bool:
    return before is not None and document_text(before) == document_text(document)


def _say_the_same(before: ItemDocument | None, document: ItemDocument) -> bool:
    return before is not None and before.says_the_same_as(document)
