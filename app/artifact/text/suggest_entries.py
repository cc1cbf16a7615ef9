"""Entries of the suggestions of a search box, how they are weighed, and how they are put into an index."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.text.suggest_index import KINDS, SORTED_BYTES, Key, SuggestIndex, key_of

TITLE, CATEGORY, BRAND, QUERY = range(len(KINDS))
KIND_RANK: Final = {BRAND: 3, CATEGORY: 2, QUERY: 1, TITLE: 0}
"""Of two that read alike the more telling kind counts."""
LOOKED_UP_LETTERS: Final = 240
"""Letters of a text that it is looked up by."""
_LEAST_WEIGHT: Final = {TITLE: 0.0, CATEGORY: 0.35, BRAND: 0.4, QUERY: 0.45}
"""The least weight of each kind: a word that means many items comes before one item, of two that are liked alike."""
_WEIGHT_RANGE: Final = 0.5  # of the weights of one kind
_PREFIX_BONUS: Final = 0.3  # more where what is typed begins the text, and not a word inside of it
_LENGTH_PENALTY: Final = 1e-4  # less for every letter: of what is liked alike, the shorter says more
_LEVELS: Final = re.compile(r"\s*[>\n]\s*")  # of a category, and between several
_MAX_STARTS: Final = 24  # words of one text


@dataclass(frozen=True, slots=True)
class SuggestEntry:
    """A text that may be suggested."""

    text: str
    kind: int  # of `KINDS`
    row: int  # of the item of a title, else 0
    liking: float  # of its kind, any unit
    key: Key


def entry_of(text: str, kind: int, row: int, liking: float) -> SuggestEntry:
    """An entry with its key, which is empty for what has no letter and no digit."""
    return SuggestEntry(text, kind, row, liking, key_of(text[:LOOKED_UP_LETTERS]))


def levels_of(category: str) -> list[str]:
    """Every level of an item's category, the topmost first."""
    return [level for level in _LEVELS.split(category) if level]


def is_suggested(value: str) -> bool:
    """Whether a brand or a category is suggested: one without a letter is not."""
    return any(letter.isalpha() for letter in value)


def liking_of(popularity: NDArray[np.float32]) -> NDArray[np.float32]:
    """What each item adds to the liking of its brand and its categories."""
    return 1.0 + 99.0 * popularity


def weights_of(kind: int, likings: NDArray[np.floating], most: float, letters: Sequence[int]) -> NDArray[np.float64]:
    """The weights of entries of one kind, which grow with the logarithm of the liking.

    Args:
        kind: of `KINDS`.
        likings: of the entries.
        most: the largest of the kind.
        letters: of their keys.
    """
    level = np.log1p(likings / most * 1e3) / np.log1p(1e3) if most > 0 else np.zeros(len(likings))
    return np.asarray(_LEAST_WEIGHT[kind] + _WEIGHT_RANGE * level - _LENGTH_PENALTY * np.array(letters))


def level_weight(kind: int, weight: float, letters: int) -> float:
    """What is the larger, the more an entry is liked that has this weight."""
    return weight - _LEAST_WEIGHT[kind] + _LENGTH_PENALTY * letters


def index_of(scored: Sequence[tuple[SuggestEntry, float]]) -> SuggestIndex:
    """The index of entries in the order of their keys, and their weights."""
    entries = [entry for entry, _ in scored]
    weights = np.array([weight for _, weight in scored], dtype=np.float32)
    keys = TextColumn.of([entry.key.text for entry in entries])
    positions, owners, whole = [], [], []
    for place, entry in enumerate(entries):
        key, offset = entry.key.text, int(keys.offsets[place])
        for start in entry.key.starts[:_MAX_STARTS]:
            positions.append(offset + (start if key.isascii() else len(key[:start].encode())))
            owners.append(place)
            whole.append(start == 0)
    owner = np.array(owners, dtype=np.int32)
    order = _order(keys, np.array(positions, dtype=np.int64), owner)
    return SuggestIndex(
        texts=TextColumn.of([entry.text for entry in entries]),
        keys=keys,
        kinds=np.array([entry.kind for entry in entries], dtype=np.uint8),
        rows=np.array([entry.row for entry in entries], dtype=np.int32),
        weights=weights,
        positions=np.array(positions, dtype=np.uint32)[order],
        entries=owner[order],
        scores=(weights[owner] + np.float32(_PREFIX_BONUS) * np.array(whole, dtype=np.float32))[order],
    )


def _order(keys: TextColumn, positions: NDArray[np.int64], owners: NDArray[np.int32]) -> NDArray[np.int64]:
    """Beginnings by the bytes that follow within their key, `SORTED_BYTES` of them."""
    ends = keys.offsets[owners + 1]
    follow = np.zeros((len(positions), SORTED_BYTES), dtype=np.uint8)
    for place in range(SORTED_BYTES):
        inside = positions + place < ends
        follow[inside, place] = keys.values[positions[inside] + place]
    return np.argsort(follow.view(f"S{SORTED_BYTES}").ravel(), kind="stable")
