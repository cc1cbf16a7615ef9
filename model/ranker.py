"""The ranker: two small MLPs over the features of a candidate, one for the order, one for the chain of behaviours."""

import torch
from torch import Tensor, nn

CLIP = 6.0  # standard deviations; what lies further out is taken for no further than that


class Ranker(nn.Module):
    """Order and log-odds of behaviours, candidate by candidate.

    The order is one feature's (the score of retrieval) plus what the MLP adds, which begins as nothing: with little to
    learn from, the ranker stays near the order that it was given.

    Args:
        mean: `[features]` of the training features.
        spread: `[features]` their standard deviations.
        hidden: units of the two inner layers.
        odds: `[links]` of the chain of behaviours, log-odds to begin with.
        base: the feature whose order it starts from.
        base_weight: of that feature, standardised.
        dropout: in training, behind the first inner layer.
    """

    def __init__(
        self,
        mean: Tensor,
        spread: Tensor,
        hidden: tuple[int, int],
        odds: Tensor,
        *,
        base: int = 0,
        base_weight: float = 1.0,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.mean: Tensor
        self.spread: Tensor
        self.register_buffer("mean", mean)
        self.register_buffer("spread", spread)
        self.base = base
        self.base_weight = nn.Parameter(torch.tensor(base_weight))
        first, second = hidden
        self.order = _mlp(len(mean), first, second, torch.zeros(1), dropout)
        self.chain = _mlp(len(mean), second, second // 2, odds, dropout)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """`[candidates, features]` -> order `[candidates]` and log-odds `[candidates, links]`."""
        inputs = ((features - self.mean) / self.spread).clamp(-CLIP, CLIP)
        order: Tensor = inputs[:, self.base] * self.base_weight + self.order(inputs)[:, 0]
        chain: Tensor = self.chain(inputs)
        return order, chain


def listwise_loss(order: Tensor, line: Tensor, lists: int, target: Tensor, weight: Tensor | None = None) -> Tensor:
    """Softmax cross-entropy within lists, summed over the lists that hold a target (Cao et al., "ListNet", ICML 2007).

    Args:
        order: `[candidates]`.
        line: `[candidates]` the list of each, ascending.
        lists: how many lists.
        target: `[candidates]` bool; several in a list share its weight.
        weight: `[lists]`, 1 each if left out.
    """
    largest = order.new_full((lists,), -torch.inf).scatter_reduce(0, line, order.detach(), "amax")
    shifted = order - largest[line]
    total = order.new_zeros(lists).index_add(0, line, shifted.exp()).clamp(min=1e-12).log()
    wanted = order.new_zeros(lists).index_add(0, line, target.to(order.dtype))
    share = target / wanted.clamp(min=1)[line]
    each = (wanted > 0).to(order.dtype)
    if weight is not None:
        each, share = each * weight, share * weight[line]
    return (each * total).sum() - (share * shifted).sum()


def chain_loss(chain: Tensor, happened: Tensor) -> Tensor:
    """Binary cross-entropy of each link where the one before it happened, summed; `happened` `[candidates, links]`."""
    reached = torch.cat([torch.ones_like(happened[:, :1]), happened[:, :-1]], dim=1).bool()
    each = nn.functional.binary_cross_entropy_with_logits(chain, happened.to(chain.dtype), reduction="none")
    return (each * reached).sum()


def _mlp(inputs: int, first: int, second: int, bias: Tensor, dropout: float) -> nn.Sequential:
    """Two inner layers; the last one begins as its bias alone."""
    last = nn.Linear(second, len(bias))
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(bias)
    return nn.Sequential(
        nn.Linear(inputs, first), nn.ReLU(), nn.Dropout(dropout), nn.Linear(first, second), nn.ReLU(), last
    )
