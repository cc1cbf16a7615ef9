"""Completions of the text in a search box: by the beginnings of words, in any order, and with a typo."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.suggest_index import KINDS, SORTED_BYTES, Key, SuggestIndex, key_of, read_suggest_index
from app.artifact.text.synonym_table import SynonymTable
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.synonyms import Synonyms

_BLOCK: Final = 256  # beginnings of which the best score is stored
_FEW: Final = 3  # suggestions, below which typos are considered
_MOST_WORDS: Final = 6  # of a text that are looked up one by one
_MOST_CORRECTIONS: Final = 5  # words that a mistyped one may be
_SHORTEST_MISTYPED: Final = 3  # letters
_LETTERS: Final = 12  # of a word's beginning that are compared
_MOST_COMPARED: Final = 512  # beginnings of one long key that are compared in full
_MOST_POPULAR: Final = 20


@dataclass(frozen=True)
class Suggestion:
    """One completion."""

    text: str
    kind: str  # of `KINDS`
    row: int  # of the item of a title, else 0
    marks: tuple[tuple[int, int], ...]  # the spans that match: start and end, in characters


class Suggester:
    """Completes from the index of a bundle.

    Args:
        vocabulary: of the catalogue, to correct typos.
        synonyms: of the shop; their words are completed to what they stand for, and are no typos.
    """

    def __init__(self, index: SuggestIndex, vocabulary: Vocabulary, synonyms: Synonyms | None = None) -> None:
        self._index = index
        self._values = index.keys.values.data
        self._beginnings = range(len(index.positions))
        self._positions = index.positions.data
        full = len(index.scores) // _BLOCK * _BLOCK
        self._block_best = index.scores[:full].reshape(-1, _BLOCK).max(axis=1)
        self._popular = self._most_popular()
        self._words = _MistypedBeginnings(vocabulary)
        self._synonyms = Synonyms(SynonymTable()) if synonyms is None else synonyms

    def suggest(self, text: str, limit: int) -> list[Suggestion]:
        """At most `limit` completions, the likeliest first, each text once; for an empty text the most popular ones."""
        key = key_of(text)
        if not key.text:
            return [self._suggestion(entry, ()) for entry in self._popular[:limit].tolist()]
        unchanged = ((key.text,),)
        marked: dict[int, Sequence[Sequence[str]]] = dict.fromkeys(self._unchanged(key.text, limit), unchanged)
        words = key.words[:_MOST_WORDS]
        if len(marked) < limit and len(words) > 1:
            exact = [self._having([word]) for word in words]
            for entry in self._best(np.logical_and.reduce(exact), limit):
                marked.setdefault(entry, [[word] for word in words])
        if len(marked) < min(limit, _FEW):
            readings = [
                [word, *self._other_words(word, last=index == len(words) - 1)] for index, word in enumerate(words)
            ]
            for entry in self._best(self._mistyped(words, readings), limit):
                marked.setdefault(entry, readings)
        return [self._suggestion(entry, marks) for entry, marks in list(marked.items())[:limit]]

    def _other_words(self, word: str, *, last: bool) -> list[str]:
        """What a word may stand for: its synonyms of one word, or what it begins but for a typo."""
        if (alternatives := self._synonyms.single_words(word)) is not None:
            return alternatives[:_MOST_CORRECTIONS]
        return self._words.corrections_of(word, last=last)

    def _unchanged(self, text: str, limit: int) -> list[int]:
        """Entries in which a word begins with the whole text; the entry that equals it comes first."""
        prefix = text.encode()
        first, last = self._range_of(prefix[:SORTED_BYTES])
        if len(prefix) > SORTED_BYTES:
            candidates = range(first, min(last, first + _MOST_COMPARED))
            matching = [beginning for beginning in candidates if self._follows(beginning, prefix)]
            beginnings = np.array(matching, dtype=np.int64)
        else:
            beginnings = self._best_beginnings(first, last, 4 * limit)
        while True:
            entries = dict.fromkeys(self._index.entries[beginnings].tolist())
            if len(entries) >= limit or len(beginnings) >= last - first or len(prefix) > SORTED_BYTES:
                break
            # One text may have the beginning several times.
            beginnings = self._best_beginnings(first, last, 4 * len(beginnings))
        return list(dict.fromkeys([*self._equal_entry(first, last, prefix), *entries]))[:limit]

    def _equal_entry(self, first: int, last: int, key: bytes) -> list[int]:
        """The entry with this key, if there is one: it sorts before the longer keys."""
        for beginning in range(first, last):
            entry = self._index.entries[beginning]
            start, end = self._index.keys.offsets[entry], self._index.keys.offsets[entry + 1]
            if end - self._positions[beginning] > len(key):
                break
            if self._positions[beginning] == start:
                return [int(entry)]
        return []

    def _range_of(self, prefix: bytes) -> tuple[int, int]:
        """The range of the beginnings with this prefix of at most `SORTED_BYTES`."""

        def prefix_of(beginning: int) -> bytes:
            return self._prefix_of(beginning, len(prefix))

        first = bisect_left(self._beginnings, prefix, key=prefix_of)
        return first, bisect_right(self._beginnings, prefix, lo=first, key=prefix_of)

    def _follows(self, beginning: int, prefix: bytes) -> bool:
        return self._prefix_of(beginning, len(prefix)) == prefix

    def _prefix_of(self, beginning: int, length: int) -> bytes:
        start = self._positions[beginning]
        end = self._index.keys.offsets[self._index.entries[beginning] + 1]
        return bytes(self._values[start : min(start + length, int(end))])

    def _best_beginnings(self, first: int, last: int, count: int) -> NDArray[np.int64]:
        """The beginnings with the best scores in a range, best first; exact, by the best blocks of a long range."""
        beginnings = np.arange(first, last)
        if last - first > max(8 * _BLOCK, 2 * count):
            inner = range(-(-first // _BLOCK), last // _BLOCK)
            best = self._block_best[inner.start : inner.stop]
            blocks = inner.start + (
                np.argpartition(-best, count)[:count] if len(best) > count else np.arange(len(best))
            )
            inside = (blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
            edges = [np.arange(first, inner.start * _BLOCK), np.arange(inner.stop * _BLOCK, last)]
            beginnings = np.sort(np.concatenate([inside, *edges]))
        scores = self._index.scores[beginnings]
        if len(beginnings) > count:
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            beginnings, scores = beginnings[scores >= least], scores[scores >= least]
        return beginnings[np.lexsort((self._index.entries[beginnings], -scores))][:count]

    def _having(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """`[entries]`, those in which a word begins with one of `words`."""
        having = np.zeros(len(self._index.kinds), dtype=np.bool_)
        for word in words:
            first, last = self._range_of(word.encode()[:SORTED_BYTES])
            having[self._index.entries[first:last]] = True
        return having

    def _mistyped(self, words: Sequence[str], readings: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
        """`[entries]`, those with every word but one unchanged; where there are none, with a reading of every word."""
        exact = [self._having([word]) for word in words]
        loose = [self._having(word_readings) for word_readings in readings]
        entries = np.zeros(len(self._index.kinds), dtype=np.bool_)
        for index, other in enumerate(loose):
            entries |= np.logical_and.reduce([*exact[:index], other, *exact[index + 1 :]])
        return entries if entries.any() else np.logical_and.reduce(loose)

    def _best(self, chosen: NDArray[np.bool_], limit: int) -> list[int]:
        entries = np.flatnonzero(chosen)
        weights = self._index.weights[entries]
        if len(entries) > limit:
            least = np.partition(weights, len(weights) - limit)[len(weights) - limit]
            entries, weights = entries[weights >= least], weights[weights >= least]
        best: list[int] = entries[np.argsort(-weights, kind="stable")][:limit].tolist()
        return best

    def _most_popular(self) -> NDArray[np.int64]:
        """The suggestions for an empty text: queries and categories, then brands; else titles."""
        kinds = self._index.kinds
        shown = np.flatnonzero(kinds != KINDS.index("title"))
        shown = shown if len(shown) else np.arange(len(kinds))
        behind = kinds[shown] == KINDS.index("brand")
        return shown[np.lexsort((shown, -self._index.weights[shown], behind))][:_MOST_POPULAR]

    def _suggestion(self, entry: int, words: Sequence[Sequence[str]]) -> Suggestion:
        index = self._index
        text = index.texts[entry] or ""
        return Suggestion(text, KINDS[index.kinds[entry]], int(index.rows[entry]), _marks(key_of(text), words))


class _MistypedBeginnings:
    """Words of a vocabulary by their first letters, to find those that go on from a beginning with one typo."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        weights = vocabulary.named + vocabulary.searched
        word_index = np.flatnonzero(~vocabulary.codes & (weights > 0))
        self._vocabulary = vocabulary
        self._word_index = word_index
        self._weights = weights[word_index]
        letters = np.zeros((len(word_index), _LETTERS + 1), dtype=np.uint32)
        for target, index in zip(letters, word_index.tolist(), strict=True):
            word = vocabulary.words[index][: _LETTERS + 1]
            target[: len(word)] = np.frombuffer(word.encode("utf-32-le"), dtype="<u4")
        self._letters = np.ascontiguousarray(letters.T)  # [letters, words]; 0 behind the end of a word

    def corrections_of(self, word: str, *, last: bool) -> list[str]:
        """The most frequent words that begin with `word` but for one typo; where it is not the last word of a text, of
        about its length only."""
        if len(word) < _SHORTEST_MISTYPED or not len(self._word_index):
            return []
        matches = np.flatnonzero(begins_but_for_one(self._letters, word[:_LETTERS]))
        if not last:
            lengths = self._vocabulary.lengths[self._word_index[matches]].astype(np.int64)
            matches = matches[np.abs(lengths - len(word)) <= 1]
        best = matches[np.lexsort((matches, -self._weights[matches]))][:_MOST_CORRECTIONS]
        return [self._vocabulary.words[index] for index in self._word_index[best].tolist()]


