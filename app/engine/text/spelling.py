"""A query as it was meant: words spelled right, joined or parted as the catalogue writes them, the last one completed.

Only what the catalogue does not know is corrected, or hardly knows beside a frequent neighbour; numbers, codes and East
Asian runs never are.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from app.artifact.text.vocabulary import LONGEST, Vocabulary, letter_mask
from app.artifact.text.words import PlacedWord, Word, fold, parts_of, place_words, stem

RowsOf = Callable[[str], NDArray[np.int32]]
"""The rows of the items that have a term, ascending."""

_SHORTEST: Final = 3  # letters of a word that is corrected
_SHORT: Final = 3  # letters of a word that is corrected only to what stands beside the others of its query
_KEEPS_LENGTH: Final = 4  # letters of a word that is corrected to none shorter: who types so few puts in no more
_LONG: Final = 8  # letters of a word that may be two edits away
_SHORTEST_RARE: Final = 6  # letters of a known word that may be meant otherwise
_SHORTEST_PART: Final = 3  # letters of each part of a word that is parted
_RARE: Final = 2  # items, at most, of a known word that may be meant otherwise
_FREQUENT: Final = 100  # times as frequent is the neighbour that it is then taken for
_LEAST_TYPED: Final = 3  # letters of a last word that is completed
_MOST_COMPLETED: Final = 8  # words that a last word is completed to
_MOST_READ: Final = 32  # words of one query that may be meant otherwise
_MOST_CORRECTED: Final = 12  # words of one query that are looked up
_CLEARLY: Final = 10.0  # times as frequent as all completions is a neighbour that a last word is corrected to
_MOST_NEIGHBOURS: Final = 12  # that are compared by what they stand beside
_KEPT: Final = 16_384  # words whose neighbours are remembered
_COMPLETED_WEIGHT: Final = 0.5
_PLAIN_WEIGHT: Final = 0.3  # of a number without its unit
_CODE: Final = re.compile(r"([^\W\d_]{2,})(\d+)|(\d+)([^\W\d_]{2,})")


@dataclass(frozen=True)
class Neighbour:
    """A word of the vocabulary that another may have been meant to be."""

    text: str
    distance: int  # edits: a letter put in, left out or replaced, or two neighbours swapped
    weight: float  # how frequent it is


@dataclass(frozen=True)
class Reading:
    """A query, read."""

    words: tuple[Word, ...]  # as they are searched for; compounds and completions are among their terms
    corrected: str | None  # the whole query, where it is not searched for as it was asked
    terms: tuple[tuple[str, float], ...]  # each once, with what it counts, at most 1


class Spelling:
    """Reads queries with the words of a catalogue.

    Args:
        vocabulary: of the catalogue.
        rows_of: the items that have a term, to tell which word goes with the others of a query; None leaves that out.
    """

    def __init__(self, vocabulary: Vocabulary, rows_of: RowsOf | None = None) -> None:
        self._vocabulary = vocabulary
        self._rows_of = rows_of
        further = vocabulary.documents - vocabulary.named
        self._weights = (vocabulary.named + 0.1 * further + vocabulary.searched).astype(np.float32)
        plain = np.flatnonzero(~vocabulary.codes)
        self._by_length = plain[np.argsort(vocabulary.lengths[plain], kind="stable")]
        self._letters = vocabulary.letters[self._by_length]
        self._starts = np.searchsorted(vocabulary.lengths[self._by_length], np.arange(LONGEST + 4)).tolist()
        self._joined = {
            (word[:length], word[length:]): word
            for word, length in ((vocabulary.words[place], length) for place, length in vocabulary.compounds.tolist())
        }
        self._parts = {word: pair for pair, word in self._joined.items()}
        fold("é手")  # makes the tables that only such letters need, which the first query should not wait for
        self._near: dict[str, tuple[Neighbour, ...]] = {}

    def read(self, text: str) -> Reading:
        """The words of a query as they are meant, whether that is another text, and the terms to look for.

        A last word that nothing follows may still be typed: where it only begins known words, it stands for those.
        """
        folded = fold(text)
        placed = place_words(folded)
        typed = len(placed) - 1 if placed and placed[-1].end == len(folded) else -1
        completed = self._completions(placed[typed].word) if typed >= 0 else []
        changes = self._changes(placed, folded, typed if completed else -1)
        corrected = _rewritten(text, folded, changes) if changes else None
        words = [each.word for each in placed] if corrected is None else _words_of(corrected)
        return self._reading(words, corrected, completed)

    def compound_terms(self, words: Sequence[Word]) -> list[str]:
        """The terms of neighbouring words joined, where the catalogue joins them, too: of `touch screen`, touchscreen.

        For items as for queries: an item that writes two words is then found by the joined one, and the other way.
        """
        return list(dict.fromkeys(term for _, term in self._compounds(words)))

    def part_terms(self, words: Sequence[Word]) -> list[str]:
        """The terms of the parts of words that the catalogue also writes apart: of `touchscreen`, touch and screen."""
        parts = (part for word in words for part in self._parts.get(word.text, ()))
        return list(dict.fromkeys(stem(part) for part in parts))

    def prefix_terms(self, word: str, limit: int) -> list[str]:
        """The terms of the words that begin with `word`, the most frequent first, at most `limit`."""
        return list(dict.fromkeys(stem(text) for text, _ in self._beginning_with(word, limit)))[:limit]

    def correct(self, words: Sequence[Word]) -> list[str]:
        """The text of each word as it is meant; of a word that is two, both with a space between."""
        unknown = [place for place, word in enumerate(words) if self._may_be_wrong(word)][:_MOST_CORRECTED]
        meant = [word.text for word in words]
        if unknown:
            beside = [word for place, word in enumerate(words) if place not in unknown]
            hits = self._hits(beside)
            for place in unknown:
                meant[place] = self._meant(words[place], hits) or meant[place]
        return meant

    def is_known(self, word: Word) -> bool:
        """Whether the catalogue has a word, in whatever form, or people search for it."""
        text = "".join(parts_of(word.text))
        return self._vocabulary.words.find(text) >= 0 or self._vocabulary.terms.find(stem(text)) >= 0

    def _changes(self, placed: Sequence[PlacedWord], folded: str, begun: int) -> list[tuple[int, int, str]]:
        """What stands otherwise in the folded text: start, end, what was meant. The word at `begun` stays."""
        changes: list[tuple[int, int, str]] = []
        words = [each.word for each in placed[:_MOST_READ]]
        taken = set()
        for place, (left, right) in enumerate(pairwise(placed[:_MOST_READ])):
            if place not in taken and folded[left.end : right.start].isspace() and self._is_one(left.word, right.word):
                taken |= {place, place + 1}
                changes.append((left.start, right.end, left.word.text + right.word.text))
        kept = [place for place in range(len(words)) if place not in taken and place != begun]
        for place, meant in zip(kept, self.correct([words[place] for place in kept]), strict=True):
            if meant != words[place].text:
                changes.append((placed[place].start, placed[place].end, meant))
        return sorted(changes)

    def _is_one(self, left: Word, right: Word) -> bool:
        """Whether two words, of which one is not known, are a known one parted."""
        if not left.kind == right.kind == "word" or self._vocabulary.words.find(left.text + right.text) < 0:
            return False
        return not (self.is_known(left) and self.is_known(right))

    def _may_be_wrong(self, word: Word) -> bool:
        if word.kind == "code":
            return not self.is_known(word) and _CODE.fullmatch(word.text) is not None
        if word.kind != "word" or not _SHORTEST <= len(word.text) <= LONGEST:
            return False
        return self._is_rare(word.text) or not self.is_known(word)

    def _is_rare(self, text: str) -> bool:
        """Whether a word is known from the small print of an item or two, or only from searches."""
        known = self._vocabulary
        place = known.words.find(text) if len(text) >= _SHORTEST_RARE else -1
        if place < 0 or known.named[place] or known.documents[place] > _RARE:
            return False
        if known.documents[place] and known.searched[place] > _RARE:
            return False
        return self._rows_of is None or len(self._rows_of(stem(text))) <= _RARE

    def _meant(self, word: Word, hits: NDArray[np.float32] | None) -> str | None:
        """What a word that may be wrong was meant to be; None where that is not known."""
        if word.kind == "code":
            first, second = (part for part in _CODE.fullmatch(word.text).groups() if part)  # type: ignore[union-attr]
            return f"{first} {second}" if self._together(first, second) else None
        if self._is_rare(word.text):
            return self._instead_of_rare(word, hits)
        near = self.neighbours(word.text) or self._of_plural(word.text)
        if len(word.text) <= _KEEPS_LENGTH:
            near = tuple(each for each in near if len(each.text) >= len(word.text))
        nearest = [each for each in near if each.distance == near[0].distance]
        parted = self._parted(word.text) if not near or nearest[0].distance > 1 else None
        if parted is not None or not near:
            return parted
        best = max(nearest, key=lambda each: self._likelihood(word.text, each, hits))
        return best.text if len(word.text) > _SHORT or self._beside(best.text, hits) > 0 else None

    def _of_plural(self, text: str) -> tuple[Neighbour, ...]:
        """Neighbours of the singular, where the catalogue has no plural to take for a mistyped one."""
        return self.neighbours(text[:-1]) if text.endswith("s") and len(text) > _SHORTEST + 1 else ()

    def _likelihood(self, typed: str, each: Neighbour, hits: NDArray[np.float32] | None) -> float:
        """How likely a neighbour was meant, as a logarithm: what goes with the rest of the query, is frequent, begins
        alike and has no fewer letters, since letters are left out more often than put in."""
        goes_with = np.log(1e-3 + self._beside(each.text, hits)) + 0.5 * np.log(0.1 + each.weight)
        return float(goes_with + (len(each.text) >= len(typed)) + 0.7 * (each.text[0] == typed[0]))

    def _instead_of_rare(self, word: Word, hits: NDArray[np.float32] | None) -> str | None:
        if self._beside(word.text, hits) > 0:
            return None
        weight = max(1.0, self._weight_of(word.text))
        is_written = self._vocabulary.documents[self._vocabulary.words.find(word.text)] > 0
        near = [
            each
            for each in self.neighbours(word.text)
            if each.distance == 1 and not (is_written and _replaces(word.text, each.text))
        ]
        best = max(near, key=lambda each: (self._beside(each.text, hits), each.weight), default=None)
        return best.text if best is not None and best.weight >= _FREQUENT * weight else None

    def neighbours(self, word: str) -> tuple[Neighbour, ...]:
        """Words within one edit, of long words two; the nearest first, then the most frequent. The newest are kept.

        In a dictionary of its own: a cache around a bound method would hold its owner in a circle, which outlives every
        release that is swapped out.
        """
        found = self._near.pop(word, None)
        if found is None:
            found = self._read_neighbours(word)
            while len(self._near) >= _KEPT:
                del self._near[next(iter(self._near))]
        self._near[word] = found
        return found

    def _read_neighbours(self, word: str) -> tuple[Neighbour, ...]:
        most = 2 if len(word) >= _LONG else 1
        mask = np.uint64(letter_mask(word))
        found = []
        for length in range(max(1, len(word) - most), min(LONGEST, len(word) + most) + 1):
            part = slice(self._starts[length], self._starts[length + 1])
            turned = np.bitwise_count(self._letters[part] ^ mask)
            may_be = self._by_length[part][turned <= 2 * most - abs(length - len(word))]
            for place in may_be.tolist():
                text = self._vocabulary.words[place]
                distance = OSA.distance(word, text, score_cutoff=most)
                if 0 < distance <= most:
                    found.append(Neighbour(text, distance, float(self._weights[place])))
        found.sort(key=lambda each: (each.distance, -each.weight, each.text))
        return tuple(found[:_MOST_NEIGHBOURS])

    def _parted(self, word: str) -> str | None:
        """Two words that it is joined of, of which items have both; those that most items have."""
        found = []
        for length in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            first, second = word[:length], word[length:]
            if min(self._weight_of(first), self._weight_of(second)) > 0 and (both := self._together(first, second)):
                found.append((both, f"{first} {second}"))
        return max(found)[1] if found else None

    def _together(self, first: str, second: str) -> int:
        """How many items have both words; without an index, whether the vocabulary has both."""
        if self._rows_of is None:
            return int(min(self._weight_of(first), self._weight_of(second)) > 0)
        rows = np.intersect1d(self._rows_of(stem(first)), self._rows_of(stem(second)), assume_unique=True)
        return len(rows)

    def _hits(self, words: Sequence[Word]) -> NDArray[np.float32] | None:
        """How much of these words each item has, by row as far as any has one; None where nothing is known of it."""
        if self._rows_of is None:
            return None
        rows = [found for word in words for term in word.terms if len(found := self._rows_of(term))]
        if not rows:
            return None
        hits = np.zeros(max(int(found[-1]) for found in rows) + 1, dtype=np.float32)
        for found in rows:
            hits[found] += np.float32(1.0 / np.sqrt(len(found)))
        return hits

    def _beside(self, text: str, hits: NDArray[np.float32] | None) -> float:
        """How well a word goes with the others of its query."""
        if hits is None or self._rows_of is None:
            return 0.0
        rows = self._rows_of(stem(text))
        return float(hits[rows[: np.searchsorted(rows, len(hits))]].sum() / np.sqrt(max(1, len(rows))))

    def _weight_of(self, text: str) -> float:
        place = self._vocabulary.words.find(text)
        return float(self._weights[place]) if place >= 0 else 0.0

    def _completions(self, typed: Word) -> list[tuple[str, float]]:
        """Terms that a word which is still being typed may become, with what each counts; none for a known word."""
        text = "".join(parts_of(typed.text))
        if typed.kind not in {"word", "code"} or len(text) < _LEAST_TYPED or self.is_known(typed):
            return []
        begun = self._beginning_with(text, _MOST_COMPLETED)
        near = self.neighbours(text) if typed.kind == "word" else ()
        if not begun or (near and near[0].distance == 1 and near[0].weight > _CLEARLY * sum(each for _, each in begun)):
            return []
        most = max(weight for _, weight in begun)
        return [(stem(word), _COMPLETED_WEIGHT * float(np.sqrt(weight / most))) for word, weight in begun]

    def _beginning_with(self, prefix: str, limit: int) -> list[tuple[str, float]]:
        places = self._vocabulary.words.beginning_with(prefix)
        weights = self._weights[places.start : places.stop]
        best = np.argsort(-weights, kind="stable")[:limit].tolist()
        return [(self._vocabulary.words[places.start + place], float(weights[place])) for place in best]

    def _compounds(self, words: Sequence[Word]) -> list[tuple[int, str]]:
        """Places of words that are joined with the next one elsewhere, and the terms of both in one."""
        found = []
        for place, (left, right) in enumerate(pairwise(words)):
            if left.kind == right.kind == "word":
                joined = self._joined.get((left.text, right.text))
            elif "east_asian" in {left.kind, right.kind}:
                continue
            else:
                joined = "".join(parts_of(left.text) + parts_of(right.text))
                joined = joined if self._vocabulary.words.find(joined) >= 0 else None
            if joined is not None:
                found.append((place, stem(joined)))
        return found

    def _reading(self, words: Sequence[Word], corrected: str | None, completed: list[tuple[str, float]]) -> Reading:
        weights: dict[str, float] = {}
        terms_of_word = [dict.fromkeys(word.terms) for word in words]
        for word in words:
            for place, term in enumerate(word.terms):
                weight = _PLAIN_WEIGHT if word.kind == "number" and place else 1.0
                weights[term] = max(weights.get(term, 0.0), weight)
        for place, term in self._compounds(words):
            terms_of_word[place][term] = terms_of_word[place + 1][term] = None
            weights.setdefault(term, 1.0)
        for term, weight in completed:
            terms_of_word[-1][term] = None
            weights.setdefault(term, weight)
        return Reading(
            words=tuple(
                Word(word.text, tuple(terms), word.kind) for word, terms in zip(words, terms_of_word, strict=True)
            ),
            corrected=corrected,
            terms=tuple(weights.items()),
        )


def _words_of(text: str) -> list[Word]:
    return [each.word for each in place_words(fold(text))]


def _rewritten(text: str, folded: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """The text with the changes, as it was written where its letters are those of the folded text, else folded."""
    alike = len(text) == len(folded) and all(fold(text[start:end]) == folded[start:end] for start, end, _ in changes)
    base = text if alike else folded
    parts, at = [], 0
    for start, end, meant in changes:
        parts += [base[at:start], meant]
        at = end
    return " ".join("".join([*parts, base[at:]]).split())


def _replaces(word: str, other: str) -> bool:
    """Whether two words within one edit differ in one letter, the others in their places."""
    return len(word) == len(other) and sum(map(str.__ne__, word, other)) == 1
