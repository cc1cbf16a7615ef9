"""Request ids: the caller's own where it is sane, else a ULID (26 characters, sortable by time)."""

import re
import time
from random import getrandbits
from typing import Final

_SANE: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [first + second for first in _CROCKFORD for second in _CROCKFORD]  # ten bits each


def request_id_of(given: bytes | None) -> str:
    """The id of a request.

    Args:
        given: the value of its `X-Request-ID`, if it had one.
    """
    if given is not None and _SANE.fullmatch(given):
        return given.decode("ascii")
    return new_ulid()


def new_ulid() -> str:
    """48 bits of milliseconds and 80 random bits, in Crockford's base 32 (github.com/ulid/spec)."""
    value = int(time.time() * 1000) << 80 | getrandbits(80)
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])
