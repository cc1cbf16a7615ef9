"""The ranker's features, compiled. Their NumPy form is the function of the same name in `app.artifact`."""

import ctypes
from ctypes import byref, c_int64, c_void_p
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.artifact import rank_features as numpy_form
from app.artifact.rank_features import (
    DECAYS,
    FEATURES,
    GROUPS,
    RECENT,
    CandidateList,
    UserContext,
    popularity_features,
)
from app.artifact.rank_tables import RankTables
from app.engine.kernels.library import Library, address, contiguous, library
from app.engine.kernels.variants import Variants

_LOGS: Final = 4  # logarithms of an item: the first popularity features
_LARGEST_DIM: Final = 1_024  # up to which sums of products of 127 and less are whole in float32, in any order
_COLUMNS: Final[tuple[tuple[str, type[np.generic]], ...]] = (
    ("vectors", np.int8),
    ("scales", np.float32),
    ("score_scales", np.float32),
    ("content", np.int8),
    ("content_scales", np.float32),
    ("neighbours", np.int32),
    ("neighbour_weights", np.float16),
    ("counts", np.float32),
    ("codes", np.int32),
    ("log_price", np.float32),
    ("logs", np.float32),
    ("has_logs", np.bool_),
)
"""The columns of `Tables` in `source/features.c`."""


class _Tables(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name, _ in _COLUMNS),
        *((name, c_int64) for name in ("rows", "dim", "content_dim", "neighbours_each")),
    )


class _Users(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("event_rows", "event_types", "log_minutes", "queries")),
        *((name, c_int64) for name in ("batch", "window")),
    )


class _List(ctypes.Structure):
    _fields_ = (("rows", c_void_p), ("offsets", c_void_p), ("is_shared", c_int64))


class _Constants(ctypes.Structure):
    _fields_ = tuple((name, c_void_p) for name in ("decays", "log_wholes", "log_counts"))


class KernelTables:
    """Rank tables as the kernel reads them, with logarithms of items.

    Logarithms are NumPy's, since another library's may differ in the last bit. They are taken of all items at
    once, 40 ns each, but for those that differ from tables before, which are unknown until they are candidates.
    """

    def __init__(self, tables: RankTables) -> None:
        rows = len(tables.scales)
        self.logs = np.zeros((rows, _LOGS), dtype=np.float32)
        self.has_logs = np.zeros(rows, dtype=np.bool_)
        others: dict[str, NDArray[Any]] = {"counts": tables.assumed[0], "logs": self.logs, "has_logs": self.has_logs}
        columns = {name: others[name] if name in others else getattr(tables, name) for name, _ in _COLUMNS}
        self._arrays = [contiguous(columns[name], kind) for name, kind in _COLUMNS]
        self.structure = _Tables(
            *map(address, self._arrays),
            rows,
            tables.vectors.shape[1],
            tables.content.shape[1],
            tables.neighbours.shape[1],
        )

    @classmethod
    def of(cls, tables: RankTables) -> "KernelTables":
        """Those of rank tables, made once and kept with them."""
        kept: KernelTables | None = vars(tables).get(_KEPT)
        if kept is None:
            made = cls(tables)
            made.learn(tables, np.arange(1, len(tables.scales)))
            kept = vars(tables).setdefault(_KEPT, made)
        return kept

    @classmethod
    def carry(cls, before: RankTables, after: RankTables) -> None:
        """Take over what is known of `before` for the items whose counts are the same in `after`, which is not in use
        yet; its further rows are new.
        """
        known: KernelTables | None = vars(before).get(_KEPT)
        if known is None:
            return
        tables = cls(after)
        span = min(len(known.has_logs), len(tables.has_logs))
        is_known = known.has_logs[:span].copy()  # before the logarithms, which are there once it says so
        for old, new in zip(before.assumed, after.assumed, strict=True):
            if address(old) != address(new):  # else they are the same rows
                is_same = old[:span] == new[:span]
                is_known &= is_same.all(axis=1) if is_same.ndim > 1 else is_same
        tables.logs[:span], tables.has_logs[:span] = known.logs[:span], is_known
        vars(after)[_KEPT] = tables

    def learn(self, tables: RankTables, rows: NDArray[np.int64]) -> None:
        """Take the logarithms of items."""
        for place, column in enumerate(popularity_features(tables, rows)[:_LOGS]):
            self.logs[rows, place] = column
        self.has_logs[rows] = True


