"""The lexical index of a bundle: the items' texts by terms, for BM25."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from bm25s import BM25

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.item_document import attribute_text
from app.artifact.text.field_lengths import FieldLength, write_field_lengths
from app.artifact.text.languages import Languages
from app.artifact.text.titles import TitleTable, title_hash
from app.artifact.text.vocabulary import Vocabulary
from app.artifact.text.words import read_words
from app.engine.text.item_terms import K1, MOST_TIMES, B, TermsOf, at_most, main_terms
from app.engine.text.spelling import Spelling
from offline.export.catalogue_languages import languages_of_catalogue

_TIMES: Final = 4  # that a query counts which led to all events of an item


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
    texts = [[text or "" for text in items[name].to_list()] for name in MOST_TIMES]
    terms_of = TermsOf(Spelling(vocabulary))
    catalogue = vocabulary.lexicon.languages
    _, spoken = languages_of_catalogue(items)
    read = [[terms_of(text, of_item) for text, of_item in zip(column, spoken, strict=True)] for column in texts]
    logged = queries or [None] * len(spoken)
    main = [
        [*main_terms(of_item), *terms_of(of_queries or "", languages)]
        for of_item, of_queries, languages in zip(zip(*read, strict=True), logged, spoken, strict=True)
    ]
    titles = [at_most(of_item, MOST_TIMES["title"]) for of_item in read[0]]
    attributes = [
        [term for pair in pairs or [] for term in terms_of(attribute_text(pair), of_item)]
        for pairs, of_item in zip(items["attributes"].to_list(), spoken, strict=True)
    ]
    if not any(main) and not any(attributes):
        return False
    lengths = {}
    for name, documents in zip(names.LEXICAL_FIELDS, (main, titles, attributes), strict=True):
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
    return any(items[name].null_count() < items.height for name in (*MOST_TIMES, "attributes"))


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


def _titles(
    titles: Sequence[str],
    brands: Sequence[str],
    terms_of: TermsOf,
    numbers: Mapping[str, int],
    spoken: Sequence[Languages],
    catalogue: Languages,
) -> TitleTable:
    """The titles of all items as numbers of terms, their brands behind a gap."""
    placed = [
        [(numbers[term], place) for term, place in terms_of.name(title, brand, languages)]
        for title, brand, languages in zip(titles, brands, spoken, strict=True)
    ]
    return TitleTable.of(placed, [title_hash(read_words(title, catalogue)) for title in titles])
