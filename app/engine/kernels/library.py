"""The compiled kernels of this machine, opened once; none where they were not compiled, or of another source."""

import ctypes
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import addressof, c_char, c_char_p, c_double, c_float, c_int, c_int64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.engine.kernels.build import libraries, source_hash

log = logging.getLogger(__name__)

_NUMPY: Final = "numpy"
_beginning_of: Final[Any] = (c_char * 0).from_buffer
_FUNCTIONS: Final[dict[str, tuple[list[Any], Any]]] = {
    "best_of_requests": ([c_int64, *4 * [c_void_p], *2 * [c_int64], *4 * [c_void_p]], None),
    "union_of_parts": (
        [c_int64, c_void_p, *3 * [c_int64], c_void_p, c_int64, c_void_p, c_int64, *6 * [c_void_p]],
        c_int64,
    ),
    "features_of_candidates": ([*5 * [c_void_p], c_int64, *3 * [c_void_p]], c_int64),
    "feature_scratch": (4 * [c_int64], c_int64),
    "popularity_of_rows": ([*2 * [c_void_p], c_int64, *2 * [c_void_p]], c_int64),
    "best_of_products": (
        [*2 * [c_int64], *4 * [c_void_p], c_int64, c_void_p, *2 * [c_int64], *4 * [c_void_p]],
        None,
    ),
    "nearest_items": ([c_void_p, c_int64, *2 * [c_void_p], c_int64, c_void_p, *2 * [c_int64], *3 * [c_void_p]], None),
    "nearest_scratch": (5 * [c_int64], c_int64),
    "diverse_order": ([*2 * [c_int64], *2 * [c_void_p], c_int64, c_void_p, c_int64, *2 * [c_void_p]], None),
    "touched_rows": ([c_void_p, *2 * [c_int64], *3 * [c_void_p]], c_int64),
    "match_words": (
        [
            *(*2 * [c_void_p], *2 * [c_int64], c_void_p, c_int64, *4 * [c_void_p], c_float, *4 * [c_double], c_int64),
            *(*3 * [c_void_p], c_int64, c_void_p),
        ],
        c_float,
    ),
    "columns_of_rows": ([c_void_p, c_int64, *2 * [c_void_p], c_int64, c_void_p, c_int64], None),
    "best_rows_by_words": (
        [c_void_p, c_int64, *4 * [c_void_p], c_int64, *2 * [c_void_p], *2 * [c_int64], *2 * [c_void_p]],
        c_int64,
    ),
    "sum_postings": ([*2 * [c_void_p], *2 * [c_int64], c_void_p], c_int),
    "rows_in_any": ([c_void_p, *2 * [c_int64], *2 * [c_void_p]], c_int64),
    "first_text_from": ([c_void_p, c_int64, c_void_p, *2 * [c_int64], c_char_p, c_int64], c_int64),
    "title_features": ([*3 * [c_void_p], c_int64, *2 * [c_void_p], c_int64, c_void_p, c_int64, *2 * [c_void_p]], c_int),
    "scores_of_candidates": ([*2 * [c_void_p], *2 * [c_int64], *2 * [c_void_p], c_int64, *3 * [c_void_p]], c_int),
    "scores_of_search": ([*3 * [c_void_p], c_int64, *2 * [c_void_p], c_int64, *2 * [c_void_p]], c_int64),
    "cosines_of_rows": ([*2 * [c_void_p], *2 * [c_int64], c_void_p, c_float, c_void_p], None),
    "weighted_rows": ([c_void_p, *2 * [c_int64], *2 * [c_void_p], c_int64, c_void_p], None),
    "hash_texts": ([c_void_p, c_int64, c_void_p, c_int64, c_void_p], c_int),
    "count_values": ([*2 * [c_void_p], c_int64, c_void_p, c_int64, c_void_p], c_int),
    "leave_out": ([*4 * [c_void_p], c_int64, c_void_p, c_int64, *4 * [c_void_p]], None),
    "ordered_weights": ([*2 * [c_void_p], *2 * [c_int64], *4 * [c_void_p]], None),
    "order_scores": ([*2 * [c_void_p], c_int64, *2 * [c_void_p]], None),
    "query_vectors": (4 * [c_void_p], c_int),
    "tower_scratch": ([c_void_p], c_int64),
    "has_third_level": ([], c_int),
    "product_level": ([], c_int),
}
"""What each function takes and returns, as the files of `source` have it."""


