"""Text to n-grams to hash buckets: every word of any script has a bucket, unseen words too."""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.simplified import simplify

TEXT_BUCKETS: Final = 16_384  # a power of two
_GRAM: Final = 4
_KEPT: Final = 16_384  # words whose hashes are kept
_CJK: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_RUNS: Final = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK: Final = re.compile(rf"[{_CJK}]")


def words(text: str) -> list[str]:
    """Runs of letters and digits, without case, width, accents and traditional characters.

    East Asian runs stay whole.
    """
    if text.isascii():  # has neither width nor accents
        return _RUNS.findall(text.lower())
    folded = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    composed = unicodedata.normalize("NFC", bare)
    return _RUNS.findall(simplify(composed) if _IS_CJK.search(composed) else composed)


def ngrams(text: str) -> Iterator[str]:
    """Words, word pairs, and four-letter grams with word boundaries; East Asian text as letters and pairs."""
    previous = ""
    for word in words(text):
        if _IS_CJK.match(word):
            yield from _east_asian_grams(word)
            previous = ""
            continue
        yield word
        if previous:
            yield f"{previous} {word}"
        previous = word
        yield from _parts_of(word)


def _east_asian_grams(run: str) -> Iterator[str]:
    yield from run
    yield from (run[start : start + 2] for start in range(len(run) - 1))


def _parts_of(word: str) -> Iterator[str]:
    marked = f"<{word}>"
    if len(marked) > _GRAM:
        yield from (marked[start : start + _GRAM] for start in range(len(marked) - _GRAM + 1))


@lru_cache(maxsize=_KEPT)
def _hashes_of(word: str) -> tuple[int, bytes, tuple[int, ...]]:
    """The hash of a word, what its pair with the word before it ends in, and the hashes of its parts: words come again
    and again.
    """
    return crc32(word.encode()), f" {word}".encode(), tuple(crc32(gram.encode()) for gram in _parts_of(word))


def buckets(text: str, count: int = TEXT_BUCKETS) -> list[int]:
    """The hash bucket of every n-gram of `ngrams`, in that order, each in `0..count - 1`; `count` is a power of two."""
    last = count - 1
    return [hashed & last for hashed in _hashes(text)]


def _hashes(text: str) -> list[int]:
    """The hash of every n-gram of `ngrams`, in that order."""
    hashes: list[int] = []
    previous: int | None = None  # the hash of the word before
    for word in words(text):
        if not word.isascii() and _IS_CJK.match(word):
            hashes += (crc32(gram.encode()) for gram in _east_asian_grams(word))
            previous = None
            continue
        of_word, end_of_pair, of_parts = _hashes_of(word)
        hashes.append(of_word)
        if previous is not None:
            hashes.append(crc32(end_of_pair, previous))
        hashes += of_parts
        previous = of_word
    return hashes


def weighted_buckets(text: str, idf: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The buckets of a text, each once and ascending, and their weights: sublinear counts times idf.

    Args:
        idf: `[buckets]`, a power of two; buckets with 0, which no item of the catalogue has, are left out.
    """
    last = len(idf) - 1
    times = Counter(hashed & last for hashed in _hashes(text))
    ordered = sorted(times)
    distinct = np.array(ordered, dtype=np.int64)
    counts = np.array([times[bucket] for bucket in ordered], dtype=np.int64)
    weights = (1 + np.log(counts)).astype(np.float32) * idf[distinct]
    known = weights > 0
    return distinct[known], weights[known]


def has_words(text: str) -> bool:
    """Whether `words` finds any."""
    return _RUNS.search(text) is not None or bool(words(text))


def is_east_asian(word: str) -> bool:
    """Whether a word of `words` is a run of East Asian characters, which have no spaces between words."""
    return _IS_CJK.match(word) is not None
