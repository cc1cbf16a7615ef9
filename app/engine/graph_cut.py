"""Cutting a graph short: the same model up to some tensors, for what is done better behind it than inside.

A model is a protobuf message (`onnx.proto3`); what is cut here are entries of its graph, so that little of the
format has to be known, and the service goes without the package `onnx`.
"""

from collections.abc import Iterator, Sequence
from typing import Final

FLOAT: Final = 1
INT32: Final = 6
"""Element types of tensors (`TensorProto.DataType`)."""
_GRAPH: Final = 7  # field of a model
_NODE, _INPUT, _OUTPUT = 1, 11, 12  # fields of a graph
_READS, _WRITES = 1, 2  # fields of a node
_NAME, _TYPE = 1, 2  # fields of what an input or output is
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # how a field is written


class NotCut(Exception):
    """The bytes are no model that has these tensors."""


def cut_graph(model: bytes, outputs: Sequence[tuple[str, int]]) -> bytes:
    """The model with these outputs, without the nodes and inputs that they do not need.

    Args:
        outputs: name and element type of each.

    Raises:
        NotCut: it has no such tensors, or is no model.
    """
    pieces: list[memoryview | bytes] = []
    try:
        for field, content, whole in _fields(memoryview(model)):
            if field == _GRAPH:
                graph = _cut(content, outputs)
                pieces += [_head(_GRAPH, sum(map(len, graph))), *graph]
            else:
                pieces.append(whole)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise NotCut(f"no model: {error}") from error
    if not any(isinstance(piece, bytes) for piece in pieces):
        raise NotCut("no graph")
    return b"".join(pieces)  # what is kept is copied once


def _cut(graph: memoryview, outputs: Sequence[tuple[str, int]]) -> list[memoryview | bytes]:
    entries = list(_fields(graph))
    nodes = [
        (index, _names(content, _READS), _names(content, _WRITES))
        for index, (field, content, _) in enumerate(entries)
        if field == _NODE
    ]
    demand, needed = {name for name, _ in outputs}, set[int]()
    for index, reads, writes in reversed(nodes):  # a graph is sorted: who reads comes behind who writes
        if demand.intersection(writes):
            needed.add(index)
            demand.update(reads)
    missing = {name for name, _ in outputs}.difference(*(writes for _, _, writes in nodes))
    if missing:
        raise NotCut(f"no tensor {', '.join(sorted(missing))}")
    kept: list[memoryview | bytes] = []
    for index, (field, content, whole) in enumerate(entries):
        is_needed = {
            _NODE: index in needed,
            _INPUT: field == _INPUT and not demand.isdisjoint(_names(content, _NAME)),
            _OUTPUT: False,
        }
        if is_needed.get(field, True):
            kept.append(whole)
    for name, element in outputs:
        tensor = _entry(_NAME, bytes([_NAME << 3 | _VARINT, element]))  # a type that is a tensor, of this element
        kept.append(_entry(_OUTPUT, _entry(_NAME, name.encode()) + _entry(_TYPE, tensor)))
    return kept


def _names(message: memoryview, number: int) -> list[str]:
    return [bytes(content).decode() for field, content, _ in _fields(message) if field == number]


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Of each field its number, its content, and the whole of it."""
    position = 0
    while position < len(message):
        start = position
        tag, position = _number(message, position)
        kind = tag & 7
        content = position
        if kind == _VARINT:
            _, position = _number(message, position)
        elif kind == _LENGTH:
            length, content = _number(message, position)
            position = content + length
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            position += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if position > len(message):
            raise ValueError("a field that ends past the end")
        yield tag >> 3, message[content:position], message[start:position]


def _number(message: memoryview, position: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = message[position]
        position += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position
        shift += 7


def _entry(field: int, content: bytes) -> bytes:
    return _head(field, len(content)) + content


def _head(field: int, length: int) -> bytes:
    return _varint(field << 3 | _LENGTH) + _varint(length)


def _varint(number: int) -> bytes:
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])
