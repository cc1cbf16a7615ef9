"""Query index: reads a text once, as words and as a vector, and keeps the newest matches."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.artifact import names
from app.artifact.rank_tables import RankTables
from app.artifact.search_spec import SearchSpec
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.lexical import LexicalIndex, LexicalMatch, match
from app.engine.text.operators import OperatorMatch, TextsOf, parse_query
from app.engine.text.spelling import Spelling
from app.engine.text.text_match import TextMatch
from app.engine.text.text_query import TextQuery
from app.errors import BundleCorrupt

_CACHE_BYTES: Final = 64 * 2**20
_COLUMNS: Final = 5  # float32 numbers that a match holds of every row


@dataclass(frozen=True)
class QueryIndex:
    """The words, the text vectors and the weights that queries of a bundle are matched with."""

    lexical: LexicalIndex | None
    spelling: Spelling | None
    text_query: TextQuery | None
    spec: SearchSpec
    rows: int
    dim: int
    popularity: NDArray[np.float32]  # [rows] real items only, else 0
    texts_of: TextsOf
    _cache: OrderedDict[str, TextMatch] = field(default_factory=OrderedDict, repr=False)
    _lock: Lock = field(default_factory=Lock, repr=False)  # of the cache: threads read queries

    def matches(self, texts: Sequence[str | None]) -> tuple[TextMatch | None, ...]:
        """The match of each text, None for None. The newest matches are kept in memory."""
        return tuple(None if text is None else self._match(text) for text in texts)

    def _match(self, text: str) -> TextMatch:
        with self._lock:
            match_of_text = self._cache.get(text)
            if match_of_text is not None:
                self._cache.move_to_end(text)
                return match_of_text
        match_of_text = self._read(text)
        with self._lock:
            self._cache[text] = match_of_text
            while len(self._cache) > max(4, _CACHE_BYTES // (4 * _COLUMNS * self.rows)):
                self._cache.popitem(last=False)
        return match_of_text

    def _read(self, text: str) -> TextMatch:
        if self.lexical is None or self.spelling is None:
            return TextMatch(text, None, (), LexicalMatch.empty(self.rows), self._vector(text))
        query = parse_query(text)
        operators = None
        if query.has_operators:
            operators = OperatorMatch(query, self.rows, self.lexical.rows_of, self.texts_of)
        if query.excludes_only:
            everything = LexicalMatch.everything(self.popularity)
            return TextMatch(text, None, (), everything, self._vector(""), operators)
        reading = self.spelling.read(query.text)
        corrected_text = query.text if reading.corrected is None else reading.corrected
        return TextMatch(
            text=corrected_text,
            corrected=None if reading.corrected is None else query.with_text(reading.corrected),
            words=tuple(word.text for word in reading.words),
            lexical=match(self.lexical, reading.words, reading.terms),
            vector=self._vector(corrected_text),
            operators=operators,
        )

    def _vector(self, text: str) -> NDArray[np.float32]:
        if self.text_query is None:
            return np.zeros(self.dim, dtype=np.float32)
        (vector,) = self.text_query.vectors_of([text])
        return np.asarray(vector, dtype=np.float32)


def read_query_index(
    folder: Path,
    tables: RankTables,
    lexical: LexicalIndex | None,
    text_query: TextQuery | None,
    vocabulary: Vocabulary,
    texts_of: TextsOf,
) -> QueryIndex | None:
    """The query index of the bundle in `folder`; None where there are neither words nor text vectors to search by.

    Raises:
        BundleCorrupt: its weights cannot be read.
    """
    rows, dim = tables.vectors.shape
    if lexical is None and text_query is None:
        return None
    path = folder / names.SEARCH
    try:
        spec = SearchSpec.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise BundleCorrupt(f"{path}: not the description of a search ({error}): export the bundle again") from error
    spelling = None if lexical is None else Spelling(vocabulary, lexical.main.rows_of)
    return QueryIndex(lexical, spelling, text_query, spec, rows, dim, tables.popularity, texts_of)
