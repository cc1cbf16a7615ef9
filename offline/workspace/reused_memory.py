"""Memory that a loop frees and takes again, kept meanwhile."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LIBRARY: Final = ctypes.CDLL(None)
_TRIM_THRESHOLD: Final = -1  # of glibc's malloc.h, as the next one
_MOST_MAPPED: Final = -4
_USUAL: Final = {_MOST_MAPPED: 65_536, _TRIM_THRESHOLD: 128 * 1024}
_KEEPING: Final = {_MOST_MAPPED: 0, _TRIM_THRESHOLD: 2**31 - 1}


class _Mode:
    """What this process was told."""

    keeps = False


@contextmanager
def reused_memory() -> Iterator[None]:
    """While the body runs, glibc keeps what is freed for what is asked for next, and gives all of it back at the end.

    By default it gets every block of over 32 MB from the system and returns it, which clears each of its pages: half of
    the processor time of a training step on a million items (benchmarks/RESULTS.md). Other allocators stay as they are.
    Where blocks of other sizes come in between, wrap those in `returned_memory`: what is kept falls to pieces.
    """
    _set(_KEEPING, keeps=True)
    try:
        yield
    finally:
        _set(_USUAL, keeps=False)
        if hasattr(_LIBRARY, "malloc_trim"):
            _LIBRARY.malloc_trim(0)


@contextmanager
def returned_memory() -> Iterator[None]:
    """While the body runs, what does not fit into the memory that is kept is returned as usual."""
    if not _Mode.keeps:
        yield
        return
    _set(_USUAL, keeps=False)
    try:
        yield
    finally:
        _set(_KEEPING, keeps=True)


def _set(options: dict[int, int], *, keeps: bool) -> None:
    _Mode.keeps = keeps
    if hasattr(_LIBRARY, "mallopt"):
        for option, value in options.items():
            _LIBRARY.mallopt(option, value)
