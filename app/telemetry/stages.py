"""How long each stage took, for the caller (`Server-Timing`) and for the metrics."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

TRACE: Final = "aisle.trace"  # the key of a request's trace in its ASGI scope


@dataclass(slots=True)
class StageTimer:
    """Consecutive stages: each call of `lap` ends one."""

    last: float = field(default_factory=perf_counter)
    stages: list[tuple[str, float]] = field(default_factory=list)  # name, seconds

    def lap(self, stage: str) -> None:
        """Count the time since the last lap for `stage`, which may have been counted for before."""
        now = perf_counter()
        spent = now - self.last
        for index, (name, seconds) in enumerate(self.stages):
            if name == stage:
                del self.stages[index]
                spent += seconds
                break
        self.stages.append((stage, spent))
        self.last = now

    def skip(self) -> None:
        """Count the time since the last lap for nothing: whoever includes these stages sees it as `rest`."""
        self.last = perf_counter()

    def include(self, inner: Sequence[tuple[str, float]], rest: str) -> None:
        """Count the time since the last lap for the `inner` stages, and before them what they leave over for `rest`."""
        now = perf_counter()
        spent = sum(seconds for _, seconds in inner)
        self.stages.append((rest, max(0.0, now - self.last - spent)))
        self.stages.extend(inner)
        self.last = now


@dataclass(slots=True)
class Trace:
    """One HTTP request: its id, when it arrived, and its stages so far."""

    request_id: str
    started: float = field(default_factory=perf_counter)
    status: int = 0
    """Of its answer, once that begins."""
    timer: StageTimer = field(init=False)

    def __post_init__(self) -> None:
        self.timer = StageTimer(self.started)

    def elapsed(self) -> float:
        """Seconds since the request arrived."""
        return perf_counter() - self.started

    def server_timing(self) -> str:
        """The value of the `Server-Timing` header (W3C), durations in milliseconds."""
        total = ("total", self.elapsed())
        return ", ".join([f"{name};dur={seconds * 1e3:.3f}" for name, seconds in (*self.timer.stages, total)])


def trace_of(scope: Any) -> Trace:
    """The trace of the request with this ASGI scope."""
    trace: Trace = scope[TRACE]
    return trace
