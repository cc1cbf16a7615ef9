"""The network that orders candidates: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.engine.kernels.library import Library
from app.engine.kernels.network import OrderNetwork


def drawn_network(rng: np.random.Generator, inputs: int, units: int, later: int) -> OrderNetwork:
    def drawn(*shape: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
        return rng.normal(size=shape).astype(np.float32)

    return OrderNetwork(
        mean=drawn(inputs),
        spread=np.exp(drawn(inputs)),
        low=-2.0,
        high=2.5,
        first=drawn(inputs, units),
        first_bias=drawn(units),
        second=drawn(units, later),
        second_bias=drawn(later),
        last=drawn(later),
        last_bias=0.3,
        base=drawn(inputs) * (rng.random(inputs) < 0.3).astype(np.float32),
    )


@given(
    seed=seeds,
    n=st.integers(0, 70),
    inputs=st.sampled_from([1, 7, 38]),
    units=st.sampled_from([1, 4, 30, 64]),
    later=st.sampled_from([1, 3, 32]),
)
@settings(max_examples=100, deadline=None)
def test_any_features_have_the_same_scores(
    compiled: Library, seed: int, n: int, inputs: int, units: int, later: int
) -> None:
    rng = np.random.default_rng(seed)
    network = drawn_network(rng, inputs, units, later)
    features = (rng.normal(size=(n, inputs)) * 3).astype(np.float32)
    scores = network.scores(features)
    assert scores.tobytes() == network.numpy_scores(features).tobytes()
    for start in range(0, n, 7):
        assert network.scores(features[start : start + 3]).tobytes() == scores[start : start + 3].tobytes()


def test_other_shapes_are_refused(compiled: Library) -> None:
    network = drawn_network(np.random.default_rng(0), 5, 4, 3)
    with pytest.raises(IndexError, match="expected 5 features"):
        network.scores(np.zeros((2, 6), np.float32))
    wrong = drawn_network(np.random.default_rng(0), 5, 4, 3)
    object.__setattr__(wrong, "last", np.zeros(4, np.float32))
    with pytest.raises(IndexError, match="expected matrices"):
        wrong.scores(np.zeros((2, 5), np.float32))
