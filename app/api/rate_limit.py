"""How many requests a second each key may make: a token bucket that holds one second's worth.

A key that was idle may make that many at once; from then on they come as fast as the bucket fills.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(slots=True)
class _Bucket:
    tokens: float
    filled: float  # when, in seconds of the clock


class RateLimit:
    """The buckets of all keys.

    Args:
        per_second: requests of one key; 0 is no limit.
        clock: tells seconds, and never goes back.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self._per_second = per_second
        self._capacity = max(1.0, per_second)
        self._clock = clock
        self._buckets: dict[bytes, _Bucket] = {}  # as many as there are configured keys

    def take(self, key: bytes) -> float:
        """Take a token of `key`; 0 when there was one, else the seconds until there will be."""
        if self._per_second <= 0:
            return 0.0
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._capacity, now)
        bucket.tokens = min(self._capacity, bucket.tokens + (now - bucket.filled) * self._per_second)
        bucket.filled = now
        if bucket.tokens < 1.0:
            return (1.0 - bucket.tokens) / self._per_second
        bucket.tokens -= 1.0
        return 0.0
