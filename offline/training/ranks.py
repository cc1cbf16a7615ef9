"""The processes of one training: what they say to each other, and the sums that they make of their shares."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn

from offline.errors import InputError, RankLost

_WAIT = timedelta(days=30)
"""Processes wait for the next training while the first one does all other stages."""
_STEP_WAIT = timedelta(hours=1)
"""A lost process closes its connections at once; this is for a network that says nothing at all."""
_LARGE = 2**16
"""Numbers from which a gradient is summed in its place, and not in a buffer with the others."""


@dataclass(frozen=True)
class Ranks:
    """This process's place among those of a training. Alone, nothing is exchanged.

    The first one leads: it alone reads the clock, validates and writes. The others follow it step by step. All have the
    whole network, learn from their share of each step's examples, and add up their gradients.
    """

    rank: int = 0
    count: int = 1
    gradients: distributed.ProcessGroup | None = None  # None: of the same processes, by the default backend

    @property
    def is_alone(self) -> bool:
        """Whether this is the only process."""
        return self.count == 1

    @property
    def leads(self) -> bool:
        """Whether this process decides and writes."""
        return self.rank == 0

    @property
    def share(self) -> slice:
        """Which examples of a step are this process's; every one is somebody's."""
        return slice(self.rank, None, self.count)

    def seed_step(self, seed: int, step: int) -> None:
        """Let dropout and drawn items of a step hang on the seed, the step and the rank alone; alone, go on drawing."""
        if not self.is_alone:
            torch.manual_seed(int(np.random.SeedSequence([seed, step, self.rank]).generate_state(1)[0]))

    def tell(self, message: Any) -> Any:
        """What the leader says; the others pass anything, and wait until it does.

        Raises:
            RankLost: another process is gone.
        """
        if self.is_alone:
            return message
        box = [message]
        with _connected():
            distributed.broadcast_object_list(box, src=0)
        return box[0]

    def sums(self, values: Sequence[float]) -> list[float]:
        """Each value added up over all processes.

        Raises:
            RankLost: another process is gone.
        """
        if self.is_alone:
            return list(values)
        total = torch.tensor(values, dtype=torch.float64)
        with _connected():
            distributed.all_reduce(total)
        return total.tolist()

    def add_up(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Replace each gradient by its sum over all processes, to the bit the same in each; the sum of their losses.

        A parameter has a gradient where it has one in any process.

        Raises:
            RankLost: another process is gone.
        """
        loss = loss.detach()
        if self.is_alone:
            return loss
        small = [place for place, value in enumerate(parameters) if value.numel() < _LARGE]
        large = [place for place, value in enumerate(parameters) if value.numel() >= _LARGE]
        present = torch.tensor([float(value.grad is not None) for value in parameters], device=loss.device)
        with _connected():
            parts = [loss.reshape(1), present, *(_gradient(parameters[place]).flatten() for place in small)]
            buffer = torch.cat(parts)
            distributed.all_reduce(buffer, group=self.gradients)
            _, present, *sums = torch.split(buffer, [len(part) for part in parts])
            somewhere = (present > 0).tolist()
            for place, total in zip(small, sums, strict=True):
                if somewhere[place]:
                    parameters[place].grad = total.view_as(parameters[place])
            for place in large:
                if somewhere[place]:
                    gradient = _gradient(parameters[place]).contiguous()
                    distributed.all_reduce(gradient, group=self.gradients)
                    parameters[place].grad = gradient
        return buffer[0]

    def share_weights(self, network: nn.Module) -> None:
        """Give all processes the leader's weights.

        Raises:
            RankLost: another process is gone.
        """
        if self.is_alone:
            return
        with _connected(), torch.no_grad():
            for value in network.parameters():
                distributed.broadcast(value.data, src=0, group=self.gradients)

    def share_moments(self, optimizer: torch.optim.Optimizer) -> None:
        """Give all processes what the leader's optimiser has gathered.

        Raises:
            RankLost: another process is gone.
        """
        if self.is_alone:
            return
        parameters = [value for group in optimizer.param_groups for value in group["params"]]
        own = [{name: tuple(it.shape) for name, it in optimizer.state[value].items()} for value in parameters]
        with _connected(), torch.no_grad():
            for value, shapes in zip(parameters, self.tell(own), strict=True):
                for name, shape in shapes.items():
                    moment = optimizer.state[value].get(name)
                    if moment is None:
                        moment = optimizer.state[value][name] = torch.zeros(shape, device=value.device)
                    distributed.broadcast(moment, src=0, group=self.gradients)

    @contextmanager
    def threads(self) -> Iterator[None]:
        """While the body runs, the processes of this machine share its processors, unless OMP_NUM_THREADS is set."""
        before = torch.get_num_threads()
        if not self.is_alone and "OMP_NUM_THREADS" not in os.environ:
            torch.set_num_threads(max(1, before // int(os.environ.get("LOCAL_WORLD_SIZE", self.count))))
        try:
            yield
        finally:
            torch.set_num_threads(before)


ALONE = Ranks()


def join(device: torch.device) -> Ranks:
    """Find the other processes that `torchrun` has started: by gloo, and on CUDA by NCCL for what is on the devices.

    On CUDA this process takes the device of its rank on this machine.

    Raises:
        InputError: there are fewer devices here than processes.
        RankLost: another process did not come.
    """
    gradients = None
    if device.type == "cuda":
        local, devices = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if local >= devices:
            raise InputError(f"expected a GPU a process, got {devices} GPUs and a process {local + 1}: start fewer")
        torch.cuda.set_device(local)
    with _connected():
        distributed.init_process_group("gloo", timeout=_WAIT)
        kind = "nccl" if device.type == "cuda" else "gloo"
        gradients = distributed.new_group(backend=kind, timeout=_STEP_WAIT)
    return Ranks(distributed.get_rank(), distributed.get_world_size(), gradients)


def leave() -> None:
    """Close what `join` has opened."""
    distributed.destroy_process_group()


def _gradient(value: nn.Parameter) -> Tensor:
    return torch.zeros_like(value) if value.grad is None else value.grad


@contextmanager
def _connected() -> Iterator[None]:
    """Raise what torch says of a connection that is gone as `RankLost`."""
    try:
        yield
    except RuntimeError as error:
        first = str(error).partition("\n")[0]
        raise RankLost(
            f"another process of the training is gone ({first}); nothing is lost but the steps since the last "
            "checkpoint"
        ) from error
