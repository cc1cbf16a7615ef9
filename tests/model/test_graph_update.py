"""The update of a graph layer beside its formula, and its gradient beside differences."""

import pytest
import torch
from torch import Tensor

from model.graph_update import GraphUpdate

ITEMS, DIM, RELATIONS = 7, 3, 2


def inputs() -> list[Tensor]:
    """Features, weights, bias, the last weights, gates, messages."""
    draw = torch.Generator().manual_seed(3)
    shapes = [(ITEMS, DIM), (DIM, DIM * (1 + RELATIONS)), (DIM,), (DIM, DIM), (RELATIONS,), *[(ITEMS, DIM)] * RELATIONS]
    return [torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_() for shape in shapes]


def by_formula(silent: Tensor | None, *values: Tensor) -> Tensor:
    features, weight, bias, outer, gates, *messages = values
    heard = torch.ones(ITEMS, 1, dtype=features.dtype)
    if silent is not None:
        heard[silent] = 0.0
    messages = [message * heard for message in messages]
    hidden = torch.relu(torch.cat([features, *messages], dim=1) @ weight.T + bias)
    linear = sum(gate * message for gate, message in zip(gates, messages, strict=True))
    return features + hidden @ outer.T + linear


@pytest.mark.parametrize("silent", [None, torch.tensor([1, 4])], ids=["all hear", "two hear nothing"])
def test_the_update_is_its_formula_and_the_gradient_that_of_differences(silent: Tensor | None) -> None:
    values = inputs()
    came = GraphUpdate.apply(torch.float64, silent, *values)
    torch.testing.assert_close(came, by_formula(silent, *values))
    assert torch.autograd.gradcheck(lambda *given: GraphUpdate.apply(torch.float64, silent, *given), values)


def test_low_precision_differs_by_its_rounding_alone_and_leaves_its_inputs() -> None:
    values = [value.detach().float().requires_grad_() for value in inputs()]
    before = [value.detach().clone() for value in values]
    silent = torch.tensor([2])
    grads = []
    for dtype in (torch.bfloat16, torch.float32):
        updated = GraphUpdate.apply(dtype, silent, *values)
        torch.testing.assert_close(updated, by_formula(silent, *values), rtol=0.05, atol=0.1)
        grads.append(torch.autograd.grad(updated.square().sum(), values))
    for low, high in zip(*grads, strict=True):
        assert float((low - high).norm()) <= 0.03 * float(high.norm())
    for value, untouched in zip(values, before, strict=True):
        assert torch.equal(value, untouched)
