"""Spelling: corrects the words of a query, joins or splits them as the catalogue does, and completes the last one.

Only words that the catalogue does not know are corrected, and rare ones with a frequent neighbour, and only what looks
like a slip of typing (`app/engine/text/edits.py`): another word that is nearly one of the catalogue's stays as it is.
Numbers, codes and East Asian runs are never corrected.
"""

import re
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import reduce
from itertools import pairwise
from math import inf, log, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.languages import Languages
from app.artifact.text.synonym_table import SynonymTable
from app.artifact.text.vocabulary import LONGEST, Vocabulary
from app.artifact.text.words import PlacedWord, Word, fold, parts_of, place_words, read_words
from app.engine.text.edits import edit_of
from app.engine.text.known_words import KnownWords
from app.engine.text.neighbours import Neighbour, Neighbours
from app.engine.text.synonyms import Alternative, Synonyms
from app.engine.text.word_parts import WordParts

RowsOf = Callable[[str], NDArray[np.int32]]
"""The rows of the items that have a term, ascending."""

_SHORTEST: Final = 3  # letters of a word that is corrected
_SHORT: Final = 3  # letters of a word that is corrected only to a word that co-occurs with the others of its query
_KEEPS_LENGTH: Final = (
    4  # letters of a word that is not corrected to a shorter one: typos rarely add a letter to so few
)
_SHORTEST_LONELY: Final = 2  # letters of a known word that may be a slip where no item has it beside the others
_SHORTEST_RARE: Final = 6  # letters of a rare word that may be a typo
_SHORTEST_PART: Final = 3  # letters of each part of a word that is split
_RARE: Final = 2  # most items of a word that counts as rare
_FREQUENT: Final = 100  # how many times as frequent its correction is
_SHORTEST_INCOMPLETE: Final = 3  # letters of a last word that is completed
_MOST_COMPLETED: Final = 8  # words that a last word is completed to
_MOST_READ: Final = 32  # words of one query that are checked
_MOST_CORRECTED: Final = 12  # words of one query that are corrected
_OFTENER: Final = 1.5  # times as often as by chance does a word stand beside those that it belongs to
_MANY: Final = 10.0  # items that have a frequent word in their names
_CLEARLY: Final = 10.0  # a last word is corrected, not completed, if a neighbour is this many times as frequent
_COMPLETED_WEIGHT: Final = 0.5
_PLAIN_WEIGHT: Final = 0.3  # of a number without its unit
_CODE: Final = re.compile(r"([^\W\d_]{2,})(\d+)|(\d+)([^\W\d_]{2,})")


@dataclass(frozen=True)
class Reading:
    """A query after spelling."""

    words: tuple[Word, ...]  # corrected; compounds and completions are among their terms
    corrected: str | None  # the whole query, where it was corrected
    terms: tuple[tuple[str, float], ...]  # each once, with its weight of at most 1
    alternatives: tuple[Alternative, ...] = ()  # by the shop's synonyms


