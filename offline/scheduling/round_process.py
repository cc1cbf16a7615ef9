"""Play a round in its own process, so that its memory is freed and its crash does not end the schedule."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from offline.scheduling.plan import STOPPED, Outcome, Plan, ScheduleConfig

_COLLECTED = "collected"


def play_in_process(
    plan: Plan, config: ScheduleConfig, collected: Callable[[], None], stop: threading.Event
) -> Outcome:
    """Play a round; when `stop` is set, its process gets SIGTERM and ends where the round can resume."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_play, args=(plan, config, writer))
    process.start()
    writer.close()
    outcome: Outcome | None = None
    is_signalled = False
    try:
        while True:
            if stop.is_set() and not is_signalled and process.pid is not None:
                is_signalled = True
                process.terminate()
            if not reader.poll(0.2):
                continue
            message = reader.recv()
            if message == _COLLECTED:
                collected()
            else:
                outcome = message
    except EOFError:  # the process has ended
        process.join()
    finally:
        reader.close()
    if outcome is None and stop.is_set():
        return Outcome("stopped", STOPPED)  # the signal came before the process had begun
    return outcome or Outcome("failed", _exit_summary(process.exitcode or 0))


def _exit_summary(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the round's process was killed (signal 9): where the system ran out of memory, give it more"
    if code < 0:
        return f"the round's process was ended by signal {-code}"
    return f"the round's process ended with status {code}: see the traceback above, which is a defect"


def _play(plan: Plan, config: ScheduleConfig, writer: Connection) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    from offline.scheduling.round import StoppingDisplay, play_round  # noqa: PLC0415
    from offline.workspace.display import RichDisplay  # noqa: PLC0415 - the schedule itself never imports torch

    with RichDisplay() as display:
        outcome = play_round(plan, config, StoppingDisplay(display, stop.is_set), lambda: writer.send(_COLLECTED))
    writer.send(outcome)
    writer.close()
