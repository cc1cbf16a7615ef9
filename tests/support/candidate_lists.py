"""Candidate lists drawn by hypothesis, and parts of them."""

import numpy as np
from hypothesis import strategies as st

from app.artifact.rank_features import CandidateList


def candidate_list(lengths: list[int], rng: np.random.Generator, span: int) -> CandidateList:
    """Lists of these lengths, of different rows from 1 below `span`, ascending."""
    rows = [np.sort(rng.choice(np.arange(1, span), min(length, span - 1), replace=False)) for length in lengths]
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in rows])]).astype(np.int64)
    all_rows = np.concatenate([np.zeros(0, np.int64), *rows])
    request_index = np.repeat(np.arange(len(lengths)), np.diff(offsets))
    return CandidateList(request_index, all_rows, rng.integers(1, 32, len(all_rows)).astype(np.uint8), offsets)


def alone(candidates: CandidateList, request: int) -> CandidateList:
    """The list of one request, as a batch of its own."""
    part = candidates.part(request)
    rows = candidates.rows[part]
    return CandidateList(
        np.zeros(len(rows), np.int64), rows, candidates.sources[part], np.array([0, len(rows)], np.int64)
    )


batch_lengths = st.lists(st.integers(0, 40), min_size=1, max_size=6)
seeds = st.integers(0, 1 << 32)
