"""How many layers a student has: the fewest that, after a short course each, are about as good as the best."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from torch import Tensor

from offline.student.network import Student
from offline.student.shape import MOST_LAYERS, Shape

MOST_WEIGHTS: Final = 5_500_000
"""Of the matrices of all layers, so that a query takes at most about .7 ms of a core in eight bits."""
_WORSE: Final = 1.1  # times what the best lacks to the teacher, that fewer layers may lack


@dataclass(frozen=True)
class Depth:
    """A number of layers that was tried."""

    layers: int
    cosine: float  # of held-out queries, after the short course
    seconds: float
    steps: int
    figures: Mapping[str, Any]  # of its graph, see `measure`


def depths_of(shape: Shape) -> list[int]:
    """The numbers of layers that are quick enough to be tried, ascending; one at least."""
    most = min(MOST_LAYERS, shape.layers, MOST_WEIGHTS // shape.layer_weights)
    return list(range(1, max(1, most) + 1))


def chosen_depth(tried: Sequence[Depth]) -> Depth:
    """The fewest layers whose students lack hardly more to the teacher than the best ones."""
    least = min(1 - depth.cosine for depth in tried)
    return min((depth for depth in tried if 1 - depth.cosine <= _WORSE * least), key=lambda depth: depth.layers)


def try_depths(
    depths: Sequence[int], course: Callable[[int], tuple[Student, Depth]]
) -> tuple[dict[str, Tensor], Depth, list[Depth]]:
    """The weights of the chosen student after its short course, its depth, and all that were tried, ascending.

    Args:
        depths: ascending.
        course: makes a student of so many layers, and teaches it for some steps, as many for each.
    """
    tried: list[Depth] = []
    weights = {}
    for layers in depths:
        student, depth = course(layers)
        tried.append(depth)
        weights[layers] = student.state_dict()
    best = chosen_depth(tried)
    return weights[best.layers], best, tried
