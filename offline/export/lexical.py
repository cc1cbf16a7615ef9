"""The lexical index of a bundle: the items' texts by terms, for BM25."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import Final

import polars as pl
from bm25s import BM25

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.item_document import attribute_text
from app.artifact.text.field_lengths import FieldLength, write_field_lengths
from app.artifact.text.languages import Languages
from app.artifact.text.titles import PLACES, TitleTable, title_hash
from app.artifact.text.vocabulary import Vocabulary
from app.artifact.text.words import read_words
from app.engine.text.spelling import Spelling
from offline.export.catalogue_languages import languages_of_catalogue

K1, B = 1.2, 0.75  # Robertson et al., "Okapi at TREC-3" (1995)
_MAIN: Final = ("title", "brand", "category", "text")
_MOST: Final = (1, 1, 1, 2)  # times that a word of each counts
_AGAIN: Final = ""  # in place of a term beyond that: as long, and nobody asks for it
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
    terms_of = _Terms(Spelling(vocabulary))
    catalogue = vocabulary.lexicon.languages
    _, spoken = languages_of_catalogue(items)
    if queries is None:
        logged = []
    else:
        logged = [[terms_of(text or "", of_item) for text, of_item in zip(queries, spoken, strict=True)]]
    read = [
        [_at_most(terms_of(text, of_item), most) for text, of_item in zip(column, spoken, strict=True)]
        for column, most in zip(texts, _MOST, strict=True)
    ]
    main = [list(chain.from_iterable(of_item)) for of_item in zip(*read, *logged, strict=True)]
    attributes = [
        [term for pair in pairs or [] for term in terms_of(attribute_text(pair), of_item)]
        for pairs, of_item in zip(items["attributes"].to_list(), spoken, strict=True)
    ]
    if not any(main) and not any(attributes):
        return False
    lengths = {}
    for name, documents in zip(names.LEXICAL_FIELDS, (main, read[0], attributes), strict=True):
        if not any(documents):
            continue
        lengths[name] = FieldLength.of([len(document) for document in documents])
        index = BM25(k1=K1, b=B, method="lucene")
        index.index(documents, show_progress=False)
        index.save(folder / names.LEXICAL / name, show_progress=False)
        if documents is main:
            _titles(texts[0], texts[1], terms_of, index.vocab_dict, spoken, catalogue).write(folder)
    write_field_lengths(folder, lengths)
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

    def __call__(self, text: str, languages: Languages) -> tuple[str, ...]:
        """The terms of a text of an item that is of these languages."""
        return tuple(term for term, _ in self.placed(text, languages))

    def placed(self, text: str, languages: Languages) -> tuple[tuple[str, int], ...]:
        """The terms, each with the place of its word in the text."""
        return self._of(text, languages)

    def _read(self, text: str, languages: Languages) -> tuple[tuple[str, int], ...]:
        words = read_words(text, languages)
        plain = [(term, place) for place, word in enumerate(words) for term in word.terms]
        joined = [
            (term, place) for place, pair in enumerate(pairwise(words)) for term in self._spelling.compound_terms(pair)
        ]
        parts = [(term, place) for place, word in enumerate(words) for term in self._spelling.part_terms([word])]
        return (*plain, *joined, *parts)


def _at_most(terms: Sequence[str], times: int) -> list[str]:
    """The terms, each so many times at most, and something as long in place of the others: a text that repeats a word
    says no more by it, and is no shorter.
    """
    counts: Counter[str] = Counter()
    kept = []
    for term in terms:
        counts[term] += 1
        kept.append(term if counts[term] <= times else _AGAIN)
    return kept


def _titles(
    titles: Sequence[str],
    brands: Sequence[str],
    terms_of: _Terms,
    numbers: Mapping[str, int],
    spoken: Sequence[Languages],
    catalogue: Languages,
) -> TitleTable:
    """The titles of all items as numbers of terms, their brands behind a gap."""
    placed = []
    for title, brand, languages in zip(titles, brands, spoken, strict=True):
        in_title = terms_of.placed(title, languages)
        behind = max((place for _, place in in_title), default=-1) + 2
        entries = [*in_title, *((term, behind + place) for term, place in terms_of.placed(brand, languages))]
        placed.append([(numbers[term], place) for term, place in entries if place <= PLACES])
    return TitleTable.of(placed, [title_hash(read_words(title, catalogue)) for title in titles])
