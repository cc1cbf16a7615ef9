"""The configuration of a schedule, the plan of one round, and its outcome."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.stores.redis_link import RedisAddress
from offline.options import Options

STOPPED = "stopped; the round goes on when the schedule is started again"


@dataclass(frozen=True)
class ScheduleConfig:
    """The settings of every round of a schedule."""

    address: RedisAddress
    prefix: str
    logs: Path  # the data set that grows
    out: Path  # the rounds' folders, and the store of bundles
    base: Path | None = None
    items: str | None = None
    options: Options = field(default_factory=lambda: Options(split="last"))  # of every run, but for its beginning
    max_drop: float = 0.05
    keep: int = 3  # round folders
    keep_events: int = 100
    keep_items: int = 10_000
    user_ttl_s: int = 0
    to: str | None = None  # store of objects that services read, beside the folder

    @property
    def bundles(self) -> Path:
        """The store of bundles that the service reads."""
        return self.out / "bundle"

    def round_folder(self, number: int) -> Path:
        """Return the run folder of a round."""
        return self.out / f"{number:06d}"


@dataclass(frozen=True)
class Plan:
    """The work of one round."""

    number: int
    is_collected: bool  # by an earlier attempt
    warm_from: int | None  # the round whose weights training begins with
    trained_on: str | None  # the data of the last published round


@dataclass(frozen=True)
class Outcome:
    """How a round ended."""

    status: str  # published, skipped, failed or stopped
    reason: str | None = None  # of all but published
    is_afresh: bool = False  # a failure that going on in the same folder would repeat
    is_collected: bool = False
    version: str | None = None
    data: str | None = None  # what it was trained on
    details: dict[str, Any] = field(default_factory=dict)  # what was collected, how training began, figures
