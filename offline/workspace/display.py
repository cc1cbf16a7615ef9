"""Progress for people: bars in a terminal, plain lines elsewhere. On standard error, so that results stay apart."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn as TimeLeftColumn

from offline.workspace.progress import TrainProgress

_LINE_EVERY_S = 15.0  # where there is no terminal


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
            console=self.console,
            disable=not self.console.is_terminal,
        )
        self._stage = ""
        self._task: TaskID | None = None
        self._last_line = 0.0
        self._last_what = ""

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._stage, self._last_what = name, ""
        self._task = self._bars.add_task("", total=None, stage=name, figures="")

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
        if self._task is None:
            self.stage(self._stage)
        assert self._task is not None  # noqa: S101 - set by the line above
        if self.console.is_terminal:
            self._bars.update(self._task, completed=done, total=total, description=what, figures=figures)
            return
        now = time.monotonic()
        if what != self._last_what or now - self._last_line > _LINE_EVERY_S:
            self._last_what, self._last_line = what, now
            self.console.print(f"{self._stage:<9} {done}/{total} {what}  {figures}".rstrip(), highlight=False)
