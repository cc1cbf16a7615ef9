"""Completions of the text in a search box: by the beginnings of words, in any order, and with a typo."""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.suggest_entries import BRAND, CATEGORY, LOOKED_UP_LETTERS, QUERY, TITLE
from app.artifact.text.suggest_index import KINDS, Key, SuggestIndex, key_of, read_suggest_index
from app.artifact.text.synonym_table import SynonymTable
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.known_words import KnownWords
from app.engine.text.mistyped_beginnings import MistypedBeginnings
from app.engine.text.suggest_part import MOST_POPULAR, ScoredEntry, SuggestPart, merged_entries
from app.engine.text.synonyms import Synonyms
from app.engine.text.written_suggestions import WrittenSuggestions

MOST_LETTERS: Final = LOOKED_UP_LETTERS
"""Of a text that is suggested: by what comes later nobody finds it."""
_CUT_KINDS: Final = (TITLE, QUERY)
_FEW: Final = 3  # suggestions, below which typos are considered
_SPELLINGS: Final = 8  # more than wanted, since live items may write one name in several ways
_MOST_WORDS: Final = 6  # of a text that are looked up one by one
_MOST_CORRECTIONS: Final = 5  # words that a mistyped one may be


MakeParts = Callable[[], Sequence[SuggestPart]]


@dataclass(frozen=True)
class Suggestion:
    """One completion."""

    text: str
    kind: str  # of `KINDS`
    row: int  # of the item of a title, else 0
    marks: tuple[tuple[int, int], ...]  # the spans that match: start and end, in characters


class Suggester:
    """Completes from the index of a bundle, and from those of live items.

    Args:
        index: of the bundle.
        vocabulary: of the catalogue, to correct typos.
        synonyms: of the shop; their words are completed to what they stand for, and are no typos.
    """

    def __init__(self, index: SuggestIndex, vocabulary: Vocabulary, synonyms: Synonyms | None = None) -> None:
        self.bundled: Final = SuggestPart(index)
        """What the bundle suggests."""
        self.written = WrittenSuggestions()
        """Of this suggester."""
        self._make_parts: MakeParts | None = None
        self._words = MistypedBeginnings(KnownWords(vocabulary))
        self._synonyms = Synonyms(SynonymTable()) if synonyms is None else synonyms

    def with_parts(self, make_parts: MakeParts, known: KnownWords) -> "Suggester":
        """A suggester of other parts, and other words beside the same bundle's.

        Args:
            make_parts: makes the parts when somebody types, in any thread: the bundle's first.
            known: the words.
        """
        other = copy(self)
        other.written = WrittenSuggestions()
        other._make_parts = make_parts
        other._words = self._words.with_words(known)
        for name in ("_parts", "_popular"):
            other.__dict__.pop(name, None)
        return other

    @cached_property
    def _parts(self) -> tuple[SuggestPart, ...]:
        return (self.bundled,) if self._make_parts is None else tuple(self._make_parts())

    def suggest(self, text: str, limit: int) -> list[Suggestion]:
        """At most `limit` completions, the likeliest first, each text once; for an empty text the most popular ones."""
        key = key_of(text)
        if not key.text:
            return [_suggestion(scored, ()) for scored in self._popular if _fits(scored)][:limit]
        unchanged = ((key.text,),)
        marked: dict[str, tuple[ScoredEntry, Sequence[Sequence[str]]]] = {
            scored.key: (scored, unchanged) for scored in self._unchanged(key.text, limit)
        }
        words = key.words[:_MOST_WORDS]
        if len(marked) < limit and len(words) > 1:
            chosen = [np.logical_and.reduce([part.having([word]) for word in words]) for part in self._parts]
            for scored in self._best(chosen, limit):
                marked.setdefault(scored.key, (scored, [[word] for word in words]))
        if len(marked) < min(limit, _FEW):
            readings = [
                [word, *self._other_words(word, last=index == len(words) - 1)] for index, word in enumerate(words)
            ]
            for scored in self._best(self._mistyped(words, readings), limit):
                marked.setdefault(scored.key, (scored, readings))
        fitting = [(scored, words) for scored, words in marked.values() if _fits(scored)]
        return [_suggestion(scored, words) for scored, words in fitting[:limit]]

    def _other_words(self, word: str, *, last: bool) -> list[str]:
        """What a word may stand for: its synonyms of one word, or what it begins but for a typo."""
        if (alternatives := self._synonyms.single_words(word)) is not None:
            return alternatives[:_MOST_CORRECTIONS]
        return self._words.corrections_of(word, last=last)

    def _unchanged(self, text: str, limit: int) -> list[ScoredEntry]:
        """Entries in which a word begins with the whole text; the entry that equals it comes first."""
        of_parts = [part.unchanged(text, limit + _SPELLINGS) for part in self._parts]
        equal = merged_entries([entries for entries, _ in of_parts], 1)
        return [*equal, *merged_entries([entries for _, entries in of_parts], limit)]

    def _mistyped(self, words: Sequence[str], readings: Sequence[Sequence[str]]) -> list[NDArray[np.bool_]]:
        """`[entries]` of each part, those with every word but one unchanged; where no part has any, with a reading of
        every word."""
        with_one, with_all = [], []
        for part in self._parts:
            exact = [part.having([word]) for word in words]
            loose = [part.having(word_readings) for word_readings in readings]
            entries = np.zeros(len(part.index.kinds), dtype=np.bool_)
            for index, other in enumerate(loose):
                entries |= np.logical_and.reduce([*exact[:index], other, *exact[index + 1 :]])
            with_one.append(entries)
            with_all.append(np.logical_and.reduce(loose))
        return with_one if any(entries.any() for entries in with_one) else with_all

    def _best(self, chosen: Sequence[NDArray[np.bool_]], limit: int) -> list[ScoredEntry]:
        return merged_entries(
            [part.best(of_part, limit + _SPELLINGS) for part, of_part in zip(self._parts, chosen, strict=True)], limit
        )

    @cached_property
    def _popular(self) -> list[ScoredEntry]:
        """The suggestions for an empty text: queries and categories, then brands; else titles."""
        several, brands, titles = (
            merged_entries([part.popular(kinds) for part in self._parts], MOST_POPULAR)
            for kinds in ((QUERY, CATEGORY), (BRAND,), (TITLE,))
        )
        return [*several, *brands][:MOST_POPULAR] or titles


