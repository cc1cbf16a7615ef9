"""Variants of a request and their features: the compiled forms against NumPy's."""

import numpy as np
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_tables_made_up import made_up_batch, made_up_tables

from app.engine.kernels.features import features_of_variants, log_minutes_of, numpy_features_of_variants
from app.engine.kernels.library import Library
from app.engine.kernels.variants import Variants, numpy_variants_without, variants_without

ITEMS = 60


@given(
    seed=seeds,
    window=st.sampled_from([1, 4, 12, 50]),
    removed=st.integers(1, 11),
    candidates=st.integers(0, 30),
    reference=st.integers(1, 55),
)
@settings(max_examples=100, deadline=None)
def test_any_events_give_the_same_variants_and_features(
    compiled: Library, seed: int, window: int, removed: int, candidates: int, reference: int
) -> None:
    rng = np.random.default_rng(seed)
    tables, batch = made_up_tables(rng, ITEMS, 8, 5), made_up_batch(rng, 1, ITEMS, window, 8)
    events = Variants(
        batch.event_rows,
        batch.event_types,
        batch.event_times,
        log_minutes_of(batch.event_times, batch.now),
        float(batch.now[0]),
    )
    without = rng.choice(np.concatenate([batch.event_rows[0], [0, 7]]), removed).astype(np.int64)
    variants, expected = variants_without(events, without), numpy_variants_without(events, without)
    for name in ("rows", "types", "times", "log_minutes"):
        assert getattr(variants, name).tobytes() == getattr(expected, name).tobytes(), name
    vectors = rng.normal(size=(removed, 8)).astype(np.float32)
    rows, within = (
        np.sort(rng.permutation(np.arange(1, ITEMS + 1))[:length]).astype(np.int64)
        for length in (candidates, reference)
    )
    features = features_of_variants(tables, rows, variants, vectors, within)
    assert features.tobytes() == numpy_features_of_variants(tables, rows, expected, vectors, within).tobytes()
