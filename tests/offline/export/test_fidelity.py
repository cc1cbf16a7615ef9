"""A bundle answers like its network where it answers items that the network finds as good."""

import numpy as np
import pytest
import torch

from offline.export.fidelity import DEPTH, NEAR, share_near


@pytest.mark.parametrize(("apart", "share"), [(0.0, 1.0), (NEAR / 4, 1.0), (4 * NEAR, 0.0)])
def test_items_that_score_like_the_tenth_are_as_good(apart: float, share: float) -> None:
    queries = torch.tensor([[1.0, 0.0], [-2.0, 0.0]])
    scores = torch.tensor([0.0, *[1.0] * DEPTH, *[1.0 - apart] * DEPTH, 0.5])
    items = torch.stack([scores, torch.zeros_like(scores)], dim=1)
    best, next_best = np.arange(1, DEPTH + 1), np.arange(DEPTH + 1, 2 * DEPTH + 1)
    assert share_near(queries[:1], items, best[None], next_best[None]) == share
    assert share_near(queries[:1], items, best[None], best[None]) == 1.0
    worst = np.full((1, DEPTH), 2 * DEPTH + 1)
    assert share_near(queries[:1], items, best[None], worst) == 0.0
    lowest = np.array([[2 * DEPTH + 1, *range(1, DEPTH)]])
    assert share_near(queries[1:], items, lowest, lowest) == 1.0


def test_padding_is_no_answer() -> None:
    items = torch.eye(3)
    rows = np.array([[1, 2, *[0] * (DEPTH - 2)]])
    assert share_near(torch.ones(1, 3), items, rows, rows) == 1.0
    assert share_near(torch.ones(1, 3), items, rows, np.zeros((1, DEPTH), dtype=np.int64)) == 0.0