_KEPT: Final = "_kernel_tables"


def rank_features(
    tables: RankTables, candidates: CandidateList, context: UserContext, reference: CandidateList | None = None
) -> NDArray[np.float32]:
    """As `app.artifact.rank_features.rank_features`, to the last bit.

    Raises:
        IndexError: a row of a candidate or an event is none of the tables'.
    """
    compiled = library()
    if compiled is None or not _fits(tables):
        return numpy_form.rank_features(tables, candidates, context, reference)
    features = np.empty((len(candidates), len(FEATURES)), dtype=np.float32)
    if len(candidates):
        _write_features(compiled, features, tables, candidates, context, reference)
    return features


def features_of_variants(
    tables: RankTables,
    rows: NDArray[np.int64],
    variants: Variants,
    vectors: NDArray[np.float32],
    reference: NDArray[np.int64],
) -> NDArray[np.float32]:
    """The features `[variants * n, FEATURES]` of the same candidates for each variant of one request.

    Args:
        rows: `[n]` ascending, the candidates.
        variants: of the events of the request, at least one.
        vectors: `[variants, dim]` of the query tower.
        reference: ascending rows, the list that candidates are ranked within.

    Raises:
        IndexError: a row of a candidate or an event is none of the tables'.
    """
    compiled = library()
    if compiled is None or not _fits(tables):
        return numpy_features_of_variants(tables, rows, variants, vectors, reference)
    features = np.empty((len(variants.rows) * len(rows), len(FEATURES)), dtype=np.float32)
    if len(rows):
        events = _EventArrays(variants.rows, variants.types, variants.log_minutes)
        ranked, within, longest = _shared_list(rows), _shared_list(reference), max(len(rows), len(reference))
        _run(compiled, features, tables, events, vectors, ranked, within, longest)
    return features


def numpy_features_of_variants(
    tables: RankTables,
    rows: NDArray[np.int64],
    variants: Variants,
    vectors: NDArray[np.float32],
    reference: NDArray[np.int64],
) -> NDArray[np.float32]:
    """As `features_of_variants`, by NumPy."""
    count = len(variants.rows)
    context = UserContext(variants.rows, variants.types, variants.times, np.full(count, variants.now), vectors)
    ranked, within = (_repeated(of_each, count) for of_each in (rows, reference))
    return numpy_form.rank_features(tables, ranked, context, within)


def _repeated(rows: NDArray[np.int64], times: int) -> CandidateList:
    return CandidateList(
        request_index=np.repeat(np.arange(times), len(rows)),
        rows=np.tile(rows, times),
        sources=np.zeros(times * len(rows), dtype=np.uint8),
        offsets=np.arange(times + 1) * len(rows),
    )


