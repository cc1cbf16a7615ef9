"""What is far for a text encoder, learned of the titles of a catalogue."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tiny_encoder import with_encoder

from app.artifact.bundle_store import resolve
from app.artifact.text.vocabulary import read_vocabulary
from offline.export.meaning_constants import learn_meaning_constants


@pytest.fixture(scope="module")
def items(shop_run: Any) -> pl.DataFrame:
    return pl.read_parquet(shop_run.split / "items.parquet").sort("row")


def test_constants_are_those_of_spans_that_the_titles_have(
    shop_bundle: Path, items: pl.DataFrame, tmp_path: Path
) -> None:
    folder = with_encoder(shop_bundle, tmp_path / "bundle")
    vocabulary = read_vocabulary(folder)
    constants = learn_meaning_constants(folder, items, vocabulary)
    assert constants is not None
    assert 0 < constants.spread <= 2
    assert 0 <= constants.gap <= constants.spread  # what has the words is no further than items are on average
    assert constants.kind_gap >= 0
    assert -1 <= constants.least_best <= 1
    assert learn_meaning_constants(folder, items, vocabulary) == constants  # the same again
    few = items.head(20)
    assert learn_meaning_constants(folder, few, vocabulary) is None  # too few titles to tell


def test_a_bundle_without_an_encoder_learns_none(shop_bundle: Path, items: pl.DataFrame) -> None:
    folder = resolve(shop_bundle)
    assert learn_meaning_constants(folder, items, read_vocabulary(folder)) is None
