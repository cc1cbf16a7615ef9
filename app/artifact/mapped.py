"""Arrays of a bundle, mapped into memory."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.arrays import load_array


def load_mapped(path: Path) -> NDArray[Any]:
    """The array in a file, of which the machine keeps one copy for all processes, and none where it needs the memory.

    The file must stay as it is. What is written into the array goes into a copy of that part and not into the file; an
    array that may be written is one whose address compiled code gets in a quarter of the time.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is no array.
    """
    return np.asarray(load_array(path, mmap_mode="c"))
