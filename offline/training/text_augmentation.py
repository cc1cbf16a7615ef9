"""Views of items: short texts that somebody might type who means the item, typing mistakes included."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.text.ngrams import has_words, is_east_asian, words

TYPO_SHARE = 0.15
"""Of words; those of fewer than `_SHORTEST` letters stay as they are."""
DROPPED_SHARE = 0.5
"""Of the words of a logged query: by words alone, validation of new queries was .026 with half, .022 with a third."""
_SHORTEST = 4
_LONGEST_SPAN = 4  # words, or twice as many East Asian characters
_TWO_SPANS = 0.3  # share of views
_DRAWS = 8 + 4 * 4 * _LONGEST_SPAN  # uniform numbers that a view may use up
_DRAWS_A_WORD = 6  # uniform numbers that a word of a query may use up
_MAX_LETTERS = 600  # of a field, that are read
_MAX_ATTRIBUTES = 60  # of an item, that are drawn from
_MOST_READ = 100_000  # items whose fields are kept
_YES = ("true", "yes", "y")
_NO = ("false", "no", "n", "")
_KIND_WEIGHTS = {"title": 5.0, "brand": 1.0, "category": 2.0, "text": 1.5, "attribute": 1.5}
"""How often each kind of field is drawn, among those that an item has: people name things by title first."""

Fields = dict[str, list[str]]
"""The texts of each kind that an item has."""


class ItemFields:
    """What items say of themselves, without what holds no word; read when it is asked for, since a catalogue is large.

    Args:
        items: a split's item table, whose item `i` is row `i + 1`.
    """

    def __init__(self, items: pl.DataFrame) -> None:
        self._items = items.sort("row").select("title", "brand", "category", "text", "attributes")
        self._read: dict[int, Fields] = {}

    def take(self, rows: Sequence[int]) -> list[Fields]:
        """The fields of the items in these rows."""
        missing = [row for row in dict.fromkeys(rows) if row not in self._read]
        if len(self._read) + len(missing) > _MOST_READ:
            self._read.clear()
            missing = list(dict.fromkeys(rows))
        places = pl.Series([row - 1 for row in missing], dtype=pl.UInt32)
        chosen = self._items.select(pl.all().gather(places))
        for row, values in zip(missing, chosen.iter_rows(), strict=True):
            self._read[row] = _fields(*values)
        return [self._read[row] for row in rows]

    def described(self) -> NDArray[np.int64]:
        """The item rows that say anything, ascending."""
        says = [
            (title is not None and has_words(title[:_MAX_LETTERS])) or bool(_fields(title, *others))
            for title, *others in self._items.iter_rows()
        ]
        return 1 + np.flatnonzero(np.array(says, dtype=np.bool_))

    def titles(self) -> NDArray[np.int64]:
        """A number a title, `[items + 1]`, the same for items whose titles read the same."""
        numbers: dict[str, int] = {}
        title_numbers = [0]
        for row, title in enumerate(self._items["title"], start=1):
            short = (title or "")[:_MAX_LETTERS]
            read = " ".join(words(short)) if has_words(short) else f"\n{row}"
            title_numbers.append(numbers.setdefault(read, len(numbers) + 1))
        return np.array(title_numbers, dtype=np.int64)


def _fields(
    title: str | None, brand: str | None, category: str | None, text: str | None, attributes: Sequence[str] | None
) -> Fields:
    fields = {
        "title": [title or ""],
        "brand": [brand or ""],
        "category": [(category or "").rsplit(">", 1)[-1]],
        "text": (text or "").split("\n"),
        "attribute": [attribute_text(pair) for pair in (attributes or ())[:_MAX_ATTRIBUTES]],
    }
    said = {kind: [text[:_MAX_LETTERS] for text in texts if has_words(text)] for kind, texts in fields.items()}
    return {kind: texts for kind, texts in said.items() if texts}


def attribute_text(pair: str) -> str:
    """What of `name=value` somebody would type: the value, the name of a flag that is set, nothing of a number."""
    name, _, value = pair.partition("=")
    lowered = value.strip().casefold()
    if lowered in _YES:
        return name.replace("_", " ")
    return "" if lowered in _NO or not any(char.isalpha() for char in value) else value


def draw_texts(fields: ItemFields, rows: NDArray[np.int64], rng: np.random.Generator) -> list[str]:
    """A view of each of `rows`: spans of one or two of its fields. Empty where a span holds no word."""
    draws = rng.random((len(rows), _DRAWS))
    chosen = fields.take(rows.tolist())
    return [_view(of_item, iter(line)) for of_item, line in zip(chosen, draws.tolist(), strict=True)]


def draw_query_text(query: str, rng: np.random.Generator) -> str:
    """A query as another might type it: some of its words left out, at least one kept, and some mistyped."""
    tokens = query.split(" ")
    draws = iter(rng.random(_DRAWS_A_WORD * len(tokens) + 1).tolist())
    sure = int(next(draws) * len(tokens))
    kept = [word for place, word in enumerate(tokens) if (next(draws) >= DROPPED_SHARE) | (place == sure)]
    return " ".join(_mistyped(word, draws) if next(draws) < TYPO_SHARE else word for word in kept)


def _view(fields: Fields, draws: Iterator[float]) -> str:
    if not fields:
        return ""
    spans = 2 if next(draws) < _TWO_SPANS else 1
    parts: list[str] = []
    for _ in range(spans):
        parts += _span(words(_drawn_text(fields, next(draws))), next(draws), next(draws))
    typed = [_mistyped(word, draws) if next(draws) < TYPO_SHARE else word for word in dict.fromkeys(parts)]
    return " ".join(typed)


def _drawn_text(fields: Fields, draw: float) -> str:
    """A text, drawn by the weight of its kind, which its texts share."""
    left = draw * sum(_KIND_WEIGHTS[kind] for kind in fields)
    for kind in fields:
        share = left / _KIND_WEIGHTS[kind]
        if share < 1:
            break
        left -= _KIND_WEIGHTS[kind]
    texts = fields[kind]
    return texts[min(int(share * len(texts)), len(texts) - 1)]


def _span(tokens: list[str], start: float, length: float) -> list[str]:
    """Neighbouring words; of a run of East Asian characters, which has no words, a part."""
    if not tokens:
        return []
    count = 1 + int(length * _LONGEST_SPAN)
    first = int(start * max(1, len(tokens) - count + 1))
    return [_part(token, start, 2 * count) for token in tokens[first : first + count]]


def _part(token: str, start: float, length: int) -> str:
    if not is_east_asian(token) or len(token) <= length:
        return token
    first = int(start * (len(token) - length + 1))
    return token[first : first + length]


def _mistyped(word: str, draws: Iterator[float]) -> str:
    """The word with a letter left out, doubled, exchanged with the next, or replaced by another of its letters."""
    kind, position, other = int(4 * next(draws)), next(draws), next(draws)
    if len(word) < _SHORTEST or is_east_asian(word):
        return word
    place = int(position * (len(word) - 1))
    letter, after = word[place], word[place + 1]
    written = ("", letter + letter, after + letter, word[int(other * len(word))])[kind]
    skipped = 2 if kind == 2 else 1
    return word[:place] + written + word[place + skipped :]
