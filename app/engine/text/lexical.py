"""Lexical search: dense BM25 scores of every item, so that masks, totals and facets are exact."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from bm25s import BM25
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.text.words import Word, is_east_asian, read_words
from app.engine.text.synonyms import (
    STOP_WORD,
    Alternative,
    AlternativeMatch,
    match_alternatives,
    rows_with_alternatives,
)

_HALF_POINT: Final = np.float32(0.5)
_ALL: Final = 0.9
"""The share of what a query says from which on an item has all of it: lacking is at most what says next to nothing."""
_SOMETHING: Final = float(np.log(2.0))
"""What a word says that half of the catalogue has."""
_ROUNDING: Final = 1e-5
_SUFFIXES: Final = "子儿"  # of Chinese nouns
_LONGEST_BRAND: Final = 4  # words


@dataclass(frozen=True)
class LexicalField:
    """One text of every item, indexed by terms."""

    index: BM25 | None  # None where no item has a word in it
    rows: int  # of the item tables; document `d` of the index is row `d + 1`

    def has(self, term: str) -> bool:
        """Whether any item has the term."""
        return self.index is not None and term in self.index.vocab_dict

    def scores(self, weighted: Sequence[tuple[str, float]]) -> NDArray[np.float32]:
        """Weighted sums of BM25 over terms, `[rows]`; terms that no item has add nothing."""
        total = np.zeros(self.rows, dtype=np.float32)
        if self.index is None:
            return total
        known = [(self.index.vocab_dict[term], weight) for term, weight in weighted if self.has(term)]
        for weight in dict.fromkeys(weight for _, weight in known):
            ids = [number for number, term_weight in known if term_weight == weight]
            part = self.index.get_scores_from_ids(ids)
            total[1 : 1 + len(part)] += np.float32(weight) * part
        return total

    def scores_with(
        self, weighted: Sequence[tuple[str, float]], alternatives: Sequence[AlternativeMatch]
    ) -> NDArray[np.float32]:
        """As `scores`; items that have an alternative instead are scored by its terms."""
        total = self.scores(weighted)
        for alternative in alternatives:
            for term, weight in alternative.weighted:
                total[alternative.scored] += np.float32(weight) * self._scores_of(term, alternative.scored)
        return total

    def _scores_of(self, term: str, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        """BM25 of one term for some rows, ascending."""
        scores = np.zeros(len(rows), dtype=np.float32)
        number = None if self.index is None else self.index.vocab_dict.get(term)
        if self.index is None or number is None:
            return scores
        sparse = self.index.scores
        part = slice(int(sparse["indptr"][number]), int(sparse["indptr"][number + 1]))
        _, places, places_of_term = np.intersect1d(
            rows, sparse["indices"][part] + 1, assume_unique=True, return_indices=True
        )
        scores[places] = sparse["data"][part][places_of_term]
        return scores

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term, ascending."""
        number = None if self.index is None else self.index.vocab_dict.get(term)
        if self.index is None or number is None:
            return np.zeros(0, dtype=np.int32)
        scores = self.index.scores
        part = slice(int(scores["indptr"][number]), int(scores["indptr"][number + 1]))
        return np.asarray(scores["indices"][part] + 1, dtype=np.int32)


