"""Completions of what is typed into a search box: by word beginnings, in any order of words, with a typo at need."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.suggest_index import KINDS, SORTED_BYTES, Key, SuggestIndex, key_of, read_suggest_index
from app.artifact.text.vocabulary import Vocabulary

_BLOCK: Final = 256  # beginnings of which the best score is kept
_FEW: Final = 3  # suggestions, below which what is typed may hold a typo
_MOST_WORDS: Final = 6  # of what is typed that are looked for one by one
_MOST_MEANT: Final = 5  # words that a mistyped one is taken for
_SHORTEST_MISTYPED: Final = 3  # letters
_LETTERS: Final = 12  # of a word's beginning that are compared with what is typed
_MOST_LOOKED_AT: Final = 512  # beginnings of one long key that are compared in full
_MOST_FAVOURITES: Final = 20


@dataclass(frozen=True)
class Suggestion:
    """One completion."""

    text: str
    kind: str  # of `KINDS`
    row: int  # of the item, 0 for what is no title
    marks: tuple[tuple[int, int], ...]  # what is typed in it: start and end, in characters


class Suggester:
    """Completes from the index of a bundle.

    Args:
        index: of the bundle.
        vocabulary: of its catalogue, to bear typos.
    """

    def __init__(self, index: SuggestIndex, vocabulary: Vocabulary) -> None:
        self._index = index
        self._values = index.keys.values.data
        self._beginnings = range(len(index.positions))
        self._positions = index.positions.data
        whole = len(index.scores) // _BLOCK * _BLOCK
        self._block_best = index.scores[:whole].reshape(-1, _BLOCK).max(axis=1)
        self._favourites = self._favoured()
        self._words = _MistypedBeginnings(vocabulary)

    def suggest(self, typed: str, limit: int) -> list[Suggestion]:
        """At most `limit` completions, the likeliest first, each text once; of nothing, what is liked most."""
        key = key_of(typed)
        if not key.text:
            return [self._suggestion(entry, ()) for entry in self._favourites[:limit].tolist()]
        as_typed = ((key.text,),)
        marked: dict[int, Sequence[Sequence[str]]] = dict.fromkeys(self._as_typed(key.text, limit), as_typed)
        words = key.words[:_MOST_WORDS]
        if len(marked) < limit and len(words) > 1:
            exact = [self._having([word]) for word in words]
            for entry in self._best(np.logical_and.reduce(exact), limit):
                marked.setdefault(entry, [[word] for word in words])
        if len(marked) < min(limit, _FEW):
            meant = [
                [word, *self._words.meant_by(word, last=place == len(words) - 1)] for place, word in enumerate(words)
            ]
            for entry in self._best(self._mistyped(words, meant), limit):
                marked.setdefault(entry, meant)
        return [self._suggestion(entry, marks) for entry, marks in list(marked.items())[:limit]]

    def _as_typed(self, text: str, limit: int) -> list[int]:
        """Entries in which a word begins with all that is typed; those that are it exactly come first."""
        wanted = text.encode()
        first, last = self._range_of(wanted[:SORTED_BYTES])
        if len(wanted) > SORTED_BYTES:
            look = [place for place in range(first, min(last, first + _MOST_LOOKED_AT)) if self._follows(place, wanted)]
            found = np.array(look, dtype=np.int64)
        else:
            found = self._best_beginnings(first, last, 4 * limit)
        while True:
            entries = dict.fromkeys(self._index.entries[found].tolist())
            if len(entries) >= limit or len(found) >= last - first or len(wanted) > SORTED_BYTES:
                break
            found = self._best_beginnings(first, last, 4 * len(found))  # a text has the beginning several times
        return list(dict.fromkeys([*self._exactly(first, last, wanted), *entries]))[:limit]

    def _exactly(self, first: int, last: int, wanted: bytes) -> list[int]:
        """The entry whose whole key is typed, if there is one: it sorts before all that go on."""
        for place in range(first, last):
            entry = self._index.entries[place]
            at, end = self._index.keys.offsets[entry], self._index.keys.offsets[entry + 1]
            if end - self._positions[place] > len(wanted):
                break
            if self._positions[place] == at:
                return [int(entry)]
        return []

    def _range_of(self, wanted: bytes) -> tuple[int, int]:
        """The beginnings that go on with these bytes, at most `SORTED_BYTES`."""

        def beginning(place: int) -> bytes:
            return self._bytes_at(place, len(wanted))

        first = bisect_left(self._beginnings, wanted, key=beginning)
        return first, bisect_right(self._beginnings, wanted, lo=first, key=beginning)

    def _follows(self, place: int, wanted: bytes) -> bool:
        return self._bytes_at(place, len(wanted)) == wanted

    def _bytes_at(self, place: int, length: int) -> bytes:
        at = self._positions[place]
        end = self._index.keys.offsets[self._index.entries[place] + 1]
        return bytes(self._values[at : min(at + length, int(end))])

    def _best_beginnings(self, first: int, last: int, count: int) -> NDArray[np.int64]:
        """The places of the best scores in a range, best first; exact, by the best blocks of a long one."""
        places = np.arange(first, last)
        if last - first > max(8 * _BLOCK, 2 * count):
            inner = range(-(-first // _BLOCK), last // _BLOCK)
            best = self._block_best[inner.start : inner.stop]
            blocks = inner.start + (
                np.argpartition(-best, count)[:count] if len(best) > count else np.arange(len(best))
            )
            inside = (blocks[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
            edges = [np.arange(first, inner.start * _BLOCK), np.arange(inner.stop * _BLOCK, last)]
            places = np.sort(np.concatenate([inside, *edges]))
        scores = self._index.scores[places]
        if len(places) > count:
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            places, scores = places[scores >= least], scores[scores >= least]
        return places[np.lexsort((self._index.entries[places], -scores))][:count]

    def _having(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """`[entries]`, those in which a word begins with one of `words`."""
        found = np.zeros(len(self._index.kinds), dtype=np.bool_)
        for word in words:
            first, last = self._range_of(word.encode()[:SORTED_BYTES])
            found[self._index.entries[first:last]] = True
        return found

    def _mistyped(self, words: Sequence[str], meant: Sequence[Sequence[str]]) -> NDArray[np.bool_]:
        """Entries that have every word but one as it is typed; where there are none, every one as it may be meant."""
        exact, loose = [self._having([word]) for word in words], [self._having(each) for each in meant]
        found = np.zeros(len(self._index.kinds), dtype=np.bool_)
        for place, other in enumerate(loose):
            found |= np.logical_and.reduce([*exact[:place], other, *exact[place + 1 :]])
        return found if found.any() else np.logical_and.reduce(loose)

    def _best(self, chosen: NDArray[np.bool_], limit: int) -> list[int]:
        entries = np.flatnonzero(chosen)
        weights = self._index.weights[entries]
        if len(entries) > limit:
            least = np.partition(weights, len(weights) - limit)[len(weights) - limit]
            entries, weights = entries[weights >= least], weights[weights >= least]
        return [int(each) for each in entries[np.argsort(-weights, kind="stable")][:limit]]

    def _favoured(self) -> NDArray[np.int64]:
        """What is suggested before anything is typed: queries and categories, then brands; titles where nothing else
        is there."""
        kinds = self._index.kinds
        shown = np.flatnonzero(kinds != KINDS.index("title"))
        shown = shown if len(shown) else np.arange(len(kinds))
        behind = kinds[shown] == KINDS.index("brand")
        return shown[np.lexsort((shown, -self._index.weights[shown], behind))][:_MOST_FAVOURITES]

    def _suggestion(self, entry: int, words: Sequence[Sequence[str]]) -> Suggestion:
        index = self._index
        text = index.texts[entry] or ""
        return Suggestion(text, KINDS[index.kinds[entry]], int(index.rows[entry]), _marks(key_of(text), words))


class _MistypedBeginnings:
    """Words of a vocabulary by their first letters, to find those that go on from a beginning with one typo."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        weights = vocabulary.named + vocabulary.searched
        places = np.flatnonzero(~vocabulary.codes & (weights > 0))
        self._vocabulary = vocabulary
        self._places = places
        self._weights = weights[places]
        letters = np.zeros((len(places), _LETTERS + 1), dtype=np.uint32)
        for line, place in zip(letters, places.tolist(), strict=True):
            word = vocabulary.words[place][: _LETTERS + 1]
            line[: len(word)] = np.frombuffer(word.encode("utf-32-le"), dtype="<u4")
        self._letters = np.ascontiguousarray(letters.T)  # [letters, words]; 0 behind the end of a word

    def meant_by(self, word: str, *, last: bool) -> list[str]:
        """The most frequent words that begin with `word` but for one typo; for a word that is not the last, as long."""
        if len(word) < _SHORTEST_MISTYPED or not len(self._places):
            return []
        typed = word[:_LETTERS]
        found = np.flatnonzero(begins_but_for_one(self._letters, typed))
        if not last:
            found = found[np.abs(self._vocabulary.lengths[self._places[found]].astype(np.int64) - len(word)) <= 1]
        best = found[np.lexsort((found, -self._weights[found]))][:_MOST_MEANT]
        return [self._vocabulary.words[place] for place in self._places[best].tolist()]


