"""The union of candidate sources: every item of a request once."""

import ctypes
from collections.abc import Sequence
from ctypes import c_int32, c_int64, c_void_p
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.engine.kernels.library import Library, address, contiguous, library

Part = tuple[NDArray[np.integer], int]
"""Rows `[batch, items]`, padded with 0, or `[1, items]` of all requests, and the bit of their source."""


@dataclass(frozen=True)
class Answerable:
    """Which items may be answered, beside what a request excludes."""

    allowed: NDArray[np.bool_] | None = None  # [1 or batch, span]; None allows every item
    at_all: NDArray[np.bool_] | None = None  # [span] to any request; None where all may
    kept: int = 0  # the bit of the source whose items are never left out


class _Part(ctypes.Structure):
    _fields_ = (
        ("rows", c_void_p),
        ("request_step", c_int64),
        ("width", c_int64),
        ("is_long", c_int32),
        ("source", c_int32),
    )


def union_of_parts(
    parts: Sequence[Part], span: int, exclude_rows: NDArray[np.int64], answerable: Answerable
) -> CandidateList:
    """Every item of the parts of a request, once, ordered by row, without the excluded and the masked ones.

    Args:
        parts: rows below `span`.
        span: rows of the item tables.
        exclude_rows: `[batch, excluded]`, padded with 0.
    """
    compiled = library()
    if compiled is None:
        return numpy_union(parts, span, exclude_rows, answerable)
    return _compiled_union(compiled, parts, span, exclude_rows, answerable)


def _compiled_union(
    compiled: Library, parts: Sequence[Part], span: int, exclude_rows: NDArray[np.int64], answerable: Answerable
) -> CandidateList:
    for mask in (answerable.allowed, answerable.at_all):
        if mask is not None and mask.shape[-1] < span:
            raise IndexError(f"expected a mask of {span} rows, got one of {mask.shape[-1]}")
    batch, excluded = exclude_rows.shape
    arrays = [_readable(rows) for rows, _ in parts]
    width = sum(array.shape[1] for array in arrays)
    read = (_Part * len(parts))(
        *(_part_of(array, source) for array, (_, source) in zip(arrays, parts, strict=True)),
    )
    exclude_rows = contiguous(exclude_rows, np.int64)
    allowed = None if answerable.allowed is None else _by_bytes(answerable.allowed)
    at_all = None if answerable.at_all is None else contiguous(answerable.at_all, np.bool_)
    request_index, rows = np.empty(batch * width, dtype=np.int64), np.empty(batch * width, dtype=np.int64)
    sources, offsets = np.empty(batch * width, dtype=np.uint8), np.empty(batch + 1, dtype=np.int64)
    scratch = np.empty(2 * (width + excluded), dtype=np.uint64)
    count = compiled.union_of_parts(
        batch,
        read,
        len(parts),
        span,
        answerable.kept,
        address(exclude_rows),
        excluded,
        None if allowed is None else address(allowed),
        0 if allowed is None or len(allowed) == 1 else allowed.strides[0],
        None if at_all is None else address(at_all),
        *map(address, (request_index, rows, sources, offsets, scratch)),
    )
    return CandidateList(request_index[:count], rows[:count], sources[:count], offsets)


def _readable(rows: NDArray[np.integer]) -> NDArray[np.integer]:
    """Rows of 32 or 64 bits, those of a request side by side."""
    if rows.dtype not in (np.int32, np.int64):
        rows = rows.astype(np.int64)
    return rows if rows.strides[1] == rows.itemsize else np.ascontiguousarray(rows)


def _by_bytes(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask if mask.strides[1] == 1 else np.ascontiguousarray(mask)


def _part_of(rows: NDArray[Any], source: int) -> _Part:
    step = 0 if len(rows) == 1 else rows.strides[0] // rows.itemsize
    return _Part(address(rows), step, rows.shape[1], rows.itemsize == 8, source)


def numpy_union(
    parts: Sequence[Part], span: int, exclude_rows: NDArray[np.int64], answerable: Answerable
) -> CandidateList:
    """As `union_of_parts`, by NumPy."""
    size = len(exclude_rows)
    rows = np.concatenate(
        [np.broadcast_to(part, (size, part.shape[1])).astype(np.int64, copy=False) for part, _ in parts], axis=1
    )
    sources = np.concatenate([np.full((size, part.shape[1]), source, dtype=np.uint8) for part, source in parts], axis=1)
    request_index = np.broadcast_to(np.arange(size)[:, None], rows.shape)
    is_item = rows != PADDING_ROW
    keys, bits = (request_index * span + rows)[is_item], sources[is_item]
    order = np.argsort(keys, kind="stable")
    keys, bits = keys[order], bits[order]
    first = np.flatnonzero(np.diff(keys, prepend=-1))
    keys = keys[first]
    bits = np.bitwise_or.reduceat(bits, first) if len(first) else bits
    kept_requests, kept_rows = keys // span, keys % span
    stays = ~_is_excluded(keys, exclude_rows, span)
    if answerable.allowed is not None:
        of_all = len(answerable.allowed) == 1
        stays &= answerable.allowed[0, kept_rows] if of_all else answerable.allowed[kept_requests, kept_rows]
    if answerable.at_all is not None:
        stays &= answerable.at_all[kept_rows]
    stays |= (bits & answerable.kept) != 0
    kept_requests = kept_requests[stays]
    offsets = np.searchsorted(kept_requests, np.arange(size + 1))
    return CandidateList(kept_requests, kept_rows[stays], bits[stays], offsets)


def _is_excluded(keys: NDArray[np.int64], exclude_rows: NDArray[np.int64], span: int) -> NDArray[np.bool_]:
    """Which keys `request * span + row` a request excludes."""
    if not exclude_rows.shape[1] or not len(keys):
        return np.zeros(len(keys), dtype=np.bool_)
    excluded = np.sort((np.arange(len(exclude_rows))[:, None] * span + exclude_rows)[exclude_rows != PADDING_ROW])
    if not len(excluded):
        return np.zeros(len(keys), dtype=np.bool_)
    position = np.minimum(np.searchsorted(excluded, keys), len(excluded) - 1)
    return np.asarray(excluded[position] == keys, dtype=np.bool_)
