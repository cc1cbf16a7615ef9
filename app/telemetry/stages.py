"""How long each stage took, for the caller (`Server-Timing`) and for the metrics."""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Final

TRACE: Final = "aisle.trace"  # where a request's trace lies in its ASGI scope


@dataclass(slots=True)
class StageTimer:
    """Consecutive stages: each call of `lap` ends one."""

    last: float = field(default_factory=perf_counter)
    stages: list[tuple[str, float]] = field(default_factory=list)  # name, seconds

    def lap(self, stage: str) -> None:
        """The time since the last lap belongs to `stage`."""
        now = perf_counter()
        self.stages.append((stage, now - self.last))
        self.last = now


@dataclass(slots=True)
class Trace:
    """One HTTP request: its id, when it came, and its stages so far."""

    request_id: str
    started: float = field(default_factory=perf_counter)
    stages: list[tuple[str, float]] = field(default_factory=list)

    def elapsed(self) -> float:
        """Seconds since the request came."""
        return perf_counter() - self.started

    def server_timing(self) -> str:
        """The value of the `Server-Timing` header (W3C), durations in milliseconds."""
        total = ("total", self.elapsed())
        return ", ".join([f"{name};dur={seconds * 1e3:.3f}" for name, seconds in (*self.stages, total)])


def trace_of(scope: Any) -> Trace:
    """The trace of the request with this ASGI scope."""
    trace: Trace = scope[TRACE]
    return trace
