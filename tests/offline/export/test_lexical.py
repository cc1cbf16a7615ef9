"""The lexical index: every field, both spellings of a compound, what people searched for; nothing where no word is."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from bm25s import BM25

from app.artifact import names
from app.artifact.text.field_lengths import read_field_lengths
from app.engine.kernels.words import Column
from app.engine.text.lexical import match
from app.engine.text.lexical_index import LexicalIndex, read_lexical
from app.engine.text.spelling import Spelling
from offline.export.lexical import K1, B, queries_by_row, write_lexical
from offline.export.vocabulary import write_vocabulary

ROWS = 6
ITEMS = pl.DataFrame(
    {
        "row": [1, 2, 3, 4, 5],
        "title": ["Smart watch black", "Smartwatch silver", "Sony WH-1000XM3 headset", None, "Smart smartwatch watch"],
        "brand": ["Northwind", "Acme", "Sony", None, "Acme Works"],
        "category": ["Wearables > Watches", None, None, None, None],
        "text": [None, "tells the time", None, None, "a smart watch"],
        "attributes": [["colour=black", "waterproof=true"], ["waterproof=false"], [], None, ["colour=crimson"]],
    },
    schema_overrides={"attributes": pl.List(pl.String)},
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundle")


@pytest.fixture(scope="module")
def spelling(folder: Path) -> Spelling:
    vocabulary = write_vocabulary(folder, ITEMS)
    assert vocabulary is not None
    write_lexical(folder, ITEMS, vocabulary, ["", "", "noise cancelling\n", "gift card\n", ""])
    return Spelling(vocabulary)


@pytest.fixture(scope="module")
def index(folder: Path, spelling: Spelling) -> LexicalIndex:
    found = read_lexical(folder, ROWS, np.array([0, 3, 1, 4, 0, 2], dtype=np.int32))
    assert found is not None
    return found


def rows_with_words(index: LexicalIndex, spelling: Spelling, text: str) -> list[int]:
    return np.flatnonzero(np.array(column_of(index, spelling, text, Column.COVERAGE)) > 0.99).tolist()


def column_of(index: LexicalIndex, spelling: Spelling, text: str, column: Column) -> list[float]:
    """Of every row, what a query gives it."""
    reading = spelling.read(text)
    scores = match(index, reading.words, reading.terms, np.arange(ROWS) > 0).scores
    return scores.numpy_columns(np.arange(ROWS))[column].tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("smart watch", [1, 2, 5]),
        ("smartwatch", [1, 2, 5]),
        ("sony wh1000xm3", [3]),
        ("headsets", [3]),
        ("wearables", [1]),
        ("crimson", [5]),
        ("waterproof", [1]),
        ("noise cancelling", [3]),
        ("gift cards", [4]),
        ("nothing", []),
    ],
)
def test_every_field_is_found(index: LexicalIndex, spelling: Spelling, text: str, rows: list[int]) -> None:
    assert rows_with_words(index, spelling, text) == rows


def test_a_brand_is_named_by_all_its_words_and_a_model_by_its_number(index: LexicalIndex, spelling: Spelling) -> None:
    def exact(text: str) -> list[float]:
        return column_of(index, spelling, text, Column.EXACT)

    assert exact("acme works smartwatch") == [0, 0, 0, 0, 0, 0.5]
    assert exact("acme smartwatch") == [0, 0, 0.5, 0, 0, 0]
    assert exact("Sony WH-1000XM3") == [0, 0, 0, 1, 0, 0]


def test_the_lengths_of_fields_are_those_that_scores_are_made_of(folder: Path, spelling: Spelling) -> None:
    lengths = read_field_lengths(folder)
    assert list(lengths) == list(names.LEXICAL_FIELDS)
    assert {length.documents for length in lengths.values()} == {len(ITEMS)}
    for name, length in lengths.items():
        scores = BM25.load(folder / names.LEXICAL / name, load_corpus=False)
        pointers, data = scores.scores["indptr"], scores.scores["data"]
        for start, end in pairwise(pointers.tolist()):
            count = len(ITEMS)
            idf = np.log(1 + (count - (end - start) + 0.5) / (end - start + 0.5))
            for score in data[start:end].tolist():  # how long is the document, where a term stands so often
                longs = [((n * idf / score - n) / K1 - (1 - B)) / B * length.average for n in (1, 2)]
                assert any(abs(long - round(long)) < 1e-3 and long > 0.5 for long in longs)


def test_a_bundle_from_before_has_no_lengths(folder: Path, spelling: Spelling, tmp_path: Path) -> None:
    assert read_field_lengths(folder)
    assert read_field_lengths(tmp_path) == {}


def test_a_query_counts_by_its_share_of_what_led_to_an_item() -> None:
    logged = pl.DataFrame({"item": [2, 2], "query": ["common", "rare"], "share": [0.9, 0.1]})
    assert queries_by_row(logged, 3) == ["", "common\n" * 4 + "rare\n", ""]


def test_a_catalogue_without_a_word_has_no_index(tmp_path: Path) -> None:
    bare = ITEMS.with_columns(
        *(pl.lit(None, pl.String).alias(name) for name in ("title", "brand", "category", "text")),
        attributes=pl.lit(None, pl.List(pl.String)),
    )
    vocabulary = write_vocabulary(tmp_path, bare)
    assert vocabulary is None or not len(vocabulary.words)
    assert not write_lexical(tmp_path, bare, vocabulary)
    assert read_lexical(tmp_path, ROWS, np.zeros(ROWS, dtype=np.int32)) is None
