"""`aisle-offline schedule`: wires the schedule to the clock, the signals and the outputs."""

import signal
import sys
import threading
import time
from collections.abc import Callable

from offline.scheduling.loop import Timing, run_schedule
from offline.scheduling.plan import Outcome, Plan, ScheduleConfig
from offline.scheduling.round_process import play_in_process


def schedule(config: ScheduleConfig, timing: Timing) -> bool:
    """Play rounds until SIGTERM or SIGINT, and return whether none failed.

    Raises:
        FolderInUse: another schedule is at work in the folder.
        RunFolderError: the folder holds other files than those of a schedule.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())

    def play(plan: Plan, collected: Callable[[], None]) -> Outcome:
        return play_in_process(plan, config, collected, stop)

    return run_schedule(config, timing, play, clock=time.time, wait=stop.wait, write=_write)


def _write(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
