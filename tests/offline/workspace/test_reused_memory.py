"""Memory that a loop frees is taken again without being cleared anew, and given back at the end."""

import resource
from pathlib import Path

import pytest
import torch

from offline.workspace import reused_memory as module
from offline.workspace.reused_memory import returned_memory, reused_memory

pytestmark = pytest.mark.skipif(not hasattr(module._LIBRARY, "mallopt"), reason="this is not glibc")
MB = 2**20
LARGE = 40 * MB
PAGES = LARGE // resource.getpagesize()


def faults_of_rounds(rounds: int = 10, size: int = LARGE) -> int:
    """Pages that the system handed out while a large block was taken and freed so often."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        torch.ones(size, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * resource.getpagesize() / MB


def test_a_block_is_cleared_once_and_not_every_time() -> None:
    with reused_memory():
        faults_of_rounds(1)
        assert faults_of_rounds() < 2 * PAGES


def test_a_block_that_is_larger_than_what_is_kept_is_returned_where_that_is_wanted() -> None:
    with reused_memory():
        faults_of_rounds(1)
        before = resident_mb()
        with returned_memory():
            faults_of_rounds(size=4 * LARGE)
        assert resident_mb() < before + 50
        faults_of_rounds(1)
        assert faults_of_rounds() < 2 * PAGES


def test_all_is_given_back_at_the_end() -> None:
    before = resident_mb()
    with reused_memory():
        faults_of_rounds()
        blocks = [torch.ones(LARGE, dtype=torch.uint8) for _ in range(10)]
        del blocks
        assert resident_mb() > before + 300
    assert resident_mb() < before + 100
