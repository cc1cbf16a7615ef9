"""Hashes of texts: the compiled form against that of the standard library."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.artifact.hashing import stable_hashes
from app.engine.kernels.hashes import hashes_of_texts, numpy_hashes_of_texts
from app.engine.kernels.library import Library

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


@given(texts=st.lists(TEXTS | st.integers(0, 400).map("a".__mul__), max_size=20))
@settings(max_examples=200, deadline=None)
def test_any_text_has_the_same_hash(compiled: Library, texts: list[str]) -> None:
    column = TextColumn.of(texts)
    assert hashes_of_texts(column).tolist() == numpy_hashes_of_texts(column).tolist() == stable_hashes(texts).tolist()


@pytest.mark.parametrize("length", [127, 128, 129, 255, 256, 257, 100_000])
def test_texts_of_whole_blocks_have_the_same_hash(compiled: Library, length: int) -> None:
    column = TextColumn.of(["x" * length])
    assert hashes_of_texts(column).tolist() == stable_hashes(["x" * length]).tolist()


@pytest.mark.parametrize("offsets", [[0, 4], [-1, 2], [2, 1, 3]])
def test_offsets_outside_of_the_texts_are_refused(compiled: Library, offsets: list[int]) -> None:
    column = TextColumn(np.frombuffer(b"abc", dtype=np.uint8), np.array(offsets, dtype=np.int64))
    with pytest.raises(IndexError):
        hashes_of_texts(column)
