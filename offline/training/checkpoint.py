"""Checkpoints: weights and optimiser state as safetensors, the rest as JSON; written beside, then renamed."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from offline.errors import RunFolderError
from offline.workspace.atomic import atomic_file

CHECKPOINT_FILE = "checkpoint.safetensors"
BEST_FILE = "best.safetensors"


def save_weights(path: Path, network: nn.Module) -> None:
    """The network's parameters alone."""
    _save(path, {name: value.detach() for name, value in network.state_dict().items()}, {})


def load_weights(path: Path, network: nn.Module) -> None:
    """The inverse of `save_weights`.

    Raises:
        RunFolderError: the file is unreadable or of another network.
    """
    tensors, _ = _load(path)
    try:
        network.load_state_dict(tensors)
    except RuntimeError as error:
        raise RunFolderError(f"{path}: weights of another network ({error}); train into a new run folder") from error


def fits(path: Path, network: nn.Module) -> bool:
    """Whether `save_weights` wrote the file for a network of the same parameters."""
    tensors, _ = _load(path)
    state = network.state_dict()
    return {name: value.shape for name, value in tensors.items()} == {n: value.shape for n, value in state.items()}


def read_weights(path: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote, by parameter, on the CPU.

    Raises:
        RunFolderError: the file is unreadable.
    """
    return _load(path)[0]


def save_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """All that training needs to go on: parameters, optimiser, torch's random state and `state` (JSON)."""
    tensors = {f"network.{name}": value.detach() for name, value in network.state_dict().items()}
    for place, moments in optimizer.state_dict()["state"].items():
        for name, value in moments.items():
            tensors[f"optimizer.{place}.{name}"] = value
    tensors["torch_rng"] = torch.get_rng_state()
    _save(path, tensors, {"state": json.dumps(state)})


def load_checkpoint(path: Path, network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The inverse of `save_checkpoint`; returns `state`.

    Raises:
        RunFolderError: the file is unreadable or of another network.
    """
    tensors, metadata = _load(path)
    try:
        network.load_state_dict(
            {name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")}
        )
    except RuntimeError as error:
        raise RunFolderError(f"{path}: a checkpoint of another network ({error}); use a new run folder") from error
    known = optimizer.state_dict()
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimizer."):
            _, place, moment = name.split(".")
            moments.setdefault(int(place), {})[moment] = value
    optimizer.load_state_dict({"state": moments, "param_groups": known["param_groups"]})
    torch.set_rng_state(tensors["torch_rng"])
    state: dict[str, Any] = json.loads(metadata["state"])
    return state


def _save(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    with atomic_file(path) as temporary:
        save_file({name: value.contiguous().cpu() for name, value in tensors.items()}, temporary, metadata=metadata)


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    from safetensors import safe_open  # noqa: PLC0415 - beside load_file, for the metadata

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), metadata
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"{path}: cannot be read ({error}); delete {path.parent} to train from the start"
        ) from error
