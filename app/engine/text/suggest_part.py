"""One index of suggestions, looked up: which of its entries have what is typed, and which of them are best."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.suggest_entries import KIND_RANK
from app.artifact.text.suggest_index import SORTED_BYTES, SuggestIndex

_BLOCK: Final = 256  # beginnings of which the best score is stored
_MOST_COMPARED: Final = 512  # beginnings of one long key that are compared in full
MOST_POPULAR: Final = 20
"""Suggestions for an empty text."""


@dataclass(frozen=True, slots=True)
class ScoredEntry:
    """An entry of one part, and how good it is."""

    part: "SuggestPart"
    entry: int
    score: float

    @property
    def key(self) -> str:
        """By which entries that read alike are one."""
        return self.part.index.keys[self.entry] or ""

    @property
    def text(self) -> str:
        """As it is shown."""
        return self.part.index.texts[self.entry] or ""

    @property
    def kind(self) -> int:
        """Of `KINDS`."""
        return int(self.part.index.kinds[self.entry])

    @property
    def precedence(self) -> tuple[int, float, int]:
        """Of entries that read alike, the one with the largest is shown."""
        part = self.part
        rank = KIND_RANK[self.kind]
        return rank, float(part.index.weights[self.entry]), -int(part.index.rows[self.entry])


class SuggestPart:
    """Looks entries up.

    Args:
        index: of the entries.
    """

    def __init__(self, index: SuggestIndex) -> None:
        self.index = index
        self.shown: NDArray[np.bool_] | None = None  # [entries]; None for all
        self._values = index.keys.values.data
        self._beginnings = range(len(index.positions))
        self._positions = index.positions.data
        full = len(index.scores) // _BLOCK * _BLOCK
        self._block_best = index.scores[:full].reshape(-1, _BLOCK).max(axis=1)

    def with_entries(self, index: SuggestIndex, shown: NDArray[np.bool_]) -> "SuggestPart":
        """The same entries, of which some are shown, by an index with other rows, kinds or, of few, other weights."""
        other = copy(self)
        other.index = index
        other.shown = shown
        if index.scores is not self.index.scores:
            full = len(index.scores) // _BLOCK * _BLOCK
            other._block_best = index.scores[:full].reshape(-1, _BLOCK).max(axis=1)
        return other

    def unchanged(self, text: str, limit: int) -> tuple[list[ScoredEntry], list[ScoredEntry]]:
        """The entry that equals a text, if there is one, and the best in which a word begins with the whole text."""
        prefix = text.encode()
        first, last = self._range_of(prefix[:SORTED_BYTES])
        if len(prefix) > SORTED_BYTES:
            candidates = range(first, min(last, first + _MOST_COMPARED))
            matching = [beginning for beginning in candidates if self._prefix_of(beginning, len(prefix)) == prefix]
            beginnings = np.array(matching, dtype=np.int64)
        else:
            beginnings = self._best_beginnings(first, last, 4 * limit)
        while True:
            scores: dict[int, float] = {}
            of_beginnings = self.index.entries[beginnings].tolist(), self.index.scores[beginnings].tolist()
            for entry, score in zip(*of_beginnings, strict=True):
                if self._is_shown(entry):
                    scores.setdefault(entry, score)
            if len(scores) >= limit or len(beginnings) >= last - first or len(prefix) > SORTED_BYTES:
                break
            # One text may have the beginning several times.
            beginnings = self._best_beginnings(first, last, 4 * len(beginnings))
        equal = [entry for entry in self._equal_entry(first, last, prefix) if self._is_shown(entry)]
        return (
            [ScoredEntry(self, entry, float(self.index.weights[entry])) for entry in equal],
            [ScoredEntry(self, entry, scores[entry]) for entry in list(scores)[:limit]],
        )

    def having(self, words: Sequence[str]) -> NDArray[np.bool_]:
        """`[entries]`, those that are shown and in which a word begins with one of `words`."""
        having = np.zeros(len(self.index.kinds), dtype=np.bool_)
        for word in words:
            first, last = self._range_of(word.encode()[:SORTED_BYTES])
            having[self.index.entries[first:last]] = True
        return having if self.shown is None else having & self.shown

    def best(self, chosen: NDArray[np.bool_], limit: int) -> list[ScoredEntry]:
        """The best of the `chosen` entries, at most `limit`."""
        entries = np.flatnonzero(chosen)
        weights = self.index.weights[entries]
        if len(entries) > limit:
            least = np.partition(weights, len(weights) - limit)[len(weights) - limit]
            entries, weights = entries[weights >= least], weights[weights >= least]
        order = np.argsort(-weights, kind="stable")[:limit]
        return [
            ScoredEntry(self, entry, weight)
            for entry, weight in zip(entries[order].tolist(), weights[order].tolist(), strict=True)
        ]

    def popular(self, kinds: Sequence[int]) -> list[ScoredEntry]:
        """The most popular entries of some kinds, best first."""
        chosen = np.isin(self.index.kinds, kinds)
        return self.best(chosen if self.shown is None else chosen & self.shown, MOST_POPULAR)

    def find(self, key: str) -> int:
        """The entry with a key, -1 for none: entries are in the order of their keys."""
        keys = self.index.keys
        place = bisect_left(range(len(keys)), key, key=lambda entry: keys[entry] or "")
        return place if place < len(keys) and keys[place] == key else -1

    def _is_shown(self, entry: int) -> bool:
        return self.shown is None or bool(self.shown[entry])

    def _equal_entry(self, first: int, last: int, key: bytes) -> list[int]:
        """The entry with this key, if there is one: it sorts before the longer keys."""
        for beginning in range(first, last):
            entry = self.index.entries[beginning]
            start, end = self.index.keys.offsets[entry], self.index.keys.offsets[entry + 1]
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

    def _prefix_of(self, beginning: int, length: int) -> bytes:
        start = self._positions[beginning]
        end = self.index.keys.offsets[self.index.entries[beginning] + 1]
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
        scores = self.index.scores[beginnings]
        if len(beginnings) > count:
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            beginnings, scores = beginnings[scores >= least], scores[scores >= least]
        return beginnings[np.lexsort((self.index.entries[beginnings], -scores))][:count]


def merged_entries(parts: Sequence[list[ScoredEntry]], limit: int) -> list[ScoredEntry]:
    """The best entries of several parts, best first; of those that read alike the one that counts."""
    if len(parts) == 1:
        return parts[0][:limit]
    by_key: dict[str, ScoredEntry] = {}
    all_of_them = [scored for part in parts for scored in part]
    for scored in sorted(all_of_them, key=lambda entry: (-entry.score, entry.key, entry.text)):
        before = by_key.get(scored.key)
        if before is None or scored.precedence > before.precedence:
            by_key[scored.key] = scored
    return list(by_key.values())[:limit]
