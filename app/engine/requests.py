"""A batch of requests as arrays: the whole input of the engine."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOURS
from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import UserContext
from app.engine.text.text_match import TextMatch

OBJECTIVES: Final = {**BEHAVIOURS, "revenue": 1 + max(BEHAVIOURS.values())}
"""The objectives of a request and their codes; 0 is the order without an objective."""


@dataclass(frozen=True)
class RequestBatch:
    """`batch` requests. Events are right-aligned in their window, newest last; row 0 pads.

    A request with no event, no long-term weight and no given query has no signal, and is answered with popular items.
    """

    now: NDArray[np.float64]  # [batch] unix seconds, NaN without a clock
    event_rows: NDArray[np.int32]  # [batch, window] item rows
    event_types: NDArray[np.uint8]  # [batch, window] behaviour codes
    event_times: NDArray[np.float64]  # [batch, window] unix seconds, NaN when unknown
    long_vector: NDArray[np.float32]  # [batch, dim] weighted sum over the events older than the window
    long_weight: NDArray[np.float32]  # [batch] the sum of those weights
    exclude_rows: NDArray[np.int64]  # [batch, excluded] item rows that must not be answered, padded with 0
    given_query: NDArray[np.float32] | None = None  # [batch, dim] used instead of the query tower where `given`
    given: NDArray[np.bool_] | None = None  # [batch]
    objective: NDArray[np.uint8] | None = None  # [batch] of `OBJECTIVES`, 0 for none
    matches: tuple[TextMatch | None, ...] | None = None  # of the query of each request, None without one

    def __len__(self) -> int:
        return len(self.now)

    def without_excluded(self) -> "RequestBatch":
        """The same, any item of which may be answered."""
        return replace(self, exclude_rows=self.exclude_rows[:, :0])

    def has_signal(self) -> NDArray[np.bool_]:
        """`[batch]`, whether a request has anything that the query tower can use; not to be written to."""
        return self._has_signal

    @cached_property
    def _has_signal(self) -> NDArray[np.bool_]:
        signal = np.asarray(self._has_event | (self.long_weight > 0), dtype=np.bool_)
        return signal if self.given is None else np.logical_or(signal, self.given)

    @cached_property
    def _has_event(self) -> NDArray[np.bool_]:
        return np.asarray((self.event_rows != PADDING_ROW).any(axis=1), dtype=np.bool_)

    def searches(self) -> NDArray[np.bool_]:
        """`[batch]`, whether a request has a query."""
        if self.matches is None:
            return np.zeros(len(self), dtype=np.bool_)
        return np.array([match is not None for match in self.matches], dtype=np.bool_)

    def has_events(self) -> NDArray[np.bool_]:
        """`[batch]`, whether a request has an event and no given query in their place; not to be written to."""
        return self._has_event if self.given is None else self._has_event & ~self.given

    def take(self, requests: NDArray[np.int64] | slice) -> "RequestBatch":
        """The chosen requests, in that order."""
        return RequestBatch(
            now=self.now[requests],
            event_rows=self.event_rows[requests],
            event_types=self.event_types[requests],
            event_times=self.event_times[requests],
            long_vector=self.long_vector[requests],
            long_weight=self.long_weight[requests],
            exclude_rows=self.exclude_rows[requests],
            given_query=None if self.given_query is None else self.given_query[requests],
            given=None if self.given is None else self.given[requests],
            objective=None if self.objective is None else self.objective[requests],
            matches=None if self.matches is None else _take_matches(self.matches, requests),
        )


def blank_batch(size: int, window: int, dim: int) -> RequestBatch:
    """A batch of `size` requests without signal."""
    return RequestBatch(
        now=np.full(size, np.nan),
        event_rows=np.zeros((size, window), dtype=np.int32),
        event_types=np.zeros((size, window), dtype=np.uint8),
        event_times=np.full((size, window), np.nan),
        long_vector=np.zeros((size, dim), dtype=np.float32),
        long_weight=np.zeros(size, dtype=np.float32),
        exclude_rows=np.zeros((size, 0), dtype=np.int64),
    )


@dataclass(frozen=True, eq=False)
class ItemMask:
    """Which items may be answered: one mask for all requests of a batch, or one a request."""

    allowed: NDArray[np.bool_] | None = None  # [1 or batch, rows]; None allows every item

    def take(self, requests: NDArray[np.int64] | slice) -> "ItemMask":
        """The masks of the chosen requests, in that order."""
        return self if self.allowed is None or len(self.allowed) == 1 else ItemMask(self.allowed[requests])

    def of(self, request: int) -> NDArray[np.bool_] | None:
        """The mask `[rows]` of one request; None allows every item."""
        return None if self.allowed is None else self.allowed[request if len(self.allowed) > 1 else 0]

    def allows(self, request_index: NDArray[np.int64], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """`[n]`, whether each of `n` item rows may be answered to the request of its index."""
        if self.allowed is None:
            return np.ones(len(rows), dtype=np.bool_)
        if len(self.allowed) == 1:
            return np.asarray(self.allowed[0, rows])
        allowed: NDArray[np.bool_] = self.allowed[request_index, rows]
        return allowed


ALL_ITEMS = ItemMask()


@dataclass(frozen=True)
class Stages:
    """Which stages run: ablations switch some off, the service runs all of them."""

    retrieval: bool = True  # off: every request is answered with popular items
    ranking: bool = True  # off: candidates keep the order of retrieval
    lexical: bool = True  # off: only the meaning of a query counts
    semantic: bool = True  # off: only the words of a query count


ALL_STAGES = Stages()


def _take_matches(
    matches: tuple[TextMatch | None, ...], requests: NDArray[np.int64] | slice
) -> tuple[TextMatch | None, ...]:
    return matches[requests] if isinstance(requests, slice) else tuple(matches[request] for request in requests)


def user_context_of(batch: RequestBatch, query_vectors: NDArray[np.float32]) -> UserContext:
    """The users of a batch as features read them; `query_vectors` `[batch, dim]` are those of the query tower."""
    return UserContext(batch.event_rows, batch.event_types, batch.event_times, batch.now, query_vectors)


def pad_rows(lists: Sequence[Sequence[int] | NDArray[np.int64]]) -> NDArray[np.int64]:
    """Lists of item rows of several lengths as one array `[batch, longest]`, padded with row 0."""
    width = max((len(rows) for rows in lists), default=0)
    padded = np.full((len(lists), width), PADDING_ROW, dtype=np.int64)
    for index, rows in enumerate(lists):
        if len(rows):
            padded[index, : len(rows)] = rows
    return padded
