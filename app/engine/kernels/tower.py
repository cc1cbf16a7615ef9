"""The query tower, compiled: the vector of each request, from its events."""

import ctypes
from ctypes import byref, c_float, c_int64, c_void_p
from dataclasses import dataclass, fields
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.event_features import AGE_BEGINS, AGE_BUCKETS, age_buckets
from app.engine.kernels.library import Library, address, contiguous, library

Floats = NDArray[np.float32]
_WIDE: Final = 8  # lanes that a sum over a row runs in
_UNIT: Final = 16  # what lengths are multiples of
_FLOATS: Final = (
    "attention_scale",
    "first_epsilon",
    "second_epsilon",
    "mean_gate",
    "state_gate",
    "temperature",
)


@dataclass(frozen=True)
class TowerWeights:
    """A query tower that reads the order of events; matrices are `[in, out]`, of float32."""

    event_weights: Floats  # [types, ages, window] of events in the mean
    embeddings: Floats  # [types, dim]
    first_scale: Floats  # [dim] of the layer norm before attention, and so is `first_shift`
    first_shift: Floats
    queries: Floats  # [dim, dim], and so are keys, values and `joined`; a bias is [dim]
    query_bias: Floats
    keys: Floats
    key_bias: Floats
    values: Floats
    value_bias: Floats
    joined: Floats
    joined_bias: Floats
    position_bias: Floats  # [heads, window]
    age_bias: Floats  # [ages, heads]
    second_scale: Floats  # [dim] of the layer norm before the feed-forward part, and so is `second_shift`
    second_shift: Floats
    feed: Floats  # [dim, units]
    feed_bias: Floats
    fed: Floats  # [units, dim]
    fed_bias: Floats
    inner: Floats  # [2 * dim, hidden], of mean and state
    inner_bias: Floats
    outer: Floats  # [hidden, dim]
    attention_scale: float
    first_epsilon: float
    second_epsilon: float
    mean_gate: float
    state_gate: float
    temperature: float

    @property
    def dim(self) -> int:
        """Numbers of a vector."""
        return int(self.embeddings.shape[1])

    @property
    def window(self) -> int:
        """Events of a request."""
        return int(self.event_weights.shape[2])

    def fits(self) -> bool:
        """Whether the kernel can work with such lengths."""
        lengths = (self.dim, self.feed.shape[1], self.inner.shape[1])
        heads, has_ages = len(self.position_bias), self.event_weights.shape[1] == AGE_BUCKETS
        return has_ages and not any(length % _UNIT for length in lengths) and self.dim % (heads * _WIDE) == 0


@dataclass(frozen=True)
class TowerEvents:
    """What the tower reads of a batch of requests; row 0 and type 0 pad."""

    vectors: Floats | None  # [batch, window, dim]; those of the rows where they are not given
    rows: NDArray[np.int32]  # [batch, window]
    codes: NDArray[np.int8]  # [items, dim], with `scales` [items] the vectors of all items
    scales: Floats
    types: NDArray[np.uint8]  # [batch, window]
    times: NDArray[np.float64]  # [batch, window] unix seconds, NaN when unknown
    now: NDArray[np.float64]  # [batch] unix seconds, NaN without a clock
    long_vector: Floats  # [batch, dim]
    long_weight: Floats  # [batch]


_ARRAYS: Final = tuple(field.name for field in fields(TowerWeights) if field.name not in _FLOATS)


class _Tower(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in _ARRAYS),
        *((name, c_int64) for name in ("dim", "window", "types", "ages", "heads", "feed_units", "hidden")),
        *((name, c_float) for name in _FLOATS),
    )


class _Events(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("vectors", "rows", "codes", "scales")),
        ("items", c_int64),
        *((name, c_void_p) for name in ("types", "times", "now", "age_begins", "long_vectors", "long_weights")),
        ("batch", c_int64),
    )


