"""The weights of a query tower, read out of its graph, for the kernel that works as it does.

The graph is the exporter's, step by step: constants are told apart by the operators that read them and by their order.
What does not have exactly these steps, or another outcome in the end, stays a graph.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.engine.graph_cut import NotCut
from app.engine.graph_steps import GraphNode, steps_of
from app.engine.kernels.tower import Tower, TowerEvents, TowerWeights

_STEPS: Final = (
    ("GatherND", "type_weights"),
    ("GatherND", "age_weights"),
    ("Add", "position_weights"),
    ("Clip", ""),
    ("Gather", "embeddings"),
    ("LayerNormalization", "first"),
    ("MatMul", "queries"),
    ("Add", "query_bias"),
    ("MatMul", "keys"),
    ("Add", "key_bias"),
    ("MatMul", "values"),
    ("Add", "value_bias"),
    ("GatherND", "age_bias"),
    ("Add", "position_bias"),
    ("Mul", "attention_scale"),
    ("Where", ""),
    ("MatMul", "joined"),
    ("Add", "joined_bias"),
    ("LayerNormalization", "second"),
    ("MatMul", "feed"),
    ("Add", "feed_bias"),
    ("Div", ""),
    ("Add", ""),
    ("Mul", ""),
    ("MatMul", "fed"),
    ("Add", "fed_bias"),
    ("MatMul", "inner"),
    ("Add", "inner_bias"),
    ("MatMul", "outer"),
    ("Mul", "mean_gate"),
    ("Mul", "state_gate"),
    ("Clip", ""),
    ("Div", "temperature"),
)
"""The operators that read constants of real numbers, in order, and what the kernel calls those."""
_GATES: Final = slice(-4, -2)  # of the steps; they are not there where both are 1
_OF_SHAPES: Final = frozenset({"Expand", "Concat"})  # what they read is 1 or 0
_PROBES: Final = 32
_LARGEST_DIFFERENCE: Final = 1e-4  # between the kernel's vector and the graph's, of the largest number of it


def read_tower(tower: bytes, session: Any) -> Tower:
    """The tower as the kernel runs it.

    Args:
        tower: the query tower, cut out of its model.
        session: that runs it; the kernel has to give the same but for rounding.

    Raises:
        NotCut: it is another network than the kernel's.
    """
    try:
        weights = _weights(*steps_of(tower))
    except (IndexError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise NotCut(f"no query tower: {error}") from error
    if not weights.fits():
        raise NotCut("the query tower has lengths that the kernel does not read")
    kernel = Tower(weights)
    events = _probes(weights)
    expected = _run(session, events)
    difference = np.abs(kernel.query_vectors(events) - expected).max(axis=1)
    if not (difference <= _LARGEST_DIFFERENCE * np.abs(expected).max(axis=1)).all():
        raise NotCut("the query tower has another outcome than the kernel")
    return kernel


def _weights(nodes: list[GraphNode], constants: Mapping[str, NDArray[Any]]) -> TowerWeights:
    steps: list[tuple[GraphNode, list[NDArray[np.float32]]]] = []
    for node in nodes:
        read = [constants[name] for name in node.reads if name in constants and constants[name].dtype == np.float32]
        if read and node.kind not in _OF_SHAPES:
            steps.append((node, read))
    kinds = [node.kind for node, _ in steps]
    expected_steps = list(_STEPS)
    if len(steps) < len(expected_steps):
        del expected_steps[_GATES]
    if kinds != [kind for kind, _ in expected_steps]:
        raise NotCut("the query tower has other steps than the kernel")
    given = {name: read[0] for (_, name), (_, read) in zip(expected_steps, steps, strict=True)}
    norms = [(node.epsilon, read[0], read[1]) for node, read in steps if node.kind == "LayerNormalization"]
    (first_epsilon, first_scale, first_shift), (second_epsilon, second_scale, second_shift) = norms
    by_type = given["type_weights"][_within(nodes, constants, len(given["type_weights"]), of_types=True)]
    ages = _within(nodes, constants, len(given["age_weights"]), of_types=False)
    position_bias = given["position_bias"]
    return TowerWeights(
        **{name: given[name] for name in _PLAIN},
        event_weights=np.exp(
            by_type[:, None, None] + given["age_weights"][ages][:, None] + given["position_weights"].reshape(-1)
        ),
        embeddings=given["embeddings"][_within(nodes, constants, len(given["embeddings"]), of_types=True)],
        first_scale=first_scale,
        first_shift=first_shift,
        first_epsilon=first_epsilon,
        second_scale=second_scale,
        second_shift=second_shift,
        second_epsilon=second_epsilon,
        position_bias=position_bias.reshape(position_bias.shape[1], -1),
        age_bias=given["age_bias"][ages],
        attention_scale=float(given["attention_scale"]),
        mean_gate=float(given.get("mean_gate", np.float32(1))),
        state_gate=float(given.get("state_gate", np.float32(1))),
        temperature=float(given["temperature"]),
    )


_PLAIN: Final = (
    *("queries", "query_bias", "keys", "key_bias", "values", "value_bias", "joined", "joined_bias"),
    *("feed", "feed_bias", "fed", "fed_bias", "inner", "inner_bias", "outer"),
)
"""The weights that the kernel reads as the graph has them."""


def _within(
    nodes: list[GraphNode], constants: Mapping[str, NDArray[Any]], count: int, *, of_types: bool
) -> NDArray[np.int64]:
    """What each behaviour, or each age, counts as: itself, or the largest that the tower distinguishes."""
    largest = count - 1
    come_from = {name: node.reads[0] for node in nodes for name in node.writes if node.reads}
    for node in nodes:
        limits = [constants[name] for name in node.reads if name in constants]
        if node.kind != "Clip" or not limits or limits[-1].dtype != np.int64:
            continue
        begin = node.reads[0]
        while begin in come_from:
            begin = come_from[begin]
        if (begin == names.IN_EVENT_TYPES) == of_types:
            largest = int(limits[-1])
    return np.minimum(np.arange(count), largest)


def _probes(weights: TowerWeights) -> TowerEvents:
    """Made-up requests that read every behaviour, age and place of the window."""
    rng = np.random.default_rng(0)
    types, ages, window = weights.event_weights.shape
    lengths = np.linspace(0, window, _PROBES).astype(np.int64)
    behaviours = rng.integers(1, types, (_PROBES, window)).astype(np.uint8)
    behaviours[np.arange(window) < window - lengths[:, None]] = 0
    vectors = rng.normal(size=(_PROBES, window, weights.dim)).astype(np.float32)
    vectors[behaviours == 0] = 0
    vectors *= np.float32(1 / np.sqrt(weights.dim))
    long_weight = np.where(rng.random(_PROBES) < 0.5, 0, rng.exponential(2.0, _PROBES)).astype(np.float32)
    long_weight[0] = 1
    return TowerEvents(
        vectors=vectors,
        rows=np.zeros((_PROBES, window), dtype=np.int32),
        codes=np.zeros((1, weights.dim), dtype=np.int8),
        scales=np.zeros(1, dtype=np.float32),
        types=behaviours,
        times=np.where(
            rng.random((_PROBES, window)) < 1 / ages, np.nan, -60 * np.exp2(rng.uniform(0, ages, (_PROBES, window)))
        ),
        now=np.zeros(_PROBES),
        long_vector=(rng.normal(size=(_PROBES, weights.dim)) * long_weight[:, None]).astype(np.float32),
        long_weight=long_weight,
    )


def _run(session: Any, events: TowerEvents) -> NDArray[np.float32]:
    queries: NDArray[np.float32]
    (queries,) = session.run(
        (names.OUT_QUERY,),
        {
            names.IN_EVENT_VECTORS: events.vectors,
            names.IN_EVENT_TYPES: events.types.astype(np.int64),
            names.IN_AGE_BUCKETS: age_buckets(events.times, events.now[:, None]),
            names.IN_LONG_VECTOR: events.long_vector,
            names.IN_LONG_WEIGHT: events.long_weight[:, None],
            names.IN_GIVEN_QUERY: np.zeros_like(events.long_vector),
            names.IN_GIVEN: np.zeros((len(events.types), 1), dtype=np.bool_),
        },
    )
    return queries
