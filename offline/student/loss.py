"""What a student is told: the teacher's vector of a text, and how near it is to the items of the catalogue."""

from typing import Final

import torch
from torch import Tensor

_PRODUCTS: Final = 20.0
_ORDER: Final = 0.1
_SHARPNESS: Final = 20.0  # one over the temperature of the order


def loss_of(vectors: Tensor, targets: Tensor, items: Tensor) -> Tensor:
    """The mean loss of a batch.

    Args:
        vectors: `[texts, width]` of the student, of length 1.
        targets: the same of the teacher.
        items: `[items, width]`, some items' vectors, of length 1.
    """
    off = 1 - (vectors * targets).sum(1).mean()
    own, theirs = vectors @ items.T, targets @ items.T
    products = (own - theirs).square().mean()
    target_order = torch.softmax(theirs * _SHARPNESS, 1)
    order = torch.nn.functional.kl_div(torch.log_softmax(own * _SHARPNESS, 1), target_order, reduction="batchmean")
    return off + _PRODUCTS * products + _ORDER * order
