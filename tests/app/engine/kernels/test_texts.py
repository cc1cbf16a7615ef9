"""Texts found by a kernel, set beside the form in Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.artifact.text.sorted_texts import SortedTexts
from app.engine.kernels.texts import FastTexts, fast_texts

WORDS = st.text("abcé中", min_size=1, max_size=4)


@given(texts=st.sets(WORDS, min_size=1), asked=st.lists(WORDS))
def test_texts_are_found_where_they_stand(texts: set[str], asked: list[str]) -> None:
    plain = SortedTexts.of(sorted(texts, key=str.encode))
    fast = fast_texts(plain)
    assert isinstance(fast, FastTexts)
    for text in [*texts, *asked]:
        assert fast.find(text) == plain.find(text)
        assert fast.beginning_with(text) == plain.beginning_with(text)


@pytest.mark.parametrize("wrong", [-1, 2**62, -(2**62), 10])
def test_offsets_outside_of_the_texts_are_those_of_no_text(wrong: int) -> None:
    """A file may be damaged behind its checks: nothing outside of it is read."""
    column = TextColumn.of(["a", "b", "c", "d", "e"])
    for place in range(len(column.offsets)):
        offsets = column.offsets.copy()
        offsets[place] = wrong
        texts = FastTexts(TextColumn(column.values, offsets))
        for text in "abcdez":
            assert texts.find(text) < len(texts)


def test_a_column_of_other_numbers_is_read_in_python() -> None:
    column = TextColumn.of(["a", "b"])
    other = SortedTexts(TextColumn(column.values, column.offsets.astype(np.int32)))  # type: ignore[arg-type]
    assert fast_texts(other) is other
