"""The steps of a graph and its constants, read out of a model: for kernels that work as it does.

A model is a protobuf message (`onnx.proto3`); of it no more is read than that takes.
"""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.engine.graph_cut import FLOAT, fields_of, number_at

_GRAPH: Final = 7  # field of a model
_NODE, _CONSTANT = 1, 5  # fields of a graph
_READS, _WRITES, _KIND, _ATTRIBUTE = 1, 2, 4, 5  # fields of a node
_ATTRIBUTE_NAME, _ATTRIBUTE_FLOAT = 1, 2
_LENGTHS, _ELEMENT, _NAME, _RAW = 1, 2, 8, 9  # fields of a constant
_KINDS: Final[dict[int, np.dtype[Any]]] = {
    FLOAT: np.dtype("<f4"),
    2: np.dtype("u1"),
    3: np.dtype("i1"),
    7: np.dtype("<i8"),
}
"""Element types of constants."""
_VARINT: Final = 0


class GraphNode(NamedTuple):
    """One step of a graph."""

    kind: str
    reads: list[str]
    writes: list[str]
    epsilon: float  # of a layer norm


def steps_of(model: bytes) -> tuple[list[GraphNode], dict[str, NDArray[Any]]]:
    """The nodes of a model in their order, and its constants of numbers by name.

    Raises:
        IndexError, UnicodeDecodeError, ValueError: it is no model.
    """
    nodes: list[GraphNode] = []
    constants: dict[str, NDArray[Any]] = {}
    for graph in _contents(memoryview(model), _GRAPH):
        for field, content, _ in fields_of(graph):
            if field == _NODE:
                nodes.append(_node(content))
            elif field == _CONSTANT:
                constants |= _constant(content)
    return nodes, constants


def _node(message: memoryview) -> GraphNode:
    epsilon = 1e-5
    for attribute in _contents(message, _ATTRIBUTE):
        for value in _contents(attribute, _ATTRIBUTE_FLOAT):
            if _texts(attribute, _ATTRIBUTE_NAME) == ["epsilon"]:
                epsilon = float(np.frombuffer(value, "<f4")[0])
    return GraphNode("".join(_texts(message, _KIND)), _texts(message, _READS), _texts(message, _WRITES), epsilon)


def _constant(message: memoryview) -> dict[str, NDArray[Any]]:
    """By name, if it is of numbers that are read here."""
    lengths: list[int] = []
    element = 0
    for field, content, whole in fields_of(message):
        if field == _LENGTHS:
            lengths += [number_at(content, 0)[0]] if whole[0] & 7 == _VARINT else _packed(content)
        elif field == _ELEMENT:
            element = number_at(content, 0)[0]
    raw = list(_contents(message, _RAW))
    if element not in _KINDS or not raw:
        return {}
    return {"".join(_texts(message, _NAME)): np.frombuffer(raw[0], _KINDS[element]).reshape(lengths)}


def _packed(content: memoryview) -> list[int]:
    numbers, position = [], 0
    while position < len(content):
        number, position = number_at(content, position)
        numbers.append(number)
    return numbers


def _contents(message: memoryview, number: int) -> Iterator[memoryview]:
    return (content for field, content, _ in fields_of(message) if field == number)


def _texts(message: memoryview, number: int) -> list[str]:
    return [bytes(content).decode() for content in _contents(message, number)]
