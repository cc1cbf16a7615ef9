"""A round in a process of its own: its memory goes with it, and whatever ends it does not end the schedule."""

import multiprocessing
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection

from offline.scheduling.plan import STOPPED, Outcome, Plan, Wishes

_COLLECTED = "collected"


def play_in_process(plan: Plan, wishes: Wishes, collected: Callable[[], None], stop: threading.Event) -> Outcome:
    """Play a round; when `stop` is set, its process is told to end, and does so where it can go on later."""
    context = multiprocessing.get_context("spawn")
    reader, writer = context.Pipe(duplex=False)
    process = context.Process(target=_play, args=(plan, wishes, writer))
    process.start()
    writer.close()
    outcome: Outcome | None = None
    told = False
    try:
        while True:
            if stop.is_set() and not told and process.pid is not None:
                told = True
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
        return Outcome("stopped", STOPPED)  # it was told so before it had begun
    return outcome or Outcome("failed", _how_it_ended(process.exitcode or 0))


def _how_it_ended(code: int) -> str:
    if code == -signal.SIGKILL:
        return "the round's process was killed (signal 9): where the system ran out of memory, give it more"
    if code < 0:
        return f"the round's process was ended by signal {-code}"
    return f"the round's process ended with status {code}: see the traceback above, which is a defect"


def _play(plan: Plan, wishes: Wishes, writer: Connection) -> None:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    from offline.scheduling.round import StoppingDisplay, play_round  # noqa: PLC0415
    from offline.workspace.display import RichDisplay  # noqa: PLC0415 - the schedule itself never imports torch

    with RichDisplay() as display:
        outcome = play_round(plan, wishes, StoppingDisplay(display, stop.is_set), lambda: writer.send(_COLLECTED))
    writer.send(outcome)
    writer.close()
