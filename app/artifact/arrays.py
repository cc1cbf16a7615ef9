"""Arrays of a bundle, read from their files."""

from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

_ONE_AT_A_TIME: Final = Lock()
"""NumPy reads the head of a file with `ast.literal_eval`, and before Python 3.13 threads that do so at once may fail:
all of them count the depth of what they read in one number."""


def load_array(path: Path | str, mmap_mode: Literal["r", "c"] | None = None) -> NDArray[Any]:
    """The array in a file.

    Args:
        path: of the file.
        mmap_mode: maps it into memory instead of reading it, as for `numpy.load`.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no array.
    """
    with _ONE_AT_A_TIME:
        array: NDArray[Any] = np.load(path, mmap_mode=mmap_mode, allow_pickle=False)
    return array
