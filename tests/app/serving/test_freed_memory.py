"""Freed memory goes back to the system, and what came and went around a change of version is not kept."""

import gc
import sys
from pathlib import Path

import pytest

from app.serving.follower import trim_memory
from app.serving.release import Release

MOST_TRACKED = 20  # objects
BLOCKS, BLOCK_BYTES = 16_384, 4_096


def resident_bytes() -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS:")).split()[1]) * 1_024


@pytest.mark.skipif(sys.platform != "linux", reason="resident memory is told by /proc")
def test_pages_that_nothing_is_in_are_given_back() -> None:
    blocks = [bytes(BLOCK_BYTES) for _ in range(BLOCKS)]
    kept = blocks[::16]  # so that the heap cannot simply end earlier
    del blocks
    before = resident_bytes()
    trim_memory()
    assert before - resident_bytes() > BLOCKS * BLOCK_BYTES / 2
    assert len(kept) == BLOCKS / 16


def test_ids_of_a_catalogue_are_nothing_for_the_collector_to_walk_through(release: Release) -> None:
    gc.collect()
    before = len(gc.get_objects())
    texts = [release.item_ids[row] for row in range(1, len(release.item_ids))]
    assert len(texts) > MOST_TRACKED
    assert not any(map(gc.is_tracked, texts))
    assert len(gc.get_objects()) - before < MOST_TRACKED  # what was read is kept, and adds nothing
