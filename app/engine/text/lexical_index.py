"""The lexical index of a bundle: which items have a term, how well by BM25, and the words of titles in their order."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from bm25s import BM25
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.text.codes import CodeTable
from app.artifact.text.titles import TitleTable, read_titles
from app.artifact.text.words import is_unspaced, read_words
from app.engine.text.synonyms import AlternativeMatch

_SHORTEST_PART: Final = 2  # characters of a part of a model number, digits alone three
_MOST_READ: Final = 4_096  # places in model numbers that are looked at for one part
_MODEL: Final = re.compile(r"(?=.*\d)(?=.*[^\W\d_])[^\W_]+")


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
        if self.index is None or not alternatives:
            return total
        sparse = self.index.scores
        is_scored = np.zeros(self.rows, dtype=np.bool_)
        for alternative in alternatives:
            is_scored[alternative.scored] = True
            for term, weight in alternative.weighted:
                if self.has(term):
                    number = self.index.vocab_dict[term]
                    part = slice(int(sparse["indptr"][number]), int(sparse["indptr"][number + 1]))
                    rows = sparse["indices"][part] + 1
                    counts = is_scored[rows]
                    total[rows[counts]] += np.float32(weight) * sparse["data"][part][counts]
            is_scored[alternative.scored] = False
        return total

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
    """The fields of a catalogue, its brands by how they are written, its titles as sequences, and its codes."""

    main: LexicalField
    title: LexicalField
    attributes: LexicalField
    brands: dict[tuple[str, ...], NDArray[np.int32]]  # the rows of each brand, by its words
    titles: TitleTable | None = None
    codes: CodeTable | None = None
    models: str = "\n"  # the terms with letters and digits, one a line

    def rows_of(self, term: str) -> NDArray[np.int32]:
        """The rows of the items that have a term in any field."""
        return np.union1d(self.main.rows_of(term), self.attributes.rows_of(term))

    def runs_with(self, character: str) -> Sequence[str]:
        """The terms of East Asian text that have a character."""
        return self._runs.get(character, ())

    def models_with(self, part: str) -> Sequence[str]:
        """The terms of letters and digits that have a part, which begins and ends where letters and digits meet: of
        `200m4`, `m4` is one and `0m4` is none.
        """
        if len(part) < _SHORTEST_PART or (part.isdigit() and len(part) == _SHORTEST_PART):
            return ()
        spans = (match.span() for match in islice(re.finditer(re.escape(part), self.models), _MOST_READ))
        return tuple(dict.fromkeys(self._model_at(start) for start, end in spans if self._is_part(start, end)))

    def _is_part(self, start: int, end: int) -> bool:
        text = self.models
        return all(
            left.isdigit() != right.isdigit() or "\n" in {left, right}
            for left, right in ((text[start - 1], text[start]), (text[end - 1], text[end]))
        )

    def _model_at(self, position: int) -> str:
        text = self.models
        return text[text.rindex("\n", 0, position) + 1 : text.index("\n", position)]

    @cached_property
    def _runs(self) -> dict[str, list[str]]:
        runs: dict[str, list[str]] = {}
        for term in sorted(term for term in _terms_of(self.main, self.attributes) if is_unspaced(term)):
            for character in dict.fromkeys(term):
                runs.setdefault(character, []).append(term)
        return runs


def read_lexical(
    folder: Path, rows: int, brand_codes: NDArray[np.int32], codes: CodeTable | None = None
) -> LexicalIndex | None:
    """The lexical index of the bundle in `folder`, beside its codes if any; None where no item has a word.

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
    models = "".join(f"{term}\n" for term in sorted(filter(_MODEL.fullmatch, _terms_of(main, attributes))))
    return LexicalIndex(main, title, attributes, by_words, read_titles(folder), codes, f"\n{models}")


def _terms_of(*fields: LexicalField) -> set[str]:
    return {term for field in fields if field.index is not None for term in field.index.vocab_dict}


def _read_field(folder: Path, rows: int) -> LexicalField:
    if not folder.exists():
        return LexicalField(None, rows)
    index = BM25.load(folder, mmap=True, show_progress=False)
    for name in ("data", "indices", "indptr"):  # plain views: cutting pieces out of a memmap costs ten times as much
        index.scores[name] = np.asarray(index.scores[name])
    return LexicalField(index, rows)
