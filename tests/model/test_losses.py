"""The loss: value and gradients of the plain softmax cross-entropy, however it is cut into chunks."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model import losses
from model.losses import Targets, log_inclusion, softmax_cross_entropy


def plain(queries: Tensor, items: Tensor, targets: Targets, bias: Tensor | None) -> Tensor:
    logits = queries @ items.T
    if bias is not None:
        logits = logits + bias
    logs = functional.log_softmax(logits[:, 1:], dim=1)
    return -(targets.weight * logs[targets.query, targets.item - 1]).sum()


def example(seed: int, *, several: bool) -> tuple[Tensor, Tensor, Targets, Tensor]:
    torch.manual_seed(seed)
    queries = torch.randn(13, 6, requires_grad=True)
    items = torch.randn(17, 6, requires_grad=True)
    if several:  # some queries want several items, some the same one twice, and query 4 none
        query = torch.tensor([0, 0, 0, 1, 2, 2, 3, 5, 5, 6, 7, 8, 9, 10, 11, 12])
        weight = torch.rand(len(query))
    else:
        query, weight = torch.arange(13), torch.ones(13)
    item = torch.randint(1, 17, (len(query),))
    item[0] = item[1 if several else 0]
    return queries, items, Targets(query, item, weight), torch.randn(17)


@pytest.mark.parametrize("several", [False, True])
@pytest.mark.parametrize("biased", [False, True])
@pytest.mark.parametrize("chunk_elements", [17, 17 * 5, 10**6])
def test_loss_and_gradients_equal_the_plain_ones(
    monkeypatch: pytest.MonkeyPatch, several: bool, biased: bool, chunk_elements: int
) -> None:
    monkeypatch.setattr(losses, "CHUNK_ELEMENTS", chunk_elements)
    queries, items, targets, bias = example(1, several=several)
    given = bias if biased else None
    expected = plain(queries, items, targets, given)
    expected_gradients = torch.autograd.grad(expected * 0.7, (queries, items))
    came = softmax_cross_entropy(queries, items, targets, given, low_precision=False)
    gradients = torch.autograd.grad(came * 0.7, (queries, items))
    torch.testing.assert_close(came, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_the_padding_item_takes_no_part() -> None:
    queries, items, targets, bias = example(2, several=True)
    came = softmax_cross_entropy(queries, items, targets, bias, low_precision=False)
    gradient = torch.autograd.grad(came, items)[0]
    assert not gradient[0].any()
    assert gradient[1:].any(dim=1).all()
    with torch.no_grad():
        moved, shifted = items.clone(), bias.clone()
        moved[0] += 50.0
        shifted[0] += 50.0
        assert torch.equal(came, softmax_cross_entropy(queries, moved, targets, shifted, low_precision=False))


def test_a_query_that_wants_nothing_has_no_gradient() -> None:
    queries, items, targets, _ = example(3, several=True)
    gradient = torch.autograd.grad(softmax_cross_entropy(queries, items, targets, low_precision=False), queries)[0]
    assert not gradient[4].any()


def test_low_precision_stays_near() -> None:
    queries, items, targets, bias = example(4, several=True)
    exact = softmax_cross_entropy(queries, items, targets, bias, low_precision=False)
    near = softmax_cross_entropy(queries, items, targets, bias, low_precision=True)
    torch.testing.assert_close(near, exact, rtol=0.02, atol=0.0)
    gradients = [torch.autograd.grad(loss, items)[0].flatten() for loss in (exact, near)]
    assert functional.cosine_similarity(*gradients, dim=0) > 0.999


def test_large_logits_do_not_overflow() -> None:
    queries, items, targets, _ = example(5, several=False)
    loss = softmax_cross_entropy(200 * queries, items, targets, low_precision=False)
    assert torch.isfinite(loss)
    assert all(torch.isfinite(part).all() for part in torch.autograd.grad(loss, (queries, items)))


def test_log_inclusion_is_the_share_of_draws_that_hold_an_item() -> None:
    probabilities = torch.tensor([0.5, 0.3, 0.15, 0.05])
    rng = np.random.default_rng(0)
    drawn = rng.choice(4, size=(20_000, 6), p=probabilities.double().numpy() / probabilities.double().sum().item())
    held = [(drawn == item).any(axis=1).mean() for item in range(4)]
    np.testing.assert_allclose(log_inclusion(probabilities, 6).exp().numpy(), held, atol=0.015)


def test_log_inclusion_stays_finite_at_both_ends() -> None:
    assert torch.isfinite(log_inclusion(torch.tensor([0.0, 1e-12, 1.0]), 100)).all()
