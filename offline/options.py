"""How a run is done, besides its data: read by the commands, the job and the schedule, and free of torch."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from offline.compress.choice import MAX_LOSS

if TYPE_CHECKING:  # it reads tables, which a schedule that waits for its next round does not need
    from offline.split.withhold import Withhold


WHOLE, MEASURED = "whole", "measured"
"""The values of `Options.serve`."""


@dataclass(frozen=True)
class Options:
    """How a run is done, besides its data."""

    split: str | None = None  # column, time:F, last or random; None takes the first that the data allows
    seed: int = 0
    device: str = "auto"  # auto, cpu or cuda
    budget_s: float | None = None  # seconds of train, compress, rank and refit together
    overrides: dict[str, Any] | None = None  # of `TrainSettings`
    without: tuple[str, ...] = ()  # of `SWITCHES`: pieces to leave out
    refit: bool = True  # whether the bundle's network learns from the validation events too
    weight_bits: int = 8
    max_loss: float = MAX_LOSS  # share of the validation metric that compression may cost
    max_bad_share: float = 0.05
    baselines: bool = True
    serve: str = WHOLE  # what the served version knows: the whole log, or what the measured one does
    withhold: "Withhold | None" = None  # items that nothing is trained on
    warm_from: Path | None = None  # run folder whose weights training begins with
    warm_epochs: int | None = None  # then; None takes a third
    processes: int | None = None  # that train the network; None: one a GPU, and one without
    teacher: Path | None = None  # folder of an encoder; None: the one that dataset.toml names, if any
    erased: str = ""  # identifies the erasures that are known: what a run finds, whatever it is given
