"""Cursors: what is left of a list, as a text that the caller keeps. The service stores nothing of it.

A list is frozen when its first page is answered, so that no page repeats or skips an item, whatever happens meanwhile
and whichever replica is asked. A cursor holds a header, the rows in as few bytes as they need, a byte a score, and a
signature: in URL-safe base64 some 4 to 5 letters an item.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as BadBase64
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.serving.cursor_keys import SIGNATURE_BYTES, CursorKeys, changed_cursor

LASTS_S: Final = 1_800
"""Seconds that a list stays as it was."""
MAX_ITEMS: Final = 10_000  # of a list, as deep as one may be asked for
_FORMAT: Final = 2  # a cursor of another one is refused
_HEADER: Final = struct.Struct("<BBBIIHIIQQdd")
_STEPS: Final = 255  # of a score, between the largest and the smallest
_ROW_BYTES: Final = 4
_HASH_BYTES: Final = 8
_WIDTHS: Final[dict[int, np.dtype[Any]]] = {
    1: np.dtype("u1"),
    2: np.dtype("<u2"),
    4: np.dtype("<u4"),
}  # bytes that are a number of numpy's


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a list, and what every page of it says."""

    version: int  # stable hash of the bundle's version: rows mean nothing in another one
    fingerprint: int  # of the request
    expires: int  # unix seconds
    offset: int  # items answered so far
    total: int
    flags: int  # one byte, which this format carries and does not read
    corrected_query: str | None
    rows: NDArray[np.int64]  # [n]
    codes: NDArray[np.uint8]  # [n] of the scores, 0 the largest
    largest: float
    smallest: float
    new_hashes: NDArray[np.uint64] = field(default_factory=lambda: np.zeros(0, dtype=np.uint64))
    """Stable hashes of items that the bundle does not know, whose rows every replica counts for itself: in `rows` the
    first of them is the row behind the bundle's last one."""

    def scores(self) -> NDArray[np.float64]:
        """`[n]`, to a 255th of their span."""
        step = (self.largest - self.smallest) / _STEPS
        return np.asarray(self.largest - self.codes * step, dtype=np.float64)

    def after(self, count: int, answered: int | None = None) -> "Rest | None":
        """What is left after the next `count` items, of which so many are answered, by default all; None where nothing
        is.
        """
        if count >= len(self.rows):
            return None
        offset = self.offset + (count if answered is None else answered)
        return replace(self, offset=offset, rows=self.rows[count:], codes=self.codes[count:])


def codes_of(scores: NDArray[np.floating]) -> tuple[NDArray[np.uint8], float, float]:
    """Scores `[n]` as a byte each, with the largest and the smallest."""
    largest, smallest = float(np.maximum.reduce(scores)), float(np.minimum.reduce(scores))
    if largest == smallest:
        return np.zeros(len(scores), dtype=np.uint8), largest, smallest
    steps = np.subtract(largest, scores, dtype=np.float64)
    steps *= _STEPS / (largest - smallest)
    return np.rint(steps, steps).astype(np.uint8), largest, smallest


def write_cursor(rest: Rest, keys: CursorKeys) -> str:
    """The cursor that holds a rest, as the caller gets it, signed by the first of `keys`."""
    width = (int(np.maximum.reduce(rest.rows)).bit_length() + 7) // 8
    corrected = (rest.corrected_query or "").encode()
    header = _HEADER.pack(
        _FORMAT,
        rest.flags,
        width,
        rest.offset,
        len(rest.rows),
        len(corrected),
        rest.expires,
        rest.total,
        rest.version,
        rest.fingerprint,
        rest.largest,
        rest.smallest,
    )
    if width in _WIDTHS:
        rows = rest.rows.astype(_WIDTHS[width]).tobytes()
    else:
        rows = rest.rows.astype("<u4").view(np.uint8).reshape(-1, _ROW_BYTES)[:, :width].tobytes()
    hashes = rest.new_hashes.astype("<u8").tobytes() if len(rest.new_hashes) else b""
    body = header + rows + rest.codes.tobytes() + corrected + hashes
    return urlsafe_b64encode(body + keys.sign(body)).rstrip(b"=").decode()


def read_cursor(text: str, keys: CursorKeys) -> Rest:
    """The inverse of `write_cursor`.

    Raises:
        InvalidCursor: the text is no cursor, or was changed on the way.
        CursorExpired: none of `keys` signed it.
    """
    try:
        content = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
    except (BadBase64, ValueError):
        raise changed_cursor() from None
    body, signature = content[:-SIGNATURE_BYTES], content[-SIGNATURE_BYTES:]
    if len(body) < _HEADER.size or body[0] != _FORMAT:
        raise changed_cursor()
    keys.check(body, signature)
    _, flags, width, offset, count, corrected_bytes, expires, total, version, fingerprint, largest, smallest = (
        _HEADER.unpack(body[: _HEADER.size])
    )
    start = _HEADER.size + count * width
    end = start + count + corrected_bytes
    if not count or not 0 < width <= _ROW_BYTES or len(body) < end or (len(body) - end) % _HASH_BYTES:
        raise changed_cursor()
    if offset + count > MAX_ITEMS or not (isfinite(largest) and isfinite(smallest) and smallest <= largest):
        raise changed_cursor()
    rows = np.zeros((count, _ROW_BYTES), dtype=np.uint8)
    rows[:, :width] = np.frombuffer(body[_HEADER.size : start], dtype=np.uint8).reshape(count, width)
    try:
        corrected = body[start + count : end].decode()
    except UnicodeDecodeError:
        raise changed_cursor() from None
    return Rest(
        version=version,
        fingerprint=fingerprint,
        expires=expires,
        offset=offset,
        total=total,
        flags=flags,
        corrected_query=corrected or None,
        rows=rows.view("<u4").reshape(-1).astype(np.int64),
        codes=np.frombuffer(body[start : start + count], dtype=np.uint8),
        largest=largest,
        smallest=smallest,
        new_hashes=np.frombuffer(body[end:], dtype="<u8").astype(np.uint64),
    )
