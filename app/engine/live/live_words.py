"""The words of items as they are now, for queries and completions."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.artifact.rank_tables import RankTables
from app.artifact.text.field_lengths import read_field_lengths
from app.engine.live.tier_stack import Merging, TierStack
from app.engine.nearest import Nearest
from app.engine.pause import Pause, no_pause
from app.engine.snapshot import Snapshot
from app.engine.text.item_words import ItemWords
from app.engine.text.live_suggest import DocumentOf
from app.engine.text.operators import TextsOf
from app.engine.text.query_index import QueryIndex
from app.engine.text.suggest import Suggester
from app.engine.text.word_tier import WordTier
from app.engine.text.word_views import WordViews


class LiveWords:
    """The words of live items. For one writer.

    Args:
        base: the bundle.
        document_of: its items by row.
    """

    def __init__(self, base: Snapshot, document_of: DocumentOf) -> None:
        self._base = base
        self._document_of = document_of
        self._tiers: TierStack[ItemWords, WordTier] = TierStack(
            WordTier.of, WordTier.merge, lambda tier: len(tier.rows)
        )
        self._superseded = np.zeros(base.items.selectable.shape[1], dtype=np.bool_)
        self._views: WordViews | None = None
        self._changed: dict[int, ItemWords | None] = {}  # since the last view

    def take(
        self, documents: Mapping[int, ItemDocument | None], item_ids: Mapping[int, str], pause: Pause = no_pause
    ) -> None:
        """Take what items say from now on.

        Args:
            documents: by row; None for an item that is answered no more.
            item_ids: of the same rows.
            pause: between two items.
        """
        views = self._views = self._views or _views_of(self._base, self._document_of)
        if views is None:
            return
        words: dict[int, ItemWords | None] = {}
        for row, document in documents.items():
            pause()
            words[row] = None if document is None else views.read(row, item_ids[row], document)
        self._changed |= words
        self._tiers.put({row: of_row for row, of_row in words.items() if of_row is not None})
        self._superseded = self._superseded.copy()
        self._superseded[[row for row in documents if row < len(self._superseded)]] = True

    def merging(self) -> Merging | None:
        """Tiers that are to be merged."""
        return self._tiers.merging()

    def views(
        self, selectable: NDArray[np.bool_], tables: RankTables, nearest: Nearest, texts_of: TextsOf
    ) -> tuple[QueryIndex | None, Suggester | None]:
        """The query index and the suggester of the items as they are now; those of the bundle if it is not searched.

        Args:
            selectable: `[rows]`, the items that may be answered.
            tables: of the items.
            nearest: looks for items by meaning.
            texts_of: the texts of an item.
        """
        views = self._views
        if views is None:
            return self._base.search, self._base.suggester
        changed, self._changed = self._changed, {}
        return views.make(
            self._superseded, self._tiers.tiers(), selectable, tables.popularity, nearest, texts_of, changed
        )


def _views_of(base: Snapshot, document_of: DocumentOf) -> WordViews | None:
    """None for a bundle that is not searched."""
    if base.search is None:
        return None
    return WordViews(
        base.search,
        base.items.selectable.shape[1],
        base.items.last_row,
        document_of,
        read_field_lengths(base.folder),
        base.suggester,
    )
