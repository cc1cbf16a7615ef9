"""What a text encoder makes of a catalogue: the vector of every item, and the kinds that items are of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers, check_range, check_texts, require
from app.artifact.columns import TextColumn
from app.artifact.mapped import load_mapped
from app.errors import BundleCorrupt

NO_KIND: Final = -1
WIDEST: Final = 1_024
"""Numbers of a vector, so that products of two in whole numbers are exact in float32."""
LENGTH_ERROR: Final = 1e-3
"""How far the length of a vector may be from 1."""
_QUANTISED_LENGTH_ERROR: Final = 0.05
_ROWS_AT_ONCE: Final = 65_536


class EncoderSpec(BaseModel):
    """`text/encoder.json`: how texts are given to the encoder, and what was learned of its vectors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_tokens: Annotated[int, Field(ge=1, le=512)]  # of a text, special ones included; further ones are cut off
    query_prefix: str = ""  # before every query
    document_prefix: str = ""  # before every text of an item
    width: Annotated[int, Field(ge=1, le=WIDEST)]  # numbers of a vector
    layers: Annotated[int, Field(ge=0)]
    teacher: str  # the name of the model that it was distilled from


@dataclass(frozen=True, eq=False)
class MeaningArrays:
    """The vectors of all items and kinds; row 0 is no item, and its vector zero."""

    vectors: NDArray[np.int8]  # [rows, width]
    scales: NDArray[np.float32]  # [rows], 0 for a row without text
    kind_vectors: NDArray[np.float32]  # [kinds, width] of length 1
    item_kinds: NDArray[np.int32]  # [rows], `NO_KIND` for a row of none
    kind_sizes: NDArray[np.int32]  # [kinds] rows of each
    kind_names: TextColumn  # [kinds]

    def write(self, folder: Path) -> None:
        """Write them into the bundle in `folder`."""
        (folder / names.MEANING_VECTORS).parent.mkdir(parents=True, exist_ok=True)
        self.kind_names.write(folder / names.KIND_NAMES)
        for name, array in self._arrays().items():
            np.save(folder / name, array)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            names.MEANING_VECTORS: self.vectors,
            names.MEANING_SCALES: self.scales,
            names.KIND_VECTORS: self.kind_vectors,
            names.ITEM_KINDS: self.item_kinds,
            names.KIND_SIZES: self.kind_sizes,
        }


def read_encoder_spec(folder: Path) -> EncoderSpec:
    """The description of the encoder of the bundle in `folder`.

    Raises:
        BundleCorrupt: it is none.
        OSError: it is missing.
    """
    path = folder / names.ENCODER
    try:
        return EncoderSpec.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise BundleCorrupt(
            f"{path}: not the description of an encoder ({place}: {first['msg']}): export the bundle again"
        ) from error


def read_meaning_arrays(folder: Path, width: int, rows: int) -> MeaningArrays:
    """The arrays of the bundle in `folder`, mapped into memory.

    Args:
        width: numbers of a vector.
        rows: of the bundle's item tables.

    Raises:
        BundleCorrupt: they contradict the bundle or each other.
        OSError: one of them is missing.
        ValueError: one of them is no array.
    """
    vectors, scales, kind_vectors, item_kinds, kind_sizes = (
        load_mapped(folder / name)
        for name in (
            names.MEANING_VECTORS,
            names.MEANING_SCALES,
            names.KIND_VECTORS,
            names.ITEM_KINDS,
            names.KIND_SIZES,
        )
    )
    kind_names = TextColumn.read(folder / names.KIND_NAMES)
    arrays = MeaningArrays(vectors, scales, kind_vectors, item_kinds, kind_sizes, kind_names)
    check_array(folder / names.MEANING_VECTORS, vectors, np.int8, rows, width)
    check_array(folder / names.MEANING_SCALES, scales, np.float32, rows)
    check_numbers(folder / names.MEANING_SCALES, scales)
    _check_lengths(folder / names.MEANING_VECTORS, arrays)
    _check_kinds(folder, arrays, rows, width)
    return arrays


def _check_lengths(path: Path, arrays: MeaningArrays) -> None:
    """Every item's vector is as long as what it was quantised from, or zero."""
    require(not arrays.vectors[0].any(), path, "zeros in row 0", "a vector")
    for start in range(0, len(arrays.vectors), _ROWS_AT_ONCE):
        numbers = arrays.vectors[start : start + _ROWS_AT_ONCE].astype(np.float32)
        squares = np.square(numbers).sum(axis=1)
        lengths = np.sqrt(squares) * arrays.scales[start : start + _ROWS_AT_ONCE]
        off = np.abs(np.where(squares > 0, lengths, 1) - 1)
        require(bool((off <= _QUANTISED_LENGTH_ERROR).all()), path, "vectors of length 1 by their scales", "others")


def _check_kinds(folder: Path, arrays: MeaningArrays, rows: int, width: int) -> None:
    kinds = len(arrays.kind_vectors)
    path = folder / names.KIND_VECTORS
    check_array(path, arrays.kind_vectors, np.float32, None, width)
    check_numbers(path, arrays.kind_vectors, negative=True)
    lengths = np.linalg.norm(arrays.kind_vectors.astype(np.float64), axis=1)
    check_range(path, lengths, 1 - LENGTH_ERROR, 1 + LENGTH_ERROR, "lengths of vectors")
    check_array(folder / names.ITEM_KINDS, arrays.item_kinds, np.int32, rows)
    check_range(folder / names.ITEM_KINDS, arrays.item_kinds, NO_KIND, kinds - 1, "numbers of kinds")
    require(int(arrays.item_kinds[0]) == NO_KIND, folder / names.ITEM_KINDS, "row 0 of no kind", "one")
    path = folder / names.KIND_SIZES
    check_array(path, arrays.kind_sizes, np.int32, kinds)
    same = bool((arrays.kind_sizes == sizes_of_kinds(arrays.item_kinds, kinds)).all())
    require(same, path, "as many items of each kind as name it", "others")
    check_texts(folder / names.KIND_NAMES, arrays.kind_names, kinds)


def sizes_of_kinds(item_kinds: NDArray[np.int32], kinds: int) -> NDArray[np.int32]:
    """How many rows are of each of so many kinds, `[kinds]`."""
    return np.bincount(item_kinds[item_kinds != NO_KIND], minlength=kinds).astype(np.int32)
