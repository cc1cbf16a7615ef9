"""The query tower: the compiled form against NumPy's, alone and in any batch."""

from dataclasses import replace

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.event_features import AGE_BEGINS, AGE_BUCKETS
from app.engine.kernels.library import Library
from app.engine.kernels.tower import Tower, TowerEvents, TowerWeights, numpy_query_vectors

ITEMS, TYPES, AGES = 30, 4, AGE_BUCKETS

NOW = 1_700_000_000.0


def made_up_weights(rng: np.random.Generator, dim: int, heads: int, window: int, units: int) -> TowerWeights:
    def drawn(*shape: int, spread: float = 0.2) -> np.ndarray:
        return rng.normal(scale=spread, size=shape).astype(np.float32)

    return TowerWeights(
        event_weights=np.exp(drawn(TYPES, AGES, window)),
        embeddings=drawn(TYPES, dim),
        first_scale=1 + drawn(dim),
        first_shift=drawn(dim),
        queries=drawn(dim, dim),
        query_bias=drawn(dim),
        keys=drawn(dim, dim),
        key_bias=drawn(dim),
        values=drawn(dim, dim),
        value_bias=drawn(dim),
        joined=drawn(dim, dim),
        joined_bias=drawn(dim),
        position_bias=drawn(heads, window, spread=2),
        age_bias=drawn(AGES, heads, spread=20),
        second_scale=1 + drawn(dim),
        second_shift=drawn(dim),
        feed=drawn(dim, units, spread=1),
        feed_bias=drawn(units),
        fed=drawn(units, dim),
        fed_bias=drawn(dim),
        inner=drawn(2 * dim, 2 * units),
        inner_bias=drawn(2 * units),
        outer=drawn(2 * units, dim),
        attention_scale=(dim // heads) ** -0.5,
        first_epsilon=1e-5,
        second_epsilon=1e-5,
        mean_gate=1.01,
        state_gate=0.98,
        temperature=0.07,
    )


def drawn_events(rng: np.random.Generator, batch: int, window: int, dim: int) -> TowerEvents:
    types = rng.integers(0, TYPES, (batch, window)).astype(np.uint8)
    types[rng.random(batch) < 0.2] = 0
    rows = np.where(types > 0, rng.integers(1, ITEMS, types.shape), 0).astype(np.int32)
    weight = np.where(rng.random(batch) < 0.5, 0, rng.exponential(size=batch)).astype(np.float32)
    return TowerEvents(
        vectors=None,
        rows=rows,
        codes=np.concatenate([np.zeros((1, dim), np.int8), rng.integers(-127, 128, (ITEMS, dim)).astype(np.int8)]),
        scales=(rng.random(1 + ITEMS) / 100).astype(np.float32),
        types=types,
        times=np.where(
            rng.random((batch, window)) < 0.1, np.nan, NOW - 60 * np.exp2(rng.uniform(-2, 26, (batch, window)))
        ),
        now=np.where(rng.random(batch) < 0.1, np.nan, NOW + rng.integers(-60, 60, batch)),
        long_vector=rng.normal(size=(batch, dim)).astype(np.float32) * weight[:, None],
        long_weight=weight,
    )


def alone(events: TowerEvents, request: int) -> TowerEvents:
    part = slice(request, request + 1)
    return replace(
        events,
        vectors=None if events.vectors is None else events.vectors[part],
        rows=events.rows[part],
        types=events.types[part],
        times=events.times[part],
        now=events.now[part],
        long_vector=events.long_vector[part],
        long_weight=events.long_weight[part],
    )


@given(
    batch=st.integers(0, 19),
    shape=st.sampled_from([(16, 1), (16, 2), (48, 2), (64, 2)]),
    window=st.sampled_from([1, 5, 12, 50]),
    units=st.sampled_from([16, 48]),
    given_vectors=st.booleans(),
    seed=seeds,
)
@settings(max_examples=40, deadline=None)
def test_any_requests_have_the_same_bits(
    compiled: Library, batch: int, shape: tuple[int, int], window: int, units: int, given_vectors: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tower = Tower(made_up_weights(rng, *shape, window, units))
    events = drawn_events(rng, batch, window, shape[0])
    if given_vectors:
        events = replace(events, vectors=rng.normal(size=(batch, window, shape[0])).astype(np.float32))
    vectors = tower.query_vectors(events)
    assert vectors.tobytes() == numpy_query_vectors(tower.weights, events).tobytes()
    for request in range(batch):
        assert tower.query_vectors(alone(events, request)).tobytes() == vectors[request].tobytes()


@pytest.mark.parametrize("wrong", ["rows", "types"])
def test_what_is_outside_of_the_tables_is_refused(compiled: Library, wrong: str) -> None:
    rng = np.random.default_rng(0)
    tower = Tower(made_up_weights(rng, 16, 1, 5, 16))
    events = drawn_events(rng, 3, 5, 16)
    getattr(events, wrong)[1, -1] = 100
    with pytest.raises(IndexError):
        tower.query_vectors(events)


@pytest.mark.parametrize(("dim", "heads", "units"), [(24, 1, 16), (16, 4, 16), (16, 1, 20)])
def test_lengths_that_the_kernel_does_not_read_are_told(dim: int, heads: int, units: int) -> None:
    assert not made_up_weights(np.random.default_rng(0), dim, heads, 5, units).fits()


def test_ages_at_the_beginning_of_a_bucket_are_those_of_training(compiled: Library) -> None:
    rng = np.random.default_rng(1)
    begins = AGE_BEGINS * 60
    seconds = np.concatenate([begins, np.nextafter(begins, 0), np.nextafter(begins, np.inf), [-5, 0, np.inf, -np.inf]])
    window = len(seconds)
    tower = Tower(made_up_weights(rng, 16, 1, window, 16))
    events = replace(drawn_events(rng, 1, window, 16), times=-seconds[None], now=np.zeros(1))
    for place in range(window):
        types = np.zeros((1, window), np.uint8)
        types[0, place] = 1
        one = replace(events, types=types)
        assert tower.query_vectors(one).tobytes() == numpy_query_vectors(tower.weights, one).tobytes()
