"""`serving.json` of a run: what the served version knows besides the measured one, how far it drifted, what it took."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from offline.errors import RunFolderError


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ScoreShift(_Record):
    """A score of the ten best items of the same requests, answered by both bundles."""

    name: str  # order, or P(behaviour)
    measured: float  # mean
    served: float
    distance: float  # Kolmogorov-Smirnov: the largest difference of the two distribution functions


class CalibrationShift(_Record):
    """A predicted behaviour on validation cases, whose histories end before their targets."""

    behaviour: str
    observed: float  # share of the candidates
    measured: float  # mean prediction
    served: float
    measured_ece: float
    served_ece: float


class Drift(_Record):
    """The served bundle beside the measured one."""

    requests: int
    without_news: bool  # users without an event since the measured cut; else all, with their pasts as of that cut
    scores: list[ScoreShift]
    cases: int  # of validation; 0 where nobody validates or nothing is predicted
    calibration: list[CalibrationShift]
    overlap_at_10: float | None  # None without requests
    queries: int = 0  # logged before the measured cut, searched by nobody; 0 without any, or without words to search
    query_overlap_at_10: float | None = None
    excesses: list[str]  # what is past its threshold, in words; none where the measured figures stand for the served


class ServingDocument(_Record):
    """The outcome of `serve`."""

    how: Literal["whole", "measured"]  # what the served version knows
    reason: str | None = None  # why it is the measured one
    version: str
    measured_as: str
    new_events: int = 0  # that train and valid lack
    context_events: int = 0  # of these, those that came as context of a test
    new_users: int = 0
    new_items: int = 0  # without a row in the measured version
    drift: Drift | None = None
    drift_before: Drift | None = None  # with counts as they are, where they are scaled
    count_scales: dict[str, float] | None = None  # by behaviour, where counts are brought to the scale that was learned
    seconds: float  # of the second export, the drift check included
    own_mb: float  # bytes that only the served version holds
    linked_mb: float  # bytes that it shares with the measured one
    measured_mb: float

    @property
    def is_past(self) -> bool:
        """Whether the measured figures do not stand for the served version without a closer look."""
        return self.drift is not None and bool(self.drift.excesses)


def read_serving(path: Path) -> ServingDocument:
    """The document that `serve` wrote to `path`.

    Raises:
        RunFolderError: there is none, or it is damaged.
    """
    try:
        return ServingDocument.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RunFolderError(f"{path}: expected what `serve` writes, got none ({error}): run `serve` again") from error


def serving_line(document: ServingDocument) -> str:
    """What is served, in one line."""
    disk = f"{document.own_mb:.1f} MB of its own, {document.linked_mb:.1f} MB linked"
    if document.how == "measured":
        return f"served: {document.version}, the measured version ({document.reason}); {disk}"
    drift = document.drift
    overlap = "" if drift is None or drift.overlap_at_10 is None else f", overlap@10 {drift.overlap_at_10:.2f}"
    state = "past a threshold, see the report" if document.is_past else "within thresholds"
    return (
        f"served: {document.version} knows {document.new_events:,} more events, {document.new_users:,} new users and "
        f"{document.new_items:,} new items; measured as {document.measured_as}; drift {state}{overlap}; "
        f"{document.seconds:.1f} s, {disk}"
    )
