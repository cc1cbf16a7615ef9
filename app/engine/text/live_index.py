"""The lexical index of all items as they are now: that of a bundle, and live tiers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import LEXICAL_FIELDS
from app.artifact.text.codes import CodeTable
from app.artifact.text.field_lengths import FieldLength
from app.artifact.text.titles import TitleTable
from app.engine.text.catalogue_titles import CatalogueTitles, LiveTitles
from app.engine.text.index_memory import IndexMemory
from app.engine.text.item_words import ItemWords, brand_hash
from app.engine.text.lexical_field import LexicalField
from app.engine.text.lexical_index import BrandRows, LexicalIndex
from app.engine.text.live_codes import LiveCodes
from app.engine.text.live_field import FieldTier, LiveField, average_length
from app.engine.text.live_rows import LiveRows, merged_rows
from app.engine.text.term_memory import TermMemory
from app.engine.text.word_tier import WordTier


@dataclass(frozen=True)
class AverageLengths:
    """Of the fields of a bundle, in terms: what the length of an item's text is compared with."""

    main: float
    title: float
    attributes: float

    @classmethod
    def of(cls, index: LexicalIndex, known: Mapping[str, FieldLength] | None = None) -> "AverageLengths":
        """Those that the index of a bundle was made with.

        Args:
            index: of the bundle.
            known: by the names of fields, those that it has written down; the others are found out by the scores.
        """
        return cls(
            *(
                known[name].average if known and name in known else average_length(field)
                for name, field in zip(LEXICAL_FIELDS, (index.main, index.title, index.attributes), strict=True)
            )
        )


def no_words(rows: int) -> LexicalIndex:
    """The index of a bundle whose items have no word."""
    nothing = LexicalField(None, rows)
    return LexicalIndex(nothing, nothing, nothing, {})


def live_index(
    base: LexicalIndex,
    averages: AverageLengths,
    live: LiveRows,
    tiers: Sequence[WordTier],
    bundled: int,
    memory: IndexMemory | None = None,
    changed: Mapping[int, ItemWords | None] | None = None,
) -> LexicalIndex:
    """The index of a view.

    Args:
        base: of the bundle.
        averages: of its fields.
        live: whose words each row has.
        tiers: the oldest first.
        bundled: items of the bundle.
        memory: what was looked up in earlier views.
        changed: what the items say now that changed since the last view, by row; None where it is not known.
    """
    memory = memory or IndexMemory()
    view = memory.begin(changed, live.superseded)
    documents = bundled - len(live.superseded) + live.alive

    def field_of(field: LexicalField, of_tiers: Sequence[FieldTier], average: float, terms: TermMemory) -> LiveField:
        return LiveField(field.index, live.span, live, tuple(of_tiers), average, documents, terms, view)

    main = field_of(base.main, [tier.main for tier in tiers], averages.main, memory.main)
    titles = base.titles or CatalogueTitles(TitleTable.of([], []), base.main)
    codes = base.codes if isinstance(base.codes, CodeTable) else None
    return LexicalIndex(
        main=main,
        title=field_of(base.title, [tier.title for tier in tiers], averages.title, memory.title),
        attributes=field_of(
            base.attributes, [tier.attributes for tier in tiers], averages.attributes, memory.attributes
        ),
        brands=_LiveBrands(base.brands, live, tuple(tier.brands for tier in tiers)),
        titles=LiveTitles(titles.table, base.main, live, tuple(tier.titles for tier in tiers)),
        codes=LiveCodes(codes, live, tuple(tier.codes for tier in tiers)),
        texts=(*base.texts, *(tier.texts for tier in tiers)),
    )


@dataclass(frozen=True, eq=False)
class _LiveBrands:
    base: BrandRows
    live: LiveRows
    tiers: tuple[dict[int, NDArray[np.int32]], ...]  # the documents of each brand

    def get(self, key: tuple[str, ...], /) -> NDArray[np.int32] | None:
        """The rows of a brand, None for one that no item has."""
        of_base = self.base.get(key)
        parts = [] if of_base is None else [self.live.of_base(of_base)]
        hashed = brand_hash(key)
        for brands, tier in zip(self.tiers, self.live.tiers, strict=True):
            documents = brands.get(hashed)
            if documents is not None:
                parts.append(tier.rows[documents[tier.is_alive[documents]]])
        rows = merged_rows(parts)
        return rows if len(rows) else None
