"""Records of users, byte for byte."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.quantise import dequantise_rows, quantise_rows
from app.artifact.user_records import (
    EVENT,
    LONG_BITS,
    dim_of,
    long_vector_bytes,
    pack_event,
    pack_events,
    pack_items,
    pack_long_vectors,
    unpack_events,
    unpack_items,
    unpack_long_vectors,
)

HASHES = st.integers(0, 2**64 - 1)


@pytest.mark.parametrize("dim", [8, 32, 64, 128, 200])
def test_long_vectors_come_back_as_they_were_quantised(dim: int) -> None:
    vectors = np.random.default_rng(dim).normal(size=(7, dim)).astype(np.float32)
    vectors[3] = 0
    quantised, scales = quantise_rows(vectors, LONG_BITS)
    weights = np.arange(7, dtype=np.float32) / 3
    records = pack_long_vectors(quantised, scales, weights)
    assert {len(record) for record in records} == {long_vector_bytes(dim)}
    assert dim_of(records[0]) == dim
    came, came_weights = unpack_long_vectors(records, dim)
    np.testing.assert_array_equal(came, dequantise_rows(quantised, scales))
    np.testing.assert_array_equal(came_weights, weights)


def test_nobody_has_no_records() -> None:
    assert pack_long_vectors(np.zeros((0, 8), np.int8), np.zeros(0, np.float32), np.zeros(0, np.float32)) == []
    vectors, weights = unpack_long_vectors([], 8)
    assert (vectors.shape, weights.shape) == ((0, 8), (0,))
    assert pack_events(np.zeros(0, np.uint64), np.zeros(0, np.uint8), np.zeros(0)).tobytes() == b""
    assert [len(part) for part in unpack_events(b"")] == [0, 0, 0]


def test_a_long_vector_at_128_dimensions_fits_into_124_bytes() -> None:
    assert long_vector_bytes(128) <= 124  # with the store's own four: one size class


def test_a_long_vector_of_another_dimension_is_refused() -> None:
    records = pack_long_vectors(np.zeros((1, 8), np.int8), np.ones(1, np.float32), np.ones(1, np.float32))
    with pytest.raises(ValueError, match="16 dimensions"):
        unpack_long_vectors(records, 16)


@given(
    st.lists(
        st.tuples(HASHES, st.integers(1, 3), st.one_of(st.just(float("nan")), st.floats(1, 2**32 - 2))), max_size=30
    )
)
def test_events_come_back_to_a_64th_of_a_second(events: list[tuple[int, int, float]]) -> None:
    items = np.array([item for item, _, _ in events], dtype=np.uint64)
    types = np.array([type_ for _, type_, _ in events], dtype=np.uint8)
    times = np.array([time for _, _, time in events], dtype=np.float64)
    packed = pack_events(items, types, times).tobytes()
    assert len(packed) == 13 * len(events) == EVENT.itemsize * len(events)
    came_items, came_types, came_times = unpack_events(packed)
    np.testing.assert_array_equal(came_items, items)
    np.testing.assert_array_equal(came_types, types)
    np.testing.assert_array_equal(np.isnan(came_times), np.isnan(times))
    late = np.nan_to_num(times - came_times)
    assert (late >= 0).all()
    assert (late < 1 / 64).all()


@given(st.lists(HASHES, max_size=30))
def test_item_sets_come_back(hashes: list[int]) -> None:
    assert unpack_items(pack_items(np.array(hashes, dtype=np.uint64))).tolist() == hashes


@given(HASHES, st.integers(1, 3), st.floats())
def test_an_event_is_packed_alone_as_among_others(item: int, behaviour: int, time: float) -> None:
    among_others = pack_events(np.array([item], np.uint64), np.array([behaviour], np.uint8), np.array([time]))
    assert pack_event(item, behaviour, time) == among_others.tobytes()
