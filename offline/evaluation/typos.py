"""Typing mistakes in queries, drawn by a seed, to measure how well a search understands them."""

import string
from collections.abc import Sequence
from typing import Final

import numpy as np

_SHORTEST: Final = 4  # letters of a word that is mistyped where there is a choice


def add_typos(queries: Sequence[str], seed: int) -> list[str]:
    """Return every query with one mistake in one of its words: a letter dropped, inserted, replaced, or two swapped.

    Words with digits are left alone, and so are words of fewer than four letters where the query has a longer one. A
    mistake always changes the text; only a query without a word of two letters or more stays as it is.
    """
    rng = np.random.default_rng([seed, 21])
    return [_add_typo(query, rng) for query in queries]


def _add_typo(query: str, rng: np.random.Generator) -> str:
    words = query.split(" ")
    plain = [index for index, word in enumerate(words) if word.isalpha() and len(word) > 1]
    long = [index for index in plain if len(words[index]) >= _SHORTEST]
    if not plain:
        return query
    chosen = int(rng.choice(long)) if long else max(plain, key=lambda index: len(words[index]))
    while True:
        typo = _mistake(words[chosen], rng)
        if typo != words[chosen]:
            return " ".join([*words[:chosen], typo, *words[chosen + 1 :]])


def _mistake(word: str, rng: np.random.Generator) -> str:
    index = int(rng.integers(len(word)))
    letter = string.ascii_lowercase[int(rng.integers(26))]
    match int(rng.integers(4)):
        case 0:
            return word[:index] + word[index + 1 :]
        case 1:
            return word[:index] + letter + word[index:]
        case 2:
            return word[:index] + letter + word[index + 1 :]
        case _:
            return word[:index] + word[index + 1 : index + 2] + word[index : index + 1] + word[index + 2 :]
