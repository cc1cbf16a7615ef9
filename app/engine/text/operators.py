"""What a query says by signs: `-word` leaves out, `"a phrase"` stands in this order; all else is text."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.languages import ENGLISH, Languages
from app.artifact.text.words import Word, fold, parts_of, place_words, read_words

RowsOf = Callable[[str], NDArray[np.int32]]
"""The rows of the items that have a term, ascending."""
TextsOf = Callable[[int], Iterable[str]]
"""The texts of the item in a row: each field and each attribute alone."""

MOST_OPERATORS: Final = 16
"""Phrases and words to leave out in one query; what comes behind them is text."""
MOST_READ: Final = 1_000
"""Items whose texts are read for one query. Where more have the words of a phrase, its words alone decide: what one
query costs must not grow with the catalogue."""
_MARKS: Final = str.maketrans(
    {"\u201c": '"', "\u201d": '"', "\u201e": '"', "\u00ab": '"', "\u00bb": '"', "\u2212": "-"}
)
_MAY_BE_OPERATOR: Final = re.compile('[-"' + "".join(map(chr, _MARKS)) + "]")
_OPERATOR: Final = re.compile(
    r'(?:(?<=\s)|^)(?P<minus>-?)"(?P<phrase>(?=\S)[^"]*[^\s"])"(?![^\W_])'  # "gaming chair", -"gaming chair"
    r'|(?:(?<=\s)|^)-(?P<word>[^\W\d_][^\s"]*)'  # -wireless; no `-40`, no lone `-`
)


@dataclass(frozen=True)
class ParsedQuery:
    """A query without its operators, and what they say."""

    text: str  # all that is looked for, the words of phrases too
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()  # words and phrases

    @property
    def has_operators(self) -> bool:
        """Whether it has any."""
        return bool(self.phrases or self.excluded)

    @property
    def excludes_only(self) -> bool:
        """Whether it says nothing but what is left out: everything else is found then."""
        return bool(self.excluded) and not self.text.strip()

    def with_text(self, text: str) -> str:
        """A query that says `text` in place of its own, and the same by operators."""
        plain = [f'"{phrase}"' for phrase in self.phrases]
        left_out = [f'-"{part}"' if len(part.split()) > 1 else f"-{part}" for part in self.excluded]
        return " ".join([text.strip(), *plain, *left_out])


def parse_query(query: str) -> ParsedQuery:
    """Take the operators out of a query.

    A minus is one at the beginning or behind a space, with a letter or a quotation mark right behind it: not in
    `t-shirt`, `-40 °C` or `a - b`. Quotation marks are one where they open at the beginning or behind a space, right
    before a word, and close right behind one: an inch is none.
    """
    if _MAY_BE_OPERATOR.search(query) is None:
        return ParsedQuery(query)
    plain = query.translate(_MARKS)
    phrases: list[str] = []
    excluded: list[str] = []

    def take(match: re.Match[str]) -> str:
        phrase, word = match["phrase"], match["word"]
        text = word if phrase is None else phrase
        if not read_words(text) or len(phrases) + len(excluded) == MOST_OPERATORS:
            return match[0]
        if word is not None or match["minus"]:
            excluded.append(text)
            return " "
        phrases.append(text)
        return f" {text} "

    text = _OPERATOR.sub(take, plain)
    if not phrases and not excluded:
        return ParsedQuery(query)
    return ParsedQuery(text, tuple(dict.fromkeys(phrases)), tuple(dict.fromkeys(excluded)))


@dataclass(frozen=True, eq=False)
class OperatorMatch:
    """Which items the operators of one query speak of.

    Args:
        query: with operators.
        rows_of: the items that have a term.
        texts_of: the texts of an item.
        languages: of the catalogue.
    """

    query: ParsedQuery
    rows_of: RowsOf
    texts_of: TextsOf
    languages: Languages = ENGLISH

    def restrict(self, items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """`[rows]`, those of `items` that hold every phrase, each in one of their texts, and nothing of what is left
        out.
        """
        for phrase in self.query.phrases:
            items = items & self._with(phrase, items)
        for part in self.query.excluded:
            items = items & ~self._with(part, items)
        return items

    def _with(self, phrase: str, items: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """`[rows]`, those of `items` with a phrase in one of their own texts: what people searched for is none of
        them. Where too many have its words, the items with all of its words.
        """
        words = read_words(phrase, self.languages)
        candidates = items
        for word in words:
            has_word = np.zeros(len(items), dtype=np.bool_)
            for term in word.terms:
                has_word[self.rows_of(term)] = True
            candidates = candidates & has_word
        if np.count_nonzero(candidates) > MOST_READ // (len(self.query.phrases) + len(self.query.excluded)):
            return candidates
        phrase_places = _sequence(words, self.languages)
        holds = np.zeros(len(items), dtype=np.bool_)
        for row in np.flatnonzero(candidates).tolist():
            holds[row] = any(_holds(text, phrase_places, self.languages) for text in self.texts_of(row))
        return holds


def _sequence(words: Sequence[Word], languages: Languages) -> list[frozenset[str]]:
    """What stands at each place of a text: a word, with its signs or its unit; a part of a code."""
    places: list[frozenset[str]] = []
    for word in words:
        if word.kind == "code":
            parts = parts_of(word.text)
            is_whole = "&" in word.text or not word.text[-1].isalnum() or not word.text[0].isalnum()
            places += (
                [frozenset([word.terms[-1]])] if is_whole else [frozenset(languages.stems(part)) for part in parts]
            )
        elif word.kind == "east_asian":
            places += [frozenset([character]) for character in word.text]
        else:
            places.append(frozenset(word.terms))
    return places


def _holds(text: str, phrase_places: Sequence[frozenset[str]], languages: Languages) -> bool:
    """Whether a text has these words in this order, nothing between them; of a number with its unit just that."""
    places = _sequence([placed.word for placed in place_words(fold(text), languages)], languages)
    last = len(places) - len(phrase_places)
    return any(
        all(inside <= place for inside, place in zip(phrase_places, places[start:], strict=False))
        for start in range(last + 1)
    )
