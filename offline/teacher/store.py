"""Vectors of texts on disk: a file that is whole, and pieces of one that is being made."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from offline.errors import RunFolderError
from offline.workspace.atomic import atomic_file

VECTORS_FILE: Final = "vectors.safetensors"
PIECES: Final = "pieces"
_FINGERPRINT: Final = "teacher"


@dataclass(frozen=True)
class TextVectors:
    """Vectors of texts by the hash of each text."""

    hashes: NDArray[np.uint64]  # [texts], ascending, each once
    vectors: NDArray[np.float16]  # [texts, width], of length 1

    @classmethod
    def of(cls, hashes: NDArray[np.uint64], vectors: NDArray[np.float16]) -> "TextVectors":
        """In any order, some perhaps twice."""
        unique, first = np.unique(hashes, return_index=True)
        return cls(unique, vectors[first])

    def places(self, hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Where the vector of each hash stands; -1 for one that is not here."""
        places = np.searchsorted(self.hashes, hashes)
        places[places == len(self.hashes)] = 0
        known = self.hashes[places] == hashes if len(self.hashes) else np.zeros(len(hashes), bool)
        return np.where(known, places, -1).astype(np.int64)

    def joined(self, other: "TextVectors") -> "TextVectors":
        """These, and those of the other that are not here."""
        return TextVectors.of(
            np.concatenate([self.hashes, other.hashes]), np.concatenate([self.vectors, other.vectors])
        )


def no_vectors(width: int) -> TextVectors:
    """Of no text."""
    return TextVectors(np.empty(0, np.uint64), np.empty((0, width), np.float16))


def write_vectors(path: Path, vectors: TextVectors, fingerprint: str) -> None:
    """Write the file, complete or not at all; the fingerprint is that of the teacher."""
    tensors: dict[str, NDArray[Any]] = {"hashes": vectors.hashes, "vectors": np.ascontiguousarray(vectors.vectors)}
    with atomic_file(path) as temporary:
        save_file(tensors, temporary, metadata={_FINGERPRINT: fingerprint})


def read_vectors(path: Path) -> TextVectors:
    """Read a file of vectors.

    Raises:
        RunFolderError: there is none, or it is damaged.
    """
    try:
        return _read(path)
    except (OSError, SafetensorError, KeyError) as error:
        raise RunFolderError(
            f"{path}: expected the vectors of texts, got a file that is missing or damaged: delete "
            f"{path.parent}, and run the same command again"
        ) from error


def known_vectors(folder: Path, fingerprint: str) -> Iterator[TextVectors]:
    """The vectors by that teacher in a folder, of the whole file and of pieces; what is damaged is passed over."""
    for path in (folder / VECTORS_FILE, *sorted((folder / PIECES).glob("*.safetensors"))):
        try:
            with safe_open(path, framework="np") as file:
                same = (file.metadata() or {}).get(_FINGERPRINT) == fingerprint
            if same:
                yield _read(path)
        except (OSError, SafetensorError, KeyError):  # its texts are embedded anew
            continue


class Pieces:
    """Pieces of a store that is being made; a piece is on the disk or not there at all.

    Args:
        folder: of the store.
        fingerprint: of the teacher.
        size: texts of a piece.
    """

    def __init__(self, folder: Path, fingerprint: str, size: int) -> None:
        self._folder = folder / PIECES
        self._folder.mkdir(parents=True, exist_ok=True)
        self._fingerprint = fingerprint
        self._size = size
        self._number = max((int(path.stem) for path in self._folder.glob("[0-9]*.safetensors")), default=0)
        self._hashes: list[NDArray[np.uint64]] = []
        self._vectors: list[NDArray[np.float16]] = []

    def add(self, hashes: NDArray[np.uint64], vectors: NDArray[np.float32]) -> None:
        """Take vectors, and write a piece when there are enough for one."""
        self._hashes.append(hashes)
        self._vectors.append(vectors.astype(np.float16))
        if sum(map(len, self._hashes)) >= self._size:
            self.flush()

    def flush(self) -> None:
        """Write what is not written yet."""
        if not self._hashes:
            return
        self._number += 1
        piece = TextVectors.of(np.concatenate(self._hashes), np.concatenate(self._vectors))
        write_vectors(self._folder / f"{self._number:06}.safetensors", piece, self._fingerprint)
        self._hashes, self._vectors = [], []


def clear_pieces(folder: Path) -> None:
    """Remove the pieces, once the whole file is there."""
    shutil.rmtree(folder / PIECES, ignore_errors=True)


def _read(path: Path) -> TextVectors:
    with safe_open(path, framework="np") as file:
        return TextVectors(file.get_tensor("hashes"), file.get_tensor("vectors"))
