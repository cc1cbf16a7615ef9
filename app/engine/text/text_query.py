"""Text to query vectors: the n-grams of a text in the vector space of the items, for `given_query` of a batch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.mapped import load_mapped
from app.artifact.quantise import dequantise_rows
from app.artifact.text.ngrams import weighted_buckets
from app.errors import BundleCorrupt, GoldenMismatch

_KEPT = 4_096  # texts of which the vectors are kept
MAX_GOLDEN_ERROR = 1e-3  # of any number of a vector of length 1


@dataclass(frozen=True)
class TextQuery:
    """A vector and a weight for every hash bucket of n-grams."""

    vectors: NDArray[np.int8]  # [buckets, dim]
    scales: NDArray[np.float32]  # [buckets]
    idf: NDArray[np.float32]  # [buckets], 0 for buckets that no item has

    @property
    def dim(self) -> int:
        """The length of a vector."""
        return int(self.vectors.shape[1])

    def vectors_of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Query vectors `[batch, dim]` of length 1, so that scores are cosines; zeros for a text without known n-grams.

        A vector is the weighted mean of the n-grams' vectors, by one product a text: to the last digit it does not
        depend on the other texts.
        """
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for vector, text in zip(vectors, texts, strict=True):
            vector[:] = self._vector_again(text)
        return vectors

    @cached_property
    def _vector_again(self) -> Callable[[str], NDArray[np.float32]]:
        return lru_cache(_KEPT)(partial(_vector_of, self.vectors, self.scales, self.idf))


def _vector_of(
    vectors: NDArray[np.int8], scales: NDArray[np.float32], idf: NDArray[np.float32], text: str
) -> NDArray[np.float32]:
    """`[dim]`, see `TextQuery.vectors_of`."""
    buckets, weights = weighted_buckets(text, idf)
    if not len(buckets):
        return np.zeros(vectors.shape[1], dtype=np.float32)
    mean: NDArray[np.float32] = weights @ dequantise_rows(vectors[buckets], scales[buckets])
    return mean / np.float32(max(float(np.sqrt(mean @ mean)), 1e-12))


def read_text_query(folder: Path) -> TextQuery | None:
    """The text vectors of the bundle in `folder`; None where it has none.

    Raises:
        OSError: a part of it is missing.
        ValueError: its arrays do not fit each other.
    """
    if not (folder / names.TEXT_IDF).exists():
        return None
    vectors, scales, idf = (
        load_mapped(folder / name) for name in (names.TEXT_VECTORS, names.TEXT_SCALES, names.TEXT_IDF)
    )
    buckets = len(vectors)
    if scales.shape != (buckets,) or idf.shape != (buckets,) or buckets & (buckets - 1):
        raise ValueError(f"{buckets} text vectors, scales {scales.shape} and idf {idf.shape}")
    return TextQuery(vectors, scales, idf)


def write_golden_texts(folder: Path, texts: Sequence[str], text_query: TextQuery) -> None:
    """Write the vectors of some texts, so that a service that splits text differently is detected."""
    (folder / names.GOLDEN_TEXTS).parent.mkdir(parents=True, exist_ok=True)
    TextColumn.of(texts).write(folder / names.GOLDEN_TEXTS)
    np.save(folder / names.GOLDEN_TEXT_VECTORS, text_query.vectors_of(texts))


def check_golden_texts(folder: Path, text_query: TextQuery) -> None:
    """Compare the vectors of the golden texts with those in the bundle.

    Raises:
        BundleCorrupt: the golden texts cannot be read.
        GoldenMismatch: a vector is out of tolerance.
    """
    try:
        texts = TextColumn.read(folder / names.GOLDEN_TEXTS)
        expected = load_array(folder / names.GOLDEN_TEXT_VECTORS)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{folder}: golden texts cannot be read ({error}): export the bundle again") from error
    vectors = text_query.vectors_of([texts[index] or "" for index in range(len(texts))])
    error_ = np.abs(vectors - expected).max(initial=0.0) if vectors.shape == expected.shape else np.inf
    if error_ > MAX_GOLDEN_ERROR:
        raise GoldenMismatch(
            f"{folder / names.GOLDEN_TEXTS}: expected the vectors of the golden texts within {MAX_GOLDEN_ERROR}, got "
            f"an error of {error_:.3g}: this service splits text differently from the job: export the bundle again"
        )
