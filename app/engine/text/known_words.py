"""The words that a catalogue and its logged queries have, how frequent they are, and how they are looked up."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.text.vocabulary import Vocabulary

_CACHE_SIZE: Final = 65_536  # words whose places are cached
FURTHER: Final = 0.1
"""What an item weighs that has a word in its further text alone, beside one that has it in title, brand or category."""

WeighedWord = tuple[str, float]
"""A word and how frequent it is."""


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often a word occurs."""

    documents: int = 0  # items that have it
    named: int = 0  # of these, the ones that have it in title, brand or category
    queries: int = 0  # how often it was searched for

    @property
    def weight(self) -> float:
        """How frequent it is."""
        return float(weights_of(*(np.array([count]) for count in (self.documents, self.named, self.queries)))[0])


class KnownWords:
    """The words of a bundle; `LiveWords` has those of all items as they are now.

    Args:
        vocabulary: of the bundle.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.weights: NDArray[np.float32] = weights_of(vocabulary.documents, vocabulary.named, vocabulary.searched)
        self._places: dict[str, int] = {}

    def place_of(self, text: str) -> int:
        """The place of a word in the vocabulary, -1 for another; the newest are kept, since one query asks often."""
        place = self._places.get(text)
        if place is None:
            place = self.vocabulary.words.find(text)
            if len(self._places) >= _CACHE_SIZE:
                self._places.clear()
            self._places[text] = place
        return place

    def has(self, text: str) -> bool:
        """Whether a word is known."""
        return self.place_of(text) >= 0

    def counts_of(self, text: str) -> WordCounts:
        """How often a word occurs."""
        place, known = self.place_of(text), self.vocabulary
        if place < 0:
            return WordCounts()
        return WordCounts(int(known.documents[place]), int(known.named[place]), int(known.searched[place]))

    def weight_of(self, text: str) -> float:
        """How frequent a word is, 0 for an unknown one."""
        place = self.place_of(text)
        return float(self.weights[place]) if place >= 0 else 0.0

    @cached_property
    def largest_weight(self) -> float:
        """That of the most frequent word."""
        return float(self.weights.max(initial=0.0))

    def is_alive(self, place: int) -> bool:  # noqa: ARG002 - a bundle has no word that nobody has
        """Whether any item has the word at a place of the vocabulary, or anybody searched for it."""
        return True

    def has_term(self, term: str) -> bool:
        """Whether a term is that of a known word."""
        return self.vocabulary.terms.find(term) >= 0

    def forms_of(self, text: str) -> list[str]:
        """The known words that a word is another form of, by the dictionaries of the catalogue's languages."""
        words = self.vocabulary.words
        return [words[place] for place in self.vocabulary.lexicon.forms.get(text) if self.is_alive(place)]

    def beginning_with(self, prefix: str, limit: int) -> list[WeighedWord]:
        """The words that begin with `prefix`, the most frequent first, at most `limit`."""
        matches = self.vocabulary.words.beginning_with(prefix)
        weights = self.weights[matches.start : matches.stop]
        best = np.argsort(-weights, kind="stable")[:limit].tolist()
        return [(self.vocabulary.words[matches.start + place], float(weights[place])) for place in best]

    def further_within(self, word: str, edits: int) -> dict[str, int]:  # noqa: ARG002 - as above
        """The words that the bundle does not know within some edits of another, and how many each is away."""
        return {}

    def further_containing(self, part: str) -> list[str]:  # noqa: ARG002 - as above
        """The words that the bundle does not know and that hold a text."""
        return []

    def name_weights(self) -> NDArray[np.int32]:
        """`[words of the bundle]`, how often each is in the name of an item, or was searched for."""
        return self._name_weights

    @cached_property
    def _name_weights(self) -> NDArray[np.int32]:
        return np.asarray(self.vocabulary.named + self.vocabulary.searched)

    def further_names(self) -> dict[str, int]:
        """The words that the bundle does not know, but for codes, and how many items have each in their names."""
        return {}

    @cached_property
    def words_by_term(self) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
        """Of each term of the vocabulary, the places of its words: where they begin, `[terms + 1]`, and the places."""
        known = self.vocabulary
        number_of = {term: number for number, term in enumerate(known.terms.column.all())}
        stems = known.lexicon.languages.stems
        pairs = [
            (number_of[term], place)
            for place, word in enumerate(known.words.column.all())
            for term in stems(word)
            if term in number_of
        ]
        numbers = np.array([number for number, _ in pairs], dtype=np.int64)
        places = np.array([place for _, place in pairs], dtype=np.int32)
        return offsets_of(np.bincount(numbers, minlength=len(known.terms))), places[np.argsort(numbers, kind="stable")]


def weights_of(
    documents: NDArray[np.integer], named: NDArray[np.integer], queries: NDArray[np.integer]
) -> NDArray[np.float32]:
    """How frequent words are that so many items have, so many in their names, and so many people searched for."""
    return (named + FURTHER * (documents - named) + queries).astype(np.float32)
