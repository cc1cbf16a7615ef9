"""Dropout by bytes: the share it drops, and what it leaves."""

import pytest
import torch

from model.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.4])
def test_a_share_is_dropped_evenly_and_the_mean_stays(share: float) -> None:
    torch.manual_seed(0)
    values = torch.ones(1_001, 333, requires_grad=True)
    came = Dropout(share).train()(values)
    kept = came != 0
    assert abs(float(kept.float().mean()) - (1 - share)) < 0.005
    assert abs(float(came.detach().mean()) - 1) < 0.01
    assert float(kept.view(-1)[: 8 * 41_000].view(-1, 8).float().mean(dim=0).std()) < 0.005  # whatever byte it was
    (gradient,) = torch.autograd.grad(came.sum(), values)
    assert torch.equal(gradient, came.detach())


def test_a_seed_drops_the_same_and_nothing_is_dropped_outside_of_training() -> None:
    values = torch.randn(50, 3)
    module = Dropout(0.5)
    drawn = []
    for _ in range(2):
        torch.manual_seed(7)
        drawn.append(module(values))
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], values)
    assert torch.equal(module.eval()(values), values)
    assert torch.equal(Dropout(0.0).train()(values), values)
