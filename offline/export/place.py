"""The part `place`: what places items that the bundle has not seen, by text and attributes, and what that means."""

from pathlib import Path

import numpy as np
import onnx
import polars as pl
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper

from app.artifact import names
from app.artifact.place_tables import BITS, PlaceSpec, PlaceTables
from app.artifact.quantise import quantise_finely
from app.artifact.text.sorted_texts import SortedTexts
from model.item_tower import GraphLayer
from model.network import Network
from offline.errors import RunFolderError
from offline.export.content_vectors import ContentVectors
from offline.export.graph_writer import GraphWriter, ints, save_checked
from offline.export.tower_graph import OPSET
from offline.graph.attributes import Attributes
from offline.graph.item_features import item_attributes
from offline.training.item_bags import bucket_idf
from offline.training.trained import Trained

_SMALLEST_NORM = 1e-6  # as the network has it
_SMALLEST_UNIT = 1e-12


def write_place(
    folder: Path,
    trained: Trained,
    items: pl.DataFrame,
    content: ContentVectors,
    *,
    bits: int = 8,
    idf: NDArray[np.float32] | None = None,
    attributes: Attributes | None = None,
) -> bool:
    """Write the part to the bundle in `folder`; nothing where no item has text or attributes. Whether it was written.

    Args:
        trained: on the CPU.
        items: the split's item table.
        content: of the items.
        bits: of the item vectors; with others than 7 or 8 a bundle is not served, and has no such part.
        idf: of the text buckets `[buckets]`; by default that of the network's graph.
        attributes: that the network has learned; by default those of `items`.

    Raises:
        RunFolderError: the items have other attributes than the network was trained on.
        TrainingError: the graph that came out is not valid.
    """
    if not content.dim or bits not in BITS:
        return False
    idf = bucket_idf(trained.graph) if idf is None else idf
    attributes = item_attributes(items)[1] if attributes is None else attributes
    _tables(trained, idf, attributes, PlaceSpec(weight_bits=bits)).write(folder)
    save_checked(_place_graph(trained, content), folder / names.PLACE_GRAPH)
    if trained.network.items.meaning is not None:
        np.save(folder / names.PLACE_MEANING, _array(trained.network.items.meaning))
    return True


def _tables(trained: Trained, idf: NDArray[np.float32], attributes: Attributes, spec: PlaceSpec) -> PlaceTables:
    tower, graph = trained.network.items, trained.graph
    none = np.zeros((0, trained.network.shape.dim), dtype=np.float32)
    text, named, weights = none, [], np.zeros(0, dtype=np.float32)
    if tower.text is not None and graph.text is not None:
        text = np.where(idf[:, None] > 0, _array(tower.text), np.float32(0))
    else:
        idf = np.zeros(0, dtype=np.float32)
    described = none
    if tower.attributes is not None and graph.item_attributes is not None:
        if len(attributes) != graph.attributes:
            raise RunFolderError(
                f"expected the {graph.attributes} attributes that the network was trained on, got {len(attributes)} of "
                "the split: run all stages again"
            )
        named, described = attributes.names(), _array(tower.attributes)
        weights = (1 / np.sqrt(attributes.table["count"].to_numpy())).astype(np.float32)
    text_vectors, text_scales = quantise_finely(text)
    vectors, scales = quantise_finely(described)
    return PlaceTables(spec, text_vectors, text_scales, idf, SortedTexts.of(named), weights, vectors, scales)


