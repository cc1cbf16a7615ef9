"""The tables by which an item is placed that the bundle has not seen: vectors of n-grams and of attributes."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers, check_texts, require
from app.artifact.arrays import load_array
from app.artifact.text.sorted_texts import SortedTexts

BITS: Final = (7, 8)
"""Of the item vectors that a bundle may have."""
_SPEC: Final = "place.json"
_TEXT_VECTORS: Final = "text_vectors.npy"  # int16 [buckets, dim]
_TEXT_SCALES: Final = "text_scales.npy"  # float32 [buckets]
_IDF: Final = "idf.npy"  # float32 [buckets]
_NAMES: Final = "attributes"  # a text column
_WEIGHTS: Final = "attribute_weights.npy"  # float32 [attributes]
_VECTORS: Final = "attribute_vectors.npy"  # int16 [attributes, dim]
_SCALES: Final = "attribute_scales.npy"  # float32 [attributes]


class PlaceSpec(BaseModel):
    """How the vectors of a bundle's items were quantised."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    weight_bits: int


@dataclass(frozen=True)
class PlaceTables:
    """What the item tower reads of text and attributes; `dim` is the network's own, before any cut.

    A table has no rows where the network reads nothing of the kind.
    """

    spec: PlaceSpec
    text_vectors: NDArray[np.int16]  # [buckets, dim]
    text_scales: NDArray[np.float32]  # [buckets]
    idf: NDArray[np.float32]  # [buckets], 0 for those that no text of training has
    attributes: SortedTexts
    attribute_weights: NDArray[np.float32]  # [attributes], the rarer the more
    attribute_vectors: NDArray[np.int16]  # [attributes, dim]
    attribute_scales: NDArray[np.float32]  # [attributes]

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.text_vectors.shape[1])

    def write(self, folder: Path) -> None:
        """Write them into the bundle in `folder`."""
        below = folder / names.PLACE
        below.mkdir(parents=True, exist_ok=True)
        (below / _SPEC).write_text(self.spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
        self.attributes.write(below / _NAMES)
        for name, array in (
            (_TEXT_VECTORS, self.text_vectors),
            (_TEXT_SCALES, self.text_scales),
            (_IDF, self.idf),
            (_WEIGHTS, self.attribute_weights),
            (_VECTORS, self.attribute_vectors),
            (_SCALES, self.attribute_scales),
        ):
            np.save(below / name, array)


def read_place_tables(folder: Path) -> PlaceTables:
    """The tables of the bundle in `folder`, mapped into memory.

    Raises:
        BundleCorrupt: they do not fit each other.
        OSError: one of them is missing.
        ValueError: one of them is no array.
    """
    below = folder / names.PLACE
    text, text_scales, idf, weights, vectors, scales = (
        np.asarray(load_array(below / name, mmap_mode="r"))
        for name in (_TEXT_VECTORS, _TEXT_SCALES, _IDF, _WEIGHTS, _VECTORS, _SCALES)
    )
    attributes = SortedTexts.read(below / _NAMES)
    spec = PlaceSpec.model_validate_json((below / _SPEC).read_bytes())
    tables = PlaceTables(spec, text, text_scales, idf, attributes, weights, vectors, scales)
    _check(below, tables)
    return tables


def _check(below: Path, tables: PlaceTables) -> None:
    bits = tables.spec.weight_bits
    require(bits in BITS, below / _SPEC, f"{' or '.join(map(str, BITS))} bits", bits)
    check_array(below / _TEXT_VECTORS, tables.text_vectors, np.int16, None, None)
    buckets, count = len(tables.text_vectors), len(tables.attributes)
    require(buckets & (buckets - 1) == 0, below / _TEXT_VECTORS, "a power of two of n-grams", buckets)
    check_array(below / _VECTORS, tables.attribute_vectors, np.int16, count, tables.dim)
    check_texts(below / _NAMES, tables.attributes.column, count)
    for name, values, length in (
        (_TEXT_SCALES, tables.text_scales, buckets),
        (_IDF, tables.idf, buckets),
        (_WEIGHTS, tables.attribute_weights, count),
        (_SCALES, tables.attribute_scales, count),
    ):
        check_array(below / name, values, np.float32, length)
        check_numbers(below / name, values)