@dataclass(frozen=True)
class Library:
    """The functions of a library. A call holds no lock of Python's while it runs."""

    kind: str  # of processor
    best_of_requests: Any
    union_of_parts: Any
    features_of_candidates: Any
    feature_scratch: Any
    popularity_of_rows: Any
    best_of_products: Any
    nearest_items: Any
    nearest_scratch: Any
    diverse_order: Any
    touched_rows: Any
    match_words: Any
    columns_of_rows: Any
    best_rows_by_words: Any
    sum_postings: Any
    rows_in_any: Any
    first_text_from: Any
    title_features: Any
    scores_of_candidates: Any
    scores_of_search: Any
    cosines_of_rows: Any
    weighted_rows: Any
    hash_texts: Any
    count_values: Any
    leave_out: Any
    ordered_weights: Any
    order_scores: Any
    query_vectors: Any
    tower_scratch: Any
    has_third_level: Any
    product_level: Any


class KernelsMissing(Exception):
    """There is no library to use; the message says why."""


class _InUse:
    """What this process was told to use instead of the best library."""

    other: tuple[Library | None] | None = None


def library() -> Library | None:
    """The kernels; None where the NumPy forms have to do."""
    return _opened()[0] if _InUse.other is None else _InUse.other[0]


def kernel_kind() -> str:
    """What the loops of the engine run in: the kind of processor that they were compiled for, or `numpy`."""
    used = library()
    return _NUMPY if used is None else used.kind


def say_kernels() -> None:
    """Tell the log what is used, and where those are the slow forms, why and what helps."""
    used, reason = _opened()
    if used is None:
        log.warning(
            "no compiled kernels, NumPy does their work, slower: install the package anew",
            extra={"reason": reason},
        )
    else:
        log.info("kernels opened", extra={"kind": used.kind})


@contextmanager
def using(other: Library | None) -> Iterator[None]:
    """Inside, all threads use another library, or for None the NumPy forms: to compare with them."""
    _InUse.other = (other,)
    try:
        yield
    finally:
        _InUse.other = None


def address(array: NDArray[Any]) -> int:
    """Where an array begins; it has to live as long as the address is used."""
    try:
        return addressof(_beginning_of(array))  # a fifth of what it costs to ask NumPy
    except (TypeError, ValueError):  # not to be written, or with gaps
        begins: int = array.__array_interface__["data"][0]
        return begins


def contiguous(array: NDArray[Any], dtype: type[np.generic]) -> NDArray[Any]:
    """The array as kernels read it: itself where it is so."""
    return np.ascontiguousarray(array, dtype=dtype)


def open_library(kind: str, path: Path) -> Library:
    """The library at `path`.

    Raises:
        KernelsMissing: it is not there, cannot be opened, or was compiled of another source than the present one.
    """
    try:
        handle = ctypes.CDLL(str(path))
        handle.kernels_source.restype = c_char_p
        bears = handle.kernels_source().decode()
    except (OSError, AttributeError) as error:
        reason = f"{path.name} cannot be opened ({error})" if path.exists() else f"{path.name} is not there"
        raise KernelsMissing(reason) from error
    if bears != source_hash():
        raise KernelsMissing(f"{path.name} was compiled of another source")
    for name, (arguments, result) in _FUNCTIONS.items():
        function = getattr(handle, name)
        function.argtypes, function.restype = arguments, result
    return Library(kind, *(getattr(handle, name) for name in _FUNCTIONS))


@cache
def _opened() -> tuple[Library | None, str | None]:
    """The best library that this processor runs; else why there is none."""
    best: Library | None = None
    reason: str | None = "not made for this kind of machine"
    for kind, path in libraries():
        if best is not None and not best.has_third_level():
            break
        try:
            best, reason = open_library(kind, path), None
        except KernelsMissing as error:
            return best, str(error)
    return best, reason
