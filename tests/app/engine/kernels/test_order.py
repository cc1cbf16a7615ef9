"""The best of each request's candidates: the compiled form against NumPy's."""

import numpy as np
from candidate_lists import alone, batch_lengths, candidate_list, seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.search_features import SEARCH_FEATURES
from app.artifact.search_features import weighted_sum as numpy_weighted_sum
from app.engine.kernels.library import Library
from app.engine.kernels.order import best_of_requests, numpy_best, weighted_sum

some_scores = st.floats(width=32) | st.sampled_from([0.0, -0.0, 1.0, -1.0, float("inf"), float("-inf"), float("nan")])


def same(found: tuple[np.ndarray, ...], expected: tuple[np.ndarray, ...]) -> bool:
    return all(
        value.dtype == other.dtype and value.shape == other.shape and value.tobytes() == other.tobytes()
        for value, other in zip(found, expected, strict=True)
    )


@given(lengths=batch_lengths, seed=seeds, depth=st.integers(1, 50), data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_scores_give_the_same_bits(
    compiled: Library, lengths: list[int], seed: int, depth: int, data: st.DataObject
) -> None:
    candidates = candidate_list(lengths, np.random.default_rng(seed), 60)
    count = len(candidates)
    drawn = data.draw(st.lists(some_scores, min_size=count, max_size=count))
    scores = np.array(drawn, dtype=np.float32)
    best = best_of_requests(candidates, scores, depth)
    assert same(best, numpy_best(candidates, scores, depth))
    for request in range(len(lengths)):
        of_one = best_of_requests(alone(candidates, request), scores[candidates.part(request)], depth)
        assert same(of_one, tuple(column[request : request + 1] for column in best))


def test_long_lists_with_many_ties_give_the_same_bits(compiled: Library) -> None:
    rng = np.random.default_rng(5)
    candidates = candidate_list([5_000, 0, 3, 20_000], rng, 30_000)
    scores = rng.integers(-300, 300, len(candidates)).astype(np.float32) / 7
    assert same(best_of_requests(candidates, scores, 700), numpy_best(candidates, scores, 700))


@given(seed=seeds, count=st.integers(0, 300), names=st.lists(st.sampled_from(SEARCH_FEATURES), unique=True))
@settings(max_examples=100, deadline=None)
def test_any_weights_sum_to_the_same_bits(compiled: Library, seed: int, count: int, names: list[str]) -> None:
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((len(SEARCH_FEATURES), count)).astype(np.float32)
    weights = {name: float(weight) for name, weight in zip(names, rng.standard_normal(len(names)), strict=True)}
    assert weighted_sum(features, weights).tobytes() == numpy_weighted_sum(features, weights).tobytes()
