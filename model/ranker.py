"""The ranker: two small MLPs over the features of a candidate, one for the order, one for the chain of behaviours."""

import torch
from torch import Tensor, nn

CLIP = 6.0  # standard deviations at which an input is clipped


class Ranker(nn.Module):
    """Order and log-odds of behaviours, candidate by candidate.

    The order is one feature (the score of retrieval) plus the output of an MLP that starts at zero: with little to
    learn from, the ranker stays near the order of retrieval.

    Args:
        mean: `[features]` of the training features.
        spread: `[features]` their standard deviations.
        hidden: units of the two inner layers.
        odds: `[links]` log-odds of the chain of behaviours before training.
        base: index of the feature whose order it starts from.
        base_weight: weight of that feature, standardised.
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


def listwise_loss(
    order: Tensor, list_index: Tensor, lists: int, target: Tensor, weight: Tensor | None = None
) -> Tensor:
    """Softmax cross-entropy within lists, summed over the lists that hold a target (Cao et al., "ListNet", ICML 2007).

    Args:
        order: `[candidates]`.
        list_index: `[candidates]` the list of each, ascending.
        lists: how many lists.
        target: `[candidates]` bool; several in a list share its weight.
        weight: `[lists]`, 1 each if left out.
    """
    largest = order.new_full((lists,), -torch.inf).scatter_reduce(0, list_index, order.detach(), "amax")
    shifted = order - largest[list_index]
    total = order.new_zeros(lists).index_add(0, list_index, shifted.exp()).clamp(min=1e-12).log()
    target_count = order.new_zeros(lists).index_add(0, list_index, target.to(order.dtype))
    share = target / target_count.clamp(min=1)[list_index]
    list_weight = (target_count > 0).to(order.dtype)
    if weight is not None:
        list_weight, share = list_weight * weight, share * weight[list_index]
    return (list_weight * total).sum() - (share * shifted).sum()


def chain_loss(chain: Tensor, happened: Tensor) -> Tensor:
    """Binary cross-entropy of each link where the one before it happened, summed; `happened` `[candidates, links]`."""
    reached = torch.cat([torch.ones_like(happened[:, :1]), happened[:, :-1]], dim=1).bool()
    losses = nn.functional.binary_cross_entropy_with_logits(chain, happened.to(chain.dtype), reduction="none")
    return (losses * reached).sum()


def _mlp(inputs: int, first: int, second: int, bias: Tensor, dropout: float) -> nn.Sequential:
    """Two inner layers; the last layer starts as its bias alone."""
    last = nn.Linear(second, len(bias))
    with torch.no_grad():
        last.weight.zero_()
        last.bias.copy_(bias)
    return nn.Sequential(
        nn.Linear(inputs, first), nn.ReLU(), nn.Dropout(dropout), nn.Linear(first, second), nn.ReLU(), last
    )
