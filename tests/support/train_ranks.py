"""Trainings in several processes, forked from one that has imported what they need."""

import os
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from job_process import started

from offline.dataset.split_events import read_events
from offline.errors import RankLost
from offline.training import train as training
from offline.training.ranks import Ranks, join
from offline.training.steps import count_steps, epoch_batches
from offline.training.train import follow, train
from offline.training.train_data import TrainTask, load_data
from offline.workspace.progress import TrainProgress

CPU = torch.device("cpu")
GRADIENTS = "gradients.pt"
LOST = 76
WITHIN_S = 60


def in_processes(count: int, work: Callable[..., None], *arguments: Any) -> list[int]:
    """Call `work(ranks, *arguments)` in so many processes, in single precision; their exit codes."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [started(_work, rank, count, port, work, arguments) for rank in range(count)]
    for process in processes:
        process.join(WITHIN_S)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    assert None not in codes, f"a process never ended: {codes}"
    return codes


def _work(rank: int, count: int, port: int, work: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(count), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(count)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "TORCH_CPP_LOG_LEVEL": "FATAL"}
    if sys.platform == "linux":
        os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.cpu.get_capabilities = dict
    try:
        work(join(CPU), *arguments)
    except RankLost:
        sys.exit(LOST)


def write_gradients(ranks: Ranks, task: TrainTask, out: Path) -> None:
    """Write the gradients of the first step, summed over the processes, and its loss."""
    inputs, seed = task.inputs(), task.settings.seed
    torch.manual_seed(seed)
    data = load_data(inputs, read_events(inputs.split, inputs.parts), validated=False)
    run = training._Run(data, inputs, out, CPU, task.fixed_epochs, None, ranks)
    run.start(None)
    run.network.train()
    steps = count_steps(data.histories, data.queries, task.settings)
    batch = next(epoch_batches(data.histories, steps, task.settings, np.random.default_rng(seed), ranks.share))
    share, _, own, texts = run._agree(batch, run._draw_texts(np.random.default_rng(seed)))
    loss = run._step(own, texts, share)
    if ranks.leads:
        gradients = {name: value.grad for name, value in run.network.named_parameters()}
        out.mkdir(exist_ok=True)
        torch.save({"loss": loss, "gradients": gradients}, out / GRADIENTS)


def train_all(ranks: Ranks, task: TrainTask, out: Path, victim: int | None = None, before: int = 0) -> None:
    """Train, with three validations an epoch and a checkpoint after every step.

    Args:
        ranks: this process and the others.
        task: of the leader.
        out: the folder of the training.
        victim: rank of a process that is killed.
        before: how many steps are taken until then.
    """
    training._validations_an_epoch = lambda *_: 3
    training._CHECKPOINT_EVERY_S = training._CHECKPOINT_PAUSE = -1.0
    pids = [int(pid) for pid in ranks.sums([os.getpid() * (rank == ranks.rank) for rank in range(ranks.count)])]

    def kill(progress: TrainProgress) -> None:
        if victim is not None and (progress.epoch - 1) * progress.steps + progress.step == before:
            os.kill(pids[victim], signal.SIGKILL)

    if ranks.leads:
        train(task.inputs(), out, device=CPU, fixed_epochs=task.fixed_epochs, progress=kill, ranks=ranks)
        ranks.tell(None)
    else:
        follow(ranks, CPU)