class Tower:
    """Weights as the kernel reads them."""

    def __init__(self, weights: TowerWeights) -> None:
        self.weights = weights
        self._arrays = [contiguous(getattr(weights, name), np.float32) for name in _ARRAYS]
        types, ages, window = weights.event_weights.shape
        lengths = (weights.dim, window, types, ages, len(weights.position_bias))
        self.structure = _Tower(
            *map(address, self._arrays),
            *lengths,
            weights.feed.shape[1],
            weights.inner.shape[1],
            *(getattr(weights, name) for name in _FLOATS),
        )

    def query_vectors(self, events: TowerEvents) -> Floats:
        """The vectors `[batch, dim]` of requests, each the same alone and beside others.

        Raises:
            IndexError: a behaviour or an item is none of the tables'.
        """
        compiled = library()
        return numpy_query_vectors(self.weights, events) if compiled is None else self._compiled(compiled, events)

    def _compiled(self, compiled: Library, events: TowerEvents) -> Floats:
        vectors = None if events.vectors is None else contiguous(events.vectors, np.float32)
        arrays = (
            contiguous(events.rows, np.int32),
            contiguous(events.codes, np.int8),
            contiguous(events.scales, np.float32),
            contiguous(events.types, np.uint8),
            contiguous(events.times, np.float64),
            contiguous(events.now, np.float64),
            AGE_BEGINS,
            contiguous(events.long_vector, np.float32),
            contiguous(events.long_weight, np.float32),
        )
        rows, codes, scales, *of_requests = map(address, arrays)
        given = None if vectors is None else address(vectors)
        read = _Events(given, rows, codes, scales, len(events.scales), *of_requests, len(events.rows))
        queries = np.empty((len(events.rows), self.weights.dim), dtype=np.float32)
        scratch = np.empty(compiled.tower_scratch(byref(self.structure)), dtype=np.float32)
        if compiled.query_vectors(byref(self.structure), byref(read), address(queries), address(scratch)):
            raise IndexError(f"expected behaviours and rows below {self._limits(events)}, got others")
        return queries

    def _limits(self, events: TowerEvents) -> tuple[int, int]:
        return len(self.weights.event_weights), len(events.scales)


def numpy_query_vectors(weights: TowerWeights, events: TowerEvents) -> Floats:
    """As `Tower.query_vectors`, by NumPy: request by request, sum by sum."""
    vectors = events.vectors
    if vectors is None:
        vectors = events.codes[events.rows].astype(np.float32) * events.scales[events.rows][..., None]
    queries = np.zeros((len(events.rows), weights.dim), dtype=np.float32)
    ages = age_buckets(events.times, events.now[:, None])
    for request in range(len(queries)):
        of_types, of_ages = events.types[request].astype(np.int64), ages[request]
        present = np.flatnonzero(of_types)
        mean = _mean(weights, vectors[request], of_types, of_ages, present)
        mean += events.long_vector[request]
        total = _running(weights.event_weights[of_types[present], of_ages[present], present])
        mean /= np.maximum(total + events.long_weight[request], np.float32(1e-6))
        inputs = vectors[request] + weights.embeddings[of_types]
        state = inputs[-1] + _product(
            _attention(weights, inputs, of_ages, present), weights.joined, weights.joined_bias
        )
        normed = _layer_norm(state, weights.second_scale, weights.second_shift, weights.second_epsilon)
        units = _gelu(_product(normed, weights.feed, weights.feed_bias))
        state = state + _product(units, weights.fed, weights.fed_bias)
        hidden = np.maximum(_product(np.concatenate([mean, state]), weights.inner, weights.inner_bias), np.float32(0))
        query = mean * np.float32(weights.mean_gate) + state * np.float32(weights.state_gate)
        query = query + _product(hidden, weights.outer)
        length = np.maximum(np.sqrt(_lanes_sum(query * query)), np.float32(1e-12))
        queries[request] = query / length / np.float32(weights.temperature)
    return queries


def _mean(
    weights: TowerWeights,
    vectors: Floats,
    types: NDArray[np.int64],
    ages: NDArray[np.int64],
    present: NDArray[np.int64],
) -> Floats:
    total = np.zeros(weights.dim, dtype=np.float32)
    for position in present:
        total += vectors[position] * weights.event_weights[types[position], ages[position], position]
    return total


