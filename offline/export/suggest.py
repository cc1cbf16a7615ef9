"""The suggestions of a search box: titles, brands, categories and logged queries, weighted by popularity."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.text.suggest_index import KINDS, SORTED_BYTES, Key, SuggestIndex, key_of
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.spelling import Spelling

_TITLE, _CATEGORY, _BRAND, _QUERY = range(len(KINDS))
_LEAST_WEIGHT: Final = {_TITLE: 0.0, _CATEGORY: 0.35, _BRAND: 0.4, _QUERY: 0.45}
"""The least weight of each kind: a word that means many items comes before one item, of two that are liked alike."""
_WEIGHT_RANGE: Final = 0.5  # of the weights of one kind
_PREFIX_BONUS: Final = 0.3  # more where what is typed begins the text, and not a word inside of it
_KIND_RANK: Final = {_BRAND: 3, _CATEGORY: 2, _QUERY: 1, _TITLE: 0}  # of two that read alike
_LENGTH_PENALTY: Final = 1e-4  # less for every letter: of what is liked alike, the shorter says more
_LEVELS: Final = re.compile(r"\s*[>\n]\s*")  # of a category, and between several
_MAX_STARTS: Final = 24  # words of one text
_MAX_KEY_LETTERS: Final = 240  # letters of a key


@dataclass(frozen=True)
class _Entry:
    text: str
    kind: int
    row: int
    liking: float  # of its kind, any unit
    key: Key


def write_suggest(
    folder: Path, items: pl.DataFrame, popularity: NDArray[np.float32], queries: Iterable[tuple[str, int]] = ()
) -> SuggestIndex | None:
    """Write the index to the bundle in `folder`; None, and nothing written, where there is nothing to suggest.

    Args:
        items: the split's item table.
        popularity: of every item row, `[rows]`.
        queries: logged ones, and how often each was asked.
    """
    index = make_suggest_index(items, popularity, queries)
    if index is not None:
        index.write(folder)
    return index


def spell_queries(queries: Iterable[tuple[str, int]], vocabulary: Vocabulary) -> list[tuple[str, int]]:
    """Queries with typos corrected and their counts; equal ones are added up, in the order of their first."""
    spelling = Spelling(vocabulary)
    counts: Counter[str] = Counter()
    for text, count in queries:
        corrected = spelling.read(f"{text} ").corrected  # the space: no longer typed
        counts[corrected or text] += count
    return list(counts.items())


def make_suggest_index(
    items: pl.DataFrame, popularity: NDArray[np.float32], queries: Iterable[tuple[str, int]] = ()
) -> SuggestIndex | None:
    """The index of a catalogue (see `write_suggest`)."""
    items = items.sort("row")
    entries: dict[str, tuple[_Entry, float]] = {}
    kinds = (
        _titles(items, popularity),
        _shared_values(items["brand"], popularity, _BRAND),
        _shared_values(_levels(items["category"]), popularity, _CATEGORY),
        [_entry(text, _QUERY, 0, float(count)) for text, count in queries],
    )
    for entry, weight in chain.from_iterable(
        _weigh([entry for entry in of_kind if entry.key.text]) for of_kind in kinds
    ):
        before = entries.get(entry.key.text)
        if before is None:
            entries[entry.key.text] = (entry, weight)
        else:  # two that read alike are one, with the more telling kind and the better weight
            best = max(before, (entry, weight), key=lambda pair: (_KIND_RANK[pair[0].kind], pair[1], -pair[0].row))
            entries[entry.key.text] = (best[0], max(before[1], weight))
    return _index([entries[key] for key in sorted(entries)]) if entries else None


def _titles(items: pl.DataFrame, popularity: NDArray[np.float32]) -> list[_Entry]:
    return [
        _entry(title, _TITLE, row, float(popularity[row]))
        for row, title in enumerate(items["title"].to_list(), start=1)
        if title
    ]


def _levels(categories: pl.Series) -> pl.Series:
    """Every level of each item's category, the topmost first."""
    levels = [[level for level in _LEVELS.split(path or "") if level] for path in categories.to_list()]
    return pl.Series(levels, dtype=pl.List(pl.String))


def _shared_values(values: pl.Series, popularity: NDArray[np.float32], kind: int) -> list[_Entry]:
    """Values that items share, weighted by how many items have them and how popular those are."""
    table = pl.DataFrame({"value": values, "liking": 1.0 + 99.0 * popularity[1 : len(values) + 1]})
    table = table.explode("value") if values.dtype == pl.List else table
    summed = table.drop_nulls("value").group_by("value").agg(pl.col("liking").sum()).sort("value")
    named = ((value, liking) for value, liking in summed.iter_rows() if any(letter.isalpha() for letter in value))
    return [_entry(value, kind, 0, liking) for value, liking in named]


def _entry(text: str, kind: int, row: int, liking: float) -> _Entry:
    return _Entry(text, kind, row, liking, key_of(text[:_MAX_KEY_LETTERS]))


def _weigh(entries: list[_Entry]) -> Iterator[tuple[_Entry, float]]:
    """Entries of one kind with their weights, which grow with the logarithm of the liking."""
    if not entries:
        return
    liking = np.array([entry.liking for entry in entries])
    most = float(liking.max())
    level = np.log1p(liking / most * 1e3) / np.log1p(1e3) if most > 0 else np.zeros(len(liking))
    for entry, share in zip(entries, level.tolist(), strict=True):
        yield entry, _LEAST_WEIGHT[entry.kind] + _WEIGHT_RANGE * share - _LENGTH_PENALTY * len(entry.key.text)


def _index(scored: list[tuple[_Entry, float]]) -> SuggestIndex:
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
