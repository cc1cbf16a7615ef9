"""Suggestions of a catalogue that changes: a bundle's entries that still mean an item, and those of live items."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.artifact.method_cache import cache_of_method
from app.artifact.text.languages import Languages
from app.artifact.text.suggest_entries import (
    BRAND,
    CATEGORY,
    KIND_RANK,
    QUERY,
    TITLE,
    SuggestEntry,
    entry_of,
    index_of,
    is_suggested,
    level_weight,
    levels_of,
    liking_of,
    weights_of,
)
from app.artifact.text.words import read_words
from app.engine.text.lexical_index import LexicalIndex
from app.engine.text.live_rows import LiveRows, TierRows
from app.engine.text.suggest_part import SuggestPart

_KEPT: Final = 8_192  # brands and categories of which the entries are kept
_KINDS: Final = (TITLE, CATEGORY, BRAND)  # of what items give to the suggestions

Spelling = tuple[str, int, str]
"""An entry by its key, its kind, and how it is written."""
DocumentOf = Callable[[int], ItemDocument]
"""The item in a row of a bundle, as the bundle has it."""


@dataclass(frozen=True, slots=True)
class Completion:
    """What an item gives to the suggestions: its title, its brand, or a level of its category."""

    entry: SuggestEntry
    bundled: int  # the entry of the bundle that reads alike, -1 for none


@dataclass(frozen=True, eq=False)
class SuggestTier:
    """What the documents of one tier give to the suggestions."""

    part: SuggestPart  # entries that the bundle does not know, as yet without weights
    spellings: tuple[Spelling, ...]  # [entries of the part]
    letters: NDArray[np.int64]  # [entries of the part] of their keys
    entries: NDArray[np.int32]  # [pairs] of the part
    documents: NDArray[np.int32]  # [pairs] that have them
    likings: NDArray[np.float64]  # [pairs]
    bundled: NDArray[np.int32]  # [bundled pairs] entries of the bundle
    bundled_kinds: NDArray[np.uint8]  # [bundled pairs]
    bundled_documents: NDArray[np.int32]  # [bundled pairs] that have them
    newest: "list[_TierPart]" = field(default_factory=list, repr=False)  # the part that was made last

    @classmethod
    def of(cls, items: Sequence[Sequence[Completion]]) -> "SuggestTier":
        """That of some documents in their order."""
        distinct = {
            _spelling_of(completion.entry): completion.entry
            for item in items
            for completion in item
            if completion.bundled < 0
        }
        keys = sorted(distinct)
        number_of = {key: number for number, key in enumerate(keys)}
        pairs = [
            (number_of[_spelling_of(completion.entry)], document, completion.entry.liking)
            for document, item in enumerate(items)
            for completion in item
            if completion.bundled < 0
        ]
        bundled = [
            (completion.bundled, completion.entry.kind, document)
            for document, item in enumerate(items)
            for completion in item
            if completion.bundled >= 0
        ]
        return cls(
            SuggestPart(index_of([(distinct[key], 0.0) for key in keys])),
            tuple(keys),
            np.array([len(key) for key, _, _ in keys], dtype=np.int64),
            np.array([entry for entry, _, _ in pairs], dtype=np.int32),
            np.array([document for _, document, _ in pairs], dtype=np.int32),
            np.array([liking for _, _, liking in pairs], dtype=np.float64),
            np.array([entry for entry, _, _ in bundled], dtype=np.int32),
            np.array([kind for _, kind, _ in bundled], dtype=np.uint8),
            np.array([document for _, _, document in bundled], dtype=np.int32),
        )


class HasSuggestions(Protocol):
    """A tier of items that were read."""

    @property
    def suggestions(self) -> SuggestTier:
        """What its documents give to the suggestions."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class _TierPart:
    """The part of a tier in some view, and what it was made of."""

    is_alive: NDArray[np.bool_]  # [documents]
    likings: NDArray[np.float64]  # of the brands and categories that it has, over all tiers
    most: dict[int, float]  # the largest liking of each kind
    part: SuggestPart

    def is_of(self, is_alive: NDArray[np.bool_], likings: NDArray[np.float64], most: dict[int, float]) -> bool:
        """Whether that of another view is the same: rows of a tier never change."""
        return self.most == most and np.array_equal(self.is_alive, is_alive) and np.array_equal(self.likings, likings)


