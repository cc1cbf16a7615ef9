"""The lexical index of a bundle: the items' texts by terms, for BM25."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
from bm25s import BM25

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.search_text import terms_of

K1, B = 1.2, 0.75  # Robertson et al., "Okapi at TREC-3" (1995)
_MAIN = ("title", "brand", "category", "text")


def write_lexical(folder: Path, items: pl.DataFrame, queries: Sequence[str | None] | None = None) -> bool:
    """Write the index to the bundle in `folder`; nothing for a catalogue without a word. Whether it was written.

    Args:
        folder: of the bundle.
        items: the split's item table.
        queries: what people searched for who then chose the item, by row from 1.
    """
    items = items.sort("row")
    texts = [[text or "" for text in items[name].to_list()] for name in _MAIN]
    if queries is not None:
        texts.append([text or "" for text in queries])
    main = [[term for text in of_item for term in terms_of(text)] for of_item in zip(*texts, strict=True)]
    attributes = [_attribute_terms(pairs or []) for pairs in items["attributes"].to_list()]
    if not any(main) and not any(attributes):
        return False
    title = [terms_of(text) for text in texts[0]]
    for name, documents in zip(names.LEXICAL_FIELDS, (main, title, attributes), strict=True):
        index = BM25(k1=K1, b=B, method="lucene")
        index.index(documents, show_progress=False)
        index.save(folder / names.LEXICAL / name, show_progress=False)
    TextColumn.of(brands_by_code(items["brand"])).write(folder / names.LEXICAL / names.LEXICAL_BRANDS)
    return True


def brands_by_code(brands: pl.Series) -> list[str | None]:
    """The brand of every code, as the codes of the rank tables count them; code 0 is none."""
    return [None, *brands.cast(pl.String).drop_nulls().unique().sort().to_list()]


def _attribute_terms(pairs: Sequence[str]) -> list[str]:
    """The terms of an item's attributes: of a value its words, of `name=true` those of the name."""
    found: list[str] = []
    for pair in pairs:
        name, _, value = pair.partition("=")
        if value == "true":
            found += terms_of(name.replace("_", " "))
        elif value != "false":
            found += terms_of(value)
    return found
