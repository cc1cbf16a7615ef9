"""Softmax cross-entropy over all items, or over sampled ones with logQ correction, in memory-bound chunks."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

CHUNK_ELEMENTS = 8_000_000


@dataclass(frozen=True)
class Targets:
    """Target `(query, item)` pairs, sorted by query; the weights of a query's pairs sum to the query's weight."""

    query: Tensor  # [pairs]
    item: Tensor  # [pairs]
    weight: Tensor  # [pairs]


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
        query_grad = torch.empty_like(queries)
        item_grad = torch.zeros_like(items)
        loss = torch.zeros((), dtype=torch.float64, device=queries.device)
        query_weight = torch.zeros(len(queries), device=queries.device).index_add_(0, targets.query, targets.weight)
        buffer = torch.empty(rows, count, device=queries.device)
        low_buffer = torch.empty(rows, count, device=queries.device, dtype=dtype)
        starts = torch.arange(0, len(queries) + rows, rows, device=queries.device)
        bounds = torch.searchsorted(targets.query, starts).tolist()
        for chunk, start in enumerate(range(0, len(queries), rows)):
            end = min(start + rows, len(queries))
            low_queries = queries[start:end].to(dtype)
            low_logits, logits = low_buffer[: end - start], buffer[: end - start]
            torch.matmul(low_queries, low_items.T, out=low_logits)
            logits.copy_(low_logits)
            if bias is not None:
                logits += bias
            logits[:, 0] = -1e9
            pairs = slice(bounds[chunk], bounds[chunk + 1])
            query, item, weight = targets.query[pairs] - start, targets.item[pairs], targets.weight[pairs]
            largest = logits.amax(dim=1)
            target_logits = logits[query, item] - largest[query]
            total = logits.sub_(largest[:, None]).exp_().sum(dim=1)
            chunk_weight = query_weight[start:end]
            loss += (chunk_weight * total.log()).sum().double() - (weight * target_logits).sum().double()
            logits *= (chunk_weight / total)[:, None]
            logits.index_put_((query, item), -weight, accumulate=True)
            low_logits.copy_(logits)
            query_grad[start:end] = low_logits @ low_items
            item_grad += low_logits.T @ low_queries
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
