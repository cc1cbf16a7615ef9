"""The update of a graph layer and its gradient, computed by hand: few passes over the items, and nothing kept twice."""

from typing import Any

import torch
from torch import Tensor


class GraphUpdate(torch.autograd.Function):
    r""":math:`h + V \mathrm{relu}(b + W_0 h + \sum_r W_r m_r) + \sum_r g_r m_r`.

    Inputs are the features `[items, dim]`, the weights `[dim, dim * (1 + relations)]` and `[dim, dim]`, the bias
    `[dim]`, the gates `[relations]`, and a message `[items, dim]` for each relation. Products are in `dtype`, all else
    in the precision of the features; messages may be in either. Items in the rows `silent` get no message.
    """

    @staticmethod
    def forward(
        ctx: Any,
        dtype: torch.dtype,
        silent: Tensor | None,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        outer: Tensor,
        gates: Tensor,
        *messages: Tensor,
    ) -> Tensor:
        """`[items, dim]`."""
        weights = torch.split(weight.to(dtype), features.shape[1], dim=1)
        hidden = torch.addmm(bias.to(dtype), features.to(dtype), weights[0].T)
        for message, of_message in zip(messages, weights[1:], strict=True):
            hidden.addmm_(_low(message, dtype, silent), of_message.T)
        hidden.relu_()
        updated = features + hidden @ outer.to(dtype).T
        alone = None if silent is None else updated[silent]
        for message, gate in zip(messages, gates, strict=True):
            updated.addcmul_(message.to(updated.dtype), gate)
        if silent is not None and alone is not None:
            updated.index_copy_(0, silent, alone)
        ctx.save_for_backward(features, weight, outer, gates, hidden, *messages)
        ctx.dtype, ctx.silent = dtype, silent
        return updated

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Of features, weights, bias and gates, then of the messages."""
        features, weight, outer, gates, hidden, *messages = ctx.saved_tensors
        dtype, silent = ctx.dtype, ctx.silent
        grad = grads[0].contiguous()
        low_grad = grad.to(dtype)
        weights = torch.split(weight.to(dtype), features.shape[1], dim=1)
        outer_grad = low_grad.T @ hidden
        inner_grad = torch.ops.aten.threshold_backward(low_grad @ outer.to(dtype), hidden, 0)
        weight_grads = [inner_grad.T @ features.to(dtype)]
        gate_grads, message_grads = [], []
        for message, gate, of_message in zip(messages, gates, weights[1:], strict=True):
            weight_grads.append(inner_grad.T @ _low(message, dtype, silent))
            gate_grad = torch.dot(grad.reshape(-1), message.to(grad.dtype).reshape(-1))
            message_grad = torch.addcmul((inner_grad @ of_message).to(grad.dtype), grad, gate).to(message.dtype)
            if silent is not None:
                message_grad.index_fill_(0, silent, 0.0)
                gate_grad = gate_grad - torch.dot(grad[silent].reshape(-1), message[silent].to(grad.dtype).reshape(-1))
            gate_grads.append(gate_grad)
            message_grads.append(message_grad)
        return (
            None,
            None,
            grad + inner_grad @ weights[0],
            torch.cat(weight_grads, dim=1).to(weight.dtype),
            inner_grad.sum(dim=0, dtype=weight.dtype),
            outer_grad.to(weight.dtype),
            torch.stack(gate_grads) if gate_grads else torch.zeros_like(gates),
            *message_grads,
        )


def _low(message: Tensor, dtype: torch.dtype, silent: Tensor | None) -> Tensor:
    """The message in `dtype`, zero in the rows `silent`."""
    if silent is None:
        return message.to(dtype)
    return message.to(dtype, copy=True).index_fill_(0, silent, 0.0)
