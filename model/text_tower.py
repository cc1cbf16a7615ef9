"""The text tower: bags of n-grams in the space of the items, and the contrastive loss that places them there."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SAME_TEXT = -1e9
"""A logit whose softmax is 0."""


@dataclass(frozen=True)
class Bags:
    """`n` weighted bags of rows of a table: bag `i` is `rows[offsets[i]:offsets[i + 1]]`."""

    offsets: Tensor  # [n + 1] int64
    rows: Tensor  # [entries] int64
    weights: Tensor  # [entries] float32

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def to(self, device: torch.device) -> "Bags":
        """The same bags on a device."""
        return Bags(self.offsets.to(device), self.rows.to(device), self.weights.to(device))


def bag_vectors(table: Tensor, bags: Bags) -> Tensor:
    """The weighted sums of the rows of `table` `[rows, dim]` in each bag, `[bags, dim]`; zeros for an empty one."""
    return functional.embedding_bag(
        bags.rows, table, bags.offsets, mode="sum", per_sample_weights=bags.weights, include_last_offset=True
    )


def text_loss(queries: Tensor, items: Tensor, same: Tensor, temperature: float) -> Tensor:
    r"""The mean over pairs of :math:`-\log \mathrm{softmax}(\cos(q_i, y_j) / T)_{j = i}`, both ways round.

    van den Oord et al., "Contrastive Predictive Coding" (2018), eq. 4, with the other pairs of the batch as
    negatives; symmetric as in Radford et al., "CLIP" (ICML 2021), figure 3.

    Args:
        queries: `[pairs, dim]`.
        items: `[pairs, dim]`, the item of each query.
        same: `[pairs]` the item of each pair; pairs of one item, or of items that read the same, are not negatives
            of each other.
        temperature: T.
    """
    logits = functional.normalize(queries, dim=1) @ functional.normalize(items, dim=1).T / temperature
    alike = same[:, None] == same[None, :]
    alike.fill_diagonal_(fill_value=False)
    logits = logits.masked_fill(alike, SAME_TEXT)
    target = torch.arange(len(queries), device=queries.device)
    return 0.5 * (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target))
