"""The lexical index of a bundle: the items' texts by terms, for BM25."""

import math
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

import polars as pl
from bm25s import BM25

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.text.vocabulary import Vocabulary
from app.artifact.text.words import read_words
from app.engine.text.spelling import Spelling
from offline.export.vocabulary import attribute_text

K1, B = 1.2, 0.75  # Robertson et al., "Okapi at TREC-3" (1995)
_MAIN = ("title", "brand", "category", "text")
_TIMES: Final = 4  # that a query counts which led to all events of an item
_KEPT: Final = 100_000  # texts that have been read: brands, categories and attributes repeat


def write_lexical(
    folder: Path, items: pl.DataFrame, vocabulary: Vocabulary, queries: Sequence[str | None] | None = None
) -> bool:
    """Write the index to the bundle in `folder`; nothing for a catalogue without a word. Whether it was written.

    Args:
        items: the split's item table.
        vocabulary: of the same catalogue, whose compounds are indexed as one word and as two.
        queries: what people searched for who then chose the item, by row from 1.
    """
    items = items.sort("row")
    texts = [[text or "" for text in items[name].to_list()] for name in _MAIN]
    if queries is not None:
        texts.append([text or "" for text in queries])
    terms_of = _Terms(Spelling(vocabulary))
    main = [[term for text in of_item for term in terms_of(text)] for of_item in zip(*texts, strict=True)]
    attributes = [
        [term for pair in pairs or [] for term in terms_of(attribute_text(pair))]
        for pairs in items["attributes"].to_list()
    ]
    if not any(main) and not any(attributes):
        return False
    title = [list(terms_of(text)) for text in texts[0]]
    for name, documents in zip(names.LEXICAL_FIELDS, (main, title, attributes), strict=True):
        if not any(documents):
            continue
        index = BM25(k1=K1, b=B, method="lucene")
        index.index(documents, show_progress=False)
        index.save(folder / names.LEXICAL / name, show_progress=False)
    TextColumn.of(brands_by_code(items["brand"])).write(folder / names.LEXICAL / names.LEXICAL_BRANDS)
    return True


def have_words(items: pl.DataFrame) -> bool:
    """Whether any item of a split's table says anything of itself."""
    return any(items[name].null_count() < items.height for name in (*_MAIN, "attributes"))


def queries_by_row(logged: pl.DataFrame, items: int) -> list[str]:
    """The text that queries add to each item, by row from 1: the more of its events a query led to, the more often.

    Args:
        logged: item (row), query, share.
        items: how many.
    """
    texts = [""] * items
    for row, query, share in logged.select("item", "query", "share").iter_rows():
        texts[row - 1] += f"{query}\n" * math.ceil(_TIMES * share)
    return texts


def brands_by_code(brands: pl.Series) -> list[str | None]:
    """The brand of every code, as the codes of the rank tables count them; code 0 is none."""
    return [None, *brands.cast(pl.String).drop_nulls().unique().sort().to_list()]


class _Terms:
    """The terms of texts, repeats included; what is two words elsewhere is both, and so is what is one word."""

    def __init__(self, spelling: Spelling) -> None:
        self._spelling = spelling
        self._of = lru_cache(maxsize=_KEPT)(self._read)

    def __call__(self, text: str) -> tuple[str, ...]:
        return self._of(text)

    def _read(self, text: str) -> tuple[str, ...]:
        words = read_words(text)
        plain = [term for word in words for term in word.terms]
        return (*plain, *self._spelling.compound_terms(words), *self._spelling.part_terms(words))
