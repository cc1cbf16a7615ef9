"""Guesses at words that say nothing: which there are, and that what has a meaning stays as it is."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from tiny_encoder import SPEC, write_graph, write_tokenizer

from app.artifact.columns import TextColumn
from app.artifact.quantise import quantise_rows
from app.artifact.search_spec import MeaningConstants
from app.artifact.text.meaning_arrays import MeaningArrays
from app.artifact.text.words import read_words
from app.engine.text.guesses import guesses_at
from app.engine.text.meaning_match import MeaningReader
from app.engine.text.meaning_table import MeaningTable
from app.engine.text.spelling import Spelling
from app.engine.text.text_encoder import TextEncoder, open_text_encoder
from offline.export.vocabulary import make_vocabulary

TITLES = [*["ssd fast disk"] * 20, *["scsi slow disk"] * 12, *["bike for the road"] * 15, *["ssdd odd one"] * 2]


@pytest.fixture(scope="module")
def spelling() -> Spelling:
    nothing = [None] * len(TITLES)
    columns: dict[str, Any] = {"title": TITLES, "brand": nothing, "category": nothing, "text": nothing}
    items = pl.DataFrame(columns, schema_overrides=dict.fromkeys(("brand", "category", "text"), pl.String))
    return Spelling(make_vocabulary(items.with_columns(attributes=pl.lit([], pl.List(pl.String))), []))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> TextEncoder:
    folder = tmp_path_factory.mktemp("encoder")
    tokens = write_tokenizer(folder / "tokenizer.json", [*TITLES, *["nike shoes"] * 3])
    write_graph(folder / "encoder.onnx", tokens)
    return open_text_encoder(SPEC, folder / "encoder.onnx", folder / "tokenizer.json")


def guesses(text: str, spelling: Spelling, encoder: TextEncoder) -> list[str]:
    return guesses_at(read_words(text, spelling.languages), spelling, encoder)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("fssd", ["ssd"]),
        ("sssd", ["ssd"]),
        ("scsd", ["ssd", "scsi"]),
        ("nike", []),  # a word to the encoder
        ("fss", []),  # too short
        ("fssd disk", []),  # spelling reads words beside others
        ("ssd1x", []),  # a code
        ("qzxvq", []),
        ("", []),
    ],
)
def test_a_word_that_nobody_knows_may_be_one_of_many_items(
    text: str, meant: list[str], spelling: Spelling, encoder: TextEncoder
) -> None:
    assert guesses(text, spelling, encoder) == meant


def test_the_guess_that_is_nearest_to_an_item_is_the_one(spelling: Spelling, encoder: TextEncoder) -> None:
    units = encoder.vectors_of(["scsi", "bike for the road"])
    codes, scales = quantise_rows(np.concatenate([np.zeros((1, encoder.width), dtype=np.float32), units]))
    none = np.full(3, -1, dtype=np.int32)
    kinds = np.zeros((0, encoder.width), dtype=np.float32)
    arrays = MeaningArrays(codes, scales, kinds, none, np.zeros(0, dtype=np.int32), TextColumn.of([]))
    constants = MeaningConstants(spread=0.5, gap=0.1, like_gap=0.1, least_best=0.5)
    reader = MeaningReader(encoder, MeaningTable(arrays), constants)
    allowed: NDArray[np.bool_] = np.array([False, True, True])
    assert reader.nearest_text(guesses("scsd", spelling, encoder), allowed) == "scsi"