def begins_but_for_one(letters: NDArray[np.uint32], prefix: str) -> NDArray[np.bool_]:
    """`[words]`, whether a word has a beginning at most one edit (OSA) away from `prefix`.

    Args:
        letters: `[n + 1 or more, words]` code points by position, 0 past the end of a word.
        prefix: of `n` letters.
    """
    code_points = np.frombuffer(prefix.encode("utf-32-le"), dtype="<u4")
    size = len(code_points)
    rest = _agree_from(letters[:size], code_points)  # [size + 1, words] the letters from a position on are equal
    rest_less = _agree_from(letters[: size - 1], code_points[1:])  # .. without one letter of the prefix
    rest_more = _agree_from(letters[1 : size + 1], code_points)  # .. with one letter more
    begins: NDArray[np.bool_] = rest[0].copy()
    equal_so_far: NDArray[np.bool_] = np.ones(letters.shape[1], dtype=np.bool_)
    for position, code_point in enumerate(code_points):
        begins |= equal_so_far & (rest[position + 1] | rest_less[position] | rest_more[position])
        if position + 1 < size:
            following = code_points[position + 1]
            swapped = (letters[position] == following) & (letters[position + 1] == code_point)
            begins |= equal_so_far & swapped & rest[position + 2]
        equal_so_far = equal_so_far & (letters[position] == code_point)
    return begins


def _agree_from(letters: NDArray[np.uint32], code_points: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """`[positions + 1, words]`, whether all letters from a position on are equal; the last row is true."""
    agree = np.ones((len(code_points) + 1, letters.shape[1]), dtype=np.bool_)
    np.equal(letters, code_points[:, None], out=agree[:-1])
    for position in range(len(code_points) - 2, -1, -1):
        agree[position] &= agree[position + 1]
    return agree


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
