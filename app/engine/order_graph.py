"""The part of the ranker's graph that gives the order, read for the kernel that works as it does.

The steps are the exporter's; other steps, or another outcome in the end, stay a graph.
"""

from typing import Any, Final

import numpy as np

from app.artifact import names
from app.engine.graph_cut import NotCut
from app.engine.graph_steps import steps_of
from app.engine.kernels.network import OrderNetwork

_STEPS: Final = (
    ("Sub", names.IN_FEATURES, "mean", "centred"),
    ("Div", "centred", "spread", "scaled"),
    ("Clip", "scaled", "low", "high", "inputs"),
    ("Gemm", "inputs", "order_weight_0", "order_bias_0", "order_linear_0"),
    ("Relu", "order_linear_0", "order_relu_1"),
    ("Gemm", "order_relu_1", "order_weight_3", "order_bias_3", "order_linear_3"),
    ("Relu", "order_linear_3", "order_relu_4"),
    ("Gemm", "order_relu_4", "order_weight_5", "order_bias_5", "order_linear_5"),
    ("MatMul", "inputs", "base_weight", "base"),
    ("Add", "base", "order_linear_5", "order_column"),
    ("Squeeze", "order_column", "last_axis", names.OUT_ORDER),
)
"""Operator, what it reads and what it writes."""
_PROBES: Final = 64
_LARGEST_DIFFERENCE: Final = 1e-5  # between the kernel's score and the graph's, of the largest one


def read_order(model: bytes, session: Any) -> OrderNetwork:
    """The network as the kernel runs it.

    Args:
        model: the ranker's graph, cut behind the order.
        session: that runs it; the kernel has to give the same but for rounding.

    Raises:
        NotCut: it is another network than the kernel's.
    """
    try:
        nodes, constants = steps_of(model)
        if tuple((node.kind, *node.reads, *node.writes) for node in nodes) != _STEPS:
            raise NotCut("the order has other steps than the kernel")
        network = OrderNetwork(
            mean=constants["mean"],
            spread=constants["spread"],
            low=constants["low"].item(),
            high=constants["high"].item(),
            first=constants["order_weight_0"],
            first_bias=constants["order_bias_0"],
            second=constants["order_weight_3"],
            second_bias=constants["order_bias_3"],
            last=constants["order_weight_5"].reshape(-1),
            last_bias=constants["order_bias_5"].item(),
            base=constants["base_weight"].reshape(-1),
        )
        rng = np.random.default_rng(0)
        spread = np.minimum(np.abs(network.spread), 1e6)  # some are so large that the feature has no say
        features = (network.mean + spread * rng.normal(0, 2, (_PROBES, len(spread)))).astype(np.float32)
        scores = network.scores(features)
    except (IndexError, UnicodeDecodeError, ValueError, KeyError) as error:
        raise NotCut(f"no order of candidates: {error}") from error
    (expected,) = session.run((names.OUT_ORDER,), {names.IN_FEATURES: features})
    if not (np.abs(scores - expected) <= _LARGEST_DIFFERENCE * np.abs(expected).max()).all():
        raise NotCut("the order has another outcome than the kernel")
    return network
