"""The contract between job and service, piece by piece."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.bundle_store import point_to, resolve
from app.artifact.columns import TextColumn, offsets_of
from app.artifact.event_features import AGE_BUCKETS, UNKNOWN_AGE, age_buckets
from app.artifact.hashing import stable_hash
from app.artifact.names import MANIFEST
from app.artifact.quantise import dequantise_rows, quantise_rows
from app.errors import BundleCorrupt


def test_a_hash_is_the_same_in_every_process_and_release() -> None:
    assert stable_hash("u1") == 15378189911849802130
    assert stable_hash("u1") != stable_hash("u2")


@given(st.lists(st.text(max_size=20), max_size=20))
def test_text_columns_give_back_what_was_packed(texts: list[str]) -> None:
    column = TextColumn.of(texts)
    assert [column[row] for row in range(len(column))] == [text or None for text in texts]


def test_text_columns_survive_the_disk(tmp_path: Path) -> None:
    TextColumn.of(["shoe", None, "鞋"]).write(tmp_path / "deep" / "title")
    column = TextColumn.read(tmp_path / "deep" / "title")
    assert [column[row] for row in range(3)] == ["shoe", None, "鞋"]


@given(st.integers(0, 2**32), st.sampled_from([7, 8]))
def test_quantised_rows_lie_within_half_a_step(seed: int, bits: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(5, 16)).astype(np.float32)
    vectors[0] = 0
    packed, scales = quantise_rows(vectors, bits)
    assert np.abs(packed.astype(int)).max() <= 2 ** (bits - 1) - 1
    assert (np.abs(dequantise_rows(packed, scales) - vectors) <= scales[:, None] / 2 + 1e-6).all()


def test_ages_grow_in_logarithmic_buckets_and_missing_times_have_their_own() -> None:
    now = np.array([1000.0])
    times = np.array([[1000.0, 1000.0 - 61, 2000.0, np.nan, -1e12]])
    assert age_buckets(times, now[:, None]).tolist() == [[1, 2, 1, UNKNOWN_AGE, AGE_BUCKETS - 1]]


def test_a_store_without_a_pointer_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(BundleCorrupt, match="aisle-offline run"):
        resolve(tmp_path)


def test_a_pointer_to_a_missing_version_is_refused(tmp_path: Path) -> None:
    point_to(tmp_path, "v1")
    with pytest.raises(BundleCorrupt, match="'v1'"):
        resolve(tmp_path)
    (tmp_path / "v1").mkdir()
    (tmp_path / "v1" / MANIFEST).write_text("{}", "utf-8")
    assert resolve(tmp_path) == tmp_path / "v1"


@pytest.mark.parametrize("counts", [[], [0], [3], [2, 0, 5], np.array([1, 2], dtype=np.uint32)])
def test_offsets_are_the_ends_of_all_parts_behind_a_zero(counts: Any) -> None:
    offsets = offsets_of(counts)
    assert offsets.dtype == np.int64
    assert offsets.tolist() == [sum(counts[:position]) for position in range(len(counts) + 1)]
