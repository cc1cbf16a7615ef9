"""Item masks against plain arrays: one mask for all requests, one a request, and none at all."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.requests import ALL_ITEMS, ItemMask

BATCH, ROWS = 4, 9


def arrays(masks: int, seed: int) -> tuple[ItemMask, NDArray[np.bool_]]:
    """A mask, and the same as an array `[batch, rows]`."""
    rng = np.random.default_rng(seed)
    allowed = rng.random((masks, ROWS)) < 0.5
    return ItemMask(allowed), np.broadcast_to(allowed, (BATCH, ROWS))


@pytest.mark.parametrize("masks", [1, BATCH])
@pytest.mark.parametrize("seed", range(3))
def test_a_part_of_a_batch_has_the_masks_of_its_requests(masks: int, seed: int) -> None:
    mask, every = arrays(masks, seed)
    for requests in (np.array([2, 0, 2]), np.zeros(0, dtype=np.int64), slice(1, 3)):
        part = mask.take(requests)
        for index, expected in enumerate(every[requests]):
            np.testing.assert_array_equal(part.of(index), expected)


@pytest.mark.parametrize("masks", [1, BATCH])
@pytest.mark.parametrize("seed", range(3))
def test_rows_are_allowed_by_the_mask_of_their_request(masks: int, seed: int) -> None:
    mask, every = arrays(masks, seed)
    request_index, rows = (grid.ravel() for grid in np.indices((BATCH, ROWS)))
    np.testing.assert_array_equal(mask.allows(request_index, rows), every.ravel())


def test_without_a_mask_every_item_is_allowed() -> None:
    assert ALL_ITEMS.take(np.array([1])).of(0) is None
    assert ALL_ITEMS.allows(np.array([0, 3]), np.array([5, 7])).all()