class Spelling:
    """Reads queries with the words of a catalogue.

    Args:
        rows_of: the items that have a term, by which corrections are matched with the rest of a query; None skips that.
        synonyms: of the shop, whose words are never corrected; None without any.
        items: how many there are; None where it is not known, and taken for the last row that the query is about.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        rows_of: RowsOf | None = None,
        synonyms: Synonyms | None = None,
        items: int | None = None,
    ) -> None:
        self.known = KnownWords(vocabulary)
        self._vocabulary = vocabulary
        self._rows_of = rows_of
        self._items = items
        self.languages: Final = vocabulary.lexicon.languages
        self._stems = self.languages.stems
        self._synonyms = Synonyms(SynonymTable()) if synonyms is None else synonyms
        self._word_parts = WordParts(self.known)
        self._neighbours = Neighbours(self.known)
        self._joined = {
            (word[:length], word[length:]): word
            for word, length in ((vocabulary.words[index], length) for index, length in vocabulary.compounds.tolist())
        }
        self._parts = {word: pair for pair, word in self._joined.items()}
        for index, length in vocabulary.lexicon.joined.tolist():
            name = vocabulary.words[index]
            self._joined.setdefault((name[:length], name[length:]), name)
        fold("é手")  # loads the tables for such letters, which the first query should not wait for

    def with_words(self, known: KnownWords, rows_of: RowsOf, items: int) -> "Spelling":
        """The spelling of other words beside the same bundle's, of which so many items have some."""
        other = copy(self)
        other.known = known
        other._rows_of = rows_of
        other._items = items
        other._word_parts = self._word_parts.with_words(known)
        other._neighbours = self._neighbours.with_words(known)
        return other

    def read(self, text: str, *, is_exact: bool = False) -> Reading:
        """The corrected words of a query, its corrected text, and the terms to search for; exactly: nothing corrected.

        A last word that ends the text may be incomplete: where it is only the beginning of known words, it is completed
        to them.
        """
        folded = fold(text)
        placed_words = place_words(folded, self.languages)
        last = len(placed_words) - 1 if placed_words and placed_words[-1].end == len(folded) else -1
        completions = self._completions(placed_words[last].word) if last >= 0 else []
        changes = [] if is_exact else self._changes(placed_words, folded, last if completions else -1)
        corrected = _apply(changes, text, folded) if changes else None
        words = [placed.word for placed in placed_words] if corrected is None else _words_of(corrected, self.languages)
        return self._with_synonyms(self._reading(words, corrected, completions), words)

    def compound_terms(self, words: Sequence[Word]) -> list[str]:
        """The terms of neighbouring words joined, where the catalogue also joins them: of `touch screen`, touchscreen.

        For items and queries alike: an item with the two words is then found by the joined word, and vice versa.
        """
        return list(dict.fromkeys(term for _, term in self.compounds(words)))

    def parts(self, words: Sequence[Word]) -> list[tuple[int, str]]:
        """Indices of words that the catalogue also splits, and the terms of their parts."""
        apart = [(index, self._parts[word.text]) for index, word in enumerate(words) if word.text in self._parts]
        return [
            (index, term)
            for index, pair in apart
            for term in dict.fromkeys(term for part in pair for term in self._stems(part))
        ]

    def part_terms(self, words: Sequence[Word]) -> list[str]:
        """The terms of the parts of words that the catalogue also splits: of `touchscreen`, touch and screen."""
        parts = (part for word in words for part in self._parts.get(word.text, ()))
        return list(dict.fromkeys(term for part in parts for term in self._stems(part)))

    def prefix_terms(self, word: str, limit: int) -> list[str]:
        """The terms of the words that begin with `word`, the most frequent first, at most `limit`."""
        words = self.known.beginning_with(word, limit)
        return list(dict.fromkeys(term for text, _ in words for term in self._stems(text)))[:limit]

    def correct(self, words: Sequence[Word]) -> list[str]:
        """The corrected text of each word; two words with a space where it is split."""
        unknown = [index for index, word in enumerate(words) if self._may_be_wrong(word)][:_MOST_CORRECTED]
        texts = [word.text for word in words]
        known = [index for index in range(len(words)) if index not in unknown]
        if unknown:
            hits = self._hits([words[index] for index in known])
            for index in unknown:
                texts[index] = self._correction_of(words[index], hits) or texts[index]
        if len(known) > 1:
            for index in known:
                if self._may_be_lonely(words[index]):
                    hits = self._hits([words[other] for other in known if other != index])
                    texts[index] = self._correction_of_lonely(words[index], hits) or texts[index]
        return texts

    def is_known(self, word: Word) -> bool:
        """Whether the catalogue or the logged queries have a word, in any form or as the last part of compounds."""
        return self._stands_alone(word) or self._word_parts.is_part("".join(parts_of(word.text)))

    def _stands_alone(self, word: Word) -> bool:
        """Whether the catalogue or the logged queries have a word in any form."""
        text = "".join(parts_of(word.text))
        if self.known.has(text) or word in self._synonyms:
            return True
        terms = (*self._stems(text), *self._form_terms(text))
        return any(self.known.has_term(term) for term in terms)

    def _with_synonyms(self, reading: Reading, words: Sequence[Word]) -> Reading:
        """A reading of these words with what may stand in their place, and its stop words marked."""
        alternatives = []
        for start, end, other_words in self._synonyms.alternatives(words):
            others = self._reading(other_words, None, [])
            marked = self._synonyms.mark_stop_words(others.words)
            alternatives.append(Alternative(start, end, marked, others.terms))
        marked = self._synonyms.mark_stop_words(reading.words)
        return replace(reading, words=marked, alternatives=tuple(alternatives))

    def _changes(self, placed_words: Sequence[PlacedWord], folded: str, incomplete: int) -> list[tuple[int, int, str]]:
        """Corrections of the folded text as start, end and new text; none of the word of index `incomplete`."""
        changes: list[tuple[int, int, str]] = []
        placed_words = placed_words[:_MOST_READ]
        words = [placed.word for placed in placed_words]
        joined: set[int] = set()
        for index, (left, right) in enumerate(pairwise(placed_words)):
            is_gap = folded[left.end : right.start].isspace()
            if index not in joined and is_gap and self._is_split(left.word, right.word):
                joined |= {index, index + 1}
                changes.append((left.start, right.end, left.word.text + right.word.text))
        others = [index for index in range(len(words)) if index not in joined and index != incomplete]
        for index, text in zip(others, self.correct([words[index] for index in others]), strict=True):
            if text != words[index].text:
                changes.append((placed_words[index].start, placed_words[index].end, text))
        return sorted(changes)

    def _is_split(self, left: Word, right: Word) -> bool:
        """Whether two words, one of them unknown, are a known word with a space in it."""
        if not left.kind == right.kind == "word" or not self.known.has(left.text + right.text):
            return False
        return not (self.is_known(left) and self.is_known(right))

    def _may_be_wrong(self, word: Word) -> bool:
        if word.kind == "code":
            return not self.is_known(word) and _CODE.fullmatch(word.text) is not None
        if word.kind != "word" or not _SHORTEST <= len(word.text) <= LONGEST or word in self._synonyms:
            return False
        return not self._is_written(word.text) or self._is_rare(word.text)

    def _is_written(self, text: str) -> bool:
        """Whether the catalogue or the logged queries have a word just so, or a dictionary as a form of theirs."""
        return self.known.has(text) or bool(self.known.forms_of(text))

    def _is_rare(self, text: str) -> bool:
        """Whether a word is known from the further text of an item or two only, or from searches only."""
        if len(text) < _SHORTEST_RARE or not self.known.has(text):
            return False
        counts = self.known.counts_of(text)
        if counts.named or counts.documents > _RARE or (counts.documents and counts.queries > _RARE):
            return False
        return self._rows_of is None or len(self._rows(text)) <= _RARE

    def _correction_of(self, word: Word, hits: NDArray[np.float32] | None) -> str | None:
        """The correction of a word that may be wrong; None where there is none, or where it is part of other words."""
        if word.kind == "code":
            first, second = (part for part in _CODE.fullmatch(word.text).groups() if part)  # type: ignore[union-attr]
            return f"{first} {second}" if self._count_both(first, second) else None
        if self._is_rare(word.text):
            return self._correction_of_rare(word, hits)
        if self._word_parts.hold(word.text):
            return None
        neighbours = self.neighbours(word.text) or self._neighbours_of_singular(word.text)
        if len(word.text) <= _KEEPS_LENGTH:
            neighbours = tuple(neighbour for neighbour in neighbours if len(neighbour.text) >= len(word.text))
        nearest = [neighbour for neighbour in neighbours if neighbour.distance == neighbours[0].distance]
        split = self._split(word.text) if not neighbours or nearest[0].distance > 1 else None
        if split is not None or not neighbours:
            return split
        is_singular = nearest[0].text not in {neighbour.text for neighbour in self.neighbours(word.text)}
        return self._meant_by(word.text[:-1] if is_singular else word.text, nearest, hits)

    def _meant_by(self, text: str, nearest: Sequence[Neighbour], hits: NDArray[np.float32] | None) -> str | None:
        """The likeliest of the nearest words; None where the text is no slip of any of them.

        A neighbour is likelier if it co-occurs with the rest of the query, is frequent, and if the edit is a usual one.
        A real word, or a form of a known one, is a slip only of a frequent word that has all of its letters.
        """
        best, best_likelihood, best_affinity, has_slip = None, -inf, 0.0, False
        is_form = any(self.known.has_term(term) for term in self._stems(text))
        is_real = is_form or self.is_other_word(text)
        for neighbour in nearest:
            rows = self._rows(neighbour.text)
            affinity, is_supported = _affinity_of(rows, hits), self._is_supported(rows, hits)
            edit = edit_of(text, neighbour.text)
            is_frequent = max(neighbour.weight, len(rows)) >= _MANY
            is_slip = edit.is_slip(is_frequent, is_supported)
            if is_real:
                is_slip = is_slip and is_frequent and edit.keeps_letters and not edit.is_first
                is_slip = is_slip and (is_form or edit.kind == "swapped" or is_supported)
                is_slip = is_slip and set(self._stems(text)).isdisjoint(self._stems(neighbour.text))
            has_slip = has_slip or is_slip
            likelihood = log(1e-3 + affinity) + 0.5 * log(0.1 + neighbour.weight) + edit.likelihood
            if (is_slip or (is_supported and not is_real)) and likelihood > best_likelihood:
                best, best_likelihood, best_affinity = neighbour, likelihood, affinity
        if best is None or not has_slip:
            return None
        return best.text if len(text) > _SHORT or best_affinity > 0 else None

    def _is_supported(self, rows: NDArray[np.int32], hits: NDArray[np.float32] | None) -> bool:
        """Whether a word that `rows` have occurs beside the others of its query oftener than any word does."""
        if hits is None or not len(rows):
            return False
        together = np.count_nonzero(hits[rows[: np.searchsorted(rows, len(hits))]])
        items = len(hits) if self._items is None else self._items
        return bool(together * items > _OFTENER * np.count_nonzero(hits) * len(rows))

    def is_other_word(self, text: str) -> bool:
        """Whether a dictionary has a word that is nearly one of the catalogue's, or what it is a form of."""
        others = self._vocabulary.lexicon.others
        return any(others.find(form) >= 0 for form in (text, *self._stems(text)))

    def _neighbours_of_singular(self, text: str) -> tuple[Neighbour, ...]:
        """Neighbours of the singular of a mistyped plural, where the catalogue lacks the plural."""
        return self.neighbours(text[:-1]) if text.endswith("s") and len(text) > _SHORTEST + 1 else ()

    def _correction_of_rare(self, word: Word, hits: NDArray[np.float32] | None) -> str | None:
        if self._affinity(word.text, hits) > 0:
            return None
        weight = max(1.0, self.known.weight_of(word.text))
        is_written = self.known.counts_of(word.text).documents > 0
        neighbours = [
            neighbour
            for neighbour in self.neighbours(word.text)
            if neighbour.distance == 1 and not (is_written and _replaces(word.text, neighbour.text))
        ]
        best = max(
            neighbours,
            key=lambda neighbour: (self._affinity(neighbour.text, hits), neighbour.weight),
            default=None,
        )
        return best.text if best is not None and best.weight >= _FREQUENT * weight else None

    def _may_be_lonely(self, word: Word) -> bool:
        """Whether some word is far more frequent than a known one, which would then be a slip of it."""
        if self._rows_of is None or word.kind != "word" or not _SHORTEST_LONELY <= len(word.text) <= LONGEST:
            return False
        weight = self.known.weight_of(word.text)
        return 0 < weight * _FREQUENT < self.known.largest_weight

    def _correction_of_lonely(self, word: Word, hits: NDArray[np.float32] | None) -> str | None:
        """What is meant by a known word that no item has beside any other of the query; None where that is unsure."""
        if hits is None or self._affinity(word.text, hits) > 0:
            return None
        weight = self.known.weight_of(word.text)
        likely = [
            (affinity, neighbour.text)
            for neighbour in self.neighbours(word.text)
            if neighbour.distance == 1
            and neighbour.weight >= _FREQUENT * weight
            and len(neighbour.text) >= max(len(word.text), _SHORTEST)
            and edit_of(word.text, neighbour.text).keeps_letters
            and (affinity := self._affinity(neighbour.text, hits)) > 0
        ]
        return max(likely)[1] if likely else None

    def neighbours(self, word: str) -> tuple[Neighbour, ...]:
        """Words within one edit, for long words two; the nearest first, then the most frequent."""
        return self._neighbours.of(word)

    def _split(self, word: str) -> str | None:
        """The two words that a word is joined of and that most items have; None where no item has two such words.

        In languages that write compounds as one word, items may have them as parts of others: of `kinderhelm`, a
        Fahrradhelm for Kinder has both.
        """
        splits = []
        for length in range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1):
            first, second = word[:length], word[length:]
            if self._is_part(first) and self._is_part(second) and (both := self._count_both(first, second)):
                splits.append((both, f"{first} {second}"))
        return max(splits)[1] if splits else None

    def _is_part(self, text: str) -> bool:
        """Whether a text may be one of the two words that a word is joined of."""
        return self.known.weight_of(text) > 0 or self._word_parts.may_be_part(text)

    def _count_both(self, first: str, second: str) -> int:
        """The number of items with both words; without an index, whether the vocabulary has both."""
        if self._rows_of is None:
            return int(min(self.known.weight_of(first), self.known.weight_of(second)) > 0)
        rows = np.intersect1d(self._rows_with_part(first), self._rows_with_part(second), assume_unique=True)
        return len(rows)

    def _rows_with_part(self, text: str) -> NDArray[np.int32]:
        """The rows of the items that have a word in any form, by itself or as a part of a compound, ascending."""
        further = [] if self._rows_of is None else map(self._rows_of, self._word_parts.compound_terms(text))
        return reduce(np.union1d, further, self._rows(text))

    def _hits(self, words: Sequence[Word]) -> NDArray[np.float32] | None:
        """The weights of these words that each item has, by row up to the last item with any; None if no item has."""
        if self._rows_of is None:
            return None
        rows_by_term = [rows for word in words for term in word.terms if len(rows := self._rows_of(term))]
        if not rows_by_term:
            return None
        hits = np.zeros(max(int(rows[-1]) for rows in rows_by_term) + 1, dtype=np.float32)
        for rows in rows_by_term:
            hits[rows] += np.float32(1.0 / np.sqrt(len(rows)))
        return hits

    def _affinity(self, text: str, hits: NDArray[np.float32] | None) -> float:
        """How strongly a word co-occurs with the others of its query."""
        return 0.0 if hits is None else _affinity_of(self._rows(text), hits)

    def _rows(self, text: str) -> NDArray[np.int32]:
        """The rows of the items that have a word in any form, ascending."""
        if self._rows_of is None:
            return np.zeros(0, dtype=np.int32)
        first, *others = map(self._rows_of, self._stems(text))
        for rows in others:
            first = np.union1d(first, rows)
        return first

    def _form_terms(self, text: str) -> list[str]:
        """The terms of the words that a word is another form of, by the dictionaries of the catalogue's languages."""
        return list(dict.fromkeys(term for word in self.known.forms_of(text) for term in self._stems(word)))

    def _completions(self, word: Word) -> list[tuple[str, float]]:
        """Terms that an incomplete word may become, with their weights; none for a known word."""
        text = "".join(parts_of(word.text))
        if word.kind not in {"word", "code"} or len(text) < _SHORTEST_INCOMPLETE or self.is_known(word):
            return []
        completions = self.known.beginning_with(text, _MOST_COMPLETED)
        if not completions:
            return []
        neighbours = self.neighbours(text) if word.kind == "word" else ()
        total = sum(weight for _, weight in completions)
        if neighbours and neighbours[0].distance == 1 and neighbours[0].weight > _CLEARLY * total:
            return []
        largest = max(weight for _, weight in completions)
        return [
            (term, _COMPLETED_WEIGHT * float(np.sqrt(weight / largest)))
            for other, weight in completions
            for term in self._stems(other)
        ]

    def compounds(self, words: Sequence[Word]) -> list[tuple[int, str]]:
        """Indices of words that the catalogue joins with the next word, and the terms of the joined words."""
        compounds = []
        for index, (left, right) in enumerate(pairwise(words)):
            if left.kind == right.kind == "word":
                joined = self._joined.get((left.text, right.text))
            elif "east_asian" in {left.kind, right.kind}:
                continue
            else:
                joined = "".join(parts_of(left.text) + parts_of(right.text))
                joined = joined if self.known.has(joined) else None
            if joined is not None:
                compounds += [(index, term) for term in self._stems(joined)]
        return compounds

    def _words_apart(self, words: Sequence[Word]) -> list[tuple[int, str]]:
        """As `_compounds`, of two words of a query that the catalogue has as one, written apart or not:
        of `smart watch`, smartwatch.
        """
        apart = []
        for index, (left, right) in enumerate(pairwise(words)):
            if left.kind == right.kind == "word" and min(len(left.text), len(right.text)) >= _SHORTEST_PART:
                terms = self._stems(left.text + right.text)
                apart += [(index, term) for term in terms if self.known.has_term(term)]
        return apart

    def _may_be_part(self, word: Word) -> bool:
        """Whether a word stands in items inside of other words alone, if at all."""
        if word in self._synonyms and self._rows_of is not None:
            return not any(len(self._rows_of(term)) for term in word.terms)
        return not self._stands_alone(word)

    def _reading(self, words: Sequence[Word], corrected: str | None, completions: list[tuple[str, float]]) -> Reading:
        weights: dict[str, float] = {}
        terms_of_word = [dict.fromkeys(word.terms) for word in words]
        for word in words:
            for position, term in enumerate(word.terms):
                weight = _PLAIN_WEIGHT if word.kind == "number" and position else 1.0
                weights[term] = max(weights.get(term, 0.0), weight)
        for word, terms in zip(words, terms_of_word, strict=True):
            if word.kind == "word":
                for term in self._form_terms(word.text):
                    terms[term] = None
                    weights.setdefault(term, 1.0)
        for index, term in [*self.compounds(words), *self._words_apart(words)]:
            terms_of_word[index][term] = terms_of_word[index + 1][term] = None
            weights.setdefault(term, 1.0)
        for term, weight in completions:
            terms_of_word[-1][term] = None
            weights.setdefault(term, weight)
        for word, terms in zip(words, terms_of_word, strict=True):
            if word.kind == "word":
                is_known = not self._may_be_part(word)
                for term, share in self._word_parts.holding_terms(word.text, is_known=is_known):
                    terms[term] = None
                    weights[term] = max(weights.get(term, 0.0), share)
        return Reading(
            words=tuple(
                Word(word.text, tuple(terms), word.kind, word.parts)
                for word, terms in zip(words, terms_of_word, strict=True)
            ),
            corrected=corrected,
            terms=tuple(weights.items()),
        )


