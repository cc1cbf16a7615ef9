"""A limit of the time that a task spends on something, for what every request passes several times.

It does what `asyncio.timeout` does (docs.python.org/3/library/asyncio-task.html#timeouts), in a third of its time: it
can neither be moved nor entered without a limit, and takes no coroutine to enter and to leave.
"""

import asyncio
from types import TracebackType
from typing import Self


class TimeLimit:
    """A context manager within a task: what has not ended in time is cancelled, and raises `TimeoutError`.

    Args:
        seconds: from entering on; 0 and less end it at its next wait.
    """

    __slots__ = ("_cancelled_before", "_handle", "_seconds", "_task", "is_over")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.is_over = False
        """Whether the time has run out."""

    def __enter__(self) -> Self:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a time limit is for a task, and nothing runs here that is one")
        self._task = task
        self._cancelled_before = task.cancelling()
        self._handle = task.get_loop().call_later(max(0.0, self._seconds), self._end)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._handle.cancel()
        if not self.is_over:
            return
        # Somebody else may have cancelled the task, too, which is then not for this limit to take back.
        is_ours = self._task.uncancel() <= self._cancelled_before
        if is_ours and kind is not None and issubclass(kind, asyncio.CancelledError):
            raise TimeoutError from error

    def _end(self) -> None:
        self.is_over = True
        self._task.cancel()
