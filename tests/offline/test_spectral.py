"""The spectral start: the singular vectors of the dense decomposition."""

import numpy as np

from offline.training.histories import Histories
from offline.training.spectral import spectral_items


def two_groups(users: int = 40, items: int = 16) -> Histories:
    """Users of even number touch items of the lower half, the others of the upper."""
    rng = np.random.default_rng(0)
    half = items // 2
    lists = [1 + half * (user % 2) + rng.choice(half, size=5, replace=False) for user in range(users)]
    rows = np.concatenate(lists).astype(np.int32)
    return Histories(np.arange(0, len(rows) + 1, 5), rows, np.ones(len(rows), np.uint8), np.full(len(rows), np.nan))


def test_products_equal_those_of_the_dense_decomposition() -> None:
    made = two_groups()
    matrix = np.zeros((40, 17))
    matrix[np.repeat(np.arange(40), 5), made.rows] = 1.0
    by_item = matrix.sum(axis=0)
    normalised = matrix / np.sqrt(5) / np.sqrt(np.maximum(by_item, 1))
    _, values, vectors = np.linalg.svd(normalised)
    expected = (vectors[:6].T * np.sqrt(values[:6])) * np.sqrt(by_item)[:, None]
    expected /= np.linalg.norm(expected[1:], axis=1).mean()
    came = spectral_items(made, 17, 6, seed=0)
    np.testing.assert_allclose(came @ came.T, expected @ expected.T, atol=0.05)


def test_items_of_one_group_lie_close_and_those_of_two_apart() -> None:
    vectors = spectral_items(two_groups(), 17, 2, seed=1)
    unit = vectors[1:] / np.linalg.norm(vectors[1:], axis=1, keepdims=True)
    same = np.arange(16)[:, None] // 8 == np.arange(16)[None, :] // 8
    assert (unit @ unit.T)[same].min() > 0.9
    assert np.abs((unit @ unit.T)[~same]).max() < 0.1


def test_lengths_average_one_and_untouched_items_are_zero() -> None:
    made = two_groups()
    vectors = spectral_items(made, 20, 4, seed=0)
    norms = np.linalg.norm(vectors, axis=1)
    assert (norms[[0, 17, 18, 19]] == 0).all()
    np.testing.assert_allclose(norms[1:17].mean(), 1.0, rtol=1e-5)


def test_more_dimensions_than_the_data_has_are_zero() -> None:
    made = Histories(np.array([0, 2]), np.array([1, 2], np.int32), np.ones(2, np.uint8), np.full(2, np.nan))
    assert spectral_items(made, 3, 8, seed=0).shape == (3, 8)
    vectors = spectral_items(two_groups(), 17, 64, seed=0)
    assert vectors.shape == (17, 64)
    assert not vectors[:, 16:].any()


def test_the_same_seed_gives_the_same_vectors() -> None:
    made = two_groups()
    assert (spectral_items(made, 17, 4, seed=5) == spectral_items(made, 17, 4, seed=5)).all()
