"""Age buckets of events for the query tower: one function for training and serving."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

UNKNOWN_AGE: Final = 0
AGE_BUCKETS: Final = 24


def age_buckets(times: NDArray[np.float64], now: NDArray[np.float64]) -> NDArray[np.int64]:
    """Logarithmic age of events seen from `now`, both in unix seconds and broadcast against each other.

    Bucket 0 is 'time unknown' (NaN on either side); bucket b >= 1 holds ages in `[2^(b-1) - 1, 2^b - 1)` minutes,
    the last one everything older. An event from the future counts as just now.
    """
    return _buckets_of(np.maximum(now - times, 0.0) / 60.0)


def _buckets_of(minutes: NDArray[np.float64]) -> NDArray[np.int64]:
    with np.errstate(invalid="ignore"):
        buckets = 1 + np.floor(np.log2(1.0 + minutes))
    known = np.isfinite(buckets)
    return np.where(known, np.minimum(buckets, AGE_BUCKETS - 1), UNKNOWN_AGE).astype(np.int64)


def _first_minutes(bucket: int) -> float:
    """The least minutes of a bucket: a logarithm of what is just below a power of two may be rounded up."""
    below, first = np.array([2.0 ** (bucket - 1) - 2, 2.0**bucket]).view(np.int64).tolist()
    while below + 1 < first:  # numbers above 0 are in the order of their bits
        middle = (below + first) // 2
        is_in = bool(_buckets_of(np.array([middle]).view(np.float64))[0] >= bucket)
        below, first = (below, middle) if is_in else (middle, first)
    return float(np.array([first]).view(np.float64)[0])


AGE_BEGINS: Final = np.array([_first_minutes(bucket) for bucket in range(2, AGE_BUCKETS)])
"""The minutes that buckets 2, 3, .. begin at."""
