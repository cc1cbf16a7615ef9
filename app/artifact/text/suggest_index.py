"""Suggest index: texts by the beginnings of their words, in flat memory-mapped arrays.

Job and service must make the same keys: the job sorts by them, the service looks up the key of the typed text.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.text.words import EAST_ASIAN, fold_letters, is_east_asian

KINDS: Final = ("title", "category", "brand", "query")
"""The kinds of suggestions, by their code."""
SORTED_BYTES: Final = 48  # by which the beginnings are sorted; longer equal beginnings are in any order

_TEXTS: Final = "texts"
_KEYS: Final = "keys"
_ARRAYS: Final = {
    "kinds": np.uint8,
    "rows": np.int32,
    "weights": np.float32,
    "positions": np.uint32,
    "entries": np.int32,
    "scores": np.float32,
}
_JOINERS: Final = "-'\u2019.+&"  # do not separate words: `wh-1000` is also typed as wh1000
_WORDS: Final = re.compile(rf"[{EAST_ASIAN}]+|[^{EAST_ASIAN} ]+")
_CLUSTER: Final = re.compile(r"[\u1100-\u11ff]+|.[\u0300-\u036f\u3099\u309a\uff9e\uff9f]*", re.DOTALL)


@dataclass(frozen=True)
class SuggestIndex:
    """`entries` texts, and the `beginnings` of their words in the order of the bytes that follow."""

    texts: TextColumn  # [entries] as they are shown
    keys: TextColumn  # [entries] of `key_of`
    kinds: NDArray[np.uint8]  # [entries] of `KINDS`
    rows: NDArray[np.int32]  # [entries] item rows of titles, else 0
    weights: NDArray[np.float32]  # [entries] 0 to 1, by popularity
    positions: NDArray[np.uint32]  # [beginnings] bytes into the values of `keys`
    entries: NDArray[np.int32]  # [beginnings]
    scores: NDArray[np.float32]  # [beginnings] the weight, plus a bonus at the beginning of a text

    def write(self, folder: Path) -> None:
        """Write it into the bundle in `folder`."""
        below = folder / names.SUGGEST
        self.texts.write(below / _TEXTS)
        self.keys.write(below / _KEYS)
        for name in _ARRAYS:
            np.save(below / f"{name}.npy", getattr(self, name))


def read_suggest_index(folder: Path) -> SuggestIndex | None:
    """The index of the bundle in `folder`, mapped into memory; None where it has none.

    Raises:
        OSError: a part of it is missing.
        ValueError: its arrays do not fit each other.
    """
    below = folder / names.SUGGEST
    if not below.exists():
        return None
    texts, keys = TextColumn.read(below / _TEXTS), TextColumn.read(below / _KEYS)
    arrays = {name: load_array(below / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    beginnings = len(arrays["positions"])
    for name, array in arrays.items():
        length = len(texts) if name in {"kinds", "rows", "weights"} else beginnings
        if array.shape != (length,) or array.dtype != _ARRAYS[name] or len(keys) != len(texts):
            raise ValueError(
                f"{below / name}: expected {length} of {_ARRAYS[name].__name__}, got {array.shape} {array.dtype}"
            )
    return SuggestIndex(texts=texts, keys=keys, **arrays)


@dataclass(frozen=True)
class Key:
    """A text as it is looked up."""

    text: str  # folded words with one space between, and no space next to East Asian letters
    starts: tuple[int, ...]  # where words begin, every East Asian letter among them
    origins: tuple[tuple[int, int], ...]  # of every letter, its start and end in the original

    @property
    def words(self) -> list[str]:
        """Words without spaces, and runs of East Asian letters."""
        return _WORDS.findall(self.text)


def key_of(text: str) -> Key:
    """The key of a text; empty for one without letters and digits."""
    letters: list[str] = []
    starts: list[int] = []
    origins: list[tuple[int, int]] = []
    gap, joined = False, False  # since the last letter: whether words are separated, or joined by a joiner
    for letter, start, end in _folded_letters(text):
        if not letter.isalnum():
            joined = letter in _JOINERS and not gap and not joined
            gap = gap or not joined
            continue
        east_asian = not letter.isascii() and is_east_asian(letter)
        after_east_asian = bool(letters) and not letters[-1].isascii() and is_east_asian(letters[-1])
        if gap and letters and not east_asian and not after_east_asian:
            letters.append(" ")
            origins.append((start, start))
        if gap or joined or not letters or east_asian or after_east_asian:
            starts.append(len(letters))
        letters.append(letter)
        origins.append((start, end))
        gap = joined = False
    return Key("".join(letters), tuple(starts), tuple(origins))


def _folded_letters(text: str) -> list[tuple[str, int, int]]:
    """Folded letters, with start and end of each in the original text."""
    if text.isascii():
        return [(letter, start, start + 1) for start, letter in enumerate(text.lower())]
    return [(letter, match.start(), match.end()) for match in _CLUSTER.finditer(text) for letter in _folded(match[0])]


@lru_cache(maxsize=8_192)
def _folded(cluster: str) -> str:
    return fold_letters(cluster)
