"""The lexical index of a bundle: which items have a term, how well by BM25, and the words of titles in their order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from bm25s import BM25
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.text.codes import CodeTable
from app.artifact.text.titles import read_titles
from app.artifact.text.words import read_words
from app.engine.text.catalogue_titles import CatalogueTitles
from app.engine.text.lexical_field import LexicalField
from app.engine.text.live_codes import LiveCodes
from app.engine.text.lookups import fast_codes
from app.engine.text.term_texts import TermTexts


class BrandRows(Protocol):
    """The rows of each brand, by its words."""

    def get(self, key: tuple[str, ...], /) -> NDArray[np.int32] | None:
        """The rows of a brand, None for one that no item has."""


@dataclass(frozen=True)
class LexicalIndex:
    """The fields of a catalogue, its brands by how they are written, its titles as sequences, and its codes."""

    main: LexicalField
    title: LexicalField
    attributes: LexicalField
    brands: BrandRows
    titles: CatalogueTitles | None = None
    codes: CodeTable | LiveCodes | None = None
    texts: tuple[TermTexts, ...] = ()  # of the terms of main field and attributes

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term in any field."""
        return np.union1d(self.main.rows_of(term), self.attributes.rows_of(term))

    def runs_with(self, character: str) -> Sequence[str]:
        """The terms of East Asian text that have a character."""
        return tuple(term for texts in self.texts for term in texts.runs_with(character))

    def models_with(self, part: str) -> Sequence[str]:
        """The terms of letters and digits that have a part, which begins and ends where letters and digits meet: of
        `200m4`, `m4` is one and `0m4` is none.
        """
        return tuple(term for texts in self.texts for term in texts.models_with(part))


def read_lexical(
    folder: Path, rows: int, brand_codes: NDArray[np.int32], codes: CodeTable | None = None
) -> LexicalIndex | None:
    """The lexical index of the bundle in `folder`, beside its codes if any; None where no item has a word.

    Raises:
        OSError: a part of it is missing.
        ValueError: it is not readable.
    """
    below = folder / names.LEXICAL
    if not below.exists():
        return None
    main, title, attributes = (_read_field(below / name, rows) for name in names.LEXICAL_FIELDS)
    brands = TextColumn.read(below / names.LEXICAL_BRANDS)
    order = np.argsort(brand_codes, kind="stable").astype(np.int32)
    ends = np.searchsorted(brand_codes[order], np.arange(len(brands) + 1))
    brand_words = (tuple(word.text for word in read_words(brands[code] or "")) for code in range(len(brands)))
    by_words = {key: order[ends[code] : ends[code + 1]] for code, key in enumerate(brand_words) if key}
    table = read_titles(folder)
    titles = None if table is None else CatalogueTitles(table, main)
    codes = None if codes is None else fast_codes(codes)
    return LexicalIndex(main, title, attributes, by_words, titles, codes, (TermTexts.of(_terms_of(main, attributes)),))


def _terms_of(*fields: LexicalField) -> set[str]:
    return {term for field in fields if field.index is not None for term in field.index.vocab_dict}


def _read_field(folder: Path, rows: int) -> LexicalField:
    if not folder.exists():
        return LexicalField(None, rows)
    index = BM25.load(folder, mmap=True, show_progress=False)
    for name in ("data", "indices", "indptr"):  # plain views: cutting pieces out of a memmap costs ten times as much
        index.scores[name] = np.asarray(index.scores[name])
    return LexicalField(index, rows)
