"""The lexical index of catalogues that lack something: attributes, titles, Latin words, or any word."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.engine.kernels.words import Column
from app.engine.text.lexical import match
from app.engine.text.lexical_index import LexicalIndex, read_lexical
from app.engine.text.spelling import Spelling
from offline.export.lexical import write_lexical
from offline.export.vocabulary import write_vocabulary

ROWS = 4


def indexed(folder: Path, **columns: list[object]) -> tuple[LexicalIndex | None, Spelling]:
    """The index of three items with these columns, all others empty."""
    schema = dict.fromkeys(("title", "brand", "category", "text"), pl.String) | {"attributes": pl.List(pl.String)}
    nothing = {name: [None] * 3 for name in schema}
    table = pl.DataFrame({"row": [1, 2, 3], **nothing, **columns}, schema_overrides=schema)
    vocabulary = write_vocabulary(folder, table)
    written = write_lexical(folder, table, vocabulary)
    lexical = read_lexical(folder, ROWS, np.zeros(ROWS, dtype=np.int32))
    assert (lexical is not None) == written
    return lexical, Spelling(vocabulary, None if lexical is None else lexical.main.rows_of)


@pytest.mark.parametrize(
    ("columns", "asked", "found"),
    [
        ({"title": ["红色手机壳", "蓝色手机壳", "跑步鞋"]}, "手機殼", [1, 2]),
        ({"title": ["red shoe", "blue shoe", "hat"]}, "shoes", [1, 2]),
        ({"title": ["red shoe", "blue shoe", "hat"]}, "shoees", [1, 2]),
        ({"text": ["red shoe", "blue shoe", "hat"]}, "hat", [3]),
        ({"attributes": [["colour=red"], None, ["colour=red"]]}, "red", [1, 3]),
        ({"title": ["1", "2", "17 inch"]}, '17"', [3]),
    ],
)
def test_items_are_found_by_whatever_words_there_are(
    tmp_path: Path, columns: dict[str, list[object]], asked: str, found: list[int]
) -> None:
    lexical, spelling = indexed(tmp_path, **columns)
    assert lexical is not None
    reading = spelling.read(asked)
    matched = match(lexical, reading.words, reading.terms, np.arange(lexical.main.rows) > 0)
    assert np.unique(np.concatenate(matched.word_rows)).tolist() == found
    has_score = (matched.scores.of(Column.MAIN) + matched.scores.of(Column.ATTRIBUTES)) > 0
    assert matched.scores.rows[has_score].tolist() == found


def test_a_catalogue_without_any_word_has_no_index(tmp_path: Path) -> None:
    lexical, spelling = indexed(tmp_path, title=[None, "☃", ""])
    assert lexical is None
    assert spelling.read("anything").corrected is None