@dataclass(frozen=True, eq=False)
class _Support:
    """What of a bundle's entries its own items still mean."""

    kinds: NDArray[np.int8]  # [entries] the most telling one, -1 for none
    rows: NDArray[np.int32]  # [entries] of the item of a title


class SuggestViews:
    """Makes the parts of suggesters, one after another and in one thread.

    Args:
        bundled: what the bundle suggests.
        lexical: the index of its words, by which items with a title, brand or category are looked for.
        popularity: `[rows of the bundle]`.
        items: of the bundle.
        document_of: the items of the bundle.
        languages: of the bundle.
    """

    def __init__(
        self,
        bundled: SuggestPart,
        lexical: LexicalIndex,
        popularity: NDArray[np.float32],
        items: int,
        document_of: DocumentOf,
        languages: Languages,
    ) -> None:
        self._bundled = bundled
        self._languages = languages
        self._lexical = lexical
        self._popularity = popularity
        self._items = items
        self._document_of = document_of
        self._shared = cache_of_method(self._completion_of_value, _KEPT)
        index = bundled.index
        self._support = _Support(index.kinds.astype(np.int8), np.asarray(index.rows, dtype=np.int32).copy())
        self._superseded: NDArray[np.bool_] | None = None
        self._witnesses: dict[int, list[int]] = {}  # of a row of the bundle, the entries that it is known to support
        self._most = {kind: self._most_of(kind) for kind in _KINDS}

    def completions_of(self, row: int, document: ItemDocument) -> tuple[Completion, ...]:
        """What an item gives to the suggestions."""
        completions = []
        liking = float(self._popularity[row]) if row <= self._items else 0.0
        if document.title:
            entry = entry_of(document.title, TITLE, row, liking)
            completions.append(Completion(entry, self._bundled.find(entry.key.text)))
        shared = float(liking_of(np.array([liking], dtype=np.float32))[0])
        for text, kind in _values_of(document):
            completion = self._shared(text, kind)
            entry = replace(completion.entry, liking=shared)
            completions.append(Completion(entry, completion.bundled))
        return tuple(completion for completion in completions if completion.entry.key.text)

    def parts(
        self, superseded: NDArray[np.bool_], live: LiveRows, tiers: Sequence[HasSuggestions]
    ) -> Callable[[], list[SuggestPart]]:
        """What makes the parts of a view's suggester, the bundle's first; in any thread."""
        return partial(self._parts_of, self._supported(superseded, live), live, tuple(tiers))

    def _parts_of(
        self, support: _Support, live: LiveRows, words_of_tiers: Sequence[HasSuggestions]
    ) -> list[SuggestPart]:
        tiers = [tier.suggestions for tier in words_of_tiers]
        return [self._bundle_part(support, live, tiers), *self._tier_parts(live, tiers)]

    def _completion_of_value(self, text: str, kind: int) -> Completion:
        entry = entry_of(text, kind, 0, 0.0)
        return Completion(entry, self._bundled.find(entry.key.text) if entry.key.text else -1)

    def _bundle_part(self, support: _Support, live: LiveRows, tiers: Sequence[SuggestTier]) -> SuggestPart:
        index = self._bundled.index
        ranks = np.array([KIND_RANK[kind] for kind in range(len(KIND_RANK))], dtype=np.int8)
        best = np.where(support.kinds >= 0, ranks[support.kinds], -1).astype(np.int8)
        rows = support.rows
        for tier, of_tier in zip(tiers, live.tiers, strict=True):
            alive = of_tier.is_alive[tier.bundled_documents]
            entries, kinds = tier.bundled[alive], tier.bundled_kinds[alive]
            is_title = kinds == TITLE
            needs_row = is_title & (support.kinds[entries] < 0)
            if needs_row.any():
                rows = rows.copy() if rows is support.rows else rows
                of_titles = of_tier.rows[tier.bundled_documents[alive][needs_row]]
                is_first = best[entries[needs_row]] < 0
                rows[entries[needs_row][is_first]] = np.iinfo(np.int32).max
                np.minimum.at(rows, entries[needs_row], of_titles)
            np.maximum.at(best, entries, ranks[kinds])
        kind_of_rank = np.argsort(ranks).astype(np.uint8)
        shown = best >= 0
        kinds = np.where(shown, kind_of_rank[np.maximum(best, 0)], index.kinds)
        rows = np.where(kinds == TITLE, rows, 0).astype(np.int32)
        return self._bundled.with_entries(replace(index, kinds=kinds.astype(np.uint8), rows=rows), shown)

    def _tier_parts(self, live: LiveRows, tiers: Sequence[SuggestTier]) -> list[SuggestPart]:
        likings: dict[Spelling, float] = {}
        sums = []
        for tier, of_tier in zip(tiers, live.tiers, strict=True):
            alive = of_tier.is_alive[tier.documents]
            size = len(tier.part.index.kinds)
            of_entries = np.bincount(tier.entries[alive], weights=tier.likings[alive], minlength=size)
            count = np.bincount(tier.entries[alive], minlength=size)
            sums.append(count)
            for number in np.flatnonzero((tier.part.index.kinds != TITLE) & (count > 0)).tolist():
                spelling = tier.spellings[number]
                likings[spelling] = likings.get(spelling, 0.0) + float(of_entries[number])
        most = dict(self._most)
        for (_, kind, _), liking in likings.items():
            most[kind] = max(most[kind], liking)
        return [
            self._tier_part(tier, of_tier, count, likings, most)
            for tier, of_tier, count in zip(tiers, live.tiers, sums, strict=True)
        ]

    def _tier_part(
        self,
        tier: SuggestTier,
        of_tier: TierRows,
        count: NDArray[np.int64],
        likings: dict[Spelling, float],
        most: dict[int, float],
    ) -> SuggestPart:
        index, part = tier.part.index, tier.part
        size = len(index.kinds)
        shared = np.flatnonzero((index.kinds != TITLE) & (count > 0))
        of_shared = np.array([likings[tier.spellings[number]] for number in shared.tolist()], dtype=np.float64)
        newest = tier.newest[0] if tier.newest else None
        if newest is not None and newest.is_of(of_tier.is_alive, of_shared, most):
            return newest.part
        own = np.zeros(size, dtype=np.float64)
        alive = of_tier.is_alive[tier.documents]
        np.maximum.at(own, tier.entries[alive], tier.likings[alive])
        own[shared] = of_shared
        weights = np.zeros(size, dtype=np.float64)
        for kind in _KINDS:
            chosen = index.kinds == kind
            weights[chosen] = weights_of(kind, own[chosen], most[kind], tier.letters[chosen])
        rows = np.full(size, np.iinfo(np.int32).max, dtype=np.int32)
        best = alive & (tier.likings >= own[tier.entries])
        np.minimum.at(rows, tier.entries[best], of_tier.rows[tier.documents[best]])
        rows = np.where((index.kinds == TITLE) & (count > 0), rows, 0).astype(np.int32)
        weighed = weights.astype(np.float32)
        changed = replace(index, weights=weighed, rows=rows, scores=index.scores + weighed[index.entries])
        made = part.with_entries(changed, count > 0)
        tier.newest[:] = [_TierPart(of_tier.is_alive, of_shared, most, made)]
        return made

    def _supported(self, superseded: NDArray[np.bool_], live: LiveRows) -> _Support:
        """What the bundle's items still mean, where these rows are superseded; only what differs is looked at."""
        before = np.zeros_like(superseded) if self._superseded is None else self._superseded
        if (before & ~superseded).any():  # some are the bundle's again: from the beginning
            index = self._bundled.index
            self._support = _Support(index.kinds.astype(np.int8), np.asarray(index.rows, dtype=np.int32).copy())
            self._witnesses.clear()
            before = np.zeros_like(superseded)
        changed = np.flatnonzero(superseded & ~before).tolist()
        self._superseded = superseded.copy()
        if not changed:
            return self._support
        support = _Support(self._support.kinds.copy(), self._support.rows.copy())
        entries: set[int] = set()
        for row in changed:
            entries.update(self._witnesses.pop(row, ()))
            entries.update(
                completion.bundled
                for completion in self.completions_of(row, self._document_of(row))
                if completion.bundled >= 0
            )
        for entry in sorted(entries):
            self._look_for_support(entry, support, live)
        self._support = support
        return support

    def _look_for_support(self, entry: int, support: _Support, live: LiveRows) -> None:
        """Which kind an entry still is, by the first item of the bundle that has it."""
        index = self._bundled.index
        kind = int(index.kinds[entry])
        key = index.keys[entry] or ""
        if kind == QUERY:
            return
        for other in (of for of in (BRAND, CATEGORY, TITLE) if KIND_RANK[of] <= KIND_RANK[kind]):
            for row in self._rows_with(index.texts[entry] or "", other, live):
                values = (text for text, of in self._texts_of(row) if of == other)
                if any(entry_of(text, other, 0, 0.0).key.text == key for text in values):
                    self._witnesses.setdefault(row, []).append(entry)
                    support.kinds[entry] = other
                    support.rows[entry] = row if other == TITLE else 0
                    return
        support.kinds[entry] = -1

    def _texts_of(self, row: int) -> Iterable[tuple[str, int]]:
        document = self._document_of(row)
        return [*([(document.title, TITLE)] if document.title else []), *_values_of(document)]

    def _rows_with(self, text: str, kind: int, live: LiveRows) -> list[int]:
        """Items of the bundle, as it still speaks for them, that may have a text as title, brand or category."""
        if kind == TITLE and self._lexical.titles is not None:
            rows = self._lexical.titles.rows_of(read_words(text, self._languages))
            rows = rows[np.lexsort((rows, -self._popularity[rows]))]
        else:
            rows = self._rows_with_words(text)
        of_base: list[int] = live.of_base(rows).tolist()
        return of_base

    def _rows_with_words(self, text: str) -> NDArray[np.int32]:
        rows: NDArray[np.int32] | None = None
        for word in read_words(text, self._languages):
            with_word = reduce(np.union1d, map(self._lexical.main.rows_of, word.terms))
            rows = with_word if rows is None else np.intersect1d(rows, with_word, assume_unique=True)
        return np.zeros(0, dtype=np.int32) if rows is None else rows

    def _most_of(self, kind: int) -> float:
        """The largest liking of a kind in the bundle, about: what its weights are shares of."""
        if kind == TITLE:
            return float(self._popularity[1 : self._items + 1].max(initial=0.0))
        index = self._bundled.index
        best, most = "", -1.0
        for entry in np.flatnonzero(index.kinds == kind).tolist():
            level = level_weight(kind, float(index.weights[entry]), len(index.keys[entry] or ""))
            if level > most:
                best, most = index.texts[entry] or "", level
        return float(liking_of(self._popularity[self._rows_with_words(best)]).sum())


def _values_of(document: ItemDocument) -> Iterable[tuple[str, int]]:
    """The brand and the levels of the category of an item, as far as they are suggested."""
    if document.brand and is_suggested(document.brand):
        yield document.brand, BRAND
    for level in dict.fromkeys(levels_of(document.category or "")):
        if is_suggested(level):
            yield level, CATEGORY


def _spelling_of(entry: SuggestEntry) -> Spelling:
    return entry.key.text, entry.kind, entry.text
