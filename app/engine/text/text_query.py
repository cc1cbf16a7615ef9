"""Text to query vectors: the n-grams of a request's text in the space of the items, for `given_query` of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.quantise import dequantise_rows
from app.artifact.text.ngrams import weighted_buckets
from app.errors import BundleCorrupt, GoldenMismatch

MAX_GOLDEN_ERROR = 1e-3  # of any number of a vector of length 1


@dataclass(frozen=True)
class TextQuery:
    """A vector for every bucket of n-grams, and how much a bucket says."""

    vectors: NDArray[np.int8]  # [buckets, dim]
    scales: NDArray[np.float32]  # [buckets]
    idf: NDArray[np.float32]  # [buckets], 0 for buckets that no item has

    @property
    def dim(self) -> int:
        """Numbers in a vector."""
        return int(self.vectors.shape[1])

    def vectors_of(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Query vectors `[batch, dim]` of length 1, so that scores are cosines; zeros for a text without known n-grams.

        The weighted mean of the n-grams' vectors, one product a text, so that no text moves another's last digits.
        """
        found = np.zeros((len(texts), self.dim), dtype=np.float32)
        for line, text in zip(found, texts, strict=True):
            buckets, weights = weighted_buckets(text, self.idf)
            if len(buckets):
                mean = weights @ dequantise_rows(self.vectors[buckets], self.scales[buckets])
                line[:] = mean / max(float(np.sqrt(mean @ mean)), 1e-12)
        return found


def read_text_query(folder: Path) -> TextQuery | None:
    """The text path of the bundle in `folder`; None where it has none.

    Raises:
        OSError: a part of it is missing.
        ValueError: its arrays do not fit each other.
    """
    if not (folder / names.TEXT_IDF).exists():
        return None
    vectors, scales, idf = (
        np.load(folder / name, allow_pickle=False) for name in (names.TEXT_VECTORS, names.TEXT_SCALES, names.TEXT_IDF)
    )
    buckets = len(vectors)
    if scales.shape != (buckets,) or idf.shape != (buckets,) or buckets & (buckets - 1):
        raise ValueError(f"{buckets} text vectors, scales {scales.shape} and idf {idf.shape}")
    return TextQuery(vectors, scales, idf)


def write_golden_texts(folder: Path, texts: Sequence[str], text_query: TextQuery) -> None:
    """Store what some texts are read as, so that a service whose n-grams differ is found out."""
    (folder / names.GOLDEN_TEXTS).parent.mkdir(parents=True, exist_ok=True)
    TextColumn.of(texts).write(folder / names.GOLDEN_TEXTS)
    np.save(folder / names.GOLDEN_TEXT_VECTORS, text_query.vectors_of(texts))


def check_golden_texts(folder: Path, text_query: TextQuery) -> None:
    """Read the golden texts, and compare.

    Raises:
        BundleCorrupt: there are none.
        GoldenMismatch: a vector is off.
    """
    try:
        texts = TextColumn.read(folder / names.GOLDEN_TEXTS)
        expected = np.load(folder / names.GOLDEN_TEXT_VECTORS, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{folder}: golden texts cannot be read ({error}); export the bundle again") from error
    came = text_query.vectors_of([texts[place] or "" for place in range(len(texts))])
    error_ = np.abs(came - expected).max(initial=0.0) if came.shape == expected.shape else np.inf
    if error_ > MAX_GOLDEN_ERROR:
        raise GoldenMismatch(
            f"{folder / names.GOLDEN_TEXTS}: expected the vectors of the golden texts within {MAX_GOLDEN_ERROR}, came "
            f"an error of {error_:.3g}: this service splits text otherwise than the job did; export the bundle again"
        )