def begins_but_for_one(letters: NDArray[np.uint32], typed: str) -> NDArray[np.bool_]:
    """Which words have a beginning at most one edit (OSA) away from `typed`: `[words]`.

    Args:
        letters: `[n + 1 or more, words]` code points by place, 0 behind the end of a word.
        typed: of `n` letters.
    """
    wanted = np.frombuffer(typed.encode("utf-32-le"), dtype="<u4")
    size = len(wanted)
    rest = _agree_from(letters[:size], wanted)  # [size + 1, words] the letters from a place on stand where they stood
    rest_less = _agree_from(letters[: size - 1], wanted[1:])  # a typed letter was left out
    rest_more = _agree_from(letters[1 : size + 1], wanted)  # a letter was put in
    found: NDArray[np.bool_] = rest[0].copy()
    before: NDArray[np.bool_] = np.ones(letters.shape[1], dtype=np.bool_)
    for place in range(size):
        found |= before & (rest[place + 1] | rest_less[place] | rest_more[place])
        if place + 1 < size:
            swapped = (letters[place] == wanted[place + 1]) & (letters[place + 1] == wanted[place])
            found |= before & swapped & rest[place + 2]
        before = before & (letters[place] == wanted[place])
    return found


def _agree_from(letters: NDArray[np.uint32], wanted: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """`[places + 1, words]`, whether all letters from a place on are the wanted ones; the last line is true."""
    agree = np.ones((len(wanted) + 1, letters.shape[1]), dtype=np.bool_)
    np.equal(letters, wanted[:, None], out=agree[:-1])
    for place in range(len(wanted) - 2, -1, -1):
        agree[place] &= agree[place + 1]
    return agree


def _marks(key: Key, words: Sequence[Sequence[str]]) -> tuple[tuple[int, int], ...]:
    """Where words of what is typed stand in a text: of each, the first of its readings that begins a word there."""
    found = []
    for readings in words:
        for reading in readings:
            start = next((start for start in key.starts if key.text.startswith(reading, start)), None)
            if start is not None:
                found.append((key.origins[start][0], key.origins[start + len(reading) - 1][1]))
                break
    merged: list[tuple[int, int]] = []
    for start, end in sorted(found):
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
