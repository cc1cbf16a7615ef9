"""Progress for people: bars in a terminal, plain lines elsewhere. On standard error, so that results stay apart."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.progress import TimeRemainingColumn as TimeLeftColumn
from rich.text import Text

from offline.workspace.durations import about, clock_time
from offline.workspace.progress import Times, TrainProgress

_LINE_EVERY_S = 15.0  # where there is no terminal


class _RunColumn(ProgressColumn):
    """The times of the whole run, on the line of the stage at work."""

    max_refresh = 0.5

    def __init__(self, display: "RichDisplay") -> None:
        super().__init__()
        self._display = display

    def render(self, task: Task) -> Text:
        """The times, or nothing beside a stage that is done."""
        return Text(self._display.run_times() if task.id == self._display.task else "")


class RichDisplay:
    """Shows the stages of a run and how far each is."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("[bold]{task.fields[stage]:<9}"),
            TextColumn("{task.description:<28}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeLeftColumn(),
            TextColumn("{task.fields[figures]}"),
            _RunColumn(self),
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._stage = ""
        self.task: TaskID | None = None
        self._times: Times | None = None
        self._last_line = 0.0
        self._last_what = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def begin(self, times: Times) -> None:
        """A run begins; its times are shown beside each stage."""
        self._times = times

    def run_times(self) -> str:
        """How long the whole run has taken, and how long the rest takes, such as `run 1:05, about 3 min left`."""
        if self._times is None:
            return ""
        left_s = self._times.left_s()
        left = "" if left_s is None else f", {about(left_s)} left"
        return f"run {clock_time(self._times.elapsed_s())}{left}"

    def say(self, line: str) -> None:
        """A line above the progress."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stage, self._last_what = name, ""
        self.task = self._bars.add_task("", total=None, stage=name, figures="")

    def skipped(self, name: str) -> None:
        """A stage was done before."""
        self.console.print(f"{name:<9} done before, left as it is", highlight=False)

    def work(self, done: int, total: int, what: str) -> None:
        """How far the stage is."""
        self._show(done, total, what, "")

    def training(self, progress: TrainProgress) -> None:
        """How far training is."""
        value = "" if progress.value is None else f"  {progress.metric} {progress.value:.4f}"
        done = (progress.epoch - 1) * progress.steps + progress.step
        what = f"epoch {progress.epoch} of at most {progress.epochs}"
        self._show(done, progress.steps * progress.epochs, what, f"loss {progress.loss:.3f}{value}")

    def _show(self, done: int, total: int, what: str, figures: str) -> None:
        if self.task is None:
            self.stage(self._stage)
        assert self.task is not None  # noqa: S101 - set by the line above
        if self.console.is_terminal:
            self._bars.update(self.task, completed=done, total=total, description=what, figures=figures)
            return
        now = time.monotonic()
        if what != self._last_what or now - self._last_line > _LINE_EVERY_S:
            self._last_what, self._last_line = what, now
            times = self.run_times()
            line = f"{self._stage:<9} {done}/{total} {what}  {figures}".rstrip() + (f"  [{times}]" if times else "")
            self.console.print(line, highlight=False, markup=False, soft_wrap=True)