def _fits(scored: ScoredEntry) -> bool:
    """Whether a text can be suggested: a brand or a category is one only as a whole."""
    return scored.kind in _CUT_KINDS or len(scored.text) <= MOST_LETTERS


def _suggestion(scored: ScoredEntry, words: Sequence[Sequence[str]]) -> Suggestion:
    index, entry = scored.part.index, scored.entry
    text = _cut(scored.text)
    return Suggestion(text, KINDS[index.kinds[entry]], int(index.rows[entry]), _marks(key_of(text), words))


def _cut(text: str) -> str:
    """A text of at most `MOST_LETTERS`, cut between two words where they are not very long."""
    if len(text) <= MOST_LETTERS:
        return text
    whole = text[: MOST_LETTERS - 1]
    if not text[MOST_LETTERS - 1].isspace():
        words = whole.rsplit(maxsplit=1)
        whole = words[0] if len(words) > 1 and len(words[0]) > MOST_LETTERS // 2 else whole
    return f"{whole.rstrip()}…"


def _marks(key: Key, words: Sequence[Sequence[str]]) -> tuple[tuple[int, int], ...]:
    """The spans of a text that match: for each word, its first reading that begins a word of the text."""
    spans = []
    for readings in words:
        for reading in readings:
            start = next((start for start in key.starts if key.text.startswith(reading, start)), None)
            if start is not None:
                spans.append((key.origins[start][0], key.origins[start + len(reading) - 1][1]))
                break
    merged: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)


def read_suggester(folder: Path, vocabulary: Vocabulary) -> Suggester | None:
    """The suggester of the bundle in `folder`, whose words are `vocabulary`; None where it suggests nothing.

    Raises:
        OSError: a part of it is missing.
        ValueError: its arrays do not fit each other.
    """
    index = read_suggest_index(folder)
    return None if index is None else Suggester(index, vocabulary)
