"""Columns of text as two flat arrays, so that a catalogue is mapped into memory rather than parsed."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from app.artifact.arrays import load_array


def offsets_of(counts: ArrayLike) -> NDArray[np.int64]:
    """`[parts + 1]`, where parts of these lengths start and end when they stand one after another."""
    ends = np.cumsum(counts, dtype=np.int64)
    offsets = np.zeros(len(ends) + 1, dtype=np.int64)
    offsets[1:] = ends
    return offsets


@dataclass(frozen=True)
class TextColumn:
    """`values[offsets[i]:offsets[i + 1]]` is the UTF-8 text of row `i`; an empty text means 'missing'."""

    values: NDArray[np.uint8]
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> str | None:
        start, end = self.offsets[row], self.offsets[row + 1]
        return self.values[start:end].tobytes().decode() if end > start else None

    def all(self) -> list[str]:
        """The texts of all rows, those that are missing as empty ones; faster than row by row."""
        values, offsets = self.values.tobytes(), self.offsets.tolist()
        return [values[start:end].decode() for start, end in pairwise(offsets)]

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> "TextColumn":
        """Pack `texts`; `None` and the empty text are the same."""
        encoded = [(text or "").encode() for text in texts]
        return cls(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets_of([len(text) for text in encoded]))

    def write(self, stem: Path) -> None:
        """Write `<stem>.text.npy` and `<stem>.offsets.npy`."""
        stem.parent.mkdir(parents=True, exist_ok=True)
        np.save(stem.with_name(stem.name + ".text.npy"), self.values)
        np.save(stem.with_name(stem.name + ".offsets.npy"), self.offsets)

    @classmethod
    def read(cls, stem: Path) -> "TextColumn":
        """The inverse of `write`, mapped into memory."""
        values, offsets = (  # as plain views: to cut a piece out of a memmap costs ten times as much
            np.asarray(load_array(stem.with_name(stem.name + suffix), mmap_mode="r"))
            for suffix in (".text.npy", ".offsets.npy")
        )
        return cls(values, offsets)
