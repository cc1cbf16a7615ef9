"""The words of items as they are now, for queries and completions."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.artifact.rank_tables import RankTables
from app.engine.live.tier_stack import Merging, TierStack
from app.engine.nearest import Nearest
from app.engine.snapshot import Snapshot
from app.engine.text.item_words import ItemReader, ItemWords
from app.engine.text.live_index import AverageLengths, live_index, no_words
from app.engine.text.live_rows import LiveRows
from app.engine.text.operators import TextsOf
from app.engine.text.query_index import QueryIndex
from app.engine.text.suggest import Suggester
from app.engine.text.word_tier import WordTier


class LiveWords:
    """The words of live items. For one writer.

    Args:
        base: the bundle.
    """

    def __init__(self, base: Snapshot) -> None:
        self._base = base
        self._tiers: TierStack[ItemWords, WordTier] = TierStack(
            WordTier.of, WordTier.merge, lambda tier: len(tier.rows)
        )
        self._superseded = np.zeros(base.items.selectable.shape[1], dtype=np.bool_)
        self._reader: ItemReader | None = None
        self._averages: AverageLengths | None = None

    def take(self, documents: Mapping[int, ItemDocument | None], item_ids: Mapping[int, str]) -> None:
        """Take what items say from now on.

        Args:
            documents: by row; None for an item that is answered no more.
            item_ids: of the same rows.
        """
        search = self._base.search
        if search is None or search.spelling is None:
            return
        reader = self._reader = self._reader or ItemReader(search.spelling._vocabulary)
        self._tiers.put(
            {row: reader.read(item_ids[row], document) for row, document in documents.items() if document is not None}
        )
        self._superseded = self._superseded.copy()
        self._superseded[[row for row in documents if row < len(self._superseded)]] = True

    def merging(self) -> "Merging[WordTier] | None":
        return self._tiers.merging()

    def replace(self, merging: "Merging[WordTier]", merged: WordTier) -> bool:
        return self._tiers.replace(merging, merged)

    def query_index(
        self, selectable: NDArray[np.bool_], tables: RankTables, nearest: Nearest, texts_of: TextsOf
    ) -> QueryIndex | None:
        base = self._base.search
        if base is None:
            return None
        index = base.lexical or no_words(len(self._superseded))
        averages = self._averages = self._averages or AverageLengths.of(index)
        tiers = self._tiers.tiers()
        live = LiveRows.of(len(selectable), self._superseded, selectable, [tier.rows for tier in tiers])
        lexical = live_index(index, averages, live, tiers, self._base.items.count)
        return replace(
            base,
            lexical=lexical,
            selectable=selectable,
            nearest=nearest,
            popularity=tables.popularity,
            texts_of=texts_of,
            _cache=OrderedDict(),
            _lock=Lock(),
        )

    def suggester(self, selectable: NDArray[np.bool_]) -> Suggester | None:  # noqa: ARG002 - soon
        return self._base.suggester
