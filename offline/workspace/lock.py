"""A lock that ends with its process, so that a killed one leaves none behind."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from offline.errors import FolderInUse


@contextmanager
def exclusive_lock(path: Path, refusal: str) -> Iterator[None]:
    """Keep other processes out for a while.

    Args:
        path: the file that is locked; its folder is there.
        refusal: what is said to whoever comes second.

    Raises:
        FolderInUse: somebody else holds the lock.
    """
    with path.open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUse(refusal) from None
        yield
