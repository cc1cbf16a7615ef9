"""The words of all items as they are now: a bundle's with other counts, and words that it does not know."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from app.artifact.text.vocabulary import letter_mask
from app.engine.text.item_words import WordEntries
from app.engine.text.known_words import KnownWords, WeighedWord, WordCounts, weights_of
from app.engine.text.live_rows import LiveRows

EntriesOf = Callable[[int], WordEntries]
"""What the item in a row of the bundle has given to the vocabulary."""


@dataclass(frozen=True, slots=True, eq=False)
class TierCounts:
    """How many documents of a tier have each word, as of one moment."""

    is_alive: NDArray[np.bool_]  # [documents] those that count
    known: NDArray[np.int32]  # [words of the bundle]
    known_named: NDArray[np.int32]  # [words of the bundle] in title, brand or category
    new: NDArray[np.int64]  # [words of the tier]
    new_named: NDArray[np.int64]  # [words of the tier]


@dataclass(frozen=True, eq=False)
class VocabularyTier:
    """What the documents of one tier have for the vocabulary."""

    places: NDArray[np.int32]  # [known] of words that the bundle knows
    known_documents: NDArray[np.int32]  # [known] the documents that have them
    known_named: NDArray[np.bool_]  # [known] whether in title, brand or category
    words: tuple[str, ...]  # those that the bundle does not know, ascending
    is_code: NDArray[np.bool_]  # [words]
    lengths: NDArray[np.int64]  # [words] letters
    letters: NDArray[np.uint64]  # [words] of `letter_mask`
    terms: dict[str, tuple[int, ...]]  # the places of words among `words`, by their terms
    numbers: NDArray[np.int32]  # [entries] places among `words`
    documents: NDArray[np.int32]  # [entries] the documents that have them
    named: NDArray[np.bool_]  # [entries]

    newest: list[TierCounts] = field(default_factory=list, repr=False)  # those that were asked for last

    @cached_property
    def number_of(self) -> dict[str, int]:
        """The place of each word."""
        return {word: number for number, word in enumerate(self.words)}

    def counts(self, is_alive: NDArray[np.bool_], size: int) -> TierCounts:
        """How many documents that are alive, `[documents]`, have each word; `size` words are known to the bundle."""
        counts = self.newest[0] if self.newest else None
        if counts is None or len(counts.known) != size or not np.array_equal(counts.is_alive, is_alive):
            known, new = is_alive[self.known_documents], is_alive[self.documents]
            counts = TierCounts(
                is_alive,
                np.bincount(self.places[known], minlength=size).astype(np.int32),
                np.bincount(self.places[known & self.known_named], minlength=size).astype(np.int32),
                np.bincount(self.numbers[new], minlength=len(self.words)),
                np.bincount(self.numbers[new & self.named], minlength=len(self.words)),
            )
            self.newest[:] = [counts]
        return counts

    @classmethod
    def of(cls, items: Sequence[WordEntries]) -> "VocabularyTier":
        """That of some documents in their order."""
        none = np.zeros(0, dtype=np.int32)
        is_code: dict[str, bool] = {}
        terms_of: dict[str, tuple[str, ...]] = {}
        for item in items:
            for word in item.new:
                is_code[word.text] = is_code.get(word.text, True) and word.is_code
                terms_of[word.text] = word.terms
        words = tuple(sorted(is_code))
        number_of = {word: number for number, word in enumerate(words)}
        terms: dict[str, list[int]] = {}
        for number, text in enumerate(words):
            for term in terms_of[text]:
                terms.setdefault(term, []).append(number)
        entries = [
            (number_of[word.text], document, word.is_named) for document, item in enumerate(items) for word in item.new
        ]
        return cls(
            places=np.concatenate([none, *(part for item in items for part in (item.places, item.joined))]),
            known_documents=np.repeat(np.arange(len(items), dtype=np.int32), [item.size for item in items]),
            known_named=np.concatenate(
                [
                    none.astype(np.bool_),
                    *(part for item in items for part in (item.is_named, np.zeros(len(item.joined), dtype=np.bool_))),
                ]
            ),
            words=words,
            is_code=np.array([is_code[word] for word in words], dtype=np.bool_),
            lengths=np.array([len(word) for word in words], dtype=np.int64),
            letters=np.array([letter_mask(word) for word in words], dtype=np.uint64),
            terms={term: tuple(numbers) for term, numbers in terms.items()},
            numbers=np.array([number for number, _, _ in entries], dtype=np.int32),
            documents=np.array([document for _, document, _ in entries], dtype=np.int32),
            named=np.array([is_named for _, _, is_named in entries], dtype=np.bool_),
        )


@dataclass(frozen=True, eq=False)
class RemovedWords:
    """What the vocabulary of a bundle counts for items that it speaks for no more."""

    superseded: NDArray[np.bool_]  # [rows of the bundle]
    documents: NDArray[np.int32]  # [words]
    named: NDArray[np.int32]  # [words]

    @classmethod
    def none(cls, known: KnownWords, rows: int) -> "RemovedWords":
        """Those of a bundle without a change."""
        nothing = np.zeros(len(known.vocabulary.words), dtype=np.int32)
        return cls(np.zeros(rows, dtype=np.bool_), nothing, nothing)

    def with_rows(self, superseded: NDArray[np.bool_], entries_of: EntriesOf, known: KnownWords) -> "RemovedWords":
        """Those where other rows are superseded; only what differs is read."""
        changed = np.flatnonzero(self.superseded != superseded).tolist()
        if not changed:
            return self
        documents, named = self.documents.copy(), self.named.copy()
        is_name_alone = known.vocabulary.named == 0  # else it counts who writes it as one word
        for row in changed:
            sign = 1 if superseded[row] else -1
            entries = entries_of(row)
            documents[entries.places] += sign
            named[entries.places[entries.is_named]] += sign
            documents[entries.joined[is_name_alone[entries.joined]]] += sign
        return RemovedWords(superseded.copy(), documents, named)


@dataclass(frozen=True, eq=False)
class TierWords:
    """The words of one tier that its bundle does not know, as of one moment."""

    tier: VocabularyTier
    documents: NDArray[np.int64]  # [words] of the tier, items that have it
    named: NDArray[np.int64]  # [words]

    def find(self, text: str) -> int:
        """The place of a word that any item has, -1 for another."""
        number = self.tier.number_of.get(text, -1)
        return number if number >= 0 and self.documents[number] else -1

    @cached_property
    def weights(self) -> NDArray[np.float32]:
        """`[words]`, how frequent each is in this tier."""
        return weights_of(self.documents, self.named, np.zeros_like(self.named))

    def beginning_with(self, prefix: str) -> Iterable[str]:
        """The words that begin with `prefix`, itself included."""
        words = self.tier.words
        for number in range(bisect_left(words, prefix), len(words)):
            if not words[number].startswith(prefix):
                return
            if self.documents[number]:
                yield words[number]

    def within(self, word: str, edits: int) -> Iterable[tuple[str, int]]:
        """The words within some edits of another, itself left out, and how many each is away; codes are passed over."""
        tier = self.tier
        further = np.abs(tier.lengths - len(word))
        different = np.bitwise_count(tier.letters ^ np.uint64(letter_mask(word)))
        is_near = (further <= edits) & (different <= 2 * edits - further) & ~tier.is_code & (self.documents > 0)
        for number in np.flatnonzero(is_near).tolist():
            distance = OSA.distance(word, tier.words[number], score_cutoff=edits)
            if 0 < distance <= edits:
                yield tier.words[number], distance

    def containing(self, part: str) -> Iterable[str]:
        """The words that hold a text, codes left out."""
        for number in np.flatnonzero((self.documents > 0) & ~self.tier.is_code).tolist():
            if part in self.tier.words[number]:
                yield self.tier.words[number]


class LiveWords(KnownWords):
    """As `KnownWords`, of all items as they are now. Words that nobody has any more are unknown, unless they are
    searched for.

    Args:
        base: of the bundle.
        removed: what its vocabulary counts that is no more.
        live: which documents of the tiers are alive.
        tiers: the oldest first.
    """

    def __init__(
        self, base: KnownWords, removed: RemovedWords, live: LiveRows, tiers: Sequence[VocabularyTier]
    ) -> None:
        self.vocabulary = base.vocabulary
        self._places = base._places
        self._base = base
        size = len(base.vocabulary.words)
        documents = base.vocabulary.documents - removed.documents
        named = base.vocabulary.named - removed.named
        further = []
        for tier, rows in zip(tiers, live.tiers, strict=True):
            counts = tier.counts(rows.is_alive, size)
            documents += counts.known
            named += counts.known_named
            further.append(TierWords(tier, counts.new, counts.new_named))
        self._documents = np.maximum(documents, 0)
        self._named = np.maximum(named, 0)
        self._alive = (self._documents > 0) | (base.vocabulary.searched > 0)
        self.tiers = tuple(part for part in further if len(part.tier.words))
        self.weights = weights_of(self._documents, self._named, base.vocabulary.searched)

    def has(self, text: str) -> bool:
        """Whether a word is known."""
        place = self.place_of(text)
        return bool(self._alive[place]) if place >= 0 else any(part.find(text) >= 0 for part in self.tiers)

    def counts_of(self, text: str) -> WordCounts:
        """How often a word occurs."""
        place = self.place_of(text)
        if place >= 0:
            queries = self.vocabulary.searched
            return WordCounts(int(self._documents[place]), int(self._named[place]), int(queries[place]))
        numbers = [(part, number) for part in self.tiers if (number := part.find(text)) >= 0]
        documents = sum(int(part.documents[number]) for part, number in numbers)
        return WordCounts(documents, sum(int(part.named[number]) for part, number in numbers))

    def weight_of(self, text: str) -> float:
        """How frequent a word is, 0 for an unknown one."""
        place = self.place_of(text)
        return float(self.weights[place]) if place >= 0 else self.counts_of(text).weight

    @cached_property
    def largest_weight(self) -> float:
        """That of the most frequent word."""
        largest = float(self.weights.max(initial=0.0))
        least = largest / max(
            1, len(self.tiers)
        )  # what a word has in some tier that is more frequent than all of these
        words = [
            part.tier.words[place] for part in self.tiers for place in np.flatnonzero(part.weights > least).tolist()
        ]
        return max([largest, *map(self.weight_of, words)])

    def is_alive(self, place: int) -> bool:
        """Whether any item has the word at a place of the bundle's vocabulary, or anybody searched for it."""
        return bool(self._alive[place])

    def has_term(self, term: str) -> bool:
        """Whether a term is that of a known word."""
        number = self.vocabulary.terms.find(term)
        if number >= 0:
            offsets, places = self._base.words_by_term
            if self._alive[places[offsets[number] : offsets[number + 1]]].any():
                return True
        return any(part.documents[list(part.tier.terms.get(term, ()))].any() for part in self.tiers)

    def beginning_with(self, prefix: str, limit: int) -> list[WeighedWord]:
        """The words that begin with `prefix`, the most frequent first, at most `limit`."""
        words = [(word, weight) for word, weight in super().beginning_with(prefix, limit) if weight > 0]
        further = {word for part in self.tiers for word in part.beginning_with(prefix)}
        words += [(word, self.weight_of(word)) for word in further]
        return sorted(words, key=lambda pair: (-pair[1], pair[0]))[:limit]

    def further_within(self, word: str, edits: int) -> dict[str, int]:
        """The words that the bundle does not know within some edits of another, and how many each is away."""
        return {near: distance for part in self.tiers for near, distance in part.within(word, edits)}

    def further_containing(self, part: str) -> list[str]:
        """The words that the bundle does not know and that hold a text."""
        return list(dict.fromkeys(word for of_tier in self.tiers for word in of_tier.containing(part)))

    def name_weights(self) -> NDArray[np.int32]:
        """`[words of the bundle]`, how often each is in the name of an item, or was searched for."""
        return np.asarray(self._named + self.vocabulary.searched)

    def further_names(self) -> dict[str, int]:
        """The words that the bundle does not know, but for codes, and how many items have each in their names."""
        return self._further_names

    @cached_property
    def _further_names(self) -> dict[str, int]:
        names: Counter[str] = Counter()
        for part in self.tiers:
            for number in np.flatnonzero((part.named > 0) & ~part.tier.is_code).tolist():
                names[part.tier.words[number]] += int(part.named[number])
        return names
