"""Cutting a graph short: the same model up to some tensors, for what is done better behind it than inside.

A model is a protobuf message (`onnx.proto3`); what is cut here are entries of its graph, so that little of the
format has to be known, and the service goes without the package `onnx`.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

FLOAT: Final = 1
INT32: Final = 6
"""Element types of tensors (`TensorProto.DataType`)."""
_GRAPH: Final = 7  # field of a model
_NODE, _CONSTANT, _INPUT, _OUTPUT = 1, 5, 11, 12  # fields of a graph
_CONSTANT_NAME: Final = 8  # field of a constant
_READS, _WRITES = 1, 2  # fields of a node
_NAME, _TYPE = 1, 2  # fields of what an input or output is
_TENSOR_TYPE, _ELEMENT, _SHAPE = 1, 1, 2  # fields of a type, and of one of a tensor
_LENGTH_OF_AXIS, _NAME_OF_LENGTH = 1, 2  # fields of a shape, and of an axis
_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5  # how a field is written


class Tensor(NamedTuple):
    """What goes into a graph, or comes out of it."""

    name: str
    element: int  # type of its numbers
    shape: tuple[int | str, ...] | None = None  # lengths, or names of those that differ; None where nothing is said


class NotCut(Exception):
    """The bytes are no model that has these tensors."""


def cut_graph(
    model: bytes, outputs: Sequence[Tensor], given: Sequence[Tensor] = (), inputs: Collection[str] = ()
) -> bytes:
    """The model with these outputs, without the nodes, inputs and constants that they do not need.

    Args:
        outputs: tensors inside the graph, or outputs of it.
        given: tensors inside the graph that become inputs of it.
        inputs: names of inputs that stay though nothing reads them, so that all such graphs take the same.

    Raises:
        NotCut: it has no such tensors, or is no model.
    """
    pieces: list[memoryview | bytes] = []
    try:
        for field, content, whole in fields_of(memoryview(model)):
            if field == _GRAPH:
                graph = _cut(content, outputs, given, inputs)
                pieces += [_head(_GRAPH, sum(map(len, graph))), *graph]
            else:
                pieces.append(whole)
    except (IndexError, UnicodeDecodeError, ValueError) as error:
        raise NotCut(f"no model: {error}") from error
    if not any(isinstance(piece, bytes) for piece in pieces):
        raise NotCut("no graph")
    return b"".join(pieces)  # what is kept is copied once


def _cut(
    graph: memoryview, outputs: Sequence[Tensor], given: Sequence[Tensor], inputs: Collection[str]
) -> list[memoryview | bytes]:
    entries = list(fields_of(graph))
    nodes = [
        (index, names_in(content, _READS), names_in(content, _WRITES))
        for index, (field, content, _) in enumerate(entries)
        if field == _NODE
    ]
    results, begins = {tensor.name for tensor in outputs}, {tensor.name for tensor in given}
    demand, needed = set(results), set[int]()
    for index, reads, writes in reversed(nodes):  # a graph is sorted: who reads comes behind who writes
        if demand.intersection(writes):
            needed.add(index)
            demand.update(set(reads) - begins)
    missing = (results | begins).difference(*(writes for _, _, writes in nodes))
    if missing:
        raise NotCut(f"no tensor {', '.join(sorted(missing))}")
    kept: list[memoryview | bytes] = []
    for index, (field, content, whole) in enumerate(entries):
        is_needed = {
            _NODE: index in needed,
            _CONSTANT: field == _CONSTANT and not demand.isdisjoint(names_in(content, _CONSTANT_NAME)),
            _INPUT: field == _INPUT and not demand.union(inputs).isdisjoint(names_in(content, _NAME)),
            _OUTPUT: False,
        }
        if is_needed.get(field, True):
            kept.append(whole)
    kept += [_declaration(_INPUT, tensor) for tensor in given]
    kept += [_declaration(_OUTPUT, tensor) for tensor in outputs]
    return kept


def _declaration(field: int, tensor: Tensor) -> bytes:
    numbers = bytes([_ELEMENT << 3 | _VARINT, tensor.element])
    if tensor.shape is not None:
        numbers += _entry(_SHAPE, b"".join(_entry(_LENGTH_OF_AXIS, _axis(length)) for length in tensor.shape))
    return _entry(field, _entry(_NAME, tensor.name.encode()) + _entry(_TYPE, _entry(_TENSOR_TYPE, numbers)))


def _axis(length: int | str) -> bytes:
    if isinstance(length, str):
        return _entry(_NAME_OF_LENGTH, length.encode())
    return _varint(_LENGTH_OF_AXIS << 3 | _VARINT) + _varint(length)


def names_in(message: memoryview, number: int) -> list[str]:
    """The texts of a message's field."""
    return [bytes(content).decode() for field, content, _ in fields_of(message) if field == number]


def fields_of(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Of each field of a message its number, its content, and the whole of it."""
    position = 0
    while position < len(message):
        start = position
        tag, position = number_at(message, position)
        kind = tag & 7
        content = position
        if kind == _VARINT:
            _, position = number_at(message, position)
        elif kind == _LENGTH:
            length, content = number_at(message, position)
            position = content + length
        elif kind in {_EIGHT_BYTES, _FOUR_BYTES}:
            position += 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of kind {kind}")
        if position > len(message):
            raise ValueError("a field that ends past the end")
        yield tag >> 3, message[content:position], message[start:position]


def number_at(message: memoryview, position: int) -> tuple[int, int]:
    """The whole number that begins at a position, and where it ends."""
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
