"""Waiting to some microseconds in an event loop, whose own timers go by milliseconds, without spinning.

Linux tells a moment through a file (timerfd_create(2)). Elsewhere the loop sleeps to shortly before, and then lets
others go on again and again, which takes a core.
"""

import asyncio
import ctypes
import os
import sys
from time import perf_counter
from types import TracebackType
from typing import Final, Self

_MONOTONIC: Final = 1  # CLOCK_MONOTONIC, that of `perf_counter` on Linux
_NONBLOCK_CLOEXEC: Final = os.O_NONBLOCK | os.O_CLOEXEC
_ABSOLUTE: Final = 1  # TFD_TIMER_ABSTIME
_EXPIRATIONS_BYTES: Final = 8
_FAR_S: Final = (
    0.002  # where there is no such file: before the moment the loop sleeps, nearer it only lets others go on
)


class _Times(ctypes.Structure):
    """`struct itimerspec`: never again, and when."""

    _fields_ = (
        ("again_seconds", ctypes.c_long),
        ("again_nanoseconds", ctypes.c_long),
        ("seconds", ctypes.c_long),
        ("nanoseconds", ctypes.c_long),
    )


class PreciseTimer:
    """Waits until a moment on the clock of `perf_counter`; a context manager within a running loop."""

    def __enter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._fd = -1
        if sys.platform == "linux":
            self._libc = ctypes.CDLL(None, use_errno=True)
            self._fd = self._libc.timerfd_create(_MONOTONIC, _NONBLOCK_CLOEXEC)
        if self._fd >= 0:
            self._loop.add_reader(self._fd, self._wake)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)

    async def until(self, moment: float) -> None:
        """Wait until `moment`; at once where it is past."""
        while (left := moment - perf_counter()) > 0:
            if self._fd < 0:
                await asyncio.sleep(left - _FAR_S if left > _FAR_S else 0)
                continue
            seconds = int(moment)
            times = _Times(0, 0, seconds, int((moment - seconds) * 1e9) + 1)
            self._waiter = self._loop.create_future()
            if self._libc.timerfd_settime(self._fd, _ABSOLUTE, ctypes.byref(times), None):
                raise OSError(ctypes.get_errno(), "the timer cannot be set")
            await self._waiter

    def _wake(self) -> None:
        os.read(self._fd, _EXPIRATIONS_BYTES)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
