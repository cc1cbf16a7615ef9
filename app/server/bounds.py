"""What connections may hold and for how long."""

import resource
from dataclasses import dataclass
from typing import Final

KEEP_ALIVE_S: Final = 75.0
"""Seconds that an idle connection is kept: more than the 60 of common proxies, so that it is they who close it."""
SPARE_DESCRIPTORS: Final = 128
"""Descriptors left to all else: files of a bundle, Redis, and connections on their way to be closed."""


@dataclass(frozen=True, slots=True)
class ConnectionBounds:
    """Bounds of one connection, and of all together; each stands in the table of `app.api.limits`."""

    connections: int = 4_096
    head_bytes: int = 32_768  # request line and headers; chunk sizes, their extensions and trailers again as many
    head_s: float = 10.0
    body_bytes: int = 1_048_576
    body_s: float = 30.0
    large_path: str | None = None  # the one call whose body may be larger, and come for longer
    large_bytes: int = 32 * 2**20
    large_s: float = 120.0
    held_bytes: int = 64 * 2**20  # of bodies of all connections that arrive, or are not answered yet
    answer_s: float = 30.0
    unread_bytes: int = 64 * 2**20  # of answers of all connections that nobody takes
    idle_s: float = KEEP_ALIVE_S


def raise_descriptor_limit() -> int:
    """Let this process open as many descriptors as it may at all; returns how many that are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (ValueError, OSError):  # some systems call unlimited what they do not grant
            return soft
    return hard


def descriptor_limit() -> int:
    """How many descriptors this process may have open; a very large number where there is no limit."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 2**31 if soft == resource.RLIM_INFINITY else soft
