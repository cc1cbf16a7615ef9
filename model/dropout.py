"""Dropout whose mask is drawn a byte a number: on a CPU, a third of the time of drawing it a number a number."""

import torch
from torch import Tensor, nn

_LEVELS = 256
_BYTES = 8  # of a drawn number


class Dropout(nn.Module):
    """In training, numbers are 0 with a chance of `share`, in 256ths, and the others longer, so that means stay."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.dropped = min(round(share * _LEVELS), _LEVELS - 1)

    def forward(self, values: Tensor) -> Tensor:
        """Of any shape."""
        if not self.training or not self.dropped:
            return values
        words = torch.empty(-(-values.numel() // _BYTES), dtype=torch.int64, device=values.device)
        drawn = words.random_(-(2**63), None).view(torch.uint8)[: values.numel()].view(values.shape)
        return values * ((drawn >= self.dropped).to(values.dtype) * (_LEVELS / (_LEVELS - self.dropped)))
