"""Queries of a bundle: a text is read once, as its words and its meaning, and the newest matches are kept."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.artifact import names
from app.artifact.rank_tables import RankTables
from app.artifact.search_spec import SearchSpec
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.lexical import LexicalIndex, match, read_lexical
from app.engine.text.spelling import Spelling
from app.engine.text.text_match import TextMatch
from app.engine.text.text_query import TextQuery
from app.errors import BundleCorrupt

_CACHE_BYTES: Final = 64 * 2**20
_COLUMNS: Final = 5  # of float32, that a match holds of every row


@dataclass(frozen=True)
class QueryIndex:
    """Words, meanings and weights of a bundle."""

    lexical: LexicalIndex | None
    spelling: Spelling | None
    text_query: TextQuery | None
    spec: SearchSpec
    rows: int
    dim: int
    _read: OrderedDict[str, TextMatch] = field(default_factory=OrderedDict, repr=False)

    def matches(self, texts: Sequence[str | None]) -> tuple[TextMatch | None, ...]:
        """What each text says to the catalogue; None for None. The newest are kept."""
        return tuple(None if text is None else self._match(text) for text in texts)

    def _match(self, text: str) -> TextMatch:
        found = self._read.get(text)
        if found is None:
            found = self._read[text] = self._read_text(text)
            while len(self._read) > max(4, _CACHE_BYTES // (4 * _COLUMNS * self.rows)):
                self._read.popitem(last=False)
        else:
            self._read.move_to_end(text)
        return found

    def _read_text(self, text: str) -> TextMatch:
        nothing = np.zeros(self.rows, dtype=np.float32)
        if self.lexical is None or self.spelling is None:
            return TextMatch(text, None, (), nothing, nothing, nothing, nothing, nothing, self._vector(text))
        reading = self.spelling.read(text)
        found = match(self.lexical, reading.words, reading.terms)
        meant = text if reading.corrected is None else reading.corrected
        return TextMatch(
            text=meant,
            corrected=reading.corrected,
            words=tuple(word.text for word in reading.words),
            lexical=found.lexical,
            title=found.title,
            attributes=found.attributes,
            coverage=found.coverage,
            exact=found.exact,
            vector=self._vector(meant),
            word_rows=found.word_rows,
        )

    def _vector(self, text: str) -> NDArray[np.float32]:
        if self.text_query is None:
            return np.zeros(self.dim, dtype=np.float32)
        (vector,) = self.text_query.vectors_of([text])
        return np.asarray(vector, dtype=np.float32)


def read_query_index(
    folder: Path, tables: RankTables, text_query: TextQuery | None, vocabulary: Vocabulary
) -> QueryIndex | None:
    """The search of the bundle in `folder`; None where no item has a word and no text is understood.

    Raises:
        BundleCorrupt: its weights cannot be read.
        OSError: a part of it is missing.
        ValueError: a part of it is not readable.
    """
    rows, dim = tables.vectors.shape
    lexical = read_lexical(folder, rows, tables.codes[:, 1])
    if lexical is None and text_query is None:
        return None
    path = folder / names.SEARCH
    try:
        spec = SearchSpec.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise BundleCorrupt(f"{path}: not the description of a search ({error}); export the bundle again") from error
    spelling = None if lexical is None else Spelling(vocabulary, lexical.main.rows_of)
    return QueryIndex(lexical, spelling, text_query, spec, rows, dim)
