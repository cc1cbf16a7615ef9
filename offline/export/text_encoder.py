"""The part `text_encoder`: an encoder of texts, the vectors that it or its teacher gives to items, and their kinds."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.quantise import quantise_rows
from app.artifact.text.meaning_arrays import NO_KIND, EncoderSpec, MeaningArrays, read_meaning_arrays, sizes_of_kinds
from app.engine.text.text_encoder import check_golden_encoder_texts, read_text_encoder, write_golden_encoder_texts


@dataclass(frozen=True)
class EncoderFiles:
    """Files of an encoder that was distilled, and what is said of it."""

    graph: Path  # of ONNX: `input_ids` int64 [1, tokens] to `vector` float32 [1, width] of length 1
    tokenizer: Path  # as the library `tokenizers` writes it
    spec: EncoderSpec


@dataclass(frozen=True)
class ItemMeaning:
    """Vectors of the catalogue's items, and the kinds that they are of."""

    units: NDArray[np.float32]  # [items + 1, width] of length 1, zeros for row 0 and items without text
    kind_vectors: NDArray[np.float32]  # [kinds, width] of length 1
    kind_names: Sequence[str]  # [kinds]
    item_kinds: NDArray[np.int32]  # [items + 1], `NO_KIND` for row 0 and items of none


def write_text_encoder(
    folder: Path, rows: int, encoder: EncoderFiles, meaning: ItemMeaning, golden: Sequence[str]
) -> None:
    """Write the part to the bundle in `folder`, and read it as the service does.

    Args:
        rows: of the bundle's item tables, filler included.
        golden: queries whose vectors every service has to get, too.

    Raises:
        BundleCorrupt: the files or arrays are none that a service takes.
        GoldenMismatch: the encoder gives a text other vectors from time to time.
    """
    (folder / names.ENCODER).parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(encoder.graph, folder / names.ENCODER_GRAPH)
    shutil.copyfile(encoder.tokenizer, folder / names.ENCODER_TOKENIZER)
    (folder / names.ENCODER).write_text(encoder.spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
    _arrays_of(meaning, rows).write(folder)
    write_golden_encoder_texts(folder, golden, read_text_encoder(folder))
    check_golden_encoder_texts(folder, read_text_encoder(folder))
    read_meaning_arrays(folder, encoder.spec.width, rows)


def _arrays_of(meaning: ItemMeaning, rows: int) -> MeaningArrays:
    known, width = meaning.units.shape
    units = np.zeros((rows, width), dtype=np.float32)
    units[:known] = meaning.units
    kinds = np.full(rows, NO_KIND, dtype=np.int32)
    kinds[:known] = meaning.item_kinds
    vectors, scales = quantise_rows(units)
    return MeaningArrays(
        vectors=vectors,
        scales=scales,
        kind_vectors=meaning.kind_vectors.astype(np.float32),
        item_kinds=kinds,
        kind_sizes=sizes_of_kinds(kinds, len(meaning.kind_vectors)),
        kind_names=TextColumn.of(meaning.kind_names),
    )