@dataclass(frozen=True)
class LexicalIndex:
    """The fields of a catalogue, and its brands by how they are written."""

    main: LexicalField
    title: LexicalField
    attributes: LexicalField
    brands: dict[tuple[str, ...], NDArray[np.int32]]  # the rows of each brand, by its words

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term in any field."""
        return np.union1d(self.main.rows_of(term), self.attributes.rows_of(term))

    def runs_with(self, character: str) -> Sequence[str]:
        """The terms of East Asian text that have a character."""
        return self._runs.get(character, ())

    @cached_property
    def _runs(self) -> dict[str, list[str]]:
        runs: dict[str, list[str]] = {}
        terms = {
            term
            for field in (self.main, self.attributes)
            if field.index is not None
            for term in field.index.vocab_dict
            if is_east_asian(term)
        }
        for term in sorted(terms):
            for character in dict.fromkeys(term):
                runs.setdefault(character, []).append(term)
        return runs


@dataclass(frozen=True, eq=False)
class LexicalMatch:
    """How well every item matches the words of one query.

    BM25 scores are relative to the best of the catalogue, 0 to 1, and 0 for rows that are no items.
    """

    main: NDArray[np.float32]  # [rows] BM25 of title, brand, category, further text and logged queries as one text
    title: NDArray[np.float32]  # [rows] BM25 of the title alone
    attributes: NDArray[np.float32]  # [rows] BM25 of attribute values
    coverage: NDArray[np.float32]  # [rows] the share of the query's words that an item has, rare words weighing more
    exact: NDArray[np.float32]  # [rows] half a point for the query's brand, half for its model number in the title
    hits: NDArray[np.bool_]  # [rows] the items that have all of the query, or as much of it as any item has
    word_rows: tuple[NDArray[np.int32], ...] = ()  # of each word, the rows that have it, ascending
    is_dropped: tuple[bool, ...] = ()  # of each word, whether none of `hits` has it

    @classmethod
    def empty(cls, rows: int) -> "LexicalMatch":
        """The match of a query without words."""
        zeros = np.zeros(rows, dtype=np.float32)
        return cls(zeros, zeros, zeros, zeros, zeros, np.zeros(rows, dtype=np.bool_))

    @classmethod
    def everything(cls, popularity: NDArray[np.float32], allowed: NDArray[np.bool_]) -> "LexicalMatch":
        """The match of a query that only leaves out: it finds what is `allowed`, `[rows]`, and `popularity`, `[rows]`,
        orders it.
        """
        zeros = np.zeros(len(popularity), dtype=np.float32)
        return cls(_relative(popularity), zeros, zeros, np.ones(len(popularity), dtype=np.float32), zeros, allowed)

    @cached_property
    def best_coverage(self) -> float:
        """The largest share of the query that an item has."""
        return float(self.coverage.max(initial=0.0))


def match(
    index: LexicalIndex,
    words: Sequence[Word],
    weighted: Sequence[tuple[str, float]],
    allowed: NDArray[np.bool_],
    alternatives: Sequence[Alternative] = (),
) -> LexicalMatch:
    """Match every item with the words of a query.

    Args:
        words: of the query, after spelling; stop words only order what the others find.
        weighted: the terms of the words, each once, and their weights.
        allowed: `[rows]`, the items that may be found at all.
        alternatives: to words of the query: an item that has one has the words that it stands for.
    """
    rows = index.main.rows
    matches = match_alternatives(alternatives, words, lambda word: _rows_of_all(index, word), rows)
    word_rows = rows_with_alternatives([_rows_of_word(index, word) for word in words], matches)
    coverage = np.zeros(rows, dtype=np.float32)
    total = np.float32(0.0)
    for word, rows_with_word in zip(words, word_rows, strict=True):
        if word.kind == STOP_WORD:
            continue
        weight = np.float32(np.log1p(rows / (1.0 + len(rows_with_word))))
        total += weight
        coverage[rows_with_word] += weight
    hits = _hits_of(_said(index, words, word_rows, matches), allowed)
    return LexicalMatch(
        main=_relative(index.main.scores_with(weighted, matches)),
        title=_relative(index.title.scores_with(weighted, matches)),
        attributes=_relative(index.attributes.scores_with(weighted, matches)),
        coverage=np.minimum(coverage / max(total, np.float32(1e-9)), np.float32(1.0)),
        exact=_exact(index, words),
        hits=hits,
        word_rows=word_rows,
        is_dropped=tuple(
            word.kind != STOP_WORD and not hits[of_word].any() for word, of_word in zip(words, word_rows, strict=True)
        ),
    )


def _hits_of(said_rows: Sequence[NDArray[np.int32]], allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """`[rows]`, the allowed items that have all that a query says; where there are none, those that have most of it.
    `said_rows` are the rows that have each thing which it says.

    A word says the logarithm of how rare it is: what every item has says nothing, and what none has cannot be said. A
    query of which the items have nothing but what half of the catalogue has finds none of them, unless it says no more.
    """
    rows = len(allowed)
    said = np.zeros(rows, dtype=np.float32)
    total = 0.0
    for of_word in said_rows:
        if len(of_word):
            weight = np.log(rows / len(of_word))
            said[of_word] += np.float32(weight)
            total += float(weight)
    has_unknown = any(not len(of_word) for of_word in said_rows)
    said = np.where(allowed, said, np.float32(0.0))
    best = float(said.max(initial=0.0))
    if best <= _SOMETHING and (has_unknown or total > _SOMETHING):
        return np.zeros(rows, dtype=np.bool_)
    least = _ALL * total if best >= _ALL * total else best
    hits = said >= least - _ROUNDING
    is_any = np.zeros(rows, dtype=np.bool_)
    for of_word in said_rows:
        is_any[of_word] = True
    return np.asarray(hits & is_any & allowed, dtype=np.bool_)


def _rows_of_word(index: LexicalIndex, word: Word) -> NDArray[np.int32]:
    """The rows that have a word; of an East Asian one that none has as it stands, those with any of its characters."""
    rows = _rows_of(index, word.terms)
    if len(rows) or word.kind != "east_asian":
        return rows
    return _rows_of(index, [term for character in _characters(word.text) for term in index.runs_with(character)])


def _said(
    index: LexicalIndex,
    words: Sequence[Word],
    word_rows: Sequence[NDArray[np.int32]],
    matches: Sequence[AlternativeMatch] = (),
) -> list[NDArray[np.int32]]:
    """The rows of each thing that a query says: of words but stop words, and of the pairs or characters of East Asian
    runs. Items with an alternative of a run have all of it.
    """
    said: list[NDArray[np.int32]] = []
    for place, (word, rows) in enumerate(zip(words, word_rows, strict=True)):
        if word.kind == STOP_WORD:
            continue
        if word.kind != "east_asian":
            said.append(rows)
            continue
        pairs = [_rows_of(index, [term]) for term in word.terms]
        if not any(map(len, pairs)):
            pairs = [_rows_of(index, index.runs_with(character)) for character in _characters(word.text)]
        with_run = [other.rows for other in matches if other.alternative.start <= place < other.alternative.end]
        said += [np.unique(np.concatenate([pair, *with_run])) for pair in pairs] if with_run else pairs
    return said


def _rows_of_all(index: LexicalIndex, word: Word) -> NDArray[np.int32]:
    """The rows that have all that a word says."""
    rows = _rows_of_word(index, word)
    for said in _said(index, [word], [rows]):
        rows = np.intersect1d(rows, said, assume_unique=True)
    return rows


def _characters(run: str) -> str:
    """The characters of an East Asian run that say something; suffixes of nouns do only where they are all of it."""
    bare = run.rstrip(_SUFFIXES)
    return bare or run


def _rows_of(index: LexicalIndex, terms: Sequence[str]) -> NDArray[np.int32]:
    parts = [field.rows_of(term) for term in terms for field in (index.main, index.attributes)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.zeros(0, dtype=np.int32)
    if len(parts) == 1:
        return parts[0]
    has_term = np.zeros(index.main.rows, dtype=np.bool_)  # faster than sorting what may be half of the catalogue
    for part in parts:
        has_term[part] = True
    return np.flatnonzero(has_term).astype(np.int32)


def _relative(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    best = scores.max(initial=0.0)
    return scores / best if best > 0 else scores


def _exact(index: LexicalIndex, words: Sequence[Word]) -> NDArray[np.float32]:
    exact = np.zeros(index.main.rows, dtype=np.float32)
    texts = [word.text for word in words]
    for length in range(min(_LONGEST_BRAND, len(texts)), 0, -1):
        keys = {tuple(texts[start : start + length]) for start in range(len(texts) - length + 1)}
        brands = [index.brands[key] for key in keys if key in index.brands]
        for rows in brands:
            exact[rows] = _HALF_POINT
        if brands:
            break
    has_code = np.zeros(len(exact), dtype=np.bool_)
    for word in words:
        if word.kind == "code":
            has_code[index.title.rows_of(word.terms[-1])] = True
    exact[has_code] += _HALF_POINT
    return exact


def read_lexical(folder: Path, rows: int, brand_codes: NDArray[np.int32]) -> LexicalIndex | None:
    """The lexical index of the bundle in `folder`; None where no item has a word.

    Raises:
        OSError: a part of it is missing.
        ValueError: it is not readable.
    """
    below = folder / names.LEXICAL
    if not below.exists():
        return None
    main, title, attributes = (_read_field(below / name, rows) for name in names.LEXICAL_FIELDS)
    brands = TextColumn.read(below / names.LEXICAL_BRANDS)
    order = np.argsort(brand_codes, kind="stable").astype(np.int32)
    ends = np.searchsorted(brand_codes[order], np.arange(len(brands) + 1))
    brand_words = (tuple(word.text for word in read_words(brands[code] or "")) for code in range(len(brands)))
    by_words = {key: order[ends[code] : ends[code + 1]] for code, key in enumerate(brand_words) if key}
    return LexicalIndex(main=main, title=title, attributes=attributes, brands=by_words)


def _read_field(folder: Path, rows: int) -> LexicalField:
    if not folder.exists():
        return LexicalField(None, rows)
    index = BM25.load(folder, mmap=True, show_progress=False)
    for name in ("data", "indices", "indptr"):  # plain views: cutting pieces out of a memmap costs ten times as much
        index.scores[name] = np.asarray(index.scores[name])
    return LexicalField(index, rows)
