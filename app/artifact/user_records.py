"""Records of a user in the store, byte for byte: the long vector, recent events, sets of items.

A record is little-endian and of fixed width, so that a script inside the store can cut, compare and append.

    long vector   f32 scale, f32 weight, then seven bits a dimension: 8 + 7/8 dim bytes (120 at 128 dimensions)
    recent event  u64 item hash, u32 unix seconds, u8 of six bits of 1/64 s and two bits of behaviour: 13 bytes
    item set      u64 item hash each, oldest first
"""

import math
import struct
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import BITS

LONG_BITS: Final = 7
LONG_LIMIT: Final = 2 ** (LONG_BITS - 1) - 1  # the largest absolute value of a quantised dimension
EVENT: Final = np.dtype([("item", "<u8"), ("second", "<u4"), ("rest", "u1")])
_EVENT: Final = struct.Struct("<QIB")  # the same
_HEAD: Final = np.dtype([("scale", "<f4"), ("weight", "<f4")])
BEHAVIOUR_MASK: Final = (1 << BITS) - 1  # of the last byte of an event
_PARTS: Final = 1 << (8 - BITS)  # of a second: the other bits of that byte
_LAST: Final = float(2**32) - 1  # seconds; 2106


def long_vector_bytes(dim: int) -> int:
    """The length of a packed long vector."""
    return _HEAD.itemsize + (dim * LONG_BITS + 7) // 8


def dim_of(record: bytes) -> int:
    """The number of dimensions of a packed long vector, a multiple of eight."""
    return (len(record) - _HEAD.itemsize) * 8 // LONG_BITS


def pack_long_vectors(
    quantised: NDArray[np.int8], scales: NDArray[np.float32], weights: NDArray[np.float32]
) -> list[bytes]:
    """The record of each user.

    Args:
        quantised: `[users, dim]`, each within `±LONG_LIMIT`.
        scales: `[users]`, so that `quantised * scale` is the vector.
        weights: `[users]`.
    """
    users, dim = quantised.shape
    head = np.empty(users, dtype=_HEAD)
    head["scale"], head["weight"] = scales, weights
    shifted = (quantised.astype(np.int16) + LONG_LIMIT + 1).astype(np.uint8)
    bits = np.unpackbits(shifted[:, :, None], axis=2)[:, :, 8 - LONG_BITS :].reshape(users, dim * LONG_BITS)
    records = np.concatenate([head.view(np.uint8).reshape(users, _HEAD.itemsize), np.packbits(bits, axis=1)], axis=1)
    return [record.tobytes() for record in records]


def unpack_long_vectors(records: Sequence[bytes], dim: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Vectors `[users, dim]` and weights `[users]` of packed long vectors.

    Raises:
        ValueError: a record does not have the length of `dim` dimensions.
    """
    width = long_vector_bytes(dim)
    if any(len(record) != width for record in records):
        raise ValueError(f"expected long vectors of {dim} dimensions, {width} bytes each, got another length")
    rows = np.frombuffer(b"".join(records), dtype=np.uint8).reshape(len(records), width)
    head = np.ascontiguousarray(rows[:, : _HEAD.itemsize]).view(_HEAD)[:, 0]
    bits = np.unpackbits(rows[:, _HEAD.itemsize :], axis=1, count=dim * LONG_BITS)
    padded = np.zeros((len(records), dim, 8), dtype=np.uint8)
    padded[:, :, 8 - LONG_BITS :] = bits.reshape(len(records), dim, LONG_BITS)
    values = np.packbits(padded, axis=2)[:, :, 0].astype(np.float32) - (LONG_LIMIT + 1)
    return values * head["scale"][:, None], head["weight"]


def pack_events(items: NDArray[np.uint64], types: NDArray[np.uint8], times: NDArray[np.float64]) -> NDArray[np.void]:
    """Records `[events]` of dtype `EVENT`; `tobytes()` of any slice is what is stored.

    Args:
        items: `[events]` stable hashes of item ids.
        types: `[events]` behaviour codes, 1 to 3.
        times: `[events]` unix seconds, kept to 1/64 s and within 1970 to 2106; NaN is unknown.
    """
    known = np.isfinite(times)
    ticks = np.floor(np.clip(np.where(known, times, 0.0), 0.0, _LAST) * _PARTS).astype(np.uint64)
    records = np.empty(len(items), dtype=EVENT)
    records["item"] = items
    records["second"] = ticks // _PARTS
    records["rest"] = (ticks % _PARTS).astype(np.uint8) * (1 << BITS) + types
    return records


def pack_event(item: int, behaviour: int, time: float) -> bytes:
    """The record of one event, as of `pack_events`."""
    ticks = int(min(max(time, 0.0), _LAST) * _PARTS) if math.isfinite(time) else 0
    return _EVENT.pack(item, ticks // _PARTS, ticks % _PARTS << BITS | behaviour)


def unpack_events(
    records: bytes | NDArray[np.void],
) -> tuple[NDArray[np.uint64], NDArray[np.uint8], NDArray[np.float64]]:
    """Item hashes, behaviour codes and unix seconds (NaN where unknown) of packed events, each `[events]`."""
    events = np.frombuffer(records, dtype=EVENT) if isinstance(records, bytes) else records
    parts = events["rest"] >> BITS
    times = events["second"] + parts / _PARTS
    return events["item"], (events["rest"] & BEHAVIOUR_MASK).astype(np.uint8), np.where(times > 0, times, np.nan)


def pack_items(hashes: NDArray[np.uint64]) -> bytes:
    """The record of a set of items."""
    return np.ascontiguousarray(hashes, dtype="<u8").tobytes()


def unpack_items(record: bytes) -> NDArray[np.uint64]:
    """The inverse of `pack_items`."""
    return np.frombuffer(record, dtype="<u8")
