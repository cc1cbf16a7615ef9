"""Checks of arrays of a bundle: each failure says what was expected, what came, and what to do."""

from codecs import getincrementaldecoder
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from app.artifact.columns import TextColumn
from app.errors import BundleCorrupt

_AT_ONCE: Final = 2**20  # bytes of a text column that are decoded


def require(is_right: bool, path: Path, expected: str, got: object) -> None:
    """Refuse a file that is not as expected.

    Raises:
        BundleCorrupt: it is not.
    """
    if not is_right:
        raise BundleCorrupt(f"{path}: expected {expected}, got {got}: export the bundle again")


def check_array(path: Path, array: NDArray[Any], dtype: DTypeLike, *shape: int | None) -> None:
    """Check type and shape of an array; a length that is `None` may be any.

    Raises:
        BundleCorrupt: it has another one.
    """
    fits = array.dtype == np.dtype(dtype) and array.ndim == len(shape)
    fits = fits and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
    lengths = ", ".join("any" if want is None else str(want) for want in shape)
    require(fits, path, f"{np.dtype(dtype)} [{lengths}]", f"{array.dtype} {list(array.shape)}")


def check_range(path: Path, array: NDArray[Any], least: float, most: float, what: str) -> None:
    """Check that all numbers lie within `least` and `most`, both included; NaN does not.

    Raises:
        BundleCorrupt: one does not; `what` says what they are.
    """
    if not array.size:
        return
    low, high = array.min(), array.max()
    require(bool(low >= least and high <= most), path, f"{what} from {least} to {most}", f"from {low} to {high}")


def check_numbers(path: Path, array: NDArray[Any], *, negative: bool = False, nan: bool = False) -> None:
    """Check that all numbers are finite and, unless `negative`, at least 0; `nan` lets NaN stand for a missing one.

    Raises:
        BundleCorrupt: one is not.
    """
    values = array[~np.isnan(array)] if nan else array
    limit = float(np.finfo(array.dtype).max)
    check_range(path, values, -limit if negative else 0.0, limit, "numbers")


def check_offsets(path: Path, offsets: NDArray[Any], end: int) -> None:
    """Check that offsets ascend from 0 to `end`.

    Raises:
        BundleCorrupt: they do not.
    """
    ascends = len(offsets) > 0 and int(offsets[0]) == 0 and int(offsets[-1]) == end
    ascends = ascends and bool((offsets[1:] >= offsets[:-1]).all())
    require(ascends, path, f"ascending offsets from 0 to {end}", "others")


def check_texts(stem: Path, column: TextColumn, count: int | None = None) -> None:
    """Check that a text column holds `count` texts, all of them UTF-8.

    Raises:
        BundleCorrupt: it does not.
    """
    offsets_path = stem.with_name(f"{stem.name}.offsets.npy")
    values_path = stem.with_name(f"{stem.name}.text.npy")
    values, offsets = np.asarray(column.values), np.asarray(column.offsets)
    check_array(values_path, values, np.uint8, None)
    check_array(offsets_path, offsets, np.int64, None if count is None else count + 1)
    check_offsets(offsets_path, offsets, len(values))
    starts = offsets[offsets < len(values)]
    is_split = bool(((values[starts] & 0xC0) == 0x80).any())
    decoder = getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(values), _AT_ONCE):
            decoder.decode(values[start : start + _AT_ONCE].tobytes())
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        raise BundleCorrupt(f"{values_path}: expected UTF-8, got other bytes ({error}): export it again") from error
    require(not is_split, offsets_path, "offsets between letters", "some within one")
