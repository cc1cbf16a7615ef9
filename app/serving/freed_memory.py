"""What a release leaves behind: freed memory goes back to the system, else the next one grows the process further."""

import ctypes
from typing import Final

_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of glibc; other allocators give back by themselves


def give_back() -> None:
    """Return all whole pages that nothing is in; takes milliseconds, in which others go on.

    glibc by itself returns only the top of its heap, and of other threads' heaps next to nothing: a bundle is loaded in
    a thread, so that each one would leave holes of its size.
    """
    if _TRIM is not None:
        _TRIM(0)
