"""Checkpoints: training goes on from one as if it had never stopped."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from offline.errors import RunFolderError
from offline.training.checkpoint import load_checkpoint, load_weights, save_checkpoint, save_weights


def network(width: int = 4) -> nn.Module:
    return nn.Sequential(nn.Linear(3, width), nn.Dropout(0.5), nn.Linear(width, 1))


def optimizer_of(module: nn.Module) -> torch.optim.Optimizer:
    weights = [value for value in module.parameters() if value.dim() > 1]
    rest = [value for value in module.parameters() if value.dim() == 1]
    return torch.optim.AdamW([{"params": weights, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.0}], lr=0.01)


def steps(module: nn.Module, optimizer: torch.optim.Optimizer, count: int) -> None:
    for _ in range(count):
        optimizer.zero_grad()
        module(torch.randn(5, 3)).square().mean().backward()
        optimizer.step()


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = network()
    optimizer = optimizer_of(module)
    steps(module, optimizer, 3)
    state = {"epoch": 2, "best": 0.25, "history": [{"loss": 1.5}]}
    save_checkpoint(tmp_path / "c.safetensors", module, optimizer, state)
    steps(module, optimizer, 4)

    torch.manual_seed(99)
    other = network()
    taken_up = optimizer_of(other)
    assert load_checkpoint(tmp_path / "c.safetensors", other, taken_up) == state
    steps(other, taken_up, 4)
    assert same(module.state_dict(), other.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_weights_come_back_as_they_were(tmp_path: Path) -> None:
    module, other = network(), network()
    save_weights(tmp_path / "w.safetensors", module)
    load_weights(tmp_path / "w.safetensors", other)
    assert same(module.state_dict(), other.state_dict())


def test_what_is_saved_replaces_what_was_saved(tmp_path: Path) -> None:
    module, other = network(), network()
    save_weights(tmp_path / "w.safetensors", network())
    save_weights(tmp_path / "w.safetensors", module)
    load_weights(tmp_path / "w.safetensors", other)
    assert same(module.state_dict(), other.state_dict())


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    module = network()
    save_weights(tmp_path / "w.safetensors", module)
    save_checkpoint(tmp_path / "c.safetensors", module, optimizer_of(module), {})
    wider = network(8)
    with pytest.raises(RunFolderError, match="another network"):
        load_weights(tmp_path / "w.safetensors", wider)
    with pytest.raises(RunFolderError, match="another network"):
        load_checkpoint(tmp_path / "c.safetensors", wider, optimizer_of(wider))


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all"])
def test_a_file_that_cannot_be_read_is_said_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "c").write_bytes(content)
    module = network()
    with pytest.raises(RunFolderError, match="cannot be read"):
        load_checkpoint(tmp_path / "c", module, optimizer_of(module))
    with pytest.raises(RunFolderError, match="cannot be read"):
        load_weights(tmp_path / "c", module)
