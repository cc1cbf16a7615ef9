"""The union of candidate sources: the compiled form against NumPy's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.rank_features import CandidateList
from app.engine.kernels.library import Library
from app.engine.kernels.union import Answerable, Part, numpy_union, union_of_parts


def same(found: CandidateList, expected: CandidateList) -> bool:
    return all(
        getattr(found, name).tobytes() == getattr(expected, name).tobytes()
        for name in ("request_index", "rows", "sources", "offsets")
    )


def drawn_parts(rng: np.random.Generator, batch: int, span: int) -> list[Part]:
    parts: list[Part] = []
    for source in (1, 2, 4, 16):
        width = int(rng.integers(0, 12))
        rows = rng.integers(0, span, (1 if source == 2 else batch, 2 * width)).astype(rng.choice([np.int32, np.int64]))
        parts.append((rows[:, :width] if source == 1 else rows, source))
    return parts


@given(
    seed=seeds,
    batch=st.integers(1, 6),
    span=st.sampled_from([2, 40, 300, 70_000]),
    masks=st.sampled_from([0, 1, 2]),
    limited=st.booleans(),
    kept=st.sampled_from([0, 16]),
)
@settings(max_examples=150, deadline=None)
def test_any_sources_give_the_same_candidates(
    compiled: Library, seed: int, batch: int, span: int, masks: int, limited: bool, kept: int
) -> None:
    rng = np.random.default_rng(seed)
    parts = drawn_parts(rng, batch, span)
    exclude = rng.integers(0, span, (batch, int(rng.integers(0, 9))))
    allowed = None if not masks else rng.random((batch if masks == 2 else 1, span + 3)) < 0.7
    answerable = Answerable(allowed, rng.random(span) < 0.8 if limited else None, kept)
    together = union_of_parts(parts, span, exclude, answerable)
    assert same(together, numpy_union(parts, span, exclude, answerable))
    for request in range(batch):
        own = [(rows if len(rows) == 1 else rows[request : request + 1], source) for rows, source in parts]
        mask = allowed if masks < 2 else allowed[request : request + 1]
        one = union_of_parts(own, span, exclude[request : request + 1], Answerable(mask, answerable.at_all, kept))
        assert np.array_equal(one.rows, together.rows[together.part(request)])
        assert np.array_equal(one.sources, together.sources[together.part(request)])


def test_a_mask_of_too_few_items_is_refused(compiled: Library) -> None:
    rows = np.array([[3]])
    with pytest.raises(IndexError, match="expected a mask of 5 rows, got one of 4"):
        union_of_parts([(rows, 1)], 5, np.zeros((1, 0), np.int64), Answerable(np.ones((1, 4), np.bool_)))
