"""Layers of a network in eight bits on a CPU: weights by output, activations by row, sums in whole numbers.

A row's scale hangs on that row alone, and the sums are exact: a text has the same vector alone and in any batch. The
dynamic quantisation of torch and of ONNX Runtime has one scale a batch, and loses far more.
"""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn

_LEAST: Final = 1e-12


class Int8Linear(nn.Module):
    """Stands for a linear layer: `[.., inputs]` to `[.., outputs]` of 32 bits.

    Args:
        layer: whose weights are rounded.
    """

    def __init__(self, layer: nn.Linear) -> None:
        super().__init__()
        weight = layer.weight.detach().float()
        self._scale = weight.abs().amax(1).clamp(min=_LEAST) / 127
        rounded = torch.round(weight / self._scale[:, None]).to(torch.int8)
        bias = torch.zeros(layer.out_features) if layer.bias is None else layer.bias.detach().float()
        self._weight = _call("qlinear_prepack")(rounded, None)
        self._zero = torch.zeros(layer.out_features, dtype=torch.int64)
        self._offsets = torch.stack([rounded.float().sum(1) * self._scale, bias])  # of a row's least value, and of one

    def forward(self, rows: Tensor) -> Tensor:
        """The layer's outputs."""
        flat = rows.reshape(-1, rows.shape[-1])
        least, most = torch.aminmax(flat, dim=1, keepdim=True)
        step = (most - least).clamp_(min=_LEAST).div_(255)
        levels = (flat - least).div_(step).round_().to(torch.uint8)
        sums = _call("qlinear_pointwise")(
            levels, 1.0, 0, self._weight, self._scale, self._zero, None, 1.0, 0, torch.float32, "none", [], ""
        )
        sums.mul_(step).add_(least * self._offsets[0]).add_(self._offsets[1])
        out: Tensor = sums.reshape(*rows.shape[:-1], -1)
        return out


def has_int8() -> bool:
    """Whether this processor multiplies eight bits at full precision (VNNI), and torch has the layers for it."""
    if not hasattr(torch.ops.onednn, "qlinear_pointwise"):
        return False
    return bool(getattr(torch.cpu, "_is_vnni_supported", lambda: False)())


def to_int8(network: nn.Module) -> int:
    """Put an `Int8Linear` in the place of every linear layer of the network; how many there were."""
    replaced = 0
    for name, child in network.named_children():
        if type(child) is nn.Linear:
            setattr(network, name, Int8Linear(child))
            replaced += 1
        else:
            replaced += to_int8(child)
    return replaced


def _call(name: str) -> Callable[..., Any]:
    call: Callable[..., Any] = getattr(torch.ops.onednn, name)
    return call
