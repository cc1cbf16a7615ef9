"""Synonyms: what an item may have in place of some words of a query, and the words that say nothing.

A phrase is looked for in the order of the query, each word in any form. An alternative of several words counts only for
items that have all of them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.languages import ENGLISH, Languages
from app.artifact.text.synonym_table import MOST_WORDS, SynonymTable
from app.artifact.text.words import Word, read_words

STOP_WORD: Final = "stop"
"""The kind of a word that counts for nothing in what a query finds."""
MOST_ALTERNATIVES: Final = 64
"""Alternatives of all phrases of one query; further ones are passed over."""
_MOST_READ: Final = 32  # words of one query that phrases begin with
_WEIGHT: Final = 0.8  # of an alternative, where the words that it stands for have 1
_EAST_ASIAN: Final = "east_asian"

RowsOfWord = Callable[[Word], NDArray[np.int32]]
"""The rows of the items that have all that a word says, ascending."""


@dataclass(frozen=True)
class Alternative:
    """What an item may have in place of the words `start` to `end` (exclusive) of a query."""

    start: int
    end: int
    words: tuple[Word, ...]  # all of which it takes
    terms: tuple[tuple[str, float], ...]  # of the words, each once, with its weight


@dataclass(frozen=True, eq=False)
class AlternativeMatch:
    """The items that have one alternative."""

    alternative: Alternative
    rows: NDArray[np.int32]  # ascending
    scored: NDArray[np.int32]  # of `rows`, those without the words it stands for, and without an alternative before it
    weight: float  # of its terms in a score

    @property
    def weighted(self) -> list[tuple[str, float]]:
        """Its terms with their weights in a score."""
        return [(term, self.weight * weight) for term, weight in self.alternative.terms]


@dataclass
class _Node:
    """A place in the phrases: the words that lead on, and what may stand for the words up to here."""

    children: dict[tuple[str, ...], "_Node"] = field(default_factory=dict)  # by all forms of a word
    after: dict[str, list["_Node"]] = field(default_factory=dict)  # the same by each form
    means: list[tuple[str, ...]] = field(default_factory=list)

    def child(self, forms: tuple[str, ...]) -> "_Node":
        """The place behind a word, which any of its forms leads to."""
        if forms not in self.children:
            self.children[forms] = _Node()
            for form in forms:
                self.after.setdefault(form, []).append(self.children[forms])
        return self.children[forms]


class Synonyms:
    """Looks for the phrases of a table in queries.

    Args:
        table: the rules and stop words of a shop.
        languages: of its catalogue.
    """

    def __init__(self, table: SynonymTable, languages: Languages = ENGLISH) -> None:
        self._languages = languages
        self._root = _Node()
        self._runs: dict[str, list[tuple[str, ...]]] = {}  # East Asian phrases, which stand anywhere in a run
        read = {text: read_words(text, languages) for text in table.texts()}
        for rule in table.rules:
            for phrase in rule.phrases:
                self._add(read[phrase], rule.means)
        self._run_lengths = sorted({len(phrase) for phrase in self._runs}, reverse=True)
        self._stop_words = {word.text for text in table.stop_words for word in read[text]}
        self._known = {word.text for words in read.values() for word in words}

    def __contains__(self, word: Word) -> bool:
        """Whether a word stands in a phrase or is a stop word: then it is meant as it is typed."""
        return word.text in self._known

    def mark_stop_words(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The words of a query, those that say nothing of the kind `STOP_WORD`; none where it has no others."""
        if not self._stop_words:
            return tuple(words)
        is_stop = [word.text in self._stop_words for word in words]
        if all(is_stop):
            return tuple(words)
        return tuple(
            replace(word, kind=STOP_WORD) if stops else word for word, stops in zip(words, is_stop, strict=True)
        )

    def alternatives(self, words: Sequence[Word]) -> list[tuple[int, int, list[Word]]]:
        """What may stand for which words of a query, from the first word (inclusive) to the last (exclusive).

        Args:
            words: of the query, as they are read, without further terms.
        """
        if not self._root.after and not self._runs:
            return []
        return list(islice(self._read(words), MOST_ALTERNATIVES))

    def single_words(self, text: str) -> list[str] | None:
        """The alternatives of one word that a word has; None for a word that the table does not know."""
        words = read_words(text, self._languages)
        alternatives = self.alternatives(words) if len(words) == 1 else []
        if not alternatives and not (len(words) == 1 and words[0] in self):
            return None
        return [others[0].text for _, _, others in alternatives if len(others) == 1]

    def _read(self, words: Sequence[Word]) -> Iterable[tuple[int, int, list[Word]]]:
        """Alternatives, each once, and none that is the phrase itself."""
        seen: set[tuple[int, int, tuple[str, ...]]] = set()
        for start, end, text in self._texts(words):
            others = read_words(text, self._languages)
            key = start, end, tuple(word.text for word in others)
            is_new = key not in seen and list(map(_forms, others)) != list(map(_forms, words[start:end]))
            seen.add(key)
            if is_new:
                yield start, end, others

    def _texts(self, words: Sequence[Word]) -> Iterable[tuple[int, int, str]]:
        """What may stand for which words, as it is written."""
        for start, word in enumerate(words[:_MOST_READ]):
            if word.kind == _EAST_ASIAN:
                for text in self._in_run(word.text):
                    yield start, start + 1, text
            nodes = {start: [self._root]}  # by the word behind
            for end in range(start, min(len(words), start + 2 * MOST_WORDS)):
                for forms, width in _forms_at(words, end, self._languages):
                    if reached := _behind(nodes.get(end, ()), forms):
                        nodes.setdefault(end + width, []).extend(reached)
                for node in nodes.get(end + 1, []):
                    for text in chain.from_iterable(node.means):
                        yield start, end + 1, text
                if not any(place > end for place in nodes):
                    break

    def _in_run(self, run: str) -> Iterable[str]:
        """The run with each of its phrases exchanged for each alternative, apart from what is around it."""
        for length in self._run_lengths:
            for start in range(len(run) - length + 1):
                end = start + length
                for text in chain.from_iterable(self._runs.get(run[start:end], ())):
                    yield " ".join(filter(None, (run[:start], text, run[end:])))

    def _add(self, words: Sequence[Word], means: tuple[str, ...]) -> None:
        if not words:
            return
        if len(words) == 1 and words[0].kind == _EAST_ASIAN:
            self._runs.setdefault(words[0].text, []).append(means)
            return
        for spelling in _spellings(words, self._languages):
            node = self._root
            for forms in spelling:
                node = node.child(forms)
            node.means.append(means)


