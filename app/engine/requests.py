"""A batch of requests as arrays: all that the engine is told."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOURS
from app.artifact.names import PADDING_ROW
from app.engine.text.text_match import TextMatch

OBJECTIVES: Final = {**BEHAVIOURS, "revenue": 1 + max(BEHAVIOURS.values())}
"""What a request may want more of, and the code that stands for it; 0 is the usual order."""


@dataclass(frozen=True)
class RequestBatch:
    """`batch` requests. Events stand at the right end of their window, newest last; row 0 pads.

    A request with no event, no long-term weight and no given query has no signal, and gets what is popular.
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
    matches: tuple[TextMatch | None, ...] | None = None  # what each asks for in words, as the catalogue reads it

    def __len__(self) -> int:
        return len(self.now)

    def has_signal(self) -> NDArray[np.bool_]:
        """`[batch]`, false where nothing is known that the query tower could use."""
        signal = np.asarray((self.event_rows != PADDING_ROW).any(axis=1) | (self.long_weight > 0), dtype=np.bool_)
        return signal if self.given is None else np.logical_or(signal, self.given)

    def searches(self) -> NDArray[np.bool_]:
        """`[batch]`, whether a request has a query that says something to the catalogue."""
        if self.matches is None:
            return np.zeros(len(self), dtype=np.bool_)
        return np.array([each is not None and each.says_something for each in self.matches], dtype=np.bool_)

    def has_events(self) -> NDArray[np.bool_]:
        """`[batch]`, whether there is an event, and no given query in the place of what events say."""
        events = np.asarray((self.event_rows != PADDING_ROW).any(axis=1), dtype=np.bool_)
        return events if self.given is None else events & ~self.given

    def take(self, rows: NDArray[np.int64] | slice) -> "RequestBatch":
        """The chosen requests, in that order."""
        return RequestBatch(
            now=self.now[rows],
            event_rows=self.event_rows[rows],
            event_types=self.event_types[rows],
            event_times=self.event_times[rows],
            long_vector=self.long_vector[rows],
            long_weight=self.long_weight[rows],
            exclude_rows=self.exclude_rows[rows],
            given_query=None if self.given_query is None else self.given_query[rows],
            given=None if self.given is None else self.given[rows],
            objective=None if self.objective is None else self.objective[rows],
            matches=None if self.matches is None else _chosen(self.matches, rows),
        )


@dataclass(frozen=True)
class Stages:
    """Which stages run: ablations switch some off, the service runs all of them."""

    retrieval: bool = True  # off: every request is answered with what is popular
    ranking: bool = True  # off: candidates stay in the order of retrieval
    lexical: bool = True  # off: a query counts by its meaning alone
    semantic: bool = True  # off: a query counts by its words alone


ALL_STAGES = Stages()


def _chosen(matches: tuple[TextMatch | None, ...], rows: NDArray[np.int64] | slice) -> tuple[TextMatch | None, ...]:
    return matches[rows] if isinstance(rows, slice) else tuple(matches[row] for row in rows.tolist())


def pad_rows(lists: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Lists of item rows of several lengths as one array `[batch, longest]`, padded with row 0."""
    width = max((len(rows) for rows in lists), default=0)
    padded = np.full((len(lists), width), PADDING_ROW, dtype=np.int64)
    for line, rows in zip(padded, lists, strict=True):
        line[: len(rows)] = rows
    return padded
