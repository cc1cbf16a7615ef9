"""A tier of live items, indexed by their words."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.text.codes import CodeTable
from app.artifact.text.sorted_texts import TextsInMemory
from app.engine.kernels.titles import PlacedTitles
from app.engine.text.catalogue_titles import TitleTier
from app.engine.text.item_words import ItemWords
from app.engine.text.live_field import FieldTier
from app.engine.text.live_suggest import SuggestTier
from app.engine.text.live_words import VocabularyTier
from app.engine.text.postings import Postings, TermCounts
from app.engine.text.term_texts import TermTexts


@dataclass(frozen=True, eq=False)
class WordTier:
    """Some items by their words; documents are numbered by their rows, ascending."""

    rows: NDArray[np.int32]  # [documents] ascending
    words: tuple[ItemWords, ...]  # [documents]
    main: FieldTier
    title: FieldTier
    attributes: FieldTier
    titles: TitleTier
    brands: dict[int, NDArray[np.int32]]  # the documents of each brand, by `brand_hash`
    codes: CodeTable
    texts: TermTexts
    vocabulary: VocabularyTier

    @cached_property
    def suggestions(self) -> SuggestTier:
        """What the items give to the search box; made when somebody types."""
        return SuggestTier.of([item.completions for item in self.words])

    @classmethod
    def of(cls, rows: Sequence[int], words: Sequence[ItemWords]) -> "WordTier":
        """The tier of the items in some rows, each once, and their words."""
        order = np.argsort(np.asarray(rows, dtype=np.int64), kind="stable").tolist()
        ordered = [words[place] for place in order]
        names = [item.name_terms for item in ordered]
        none = np.zeros(0, dtype=np.uint64)
        placed = PlacedTitles(
            np.concatenate([none, *names]),
            np.concatenate([none.astype(np.uint8), *(item.name_places for item in ordered)]),
            offsets_of([len(name) for name in names]),
        )
        hashes = np.fromiter((item.title_hash for item in ordered), dtype=np.uint64, count=len(ordered))
        return cls(
            rows=np.asarray(rows, dtype=np.int32)[order],
            words=tuple(ordered),
            main=_field([item.main for item in ordered]),
            title=_field([item.title for item in ordered]),
            attributes=_field([item.attributes for item in ordered]),
            titles=TitleTier(placed, hashes),
            brands=_brands([item.brand_hash for item in ordered]),
            codes=_codes(ordered),
            texts=TermTexts(
                {term for item in ordered for term in item.models}, {term for item in ordered for term in item.unspaced}
            ),
            vocabulary=VocabularyTier.of([item.entries for item in ordered]),
        )

    @classmethod
    def merge(cls, tiers: Sequence["WordTier"], selectable: NDArray[np.bool_] | None = None) -> "WordTier":
        """The tier that says what some tiers say, the oldest first: of several documents of a row the newest.

        Args:
            tiers: one after another, with none between them that is not given.
            selectable: `[rows]`; documents of items that are false there are left out.
        """
        words = {row: item for tier in tiers for row, item in zip(tier.rows.tolist(), tier.words, strict=True)}
        kept = [row for row in words if selectable is None or selectable[row]]
        tier = cls.of(kept, [words[row] for row in kept])
        _ = tier.suggestions  # large: nobody who types is to wait for it
        return tier


def _field(texts: Sequence[TermCounts]) -> FieldTier:
    return FieldTier(Postings.of(texts), np.array([text.length for text in texts], dtype=np.int32))


def _brands(hashes: Sequence[int]) -> dict[int, NDArray[np.int32]]:
    documents: dict[int, list[int]] = {}
    for document, hashed in enumerate(hashes):
        if hashed:
            documents.setdefault(hashed, []).append(document)
    return {hashed: np.array(of_brand, dtype=np.int32) for hashed, of_brand in documents.items()}


def _codes(items: Sequence[ItemWords]) -> CodeTable:
    table = CodeTable.of_keys((document, code) for document, item in enumerate(items) for code in item.codes)
    return replace(table, texts=TextsInMemory(table.texts.column))