def match_alternatives(
    alternatives: Sequence[Alternative], words: Sequence[Word], rows_of: RowsOfWord, rows: int, items: int
) -> list[AlternativeMatch]:
    """The items that have each alternative of a query; those that no item has are left out.

    An alternative says no more than the words that it stands for: where its own are rarer, they weigh less.

    Args:
        alternatives: of the query.
        words: of the query.
        rows_of: looks up words, without their alternatives.
        rows: of the item tables.
        items: how many may be found at all.
    """
    matches: list[AlternativeMatch] = []
    if not alternatives:
        return matches
    known: dict[tuple[str, ...], NDArray[np.int32]] = {}
    counted: dict[tuple[int, int], NDArray[np.bool_]] = {}

    def look_up(word: Word) -> NDArray[np.int32]:
        if word.terms not in known:
            known[word.terms] = rows_of(word)
        return known[word.terms]

    for alternative in alternatives:
        span = alternative.start, alternative.end
        rows_by_word = [look_up(word) for word in alternative.words if word.kind != STOP_WORD]
        with_all = _intersection(rows_by_word, rows)
        if not len(with_all):
            continue
        typed = [look_up(word) for word in words[alternative.start : alternative.end]]
        if span not in counted:
            counted[span] = np.zeros(rows, dtype=np.bool_)
            counted[span][_intersection(typed, rows)] = True
        scored = with_all[~counted[span][with_all]]
        counted[span][scored] = True
        says = sum(_rarity(len(of_word), items) for of_word in rows_by_word)
        stands_for = sum(_rarity(len(of_word), items) for of_word in typed)
        matches.append(AlternativeMatch(alternative, with_all, scored, _WEIGHT * min(1.0, stands_for / says)))
    return matches


def rows_with_alternatives(
    word_rows: Sequence[NDArray[np.int32]], matches: Sequence[AlternativeMatch], rows: int
) -> tuple[NDArray[np.int32], ...]:
    """Of each word of a query, the rows that have it or an alternative of it, ascending; `rows` as above."""
    if not matches:
        return tuple(word_rows)
    widened = list(word_rows)
    for place in range(len(word_rows)):
        others = [match.rows for match in matches if match.alternative.start <= place < match.alternative.end]
        if others:
            has_word = _mask(word_rows[place], rows)
            for other in others:
                has_word[other] = True
            widened[place] = np.flatnonzero(has_word).astype(np.int32)
    return tuple(widened)


def _intersection(rows_by_word: Sequence[NDArray[np.int32]], rows: int) -> NDArray[np.int32]:
    """The rows in all of some lists, ascending; by masks, which are faster than sorting."""
    if not rows_by_word:
        return np.zeros(0, dtype=np.int32)
    smallest, *others = sorted(rows_by_word, key=len)
    for other in others:
        if len(smallest):
            smallest = smallest[_mask(other, rows)[smallest]]
    return smallest


def _mask(rows_of_word: NDArray[np.int32], rows: int) -> NDArray[np.bool_]:
    mask = np.zeros(rows, dtype=np.bool_)
    mask[rows_of_word] = True
    return mask


def _rarity(with_word: int, items: int) -> float:
    """What a word says that so many items have, as BM25 counts it."""
    return float(np.log1p((max(0, items - with_word) + 0.5) / (with_word + 0.5)))


def _forms(word: Word) -> tuple[str, ...]:
    """What is the same in all forms of a word, in each language; of a code its parts joined."""
    if word.kind == _EAST_ASIAN:
        return (word.text,)
    if word.kind == "code":
        return word.terms[-1:]
    return word.terms[:1] if word.kind == "number" else word.terms


def _behind(nodes: Iterable[_Node], forms: Iterable[str]) -> list[_Node]:
    """The places behind a word of these forms, each once."""
    return list({id(child): child for node in nodes for form in forms for child in node.after.get(form, ())}.values())


def _spellings(words: Sequence[Word], languages: Languages) -> Iterable[list[tuple[str, ...]]]:
    """The words of a phrase by their forms; of two words also both joined."""
    yield [_forms(word) for word in words]
    if len(words) == 2 and all(word.kind == "word" for word in words):
        yield [tuple(languages.stems("".join(word.text for word in words)))]


def _forms_at(words: Sequence[Word], place: int, languages: Languages) -> Iterable[tuple[tuple[str, ...], int]]:
    """What stands at a place of a query, and how many words it takes: one, or two that a phrase may have joined."""
    yield _forms(words[place]), 1
    following = words[place : place + 2]
    if len(following) > 1 and all(word.kind == "word" for word in following):
        yield tuple(languages.stems("".join(word.text for word in following))), 2
