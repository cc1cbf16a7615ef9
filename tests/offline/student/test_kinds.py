"""Kinds: clusters that were put in come out, and are called by their category or by the words that mean them."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from offline.student.kind_names import kind_names
from offline.student.kinds import kinds_of, nearest_kinds
from offline.student.projection import projected, projection_of, units


def clusters(count: int, each: int, width: int = 16) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors around directions at right angles, mixed, and which of them each is around."""
    rng = np.random.default_rng(1)
    kinds = rng.permutation(np.repeat(np.arange(count), each))
    return units((np.eye(width)[kinds] + 0.05 * rng.normal(size=(len(kinds), width))).astype(np.float32)), kinds


def test_every_kind_lies_within_a_cluster_that_is_there() -> None:
    vectors, kinds = clusters(4, 60)
    vectors[7] = 0  # an item without text
    centres = kinds_of(vectors, 0)
    assert len(centres) == 7
    nearest, _ = nearest_kinds(vectors, centres)
    told = vectors.any(axis=1)
    for number in range(len(centres)):
        assert len(set(kinds[told & (nearest == number)])) == 1
    sizes = np.bincount(nearest[told], minlength=len(centres))
    assert (np.diff(sizes) <= 0).all()
    np.testing.assert_allclose(np.linalg.norm(centres, axis=1), 1, atol=1e-5)
    assert np.array_equal(centres, kinds_of(vectors, 0))


def test_a_few_items_are_one_kind_and_none_are_of_none() -> None:
    assert len(kinds_of(clusters(2, 5)[0], 0)) == 1
    assert len(kinds_of(np.zeros((9, 4), np.float32), 0)) == 0
    assert len(kinds_of(np.zeros((0, 4), np.float32), 0)) == 0


def test_names_are_categories_or_words_and_each_is_another() -> None:
    items = pl.DataFrame(
        {
            "title": ["Acme Lamp 3W", "Acme lamp red", "Acme lamp", "Bolt x1", "Bolt y2", "Bolt steel", "Cup", "Cup"],
            "brand": ["Acme"] * 3 + [None] * 5,
            "category": ["Lights", "Lights", None, None, None, None, "Lights", "Lights"],
        }
    )
    kinds = np.array([0, 0, 0, 1, 1, 1, 2, 2])
    words = {"bolt": 1, "lamp": 0, "cup": 2}

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        return units(np.array([np.eye(3)[words[text]] if text in words else np.ones(3) for text in texts], np.float32))

    assert kind_names(items, kinds, np.eye(3, dtype=np.float32), encode) == ["Lights", "bolt", "cup"]


def test_a_projection_keeps_cosines_where_there_are_no_more_dimensions() -> None:
    vectors = projected(clusters(3, 20, 5)[0], np.eye(5, 12, dtype=np.float32))
    fewer = projected(vectors, projection_of(vectors, 5))
    np.testing.assert_allclose(fewer @ fewer.T, vectors @ vectors.T, atol=1e-5)
