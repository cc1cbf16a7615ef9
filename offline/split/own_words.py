"""Queries made of items' own words, for a catalogue that comes without events and without judgments.

Nothing but the catalogue is there to test with. So some items are set aside: training reads their texts where they
stand among others, but learns from no word of theirs as a query, and then a few of their words have to find them.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

from app.artifact.filter_columns import LEVELS, PATHS
from app.artifact.text.ngrams import is_east_asian, words

_SHARE: Final = 0.1  # of the items with a word
_LEAST_ITEMS: Final = 20  # that a tenth has to make; smaller catalogues are asked about whole, and train on all
_MOST_ITEMS: Final = 500
_MOST_WORDS: Final = 3  # of a query
_MOST_LETTERS: Final = 6  # of a word of East Asian text, which has none
_LETTERS: Final = 600  # of a text, that are read


@dataclass(frozen=True)
class OwnWords:
    """The queries, as a graded search has them, and how many items were set aside for them."""

    queries: pl.DataFrame  # query_id, query
    judgments: pl.DataFrame  # query_id, item_id, relevance
    held_items: int  # 0: all items are asked about, and trained on


@dataclass(frozen=True)
class _Item:
    """The words of an item, each once: of its title, and of all else that is searched."""

    id: str
    title: list[str]
    others: list[str]


def own_words(items: pl.DataFrame, seed: int) -> OwnWords:
    """Two queries an item, the same for the same items and seed: words of its title, and some of these with another.

    The fewer items have a word, the likelier it is drawn, as people name what tells things apart. Relevant are the item
    and those whose title reads the same.

    Args:
        items: the split's item table, in any order.
        seed: of what is drawn.
    """
    described = [item for item in _read(items.sort("item_id")) if item.title or item.others]
    alike: dict[tuple[str, ...], list[str]] = {}
    for item in described:
        alike.setdefault(tuple(item.title), []).append(item.id)
    holders = Counter(word for item in described for word in (*item.title, *item.others))
    rng = np.random.default_rng([seed, 31])
    held = int(_SHARE * len(described))
    held = min(held, _MOST_ITEMS) if held >= _LEAST_ITEMS else 0
    queries: list[tuple[str, str]] = []
    judgments: list[tuple[str, str, float]] = []
    for place in np.sort(rng.permutation(len(described))[: held or _MOST_ITEMS]).tolist():
        item = described[place]
        relevant = alike[tuple(item.title)] if item.title else [item.id]
        for number, query in enumerate(_queries(item, holders, len(described), rng)):
            queries.append((f"{item.id} {number + 1}", query))
            judgments += [(f"{item.id} {number + 1}", other, 1.0) for other in relevant]
    return OwnWords(
        pl.DataFrame(queries, schema={"query_id": pl.String, "query": pl.String}, orient="row"),
        pl.DataFrame(
            judgments, schema={"query_id": pl.String, "item_id": pl.String, "relevance": pl.Float64}, orient="row"
        ),
        held,
    )


def _read(items: pl.DataFrame) -> list[_Item]:
    read = []
    for row in items.select("item_id", "title", "brand", "category", "text", "attributes").iter_rows(named=True):
        category = (row["category"] or "").partition(PATHS)[0].rpartition(LEVELS.strip())[2]
        values = [attribute.partition("=")[2] for attribute in row["attributes"] or ()]
        title = list(dict.fromkeys(words((row["title"] or "")[:_LETTERS])))
        rest = words(" ".join([row["brand"] or "", category, *values, row["text"] or ""])[:_LETTERS])
        read.append(_Item(row["item_id"], title, [word for word in dict.fromkeys(rest) if word not in title]))
    return read


def _queries(item: _Item, holders: Counter[str], items: int, rng: np.random.Generator) -> list[str]:
    def draw(choice: Sequence[str], count: int) -> list[str]:
        weights = np.array([np.log((items + 1) / holders[word]) + 0.01 for word in choice])
        places = rng.choice(len(choice), size=min(count, len(choice)), replace=False, p=weights / weights.sum())
        return [_part(choice[place], rng) for place in np.sort(places)]

    if not item.title:
        return [" ".join(draw(item.others, _MOST_WORDS))]
    first = " ".join(draw(item.title, int(rng.integers(2, _MOST_WORDS + 1))))
    if not item.others:
        return [first]
    return [first, " ".join([*draw(item.title, int(rng.integers(1, _MOST_WORDS))), *draw(item.others, 1)])]


def _part(word: str, rng: np.random.Generator) -> str:
    """A word, or of a longer run of East Asian characters a part."""
    if not is_east_asian(word) or len(word) <= _MOST_LETTERS:
        return word
    first = int(rng.integers(0, len(word) - _MOST_LETTERS + 1))
    return word[first : first + _MOST_LETTERS]
