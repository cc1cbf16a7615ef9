"""Message passing by the weighted mean of the neighbours, over one relation of a heterogeneous graph."""

from typing import Any

from torch import Tensor
from torch_geometric.nn import MessagePassing

from model.sparse import SparseMatrix


class WeightedMeanConv(MessagePassing):  # type: ignore[misc]
    r"""The neighbourhood term of the convolution of Ying et al., "Graph Convolutional Neural Networks for Web-Scale
    Recommender Systems" (KDD 2018), Algorithm 1, line 1, with fixed edge weights:
    :math:`m_j = \frac{1}{c_j} \sum_k w_{kj} h_k` with :math:`c_j = \sum_k w_{kj}`.

    Shapes:
        features `[sources, dim]`, edges from sources to targets -> `[targets, dim]`; zeros without neighbours.
    """

    def __init__(self) -> None:
        super().__init__(aggr="sum")

    def forward(self, features: Tensor, relation: SparseMatrix) -> Tensor:
        """`relation` is `[targets, sources]`, its rows already divided by their sum `c_j`.

        The product at once, since `propagate` would list every edge by its ends first, which only explainers need.
        """
        if self.explain:
            result: Tensor = self.propagate(relation.matrix, x=features, relation=relation)
            return result
        return relation @ features

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor, relation: SparseMatrix) -> Tensor:  # noqa: ARG002
        """The same of a matrix in compressed rows."""
        return relation @ x

    def message(self, x_j: Tensor, **_: Any) -> Tensor:
        """The message of an edge."""
        return x_j
