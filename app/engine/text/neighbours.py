"""Neighbours of a word: the words of a vocabulary within an edit or two of it."""

from dataclasses import dataclass
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from app.artifact.text.vocabulary import LONGEST, Vocabulary, letter_mask

_LONG: Final = 8  # letters of a word that may be two edits away
_MOST_NEIGHBOURS: Final = 12  # that are compared
_CACHE_SIZE: Final = 16_384  # words whose neighbours are cached


@dataclass(frozen=True)
class Neighbour:
    """A word of the vocabulary within a few edits of another."""

    text: str
    distance: int  # edits: a letter inserted, deleted or replaced, or two neighbours swapped
    weight: float  # how frequent it is


class Neighbours:
    """Looks for neighbours.

    Args:
        vocabulary: whose words, but for codes, are looked at.
        weights: how frequent each of them is.
    """

    def __init__(self, vocabulary: Vocabulary, weights: NDArray[np.float32]) -> None:
        self._vocabulary = vocabulary
        self._weights = weights
        plain = np.flatnonzero(~vocabulary.codes)
        self._by_length = plain[np.argsort(vocabulary.lengths[plain], kind="stable")]
        self._letters = vocabulary.letters[self._by_length]
        self._starts = np.searchsorted(vocabulary.lengths[self._by_length], np.arange(LONGEST + 4)).tolist()
        self._cache: dict[str, tuple[Neighbour, ...]] = {}
        self._lock = Lock()  # of the cache: threads read queries

    def of(self, word: str) -> tuple[Neighbour, ...]:
        """Words within one edit, for long words two; the nearest first, then the most frequent.

        The newest are cached in a dictionary: a cache around a bound method would hold its owner in a reference cycle,
        which outlives a release that is replaced.
        """
        with self._lock:
            neighbours = self._cache.pop(word, None)
            if neighbours is not None:
                self._cache[word] = neighbours
                return neighbours
        neighbours = self._find_neighbours(word)
        with self._lock:
            self._cache[word] = neighbours
            while len(self._cache) > _CACHE_SIZE:
                del self._cache[next(iter(self._cache))]
        return neighbours

    def _find_neighbours(self, word: str) -> tuple[Neighbour, ...]:
        edits = 2 if len(word) >= _LONG else 1
        mask = np.uint64(letter_mask(word))
        neighbours = []
        for length in range(max(1, len(word) - edits), min(LONGEST, len(word) + edits) + 1):
            part = slice(self._starts[length], self._starts[length + 1])
            different_letters = np.bitwise_count(self._letters[part] ^ mask)
            candidates = self._by_length[part][different_letters <= 2 * edits - abs(length - len(word))]
            for index in candidates.tolist():
                text = self._vocabulary.words[index]
                distance = OSA.distance(word, text, score_cutoff=edits)
                if 0 < distance <= edits:
                    neighbours.append(Neighbour(text, distance, float(self._weights[index])))
        neighbours.sort(key=lambda neighbour: (neighbour.distance, -neighbour.weight, neighbour.text))
        return tuple(neighbours[:_MOST_NEIGHBOURS])
