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
    minutes = np.maximum(now - times, 0.0) / 60.0
    with np.errstate(invalid="ignore"):
        buckets = 1 + np.floor(np.log2(1.0 + minutes))
    known = np.isfinite(buckets)
    return np.where(known, np.minimum(buckets, AGE_BUCKETS - 1), UNKNOWN_AGE).astype(np.int64)
