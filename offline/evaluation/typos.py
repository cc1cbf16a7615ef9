"""Typing mistakes, drawn by a seed: how well a search bears them."""

import string
from collections.abc import Sequence
from typing import Final

import numpy as np

_SHORTEST: Final = 4  # letters of a word that is mistyped where there is a choice


def mistyped(queries: Sequence[str], seed: int) -> list[str]:
    """Every query with one mistake in one of its words: a letter left out, put in, replaced, or two exchanged.

    Words of fewer than four letters are left alone where a query has a longer one, and so are words with digits. A
    mistake always changes the text; only a query without a word of two letters or more stays as it is.
    """
    rng = np.random.default_rng([seed, 21])
    return [_one(query, rng) for query in queries]


def _one(query: str, rng: np.random.Generator) -> str:
    words = query.split(" ")
    plain = [place for place, word in enumerate(words) if word.isalpha() and len(word) > 1]
    long = [place for place in plain if len(words[place]) >= _SHORTEST]
    if not plain:
        return query
    place = int(rng.choice(long)) if long else max(plain, key=lambda each: len(words[each]))
    while True:
        written = _mistake(words[place], rng)
        if written != words[place]:
            return " ".join([*words[:place], written, *words[place + 1 :]])


def _mistake(word: str, rng: np.random.Generator) -> str:
    at = int(rng.integers(len(word)))
    letter = string.ascii_lowercase[int(rng.integers(26))]
    match int(rng.integers(4)):
        case 0:
            return word[:at] + word[at + 1 :]
        case 1:
            return word[:at] + letter + word[at:]
        case 2:
            return word[:at] + letter + word[at + 1 :]
        case _:
            return word[:at] + word[at + 1 : at + 2] + word[at : at + 1] + word[at + 2 :]