def _affinity_of(rows: NDArray[np.int32], hits: NDArray[np.float32] | None) -> float:
    """How strongly a word that `rows` have co-occurs with the others of its query."""
    if hits is None or not len(rows):
        return 0.0
    return float(hits[rows[: np.searchsorted(rows, len(hits))]].sum() / sqrt(len(rows)))


def as_it_stands(text: str, languages: Languages) -> Reading:
    """A text read without correction, compounds and completion."""
    words = read_words(text, languages)
    return Reading(tuple(words), None, tuple((term, 1.0) for term in dict.fromkeys(t for w in words for t in w.terms)))


def _words_of(text: str, languages: Languages) -> list[Word]:
    return [placed.word for placed in place_words(fold(text), languages)]


def _apply(changes: Sequence[tuple[int, int, str]], text: str, folded: str) -> str:
    """The text with the changes; the folded text where folding moves letters."""
    is_aligned = len(text) == len(folded) and all(
        fold(text[start:end]) == folded[start:end] for start, end, _ in changes
    )
    base = text if is_aligned else folded
    parts, unchanged_from = [], 0
    for start, end, new_text in changes:
        if is_aligned and new_text.replace(" ", "") == folded[start:end]:  # taken apart: the letters stay as typed
            cut = start + new_text.index(" ")
            new_text = f"{base[start:cut]} {base[cut:end]}"  # noqa: PLW2901
        parts += [base[unchanged_from:start], new_text]
        unchanged_from = end
    return " ".join("".join([*parts, base[unchanged_from:]]).split())


def _replaces(word: str, other: str) -> bool:
    """Whether two words within one edit differ in exactly one letter."""
    return len(word) == len(other) and sum(map(str.__ne__, word, other)) == 1
