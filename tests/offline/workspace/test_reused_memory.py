"""Memory that a loop frees is taken again without being cleared anew, and given back at the end."""

import subprocess
import sys

import pytest

from offline.workspace import reused_memory as module

pytestmark = pytest.mark.skipif(not hasattr(module._LIBRARY, "mallopt"), reason="this is not glibc")
ALONE = """
import ctypes, resource
from offline.workspace.reused_memory import returned_memory, reused_memory

library = ctypes.CDLL(None)
library.malloc.restype = ctypes.c_void_p
PAGE = resource.getpagesize()


def fill(mb):
    block = library.malloc(ctypes.c_size_t(mb << 20))
    ctypes.memset(block, 1, mb << 20)
    return ctypes.c_void_p(block)


def rounds(mb):
    "Megabytes that the system handed out while such a block was taken and freed ten times."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        library.free(fill(mb))
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * PAGE >> 20


def resident():
    return int(open("/proc/self/statm").read().split()[1]) * PAGE >> 20

"""


def figures_of(code: str) -> list[int]:
    """What a process of its own prints."""
    run = subprocess.run([sys.executable, "-c", ALONE + code], capture_output=True, text=True, check=True, timeout=300)
    return [int(figure) for figure in run.stdout.split()]


def test_a_block_is_cleared_once_and_not_every_time() -> None:
    usual, kept = figures_of("""
print(rounds(40))
with reused_memory():
    print(rounds(40))
""")
    assert usual >= 400
    assert kept < 80


def test_what_does_not_fit_into_what_is_kept_is_returned_where_that_is_wanted() -> None:
    cleared, before, after, kept = figures_of("""
with reused_memory():
    rounds(40)
    before = resident()
    with returned_memory():
        cleared = rounds(160)
    print(cleared, before, resident(), rounds(40))
""")
    assert cleared >= 1_600
    assert after < before + 20
    assert kept < 80


def test_all_is_given_back_at_the_end() -> None:
    before, inside, after = figures_of("""
before = resident()
with reused_memory():
    for block in [fill(40) for _ in range(10)]:
        library.free(block)
    inside = resident()
print(before, inside, resident())
""")
    assert inside > before + 300
    assert after < before + 20