def _attention(weights: TowerWeights, inputs: Floats, ages: NDArray[np.int64], present: NDArray[np.int64]) -> Floats:
    """What the newest position reads of the events, of all heads; its own value where there is no event."""
    normed = [_layer_norm(row, weights.first_scale, weights.first_shift, weights.first_epsilon) for row in inputs]
    if not len(present):
        return _product(normed[-1], weights.values, weights.value_bias)
    seeker = _product(normed[-1], weights.queries, weights.query_bias)
    keys = [_product(normed[position], weights.keys, weights.key_bias) for position in present]
    values = [_product(normed[position], weights.values, weights.value_bias) for position in present]
    mixed = np.zeros(weights.dim, dtype=np.float32)
    of_head = weights.dim // len(weights.position_bias)
    for head, position_bias in enumerate(weights.position_bias):
        part = slice(head * of_head, (head + 1) * of_head)
        products = np.array([_lanes_sum(seeker[part] * key[part]) for key in keys], dtype=np.float32)
        bias = position_bias[present] + weights.age_bias[ages[present], head]
        scores = products * np.float32(weights.attention_scale) + bias
        shares = _exponential(scores - scores.max())
        shares = shares / _running(shares)
        for share, value in zip(shares, values, strict=True):
            mixed[part] += value[part] * share
    return mixed


def _product(row: Floats, weights: Floats, bias: Floats | None = None) -> Floats:
    total = np.zeros(weights.shape[1], dtype=np.float32)
    for value, line in zip(row, weights, strict=True):
        total += line * value
    return total if bias is None else total + bias


def _running(values: Floats) -> np.float32:
    """The sum of one number after another."""
    total: np.float32 = np.cumsum(np.append(np.float32(0), values), dtype=np.float32)[-1]
    return total


def _lanes_sum(row: Floats) -> np.float32:
    sums = np.zeros(_WIDE, dtype=np.float32)
    for part in row.reshape(-1, _WIDE):
        sums += part
    half = sums[:4] + sums[4:]
    quarter = half[:2] + half[2:]
    total: np.float32 = quarter[0] + quarter[1]
    return total


def _layer_norm(row: Floats, scale: Floats, shift: Floats, epsilon: float) -> Floats:
    length = np.float32(len(row))
    row = row - _lanes_sum(row) / length
    spread = np.sqrt(_lanes_sum(row * row) / length + np.float32(epsilon))
    return np.asarray(row / spread * scale + shift)


_EXPONENTIAL: Final = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
_ERROR_ABOVE: Final = (
    -2.72614225801306e-10,
    2.77068142495902e-08,
    -2.10102402082508e-06,
    -5.69250639462346e-05,
    -7.34990630326855e-04,
    -2.95459980854025e-03,
    -1.60960333262415e-02,
)
_ERROR_BELOW: Final = (
    -1.45660718464996e-05,
    -2.13374055278905e-04,
    -1.68282697438203e-03,
    -7.37332916720468e-03,
    -1.42647390514189e-02,
)


def _polynomial(coefficients: tuple[float, ...], values: Floats) -> Floats:
    total = np.full_like(values, coefficients[0])
    for coefficient in coefficients[1:]:
        total = total * values + np.float32(coefficient)
    return total


def _exponential(values: Floats) -> Floats:
    """Exponentials of numbers that are not above 0, by Cody and Waite's reduction and a polynomial."""
    values = np.maximum(values, np.float32(-87))
    whole = np.rint(values * np.float32(1.44269504))
    rest = values - whole * np.float32(0.693359375)
    rest = rest - whole * np.float32(-2.12194440e-4)
    total = _polynomial(_EXPONENTIAL, rest) * (rest * rest) + rest
    return np.asarray(np.ldexp(total + np.float32(1), whole.astype(np.int32)))


def _gelu(values: Floats) -> Floats:
    """Half of each number times one more than the error function of it over the root of 2."""
    x = np.clip(values / np.float32(1.41421354), np.float32(-4), np.float32(4))
    square = x * x
    error = x * _polynomial(_ERROR_ABOVE, square) / _polynomial(_ERROR_BELOW, square)
    return np.asarray(values * (np.float32(0.5) * (error + np.float32(1))))
