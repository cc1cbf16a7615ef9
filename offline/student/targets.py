"""What the teacher makes of queries: each text once in the life of a catalogue."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
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
    write_vectors,
)
from offline.teacher.texts import text_hashes
from offline.workspace.progress import Progress

_PIECE: Final = 4_096  # texts that a killed run loses at most


class QueryVectors:
    """The teacher's vectors of queries, on disk by the hash of each text.

    Args:
        folder: of the teacher.
        fingerprint: of the teacher, see `TeacherFolder.fingerprint`.
        out: folder of the vectors.
        earlier: such folders of earlier runs.
        device: to compute on.
    """

    def __init__(
        self, folder: TeacherFolder, fingerprint: str, out: Path, earlier: Sequence[Path], device: torch.device
    ) -> None:
        self._folder = folder
        self._fingerprint = f"{fingerprint} {folder.query_prefix}"
        self._out = out
        self._device = device
        self._teacher: Teacher | None = None
        self._known: TextVectors | None = None
        for place in (out, *earlier):
            for vectors in known_vectors(place, self._fingerprint):
                self._known = vectors if self._known is None else self._known.joined(vectors)
        self._used: list[NDArray[np.uint64]] = []
        self.embedded = 0

    def missing(self, texts: Sequence[str]) -> int:
        """How many of the texts are to be embedded."""
        return len(self._missing_rows(text_hashes(texts)))

    def _missing_rows(self, hashes: NDArray[np.uint64]) -> list[int]:
        known = np.full(len(hashes), -1) if self._known is None else self._known.places(hashes)
        return [int(row) for row in np.flatnonzero(known < 0)]

    def of(self, texts: Sequence[str], progress: Progress, what: str) -> NDArray[np.float32]:
        """The vectors `[texts, width]` of length 1 of queries, which are each named once."""
        hashes = text_hashes(texts)
        self._used.append(hashes)
        missing = self._missing_rows(hashes)
        if len(missing) or self._known is None:
            self._embed([texts[row] for row in missing], hashes[missing], progress, what)
        assert self._known is not None  # noqa: S101 - by now
        rows = self._known.vectors[self._known.places(hashes)].astype(np.float32)
        vectors: NDArray[np.float32] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
        return vectors

    def keep(self) -> None:
        """Leave on disk what was asked for, and nothing else."""
        if self._known is None or not self._used:
            return
        places = self._known.places(np.unique(np.concatenate(self._used)))
        kept = TextVectors(self._known.hashes[places], self._known.vectors[places])
        self._out.mkdir(parents=True, exist_ok=True)
        write_vectors(self._out / VECTORS_FILE, kept, self._fingerprint)
        clear_pieces(self._out)

    def _embed(self, texts: Sequence[str], hashes: NDArray[np.uint64], progress: Progress, what: str) -> None:
        teacher = self._teacher = self._teacher or Teacher(self._folder, self._device)
        known = no_vectors(teacher.width) if self._known is None else self._known
        pieces = Pieces(self._out, self._fingerprint, _PIECE)
        done = 0
        added = np.zeros((len(texts), teacher.width), dtype=np.float16)
        for rows, vectors in teacher.batches(texts, "query"):
            pieces.add(hashes[rows], vectors)
            added[rows] = vectors
            done += len(rows)
            progress(done, len(texts), what)
        pieces.flush()
        self._known = known.joined(TextVectors.of(hashes, added))
        self.embedded += len(texts)
