"""The suggestions of a search box: titles, brands, categories and logged queries, weighted by popularity."""

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.text.suggest_entries import (
    BRAND,
    CATEGORY,
    KIND_RANK,
    QUERY,
    TITLE,
    SuggestEntry,
    entry_of,
    index_of,
    is_suggested,
    levels_of,
    liking_of,
    weights_of,
)
from app.artifact.text.suggest_index import SuggestIndex
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.spelling import Spelling


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
    entries: dict[str, tuple[SuggestEntry, float]] = {}
    kinds = (
        _titles(items, popularity),
        _shared_values(items["brand"], popularity, BRAND),
        _shared_values(_levels(items["category"]), popularity, CATEGORY),
        [entry_of(text, QUERY, 0, float(count)) for text, count in queries],
    )
    for entry, weight in chain.from_iterable(
        _weigh([entry for entry in of_kind if entry.key.text]) for of_kind in kinds
    ):
        before = entries.get(entry.key.text)
        if before is None:
            entries[entry.key.text] = (entry, weight)
        else:  # two that read alike are one, with the more telling kind and the better weight
            best = max(before, (entry, weight), key=lambda pair: (KIND_RANK[pair[0].kind], pair[1], -pair[0].row))
            entries[entry.key.text] = (best[0], max(before[1], weight))
    return index_of([entries[key] for key in sorted(entries)]) if entries else None


def _titles(items: pl.DataFrame, popularity: NDArray[np.float32]) -> list[SuggestEntry]:
    return [
        entry_of(title, TITLE, row, float(popularity[row]))
        for row, title in enumerate(items["title"].to_list(), start=1)
        if title
    ]


def _levels(categories: pl.Series) -> pl.Series:
    """Every level of each item's category, the topmost first."""
    return pl.Series([levels_of(path or "") for path in categories.to_list()], dtype=pl.List(pl.String))


def _shared_values(values: pl.Series, popularity: NDArray[np.float32], kind: int) -> list[SuggestEntry]:
    """Values that items share, weighted by how many items have them and how popular those are."""
    table = pl.DataFrame({"value": values, "liking": liking_of(popularity[1 : len(values) + 1])})
    table = table.explode("value") if values.dtype == pl.List else table
    summed = table.drop_nulls("value").group_by("value").agg(pl.col("liking").sum()).sort("value")
    named = ((value, liking) for value, liking in summed.iter_rows() if is_suggested(value))
    return [entry_of(value, kind, 0, liking) for value, liking in named]


def _weigh(entries: list[SuggestEntry]) -> Iterator[tuple[SuggestEntry, float]]:
    """Entries of one kind with their weights."""
    if not entries:
        return
    liking = np.array([entry.liking for entry in entries])
    letters = [len(entry.key.text) for entry in entries]
    weights = weights_of(entries[0].kind, liking, float(liking.max()), letters)
    yield from zip(entries, weights.tolist(), strict=True)
