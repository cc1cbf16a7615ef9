"""Neighbours of a word: the words of a vocabulary within an edit or two of it."""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock
from typing import Final, Generic, TypeVar

import numpy as np
from rapidfuzz.distance import OSA

from app.artifact.text.vocabulary import LONGEST, Vocabulary, letter_mask
from app.engine.text.known_words import KnownWords

_Value = TypeVar("_Value")
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
        known: the words, of which codes are passed over.
        of_bundle: the neighbours among the words of the bundle, where `known` has others beside them.
    """

    def __init__(self, known: KnownWords, of_bundle: "BundleNeighbours | None" = None) -> None:
        self._known = known
        self._of_bundle = of_bundle or BundleNeighbours(known.vocabulary)
        self._cache = _Cache[tuple[Neighbour, ...]]()

    def of(self, word: str) -> tuple[Neighbour, ...]:
        """Words within one edit, for long words two; the nearest first, then the most frequent."""
        return self._cache.get(word, self._find_neighbours)

    def with_words(self, known: KnownWords) -> "Neighbours":
        """Those among other words beside the same bundle's."""
        return Neighbours(known, self._of_bundle)

    def _find_neighbours(self, word: str) -> tuple[Neighbour, ...]:
        known = self._known
        distances = {
            known.vocabulary.words[place]: distance
            for place, distance in self._of_bundle.of(word)
            if known.is_alive(place)
        }
        distances |= known.further_within(word, _edits(word))
        neighbours = [Neighbour(text, distance, known.weight_of(text)) for text, distance in distances.items()]
        neighbours.sort(key=lambda neighbour: (neighbour.distance, -neighbour.weight, neighbour.text))
        return tuple(neighbours[:_MOST_NEIGHBOURS])


class BundleNeighbours:
    """Looks for neighbours among the words of a bundle, whatever their weights are.

    Args:
        vocabulary: whose words, but for codes, are looked at.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        plain = np.flatnonzero(~vocabulary.codes)
        self._by_length = plain[np.argsort(vocabulary.lengths[plain], kind="stable")]
        self._letters = vocabulary.letters[self._by_length]
        self._starts = np.searchsorted(vocabulary.lengths[self._by_length], np.arange(LONGEST + 4)).tolist()
        self._cache = _Cache[tuple[tuple[int, int], ...]]()

    def of(self, word: str) -> tuple[tuple[int, int], ...]:
        """The places of the words within one edit, for long words two, and how many each is away."""
        return self._cache.get(word, self._find)

    def _find(self, word: str) -> tuple[tuple[int, int], ...]:
        edits = _edits(word)
        mask = np.uint64(letter_mask(word))
        neighbours = []
        for length in range(max(1, len(word) - edits), min(LONGEST, len(word) + edits) + 1):
            part = slice(self._starts[length], self._starts[length + 1])
            different_letters = np.bitwise_count(self._letters[part] ^ mask)
            candidates = self._by_length[part][different_letters <= 2 * edits - abs(length - len(word))]
            for place in candidates.tolist():
                distance = OSA.distance(word, self._vocabulary.words[place], score_cutoff=edits)
                if 0 < distance <= edits:
                    neighbours.append((place, distance))
        return tuple(neighbours)


class _Cache(Generic[_Value]):
    """The newest values by word. They are kept in a dictionary: a cache around a bound method would hold its owner in a
    reference cycle, which outlives a release that is replaced.
    """

    def __init__(self) -> None:
        self._values: dict[str, _Value] = {}
        self._lock = Lock()  # threads read queries

    def get(self, word: str, find: Callable[[str], _Value]) -> _Value:
        """The value of a word, by `find` where it is not kept."""
        with self._lock:
            value = self._values.pop(word, None)
            if value is not None:
                self._values[word] = value
                return value
        value = find(word)
        with self._lock:
            self._values[word] = value
            while len(self._values) > _CACHE_SIZE:
                del self._values[next(iter(self._values))]
        return value


def _edits(word: str) -> int:
    return 2 if len(word) >= _LONG else 1
