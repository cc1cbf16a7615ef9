"""Lexical search: BM25 scores of every item that has any word, so that masks, totals and facets are exact."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from math import log, log1p
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.words import Word, parts_of
from app.engine.kernels.words import Addend, Column, Kind, Query, RowColumns, match_words, rows_in_any
from app.engine.text.lexical_index import LexicalIndex
from app.engine.text.named_items import NamedItems, with_titles
from app.engine.text.synonyms import (
    STOP_WORD,
    Alternative,
    AlternativeMatch,
    match_alternatives,
    rows_with_alternatives,
)
from app.engine.text.title_match import TitleMatch, read_title_match

_HALF_POINT: Final = 0.5
_ALL: Final = 0.9
"""The share of what a query says from which on an item has all of it: lacking is at most what says next to nothing."""
_SOMETHING: Final = log(2.0)
"""What a word says that half of the catalogue has."""
_ROUNDING: Final = 1e-5
_SUFFIXES: Final = "子儿"  # of Chinese nouns
_IDEOGRAPHS: Final = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f]")
_LONGEST_BRAND: Final = 4  # words


@dataclass(frozen=True, eq=False)
class LexicalMatch:
    """How well every item matches the words of one query."""

    scores: RowColumns  # of the items that have any word
    hits: NDArray[np.bool_]  # [rows] the items that have all of the query, or as much of it as any item has
    word_rows: tuple[NDArray[np.int32], ...] = ()  # of each word, the rows that have it, ascending
    titles: TitleMatch | None = None  # how the words stand in titles
    named: NamedItems = field(default_factory=NamedItems)  # by the whole query: those come first
    is_dropped: tuple[bool, ...] = ()  # of each word, whether none of `hits` has it
    best_coverage: float = 0.0  # the largest share of the query that an item has

    @classmethod
    def empty(cls, rows: int) -> "LexicalMatch":
        """The match of a query without words."""
        nothing = RowColumns(np.zeros(0, dtype=np.int32), np.zeros((int(Column.SAID), 0), dtype=np.float32))
        return cls(nothing, np.zeros(rows, dtype=np.bool_))

    @classmethod
    def everything(cls, popularity: NDArray[np.float32], allowed: NDArray[np.bool_]) -> "LexicalMatch":
        """The match of a query that only leaves out: it finds what is `allowed`, `[rows]`, and `popularity`, `[rows]`,
        orders it.
        """
        columns = np.zeros((int(Column.SAID), len(popularity)), dtype=np.float32)
        best = popularity.max(initial=0.0)
        columns[Column.MAIN] = popularity / best if best > 0 else popularity
        columns[Column.COVERAGE] = 1.0
        rows = np.arange(len(popularity), dtype=np.int32)
        return cls(RowColumns(rows, columns), allowed, best_coverage=1.0)


def match(
    index: LexicalIndex,
    words: Sequence[Word],
    weighted: Sequence[tuple[str, float]],
    allowed: NDArray[np.bool_],
    alternatives: Sequence[Alternative] = (),
    named: NamedItems | None = None,
    items: int | None = None,
) -> LexicalMatch:
    """Match every item with the words of a query.

    Args:
        words: of the query, after spelling; stop words only order what the others find.
        weighted: the terms of the words, each once, and their weights.
        allowed: `[rows]`, the items that may be found at all.
        alternatives: to words of the query: an item that has one has the words that it stands for.
        named: the items whose code is the query, which have all of its words.
        items: how many may be found at all, whatever the operators of this query leave out; by default all `allowed`.
    """
    rows = index.main.rows
    items = int(np.count_nonzero(allowed)) if items is None else items
    named = named or NamedItems()
    look_up = _rows_with_whole if len(named.rows) else _rows_of_word
    matches = match_alternatives(alternatives, words, lambda word: _rows_of_all(index, word), rows, items)
    word_rows = rows_with_alternatives([look_up(index, word) for word in words], matches, rows)
    word_rows = tuple(_union(of_word, named.rows) for of_word in word_rows)
    weights = [
        0.0 if word.kind == STOP_WORD else log1p(items / (1.0 + len(of_word)))
        for word, of_word in zip(words, word_rows, strict=True)
    ]
    said = [_union(of_word, named.rows) for of_word in _said(index, words, word_rows, matches)]
    says = [_says(len(of_word), items) for of_word in said]
    addends = [
        *index.main.addends_with(weighted, matches, Column.MAIN),
        *index.title.addends_with(weighted, matches, Column.TITLE),
        *index.attributes.addends_with(weighted, matches, Column.ATTRIBUTES),
        *_constants(Column.COVERAGE, Kind.CONSTANT, word_rows, weights),
        *_exact(index, words),
        *_constants(Column.SAID, Kind.MARK, said, says),
    ]
    query = Query(
        total=max(sum(weights), 1e-9),
        said_total=sum(says),
        all_of=_ALL,
        something=_SOMETHING,
        rounding=_ROUNDING,
        has_unknown=not all(map(len, said)),
        words=word_rows,
    )
    outcome = match_words(addends, query, allowed)
    return LexicalMatch(
        scores=outcome.columns,
        hits=outcome.hits,
        word_rows=word_rows,
        is_dropped=tuple(
            word.kind != STOP_WORD and not has_hit
            for word, has_hit in zip(words, outcome.has_hit.tolist(), strict=True)
        ),
        titles=None if index.titles is None else read_title_match(index.titles, words, weights, matches),
        named=named if index.titles is None else with_titles(named, index.titles.rows_of(words), outcome.hits),
        best_coverage=outcome.best_coverage,
    )


def _says(with_it: int, items: int) -> float:
    """What something says that so many of the items have: the logarithm of how rare it is. What every item has says
    nothing, and what none has cannot be said.
    """
    return log(max(items, with_it) / with_it) if with_it else 0.0


def _constants(column: Column, kind: Kind, rows: Sequence[NDArray[np.int32]], weights: Sequence[float]) -> list[Addend]:
    return [
        Addend(column, kind, of_one, None, weight) for of_one, weight in zip(rows, weights, strict=True) if len(of_one)
    ]


def _rows_of_word(index: LexicalIndex, word: Word) -> NDArray[np.int32]:
    """The rows that have a word; where none has it as it stands, those with some of it: with one part of a code, with a
    code that it is a part of, or with a character of an East Asian run. A run of one character is also had inside of
    others.
    """
    rows = _rows_with_whole(index, word)
    if word.kind == "east_asian" and (len(word.text) == 1 or not len(rows)):
        return _rows_of(index, [term for character in _characters(word.text) for term in index.runs_with(character)])
    if len(rows):
        return rows
    if word.kind in {"word", STOP_WORD}:
        return rows
    return _rows_of(index, [*word.terms, *index.models_with("".join(parts_of(word.text)))])


def _rows_with_whole(index: LexicalIndex, word: Word) -> NDArray[np.int32]:
    """The rows that have a word: of a code, as a whole or all of its parts."""
    if word.kind != "code":
        return _rows_of(index, word.terms)
    parts = word.parts
    is_whole = len(parts) == 1 and word.text.isalnum()
    of_parts = {term for part in parts for term in part}
    rows = _rows_of(index, [term for term in word.terms if is_whole or term not in of_parts])
    if len(parts) < 2 or _has_sign(word):
        return rows
    with_all = reduce(partial(np.intersect1d, assume_unique=True), (_rows_of(index, part) for part in parts))
    return _union(rows, with_all)


def _has_sign(word: Word) -> bool:
    """Whether a code is more than its letters and digits: `c++`, `.net`, `h&m`."""
    return "&" in word.text or not (word.text[0].isalnum() and word.text[-1].isalnum())


def _union(rows: NDArray[np.int32], more: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.union1d(rows, more) if len(more) else rows


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
        if word.kind != "east_asian" or len(word.text) == 1:
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
    if word.kind != "east_asian":
        return _rows_with_whole(index, word)
    rows = _rows_of_word(index, word)
    for said in _said(index, [word], [rows]):
        rows = np.intersect1d(rows, said, assume_unique=True)
    return rows


def _characters(run: str) -> str:
    """The characters of an East Asian run that say something by themselves: that of a run of one, and ideographs.
    Letters and syllables of a longer run stand in any other word. Suffixes of nouns say something where they are all
    of a run.
    """
    bare = run.rstrip(_SUFFIXES) or run
    return bare if len(bare) == 1 else "".join(_IDEOGRAPHS.findall(bare))


def _rows_of(index: LexicalIndex, terms: Sequence[str]) -> NDArray[np.int32]:
    parts = [field.rows_of(term) for term in terms for field in (index.main, index.attributes)]
    parts = [part for part in parts if len(part)]
    if not parts:
        return np.zeros(0, dtype=np.int32)
    if len(parts) == 1:
        return parts[0]
    return rows_in_any(parts, index.main.rows)


def _exact(index: LexicalIndex, words: Sequence[Word]) -> list[Addend]:
    """Half a point for a brand, the longest that the query has, and half a point for a model number."""
    exact = []
    texts = [word.text for word in words]
    for length in range(min(_LONGEST_BRAND, len(texts)), 0, -1):
        keys = {tuple(texts[start : start + length]) for start in range(len(texts) - length + 1)}
        brands = [rows for key in keys if (rows := index.brands.get(key)) is not None]
        exact += [Addend(Column.EXACT, Kind.SET, rows, None, _HALF_POINT) for rows in brands]
        if brands:
            break
    with_code = [index.title.rows_of(word.terms[-1]) for word in words if word.kind == "code"]
    if with_code:
        rows = rows_in_any(with_code, index.main.rows)
        exact.append(Addend(Column.EXACT, Kind.CONSTANT, rows, None, _HALF_POINT))
    return exact
