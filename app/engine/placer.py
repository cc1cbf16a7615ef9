"""Items that the bundle has not seen, placed by text and attributes as the item tower places those without events."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers
from app.artifact.arrays import load_array
from app.artifact.item_content import document_attributes, document_text
from app.artifact.item_document import ItemDocument
from app.artifact.place_tables import PlaceTables, read_place_tables
from app.artifact.quantise import quantise_rows
from app.artifact.text.ngrams import weighted_buckets
from app.engine.pause import Pause, no_pause
from app.engine.runtime import open_session
from app.errors import BundleCorrupt

_KEPT: Final = 32_768  # attributes whose numbers are kept: most stand on many items
_OUTPUTS: Final = (names.OUT_UNIT, names.OUT_LENGTH, names.OUT_CONTENT)


@dataclass(frozen=True)
class Placed:
    """Where an item is placed: a row of the bundle's item tables, and the same before it was quantised."""

    vector: NDArray[np.int8]  # [dim]
    scale: np.float32
    score_scale: np.float32  # the scale times the length
    content: NDArray[np.int8]  # [content dim]
    content_scale: np.float32
    unit: NDArray[np.float32]  # [dim] of length 1
    length: np.float32


class Reads(Protocol):
    """Makes a vector of the text of an item, such as the text encoder of a bundle."""

    @property
    def width(self) -> int:
        """Numbers in a vector."""
        ...

    def document_vector(self, text: str) -> NDArray[np.float32]:
        """`[width]`."""
        ...


@dataclass(frozen=True)
class PlaceMeaning:
    """How what a text means takes part in where its item stands."""

    encoder: Reads
    weights: NDArray[np.float32]  # [encoder's width, dim]


class Placer:
    """Places items one by one: an answer depends on the document alone, to the last bit, whatever threads run.

    Args:
        tables: of n-grams and attributes.
        session: of one thread, so that sums have one order.
        meaning: None where texts mean nothing but their n-grams.
    """

    def __init__(self, tables: PlaceTables, session: Any, meaning: PlaceMeaning | None = None) -> None:
        self._tables: Final = tables
        self._session: Final = session
        self._meaning: Final = meaning
        self._number_of = lru_cache(_KEPT)(tables.attributes.find)

    @property
    def dim(self) -> int:
        """Numbers in a placed vector."""
        return int(self._session.get_outputs()[0].shape[1])

    @property
    def weight_bits(self) -> int:
        """Bits of a number of an item vector of this bundle."""
        return self._tables.spec.weight_bits

    @property
    def content_dim(self) -> int:
        """Numbers in a content vector."""
        return int(self._session.get_outputs()[2].shape[1])

    def place(self, document: ItemDocument) -> Placed:
        """Place an item by its text and its attributes.

        One without any word and attribute that training knew stands where the network puts an item of which nothing is
        known, as long as all that are new, and its content is zero.
        """
        return self.place_all([document])[0]

    def place_all(self, documents: Sequence[ItemDocument], pause: Pause = no_pause) -> list[Placed]:
        """Place items, each by itself, with a pause before each."""
        if not documents:
            return []
        outputs = []
        for document in documents:
            pause()
            outputs.append(self._session.run(_OUTPUTS, {names.IN_CONTENT: self._content_of(document)}))
        units, lengths, directions = (np.concatenate(column) for column in zip(*outputs, strict=True))
        vectors, scales = quantise_rows(units, self.weight_bits)
        contents, content_scales = quantise_rows(directions)
        return [
            Placed(*columns)
            for columns in zip(vectors, scales, scales * lengths, contents, content_scales, units, lengths, strict=True)
        ]

    def _content_of(self, document: ItemDocument) -> NDArray[np.float32]:
        """`[1, dim]`, what the graph reads."""
        content: NDArray[np.float32] = (self._text_sum(document) + self._attribute_mean(document))[None]
        if self._meaning is not None:
            vector = self._meaning.encoder.document_vector(document_text(document))
            content = content + (self._meaning.weights * vector[:, None]).sum(axis=0)
        return content

    def _text_sum(self, document: ItemDocument) -> NDArray[np.float32]:
        """The n-grams' vectors, weighted so that the weights have length 1; zeros where none is known."""
        tables = self._tables
        if not len(tables.idf):
            return np.zeros(tables.dim, dtype=np.float32)
        buckets, weights = weighted_buckets(document_text(document), tables.idf)
        length = np.sqrt(np.square(weights).sum())
        weights = weights / max(length, np.float32(1e-6))
        return _weighted_sum(weights * tables.text_scales[buckets], tables.text_vectors[buckets])

    def _attribute_mean(self, document: ItemDocument) -> NDArray[np.float32]:
        """The weighted mean of the attributes' vectors; zeros where none is known."""
        tables = self._tables
        places = map(self._number_of, document_attributes(document))
        numbers = np.array(sorted(place for place in places if place >= 0), dtype=np.int64)
        weights = tables.attribute_weights[numbers]
        weights = weights / max(weights.sum(), np.float32(1e-12))
        return _weighted_sum(weights * tables.attribute_scales[numbers], tables.attribute_vectors[numbers])


def read_placer(folder: Path, encoder: Reads | None = None) -> Placer:
    """The placer of the bundle in `folder`, which has the part.

    Args:
        encoder: of the bundle, where items are placed by what their texts mean, too.

    Raises:
        BundleCorrupt: its graph is not one, or its tables do not fit it or each other.
        OSError: a file of it is missing.
        ValueError: a file of it is no array.
    """
    tables = read_place_tables(folder)
    path = folder / names.PLACE_GRAPH
    session = open_session(path, 1)
    inputs, outputs = (_shapes(tensors) for tensors in (session.get_inputs(), session.get_outputs()))
    fits = inputs == {names.IN_CONTENT: [1, tables.dim]} and list(outputs) == list(_OUTPUTS)
    if not fits or outputs[names.OUT_LENGTH] != [1]:
        raise BundleCorrupt(
            f"{path}: expected {names.IN_CONTENT} [1, {tables.dim}] and the outputs {', '.join(_OUTPUTS)}, got "
            f"{inputs} and {outputs}: export the bundle again"
        )
    return Placer(tables, session, None if encoder is None else _read_meaning(folder, encoder, tables.dim))


def _read_meaning(folder: Path, encoder: Reads, dim: int) -> PlaceMeaning:
    path = folder / names.PLACE_MEANING
    weights: NDArray[np.float32] = np.asarray(load_array(path))
    check_array(path, weights, np.float32, encoder.width, dim)
    check_numbers(path, weights, negative=True)
    return PlaceMeaning(encoder, weights)


def _weighted_sum(weights: NDArray[np.float32], rows: NDArray[np.int16]) -> NDArray[np.float32]:
    """`[dim]`, summed row after row: a product by the linear algebra library would share the sum among its threads."""
    scaled: NDArray[np.float32] = rows.astype(np.float32)
    scaled *= weights[:, None]
    total: NDArray[np.float32] = scaled.sum(axis=0)
    return total


def _shapes(tensors: Sequence[Any]) -> dict[str, list[Any]]:
    return {tensor.name: list(tensor.shape) for tensor in tensors}