def _place_graph(trained: Trained, content: ContentVectors) -> onnx.ModelProto:
    """From the content of one item `[1, dim]` to its unit vector, its length, and its content's direction.

    It is the item tower without a message, and `Network.item_vectors` of an item that training has not seen.
    """
    network = trained.network
    graph = onnx.GraphProto(name="place")
    writer = GraphWriter(graph)
    features = writer.input(names.IN_CONTENT, TensorProto.FLOAT, [1, network.shape.dim])
    turned = writer.node("MatMul", [features, writer.constant("directions", content.directions)], "turned")
    writer.constant("axes", ints(1))
    _unit(writer, turned, names.OUT_CONTENT)
    features = writer.node("Add", [features, writer.constant("unseen", _array(network.items.unseen)[None])], "features")
    for number, layer in enumerate(network.items.layers):
        assert isinstance(layer, GraphLayer)  # noqa: S101 - a ModuleList forgets it
        name, dim = f"layer_{number}", network.shape.dim
        inner, bias = _array(layer.inner.weight)[:, :dim].T, _array(layer.inner.bias)
        hidden = _affine(writer, features, inner, bias, f"{name}_inner")
        hidden = writer.node("Relu", [hidden], f"{name}_hidden")
        outer = writer.node(
            "MatMul", [hidden, writer.constant(f"{name}_outer", _array(layer.outer.weight).T.copy())], f"{name}_change"
        )
        features = writer.node("Add", [features, outer], f"{name}_features")
    length = _length(writer, features, trained)
    if network.narrow is None:
        _unit(writer, features, names.OUT_UNIT)
        writer.node("Reshape", [length, writer.constant("one", ints(1))], names.OUT_LENGTH)
        dim = network.shape.dim
    else:
        narrow = _array(network.narrow.weight).T.copy()
        unit = _unit(writer, features, "wide_unit")
        cut = writer.node("MatMul", [unit, writer.constant("narrow", narrow)], "cut")
        _unit(writer, cut, names.OUT_UNIT)
        kept = writer.node("ReduceL2", [cut, "axes"], "kept", keepdims=1)
        whole = writer.node("Mul", [length, kept], "cut_length")
        writer.node("Reshape", [whole, writer.constant("one", ints(1))], names.OUT_LENGTH)
        dim = narrow.shape[1]
    writer.output(names.OUT_UNIT, TensorProto.FLOAT, [1, dim])
    writer.output(names.OUT_LENGTH, TensorProto.FLOAT, [1])
    writer.output(names.OUT_CONTENT, TensorProto.FLOAT, [1, content.dim])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)


def _length(writer: GraphWriter, features: str, trained: Trained) -> str:
    """`[1, 1]`: that of all items that training has not seen, or by the feature's own norm where it has seen none."""
    mean, norm, power = _lengths(trained)
    if mean is not None:
        return writer.constant("mean_length", np.full((1, 1), mean, dtype=np.float32))
    own = writer.node("ReduceL2", [features, "axes"], "own_norm", keepdims=1)
    own = writer.node("Max", [own, writer.constant("smallest_norm", np.float32(_SMALLEST_NORM))], "norm")
    share = writer.node("Div", [own, writer.constant("mean_norm", np.float32(norm))], "share")
    return writer.node("Pow", [share, writer.constant("power", np.float32(power))], "own_length")


@torch.no_grad()
def _lengths(trained: Trained) -> tuple[float | None, float, float]:
    """The mean length of known items, None where none is known; the mean norm of all items' features; its power."""
    network: Network = trained.network
    known = trained.known.cpu()
    graph = trained.graph.to(torch.device("cpu"))
    norms = network.items(graph, known).norm(dim=1).clamp(min=_SMALLEST_NORM)
    mean_norm = norms[1:].mean().clamp(min=_SMALLEST_NORM)
    lengths = (norms / mean_norm) ** network.norm_power
    mean = float(torch.where(known, lengths, 0.0).sum() / known.sum()) if bool(known.any()) else None
    return mean, float(mean_norm), float(network.norm_power)


def _unit(writer: GraphWriter, rows: str, output: str) -> str:
    """`[1, dim]` of length 1; zeros stay zeros."""
    norm = writer.node("ReduceL2", [rows, "axes"], f"{output}_norm", keepdims=1)
    smallest = writer.constant(f"{output}_smallest", np.float32(_SMALLEST_UNIT))
    norm = writer.node("Max", [norm, smallest], f"{output}_divisor")
    return writer.node("Div", [rows, norm], output)


def _affine(writer: GraphWriter, rows: str, weight: NDArray[np.float32], bias: NDArray[np.float32], output: str) -> str:
    product = writer.node("MatMul", [rows, writer.constant(f"{output}_weight", weight.copy())], f"{output}_product")
    return writer.node("Add", [product, writer.constant(f"{output}_bias", bias[None])], output)


def _array(tensor: torch.Tensor) -> NDArray[np.float32]:
    return tensor.detach().cpu().numpy()
