"""Texts that a student learns to read: what a shopper may type, made of the catalogue, and what was typed in train."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from offline.dataset.logged_queries import LONGEST_QUERY, query_events
from offline.evaluation.typos import add_typos

MOST_ITEMS: Final = 40_000
"""Items that spans are drawn of; a larger catalogue says little more about how words are to be read."""
MOST_LOGGED: Final = 20_000
HELD_OUT: Final = 0.04
"""Of the queries, to tell when learning is over."""
LEAST_HELD_OUT: Final = 40
"""Of a small catalogue, at most a quarter."""
_SPANS: Final = 2  # of each title
_LONGEST_SPAN: Final = 4  # words
_LOWER_CASE: Final = 0.75
_TYPOS: Final = 0.125  # texts with a mistake, by one without
_LONGEST_VALUE: Final = 4  # words
_WITH_BRAND: Final = 0.5
_WITH_KIND: Final = 0.5
_MOST_HELD_OUT: Final = 1_500


@dataclass(frozen=True)
class Drawn:
    """Queries to learn from: what is shown, and what it means. They differ where a word is mistyped."""

    shown: list[str]
    meant: list[str]
    held: int  # the last so many are held out

    @property
    def learned(self) -> int:
        """How many are learned from."""
        return len(self.shown) - self.held


def draw_texts(items: pl.DataFrame, logged: Sequence[str], seed: int) -> Drawn:
    """Queries from a catalogue and a log, each once; what is held out is meant by nothing that is learned from.

    Args:
        items: of the split.
        logged: what people typed, of train alone.
        seed: draws them.
    """
    rng = np.random.default_rng([seed, 31])
    chosen = np.sort(rng.permutation(items.height)[:MOST_ITEMS])
    texts = [*_of_items(items[chosen.tolist()], rng), *logged]
    plain = [text for text in dict.fromkeys(texts) if text and len(text) <= LONGEST_QUERY]
    plain = [plain[row] for row in rng.permutation(len(plain))]
    held = min(max(int(HELD_OUT * len(plain)), min(LEAST_HELD_OUT, len(plain) // 4)), _MOST_HELD_OUT)
    learned = plain[: len(plain) - held]
    mistyped = learned[: int(_TYPOS * len(learned))]
    shown = add_typos(mistyped, seed)
    return Drawn([*shown, *plain], [*mistyped, *plain], held)


def logged_texts(split: Path) -> list[str]:
    """What people typed in train as they typed it, the most frequent first, each once."""
    events = query_events(split, ("train",))
    counted = events.group_by("typed").len("count").sort("count", "typed", descending=[True, False])
    return [" ".join(text.split()) for text in counted.head(MOST_LOGGED).get_column("typed")]


def kind_like(items: pl.DataFrame) -> list[list[str]]:
    """Short values of each item that may say what it is: its category, and the first lines of its texts."""
    categories = items.get_column("category").to_list()
    lines = [(text or "").split("\n") for text in items.get_column("text").cast(pl.String)]
    return [
        [value for value in dict.fromkeys([(category or "").strip(), *own[:2]]) if _is_short(value)]
        for category, own in zip(categories, lines, strict=True)
    ]


def _of_items(items: pl.DataFrame, rng: np.random.Generator) -> Iterator[str]:
    kinds = kind_like(items)
    for row, own in zip(items.select("title", "brand", "attributes").iter_rows(), kinds, strict=True):
        title, brand, attributes = row
        words = (title or "").split()
        for _ in range(_SPANS if words else 0):
            length = int(rng.integers(1, _LONGEST_SPAN + 1))
            begin = int(rng.integers(max(1, len(words) - length + 1)))
            span = " ".join(words[begin : begin + length])
            yield span.lower() if rng.random() < _LOWER_CASE else span
        yield from (value.lower() for value in own)
        kind = own[0].lower() if own else ""
        if brand and kind and rng.random() < _WITH_BRAND:
            yield f"{brand} {kind}".lower()
        value = _a_value(attributes or (), rng)
        if value:
            yield f"{value} {kind}".strip() if rng.random() < _WITH_KIND else value


def _a_value(attributes: Sequence[str], rng: np.random.Generator) -> str:
    """The value of one attribute that is drawn, in small letters; empty where it is long or no words."""
    if not attributes:
        return ""
    value = attributes[int(rng.integers(len(attributes)))].partition("=")[2].strip().lower()
    return value if _is_short(value) and value not in ("true", "false") else ""


def _is_short(value: str) -> bool:
    """Whether a value is a few words with a letter among them."""
    return 0 < len(value.split()) <= _LONGEST_VALUE and any(letter.isalpha() for letter in value)
