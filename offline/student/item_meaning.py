"""What a student makes of the texts of items: the vectors that the service gives to live items, one text at a time."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.item_content import document_text
from app.artifact.text.meaning_arrays import EncoderSpec
from app.engine.text.text_encoder import open_text_encoder
from offline.ingest.item_documents import documents_of
from offline.student.files import GRAPH_FILE, TOKENIZER_FILE, read_student
from offline.workspace.progress import Progress

_TOLD_EVERY = 256


def item_meaning(distil: Path, items: pl.DataFrame, progress: Progress) -> NDArray[np.float32] | None:
    """The vectors `[items + 1, width]` of the items' texts; zeros for row 0 and where there is no text.

    Args:
        distil: folder of the stage.
        items: of a split, by row.
        progress: called with the texts that are done.

    Returns:
        None where there is no student, or it is not used.
    """
    student = read_student(distil)
    if student is None or not student.is_used:
        return None
    spec = EncoderSpec(**student.document["spec"])
    encoder = open_text_encoder(spec, student.folder / GRAPH_FILE, student.folder / TOKENIZER_FILE)
    vectors = np.zeros((items.height + 1, encoder.width), dtype=np.float32)
    known: dict[str, NDArray[np.float32]] = {}
    for row, document in enumerate(documents_of(items), start=1):
        text = document_text(document)
        if text not in known:
            known[text] = encoder.document_vector(text)
        vectors[row] = known[text]
        if row % _TOLD_EVERY == 0 or row == items.height:
            progress(row, items.height, "what the texts of items mean")
    return vectors
