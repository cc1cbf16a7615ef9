"""The part `text_encoder` of a bundle, of a student and the vectors that its teacher gave to the items."""

from pathlib import Path

import numpy as np
import polars as pl

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.text.meaning_arrays import NO_KIND, EncoderSpec
from offline.errors import RunFolderError
from offline.export.inputs import MeaningInputs
from offline.export.text_encoder import EncoderFiles, ItemMeaning, write_text_encoder
from offline.student.files import GRAPH_FILE, TOKENIZER_FILE, read_student
from offline.student.kinds import nearest_kinds
from offline.student.projection import projected
from offline.teacher.embed import teacher_vectors


def kind_queries(folder: Path) -> list[tuple[str, int]]:
    """The names of the kinds of the bundle in `folder`, each as a query of one person; none without an encoder."""
    if not (folder / f"{names.KIND_NAMES}.offsets.npy").exists():
        return []
    return [(name, 1) for name in TextColumn.read(folder / names.KIND_NAMES).all() if name]


def write_meaning(folder: Path, items: pl.DataFrame, rows: int, inputs: MeaningInputs) -> None:
    """Write the encoder, the vectors of the items, and their kinds; an item that is new is of the nearest kind.

    Args:
        folder: of the bundle.
        items: by row from 1.
        rows: of the bundle's item tables, filler included.
        inputs: what it is made of.

    Raises:
        RunFolderError: a stage's files are missing or damaged.
        GoldenMismatch: the encoder gives a text other vectors from time to time.
    """
    student = read_student(inputs.distil)
    if student is None:
        raise RunFolderError(f"{inputs.distil}: expected a student, got none: run all stages again")
    projection, centres = student.arrays()
    vectors = teacher_vectors(inputs.embed, items)
    has_text = vectors.any(axis=1)
    kinds = np.full(len(vectors), NO_KIND, dtype=np.int32)
    kinds[has_text] = nearest_kinds(vectors[has_text], centres)[0]
    meaning = ItemMeaning(
        units=projected(vectors, projection),
        kind_vectors=projected(centres, projection),
        kind_names=student.kind_names,
        item_kinds=kinds,
    )
    files = EncoderFiles(
        student.folder / GRAPH_FILE, student.folder / TOKENIZER_FILE, EncoderSpec(**student.document["spec"])
    )
    write_text_encoder(folder, rows, files, meaning, student.document["golden"])
