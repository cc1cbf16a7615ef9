"""Softmax cross-entropy over all items, or over sampled ones with logQ correction, in memory-bound chunks."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CHUNK_ELEMENTS = 8_000_000
SUMMED_ROWS = 16
"""At once, since a sum in higher precision copies what it adds up."""
LARGEST_LOGIT = 60.0
"""Up to it the exponential, and the sum over items, is a number in every precision."""


@dataclass(frozen=True)
class Targets:
    """Target `(query, item)` pairs, sorted by query; the weights of a query's pairs sum to the query's weight."""

    query: Tensor  # [pairs]
    item: Tensor  # [pairs]
    weight: Tensor  # [pairs]
    whole: float | None = None  # the weight of all pairs where these are a part of them, and others elsewhere

    def to(self, device: torch.device) -> "Targets":
        """The same pairs on a device."""
        return Targets(self.query.to(device), self.item.to(device), self.weight.to(device), self.whole)


def softmax_cross_entropy(
    queries: Tensor, items: Tensor, targets: Targets, bias: Tensor | None = None, low_precision: bool = True
) -> Tensor:
    r"""The sum over pairs of :math:`-w \log \mathrm{softmax}(q \cdot y + b)_{target}`.

    Loss and gradients are computed chunk by chunk in the forward pass, so that the logits `[queries, items]` are never
    in memory as a whole. Item 0 is the padding item and takes no part.

    Args:
        queries: `[queries, dim]`.
        items: `[items, dim]`.
        targets: the pairs.
        bias: `[items]`, added to the logits: the logQ correction of sampled items.
        low_precision: products in bfloat16.
    """
    loss: Tensor = _SoftmaxCrossEntropy.apply(  # type: ignore[no-untyped-call]
        queries, items, targets, bias, torch.bfloat16 if low_precision else torch.float32
    )
    return loss


class _SoftmaxCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, queries: Tensor, items: Tensor, targets: Targets, bias: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        count = len(items)
        rows = max(1, min(len(queries), CHUNK_ELEMENTS // count))
        low_items = items.to(dtype)
        bias = None if bias is None else bias - bias[1:].amax()
        factors = None if bias is None else bias.clamp(max=0.0).exp().to(dtype)
        largest_logit = queries.norm(dim=1).amax() * items[1:].norm(dim=1).amax()
        shifts = dtype == torch.float32 or bool(largest_logit > LARGEST_LOGIT)
        query_grad = torch.empty_like(queries)
        item_grad = torch.zeros_like(items)
        loss = torch.zeros((), dtype=torch.float64, device=queries.device)
        query_weight = torch.zeros(len(queries), device=queries.device).index_add_(0, targets.query, targets.weight)
        buffer = torch.empty(rows, count, device=queries.device, dtype=dtype)
        starts = torch.arange(0, len(queries) + rows, rows, device=queries.device)
        bounds = torch.searchsorted(targets.query, starts).tolist()
        for chunk, start in enumerate(range(0, len(queries), rows)):
            end = min(start + rows, len(queries))
            low_queries = queries[start:end].to(dtype)
            shares = buffer[: end - start]  # of the softmax, before they are divided by their sum
            torch.matmul(low_queries, low_items.T, out=shares)
            shares[:, 0] = -1e9
            if shifts:
                shares.sub_(shares.amax(dim=1, keepdim=True))
            pairs = slice(bounds[chunk], bounds[chunk + 1])
            query, item, weight = targets.query[pairs] - start, targets.item[pairs], targets.weight[pairs]
            target_logits = shares[query, item].double()
            shares.exp_()
            if bias is not None and factors is not None:
                shares.mul_(factors)
                target_logits += bias[item]
            total = torch.cat([part.sum(dim=1, dtype=torch.float32) for part in torch.split(shares, SUMMED_ROWS)])
            chunk_weight = query_weight[start:end]
            loss += (chunk_weight * total.log()).sum().double() - (weight * target_logits).sum()
            # The rows of the gradient of the logits, all divided by `scale`, which the small matrices make up for.
            scale = chunk_weight / total
            shares.index_put_((query, item), (-weight / scale[query]).to(dtype), accumulate=True)
            query_grad[start:end] = (shares @ low_items) * scale[:, None]
            item_grad += shares.T @ (queries[start:end] * scale[:, None]).to(dtype)
        ctx.save_for_backward(query_grad, item_grad)
        return loss.float()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        query_grad, item_grad = ctx.saved_tensors
        return query_grad * grads[0], item_grad * grads[0], None, None, None


def log_inclusion(probabilities: Tensor, draws: int) -> Tensor:
    r"""logQ of items drawn `draws` times with replacement and made unique: :math:`\log(1 - (1 - p)^n)`.

    Yi et al., "Sampling-Bias-Corrected Neural Modeling" (RecSys 2019), eq. 6, with the inclusion probability as `Q`.
    Since the drawn set is unique and holds every target once, a target is never counted as its own negative.
    """
    return torch.log(-torch.expm1(draws * torch.log1p(-probabilities.clamp(max=1 - 1e-7)))).clamp(min=-30.0)
