"""The floor of meaning: how near an item has to be to a text to be found without having its words.

Learned from the catalogue alone. Spans of titles are the queries, and an item is right for a span where it is of the
category that the span was taken from, and lacks no word of it that others of this category have: by such words they are
told apart, as black boots from brown ones. Items that have the words are right so and so often; the floor is the least
cosine at which the items that do not have them, the nearest first, are right at least as often, and nearly always.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.rank_tables import read_rank_tables
from app.artifact.text.vocabulary import Vocabulary
from app.engine.nearest import NEAREST
from app.engine.text.lexical import match
from app.engine.text.lexical_index import LexicalIndex, read_lexical
from app.engine.text.spelling import Spelling
from app.engine.text.text_query import read_text_query

SPANS: Final = 600
LEAST_PAIRS: Final = 100
"""Pairs of a span and an item, as near as each other, of which the share of right ones is taken."""
LEAST_SHARE: Final = 0.98
"""Of the right ones among the items at the floor, whatever the words' share is."""
_CHUNK: Final = 50
_DECIMALS: Final = 4


CosinesOf = Callable[[Sequence[str]], NDArray[np.float32]]
"""The cosines of texts with all items, `[texts, rows]`."""


def learn_meaning_floor(folder: Path, items: pl.DataFrame, vocabulary: Vocabulary) -> float | None:
    """The floor for the bundle that is made in `folder`, whose words and vectors are written already.

    Args:
        folder: of the bundle.
        items: the split's item table, by row from 1.
        vocabulary: of the same catalogue.

    Returns:
        A cosine; None where words are right more often than meaning ever is, or too little is there to tell.
    """
    text_query = read_text_query(folder)
    if text_query is None:
        return None
    tables = read_rank_tables(folder)
    lexical = read_lexical(folder, len(tables.scales), tables.codes[:, 1])
    if lexical is None:
        return None
    vectors = tables.vectors.astype(np.float32) * tables.scales[:, None]

    def cosines_of(texts: Sequence[str]) -> NDArray[np.float32]:
        products: NDArray[np.float32] = text_query.vectors_of(texts) @ vectors.T
        return products

    return learn_floor(cosines_of, lexical, items, vocabulary)


def learn_floor(
    cosines_of: CosinesOf, lexical: LexicalIndex, items: pl.DataFrame, vocabulary: Vocabulary
) -> float | None:
    """As `learn_meaning_floor`, for any vectors.

    Args:
        cosines_of: of texts with the items.
        lexical: the words of the same items.
        items: the split's item table, by row from 1.
        vocabulary: of the same catalogue.
    """
    spans = title_spans(items, with_category=True)
    if not len(spans):
        return None
    rows = lexical.main.rows
    categories = np.zeros(rows, dtype=np.int64)
    codes = items["category"].cast(pl.Categorical).to_physical().fill_null(0) + 1
    categories[1 : items.height + 1] = codes.to_numpy()
    categories[1 : items.height + 1][items["category"].is_null().to_numpy()] = 0
    by_words, cosines, is_right = _judge(spans, lexical, cosines_of, categories, vocabulary)
    return floor_of(by_words, cosines, is_right)


def floor_of(by_words: float, cosines: NDArray[np.float32], is_right: NDArray[np.bool_]) -> float | None:
    """The least cosine at which items are right often enough; None where they are so at none.

    Args:
        by_words: the share of right items among those that have the words.
        cosines: `[pairs]` of spans and items without the words.
        is_right: `[pairs]`.
    """
    order = np.argsort(-cosines, kind="stable")
    whole = len(order) // LEAST_PAIRS
    shares = is_right[order][: whole * LEAST_PAIRS].reshape(whole, LEAST_PAIRS).mean(axis=1)
    too_few = np.flatnonzero(shares < max(by_words, LEAST_SHARE))
    good = int(too_few[0]) if len(too_few) else whole
    if not good:
        return None
    least = float(cosines[order[good * LEAST_PAIRS - 1]])
    return round(math.ceil(least * 10**_DECIMALS) / 10**_DECIMALS, _DECIMALS)


def title_spans(items: pl.DataFrame, *, with_category: bool) -> list[tuple[str, int]]:
    """Texts of one or two words of titles, without brands and numbers, and the row that each was taken from.

    Args:
        items: the split's item table.
        with_category: whether only items of a category are asked.
    """
    rng = np.random.default_rng(0)
    known = items.filter(pl.col("title").is_not_null())
    if with_category:
        known = known.filter(pl.col("category").is_not_null())
    chosen = rng.permutation(known.height)[:SPANS]
    spans = []
    for title, brand, row in known[chosen.tolist()].select("title", "brand", "row").iter_rows():
        brands = set((brand or "").casefold().split())
        words = [word for word in title.split() if word.isalpha() and word.casefold() not in brands]
        if not words:
            continue
        start = int(rng.integers(len(words)))
        spans.append((" ".join(words[start : start + int(rng.integers(1, 3))]), int(row)))
    return spans


def _judge(
    spans: list[tuple[str, int]],
    lexical: LexicalIndex,
    cosines_of: CosinesOf,
    categories: NDArray[np.int64],
    vocabulary: Vocabulary,
) -> tuple[float, NDArray[np.float32], NDArray[np.bool_]]:
    """The mean share of right items among those that have the words of a span, and of all pairs of a span and a near
    item without its words: cosine, and whether the item is right."""
    spelling = Spelling(vocabulary, lexical.main.rows_of)
    shares: list[float] = []
    cosines: list[NDArray[np.float32]] = []
    is_right: list[NDArray[np.bool_]] = []
    for start in range(0, len(spans), _CHUNK):
        chunk = spans[start : start + _CHUNK]
        products = cosines_of([text for text, _ in chunk])
        for (text, row), of_text in zip(chunk, products, strict=True):
            reading = spelling.read(text)
            of_words = match(lexical, reading.words, reading.terms, categories > 0)
            hits = of_words.hits
            hits[row] = False
            right = categories == categories[row]
            if hits.any():
                shares.append(float(right[hits].mean()))
            others = np.flatnonzero(~hits & (categories > 0))
            others = others[others != row]
            near = others[largest_first(of_text[others], NEAREST)]
            cosines.append(of_text[near])
            is_right.append((right & ~lacks_what_tells_apart(of_words.word_rows, right, row))[near])
    if not shares:
        return 1.0, np.zeros(0, dtype=np.float32), np.zeros(0, dtype=np.bool_)
    return float(np.mean(shares)), np.concatenate(cosines), np.concatenate(is_right)


def largest_first(values: NDArray[np.float32], count: int) -> NDArray[np.int64]:
    """The places of the `count` largest values, the largest first and the first one of equal ones."""
    places = np.arange(len(values))
    if len(values) > count:
        places = np.flatnonzero(values >= np.partition(values, len(values) - count)[len(values) - count])
    return places[np.argsort(-values[places], kind="stable")[:count]]


def lacks_what_tells_apart(
    word_rows: Sequence[NDArray[np.int32]], in_category: NDArray[np.bool_], row: int
) -> NDArray[np.bool_]:
    """`[rows]`, the items without a word of a span that others of its category have than the item in `row`, which the
    span was taken from.
    """
    lacks = np.zeros(len(in_category), dtype=np.bool_)
    for of_word in word_rows:
        has_word = np.zeros(len(in_category), dtype=np.bool_)
        has_word[of_word] = True
        others = has_word & in_category
        others[row] = False
        if others.any():
            lacks |= ~has_word
    return lacks