def popularity_columns(tables: RankTables, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """The group `popularity` of item rows `[n]`, `[features, n]`, to the last bit as `popularity_features` has it.

    Raises:
        IndexError: a row is none of the tables'.
    """
    compiled = library()
    if compiled is None:
        return np.array(popularity_features(tables, rows), dtype=np.float32)
    kernel_tables, rows = KernelTables.of(tables), contiguous(rows, np.int64)
    structure = kernel_tables.structure
    columns = np.empty((len(GROUPS["popularity"]), len(rows)), dtype=np.float32)
    unknown = np.empty(len(rows), dtype=np.int64)
    arrays = address(rows), len(rows), address(columns), address(unknown)
    while missing := compiled.popularity_of_rows(byref(structure), *arrays):
        if missing < 0:
            raise IndexError(f"expected rows below {structure.rows}, got another")
        kernel_tables.learn(tables, unknown[:missing])
    return columns


def _fits(tables: RankTables) -> bool:
    return bool(max(tables.vectors.shape[1], tables.content.shape[1]) <= _LARGEST_DIM)


def _write_features(
    compiled: Library,
    features: NDArray[np.float32],
    tables: RankTables,
    candidates: CandidateList,
    context: UserContext,
    reference: CandidateList | None,
) -> None:
    longest = max(candidates.longest(), 0 if reference is None else reference.longest())
    users = _EventArrays(context.event_rows, context.event_types, log_minutes_of(context.event_times, context.now))
    ranked, within = _list_of(candidates), None if reference is None else _list_of(reference)
    _run(compiled, features, tables, users, context.query_vectors, ranked, within, longest)


class _EventArrays(NamedTuple):
    """The events of requests, `[batch, window]` each."""

    rows: NDArray[np.int32]
    types: NDArray[np.uint8]
    log_minutes: NDArray[np.float32]


def _run(
    compiled: Library,
    features: NDArray[np.float32],
    tables: RankTables,
    events: _EventArrays,
    vectors: NDArray[np.float32],
    ranked: "_ListArrays",
    within: "_ListArrays | None",
    longest: int,
) -> None:
    """Fill `features` for the lists `ranked`, of which none, nor of `within`, is longer than `longest`."""
    kernel_tables = KernelTables.of(tables)
    structure = kernel_tables.structure
    batch, window = events.rows.shape
    arrays = (
        contiguous(events.rows, np.int32),
        contiguous(events.types, np.uint8),
        contiguous(events.log_minutes, np.float32),
        contiguous(vectors, np.float32),
    )
    users = _Users(*map(address, arrays), batch, window)
    constants = _constants(1 << max(longest, window, RECENT).bit_length())
    size = compiled.feature_scratch(structure.dim, structure.content_dim, longest, window)
    scratch = np.empty(size, dtype=np.uint8)
    unknown = np.empty(len(ranked[1][0]), dtype=np.int64)
    while missing := compiled.features_of_candidates(
        byref(structure),
        byref(users),
        byref(ranked[0]),
        None if within is None else byref(within[0]),
        byref(constants[0]),
        longest,
        address(features),
        address(scratch),
        address(unknown),
    ):
        if missing < 0:
            raise IndexError(f"expected rows below {structure.rows}, got another")
        kernel_tables.learn(tables, unknown[:missing])


def log_minutes_of(times: NDArray[np.float64], now: NDArray[np.float64]) -> NDArray[np.float32]:
    """The logarithms of the minutes since each event, `[batch, window]`, 0 where unknown; `now` is `[batch]`."""
    minutes = np.maximum(now[:, None] - times, 0.0) / 60.0
    return np.log1p(np.where(np.isfinite(minutes), minutes, 0.0)).astype(np.float32)


_ListArrays = tuple[_List, tuple[NDArray[np.int64], ...]]


def _list_of(candidates: CandidateList) -> _ListArrays:
    """A list as the kernel reads it, and the arrays that it points into."""
    arrays = contiguous(candidates.rows, np.int64), contiguous(candidates.offsets, np.int64)
    return _List(*map(address, arrays), 0), arrays


def _shared_list(rows: NDArray[np.int64]) -> _ListArrays:
    """One list of all requests."""
    arrays = contiguous(rows, np.int64), np.array([0, len(rows)], dtype=np.int64)
    return _List(*map(address, arrays), 1), arrays


@lru_cache(maxsize=32)
def _constants(size: int) -> tuple[_Constants, tuple[NDArray[np.float32], ...]]:
    """What NumPy works out once, for whole numbers below `size`, and the arrays that it points into."""
    arrays = (
        DECAYS,
        np.log1p(np.arange(size)).astype(np.float32),
        np.log1p(np.arange(size, dtype=np.float32)),
    )
    return _Constants(*map(address, arrays)), arrays
