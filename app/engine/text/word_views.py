"""Views of the words of a catalogue that changes: the bundle's indexes beside tiers of live items."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.artifact.text.codes import CodeTable
from app.artifact.text.field_lengths import FieldLength
from app.artifact.text.suggest_entries import index_of
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.index_memory import IndexMemory
from app.engine.text.item_words import ItemReader, ItemWords, WordEntries, code_names_of
from app.engine.text.live_index import AverageLengths, live_index, no_words
from app.engine.text.live_rows import LiveRows
from app.engine.text.live_suggest import DocumentOf, SuggestViews
from app.engine.text.live_words import LiveWords, RemovedWords
from app.engine.text.operators import TextsOf
from app.engine.text.query_index import FindNearest, QueryIndex
from app.engine.text.spelling import Spelling
from app.engine.text.suggest import Suggester
from app.engine.text.word_tier import WordTier

_SAMPLE = 2_000  # items of the bundle by which its columns of codes are known


class WordViews:
    """Makes views, one after another and in one thread; those that are made are read by many.

    Args:
        search: of the bundle.
        rows: of the bundle's item tables.
        items: of the bundle, which have the rows from 1 on.
        document_of: the items of the bundle.
        lengths: of its fields, by their names, as far as it has written them down.
        suggester: of the bundle, if it has one.
    """

    def __init__(
        self,
        search: QueryIndex,
        rows: int,
        items: int,
        document_of: DocumentOf,
        lengths: Mapping[str, FieldLength] | None = None,
        suggester: Suggester | None = None,
    ) -> None:
        self._search = search
        self._items = items
        self._document_of = document_of
        self._index = search.lexical or no_words(rows)
        self._spelling = search.spelling or Spelling(Vocabulary.empty())
        self._averages = AverageLengths.of(self._index, lengths)
        self._codes = self._index.codes if isinstance(self._index.codes, CodeTable) else None
        step = max(1, items // _SAMPLE)
        sample = ((row, document_of(row)) for row in range(1, items + 1, step))
        self._reader = ItemReader(self._spelling, code_names_of(self._codes, sample))
        self._memory = IndexMemory()
        self._removed = RemovedWords.none(self._spelling.known, rows)
        self._suggester = suggester or Suggester(index_of([]), self._spelling.known.vocabulary)
        self._suggestions = SuggestViews(
            self._suggester.bundled, self._index, search.popularity, items, document_of, self._spelling.languages
        )

    def read(self, row: int, item_id: str, document: ItemDocument) -> ItemWords:
        """The words of an item; one of the bundle keeps the codes that are not among its attributes.

        Args:
            row: of the item.
            item_id: of the item.
            document: the item as it is now.
        """
        further: list[str] = []
        if row <= self._items and self._codes is not None:
            of_attributes = set(self._reader.attribute_codes(self._document_of(row)))
            further = [code for code in self._codes.keys_of(row) if code not in of_attributes]
        return self._reader.read(item_id, document, further, self._suggestions.completions_of(row, document))

    def make(
        self,
        superseded: NDArray[np.bool_],
        tiers: Sequence[WordTier],
        selectable: NDArray[np.bool_],
        popularity: NDArray[np.float32],
        nearest: FindNearest,
        texts_of: TextsOf,
        changed: Mapping[int, ItemWords | None] | None = None,
    ) -> tuple[QueryIndex, Suggester]:
        """The query index of a view, with a memory of matches of its own, and its suggester.

        Args:
            superseded: `[rows of the bundle]`, the items whose words are no more those of the bundle.
            tiers: the live items, the oldest tier first; of several documents of a row the newest counts.
            selectable: `[rows of the view]`, the items that may be answered; others count for nothing.
            popularity: `[rows of the view]`.
            nearest: looks for items of the view by meaning.
            texts_of: the texts of an item of the view.
            changed: what the items say now that changed since the last view, by row; None where it is not known.
        """
        live = LiveRows.of(len(selectable), superseded, selectable, [tier.rows for tier in tiers])
        index = live_index(self._index, self._averages, live, tiers, self._items, self._memory, changed)
        known = self._spelling.known
        self._removed = self._removed.with_rows(superseded, self._entries_of, known)
        words = LiveWords(known, self._removed, live, [tier.vocabulary for tier in tiers])
        search = replace(
            self._search,
            lexical=index,
            spelling=self._spelling.with_words(words, index.main.rows_of, int(np.count_nonzero(selectable))),
            selectable=selectable,
            nearest=nearest,
            popularity=popularity,
            texts_of=texts_of,
        )
        return search, self._suggester.with_parts(self._suggestions.parts(superseded, live, tiers), words)

    def _entries_of(self, row: int) -> WordEntries:
        return self._reader.entries_of(self._document_of(row))
