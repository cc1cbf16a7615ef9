"""`--processes`: the job in several processes on this machine, or as `torchrun` has started it on several."""

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from offline.errors import InputError, RankLost
from offline.workspace.stop import Stopped

if TYPE_CHECKING:  # torch takes seconds, which --help should not
    from offline.training.ranks import Ranks

LAUNCHER: Final = "AISLE_LAUNCHER"
"""Process id of the command that has started this process as one of several, and says how they end."""
LOST: Final = 76
"""Exit code of a process that ends because another one is gone."""
_WATCHED_EVERY_S: Final = 1.0


@contextmanager
def train_processes(processes: int | None, device: str) -> Iterator["Ranks | None"]:
    """The processes that train the network, for a body that is the job; None where the job is done by others.

    By default there is one process a GPU, and one on a machine without. Of several the first does the whole job; the
    others wait for its trainings. Under `torchrun` this process is one of several already.

    Raises:
        InputError: there cannot be so many processes here.
        RankLost: a process has ended before the job was done.
        Stopped: this process was told to stop.
    """
    from offline.job import choose_device  # noqa: PLC0415 - torch takes seconds, which --help should not
    from offline.training.ranks import ALONE, join, leave  # noqa: PLC0415
    from offline.training.train import follow  # noqa: PLC0415

    if not _is_one_of_several(processes):
        count = _process_count(processes, choose_device(device).type)
        if count == 1:
            yield ALONE
        else:
            _launch(count, sys.argv[1:])
            yield None
        return
    chosen = choose_device(device)
    if int(os.environ["RANK"]):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # there is nothing to keep
    if LAUNCHER in os.environ:
        threading.Thread(target=_end_with_launcher, daemon=True, name="launcher").start()
    ranks = join(chosen)
    if ranks.leads:
        yield ranks
        ranks.tell(None)
    else:
        follow(ranks, chosen)
        yield None
    leave()


def is_launched() -> bool:
    """Whether a command with `--processes` has started this process, and says how it ends."""
    return LAUNCHER in os.environ


def _is_one_of_several(processes: int | None) -> bool:
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ:
        return False
    if processes is not None and not is_launched():
        raise InputError(
            f"expected no --processes where torchrun has started the processes, got {processes}: leave it out, and "
            "give torchrun --nproc-per-node"
        )
    return True


def _process_count(processes: int | None, device: str) -> int:
    import torch  # noqa: PLC0415 - as above

    if device == "cuda":
        most, what = torch.cuda.device_count(), "GPUs"
        count = most if processes is None else processes
    else:
        most, what = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1, "cores"
        count = processes or 1
    if count > max(most, 1):
        raise InputError(f"expected --processes up to {most}, the {what} of this machine, got {count}: give fewer")
    return count


def _launch(count: int, words: list[str]) -> None:
    """Run the same command in so many processes, and wait for their end.

    Raises:
        RankLost: one has ended before the job was done.
        Stopped: this process was told to stop.
    """
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    with _without_logs(), tempfile.TemporaryDirectory(prefix="aisle-") as folder, _environment(_variables()):
        config = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id="aisle",
            rdzv_backend="c10d",
            rdzv_endpoint="localhost:0",
            local_addr="localhost",
            max_restarts=0,
            monitor_interval=0.1,
            logs_specs=DefaultLogsSpecs(log_dir=folder),
        )
        command = "import sys; from offline.cli import cli; cli()"
        try:
            elastic_launch(config, sys.executable)("-P", "-c", command, *words)
        except SignalException as stop:
            raise Stopped(int(stop.sigval)) from None
        except ChildFailedError as error:
            codes = {rank: int(failure.exitcode) for rank, failure in error.failures.items()}
            rank, code = cause_of(codes)
            _end_as(rank, code, count)


def cause_of(codes: Mapping[int, int]) -> tuple[int, int]:
    """Rank and exit code of the process that the others ended with.

    Args:
        codes: by rank, those that ended first in front.
    """

    def order(item: tuple[int, int]) -> int:
        _, code = item
        if code < 0 and code != -signal.SIGTERM:  # which the others are ended by
            return 0
        return 2 if code == LOST else 1

    return min(codes.items(), key=order)


def _end_as(rank: int, code: int, count: int) -> None:
    if rank == 0 and code == 1:  # it has said why
        sys.exit(1)
    if rank == 0 and code - 128 in (signal.SIGINT, signal.SIGTERM):
        raise Stopped(code - 128)
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    short = ", as a system short of memory does" if code == -signal.SIGKILL else ""
    raise RankLost(
        f"process {rank + 1} of {count} {how}{short}, and the others were ended with it; nothing is lost but the steps "
        "since the last checkpoint"
    )


def _variables() -> dict[str, str]:
    given = {LAUNCHER: str(os.getpid())}
    quiet = {"TORCH_CPP_LOG_LEVEL": "FATAL", "TORCH_NCCL_ASYNC_ERROR_HANDLING": "1"}
    if sys.platform == "linux":
        quiet["GLOO_SOCKET_IFNAME"] = "lo"  # else a name of this machine that nobody knows ends the job
    return given | {name: value for name, value in quiet.items() if name not in os.environ}


@contextmanager
def _without_logs() -> Iterator[None]:
    """While the body runs, torch logs nothing: how the processes end is said in one line."""
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before: dict[str, Any] = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _end_with_launcher() -> None:
    """End this process when the one that has started it is gone, be it killed."""
    launcher = int(os.environ[LAUNCHER])
    while os.getppid() == launcher:
        time.sleep(_WATCHED_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)
