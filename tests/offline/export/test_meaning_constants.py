"""What is far for a text encoder, learned of the titles of a catalogue."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from tiny_encoder import with_encoder

from app.artifact.bundle_store import resolve
from app.artifact.text.vocabulary import read_vocabulary
from offline.export.meaning_constants import as_right, furthest_right, learn_meaning_constants


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
    assert 0 <= constants.like_gap <= 2
    assert 0 <= constants.alike <= constants.spread or constants.alike == 2
    assert 0 <= constants.alike_best <= 2
    assert constants.reach is None or 0 < constants.reach <= 0.3 * constants.spread + 1e-3
    assert -1 <= constants.least_best <= 1
    assert learn_meaning_constants(folder, items, vocabulary) == constants  # the same again
    few = items.head(20)
    assert learn_meaning_constants(folder, few, vocabulary) is None  # too few titles to tell


def test_a_bundle_without_an_encoder_learns_none(shop_bundle: Path, items: pl.DataFrame) -> None:
    folder = resolve(shop_bundle)
    assert learn_meaning_constants(folder, items, read_vocabulary(folder)) is None


def test_items_without_the_words_are_found_as_far_as_they_are_right_as_often_as_those_with_them() -> None:
    by_words = np.array([0.5, 0.3, np.nan])
    by_reach = np.array([[0.1, 0.9, 0.5, 0.1], [0.7, 0.7, np.nan, 0.3], [np.nan, 0.2, 0.3, 0.2]])
    assert furthest_right(by_words, by_reach) == 2
    assert furthest_right(by_words, by_reach[:, 3:]) is None  # the nearest items of such a student are wrong


def test_where_hardly_a_word_is_in_two_titles_nothing_but_words_orders_what_has_them() -> None:
    distances = [*np.linspace(0, 0.4, 81).tolist(), np.nan, np.nan]
    assert as_right(distances) == pytest.approx(0.3)
    assert as_right([*distances[:40], *[np.nan] * 40]) == 2.0
    assert as_right([-0.1] * 60) == 0.0
