"""The stage `embed`: the teacher's vector of every text of the catalogue, each text once in the life of a catalogue."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from offline.teacher.encoder import Teacher
from offline.teacher.folder import TeacherFolder
from offline.teacher.store import (
    VECTORS_FILE,
    Pieces,
    TextVectors,
    clear_pieces,
    known_vectors,
    no_vectors,
    read_vectors,
    write_vectors,
)
from offline.teacher.texts import item_texts, text_hashes
from offline.workspace.durations import about
from offline.workspace.progress import Progress

PIECE: Final = 256
"""Texts that a killed run loses at most."""
_MEASURED: Final = 16  # texts by whose time that of all is told, each
_TIMES: Final = 16  # so often, since batches are of equally long texts


@dataclass(frozen=True)
class Embedded:
    """What embedding a catalogue came to."""

    texts: int  # different ones of the catalogue
    embedded: int  # now; the others were known
    width: int
    bits: int | None  # of the layers that were multiplied; None where nothing was embedded
    texts_per_s: float | None


def embed_items(
    items: pl.DataFrame,
    teacher: TeacherFolder,
    out: Path,
    *,
    earlier: Sequence[Path] = (),
    device: torch.device,
    say: Callable[[str], None],
    progress: Progress,
) -> Embedded:
    """Write the vector of every item's text to `out`; texts that are known there, or in `earlier`, are not read again.

    It can be killed at any time, and goes on where it was.

    Args:
        items: the ingested catalogue.
        teacher: the folder of the encoder.
        out: folder to write to.
        earlier: folders of earlier runs.
        device: to compute on.
        say: told how many texts there are, and how long they take about, before they are embedded.
        progress: called with the texts done.

    Raises:
        TeacherError: the encoder cannot be read.
    """
    progress(0, 1, "reading the teacher")
    fingerprint = teacher.fingerprint()
    texts = [text for text in dict.fromkeys(item_texts(items)) if text]
    hashes = text_hashes(texts)
    known = _known([out, *earlier], fingerprint, hashes)
    missing = np.arange(len(texts)) if known is None else np.flatnonzero(known.places(hashes) < 0)
    encoder, rate = None, None
    if len(missing) or known is None:
        encoder = Teacher(teacher, device)
        known = no_vectors(encoder.width) if known is None else known
        say(_announcement(encoder, [texts[row] for row in missing], len(texts)))
        began = time.monotonic()
        _embed(encoder, texts, hashes, missing, Pieces(out, fingerprint, PIECE), progress)
        rate = len(missing) / max(time.monotonic() - began, 1e-9)
        for vectors in known_vectors(out, fingerprint):
            known = known.joined(vectors)
    else:
        say(f"all {len(texts):,} texts are embedded already")
    places = known.places(np.unique(hashes))
    out.mkdir(parents=True, exist_ok=True)
    write_vectors(out / VECTORS_FILE, TextVectors(known.hashes[places], known.vectors[places]), fingerprint)
    clear_pieces(out)
    return Embedded(
        texts=len(texts),
        embedded=len(missing),
        width=known.vectors.shape[1],
        bits=None if encoder is None else encoder.bits,
        texts_per_s=None if not len(missing) or rate is None else round(rate, 1),
    )


def teacher_vectors(folder: Path, items: pl.DataFrame) -> NDArray[np.float32]:
    """The teacher's vectors of a table of items, `[rows + 1, width]`, of length 1.

    Row 0 is the padding row, and the table's rows follow in their order; an item without a text, or with one that was
    not embedded, is zero.

    Args:
        folder: what the stage `embed` wrote.
        items: ingested or split.

    Raises:
        RunFolderError: the folder has no vectors.
    """
    stored = read_vectors(folder / VECTORS_FILE)
    texts = item_texts(items)
    places = stored.places(text_hashes(texts))
    known = np.flatnonzero((places >= 0) & np.array([bool(text) for text in texts], dtype=bool))
    vectors = np.zeros((items.height + 1, stored.vectors.shape[1]), dtype=np.float32)
    rows = stored.vectors[places[known]].astype(np.float32)
    vectors[known + 1] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return vectors


def _known(folders: Sequence[Path], fingerprint: str, hashes: NDArray[np.uint64]) -> TextVectors | None:
    """The vectors of earlier work that these texts need; None where there is nothing."""
    known: TextVectors | None = None
    for folder in folders:
        for vectors in known_vectors(folder, fingerprint):
            places = vectors.places(hashes)
            needed = np.unique(places[places >= 0])
            part = TextVectors(vectors.hashes[needed], vectors.vectors[needed])
            known = part if known is None else known.joined(part)
    return known


def _announcement(encoder: Teacher, missing: Sequence[str], texts: int) -> str:
    """How many texts there are to embed, and about how long that takes, by the time of a few of them."""
    few = [missing[row] for row in np.linspace(0, len(missing) - 1, min(_MEASURED, len(missing))).astype(int)]
    some = few * min(_TIMES, 1 + len(missing) // _MEASURED)
    encoder.encode(some[:4], "document")  # the first call sets things up
    began = time.monotonic()
    encoder.encode(some, "document")
    seconds = (time.monotonic() - began) * len(missing) / max(len(some), 1)
    reused = f" ({texts - len(missing):,} are embedded already)" if len(missing) < texts else ""
    return f"{len(missing):,} texts to embed{reused}, {about(seconds)} on top of the budget"


def _embed(
    encoder: Teacher,
    texts: Sequence[str],
    hashes: NDArray[np.uint64],
    missing: NDArray[np.int64],
    pieces: Pieces,
    progress: Progress,
) -> None:
    done = 0
    progress(0, len(missing), "embedding texts")
    for rows, vectors in encoder.batches([texts[row] for row in missing], "document"):
        pieces.add(hashes[missing[rows]], vectors)
        done += len(rows)
        progress(done, len(missing), "embedding texts")
    pieces.flush()
