"""What was chosen after each query of the log, as a bundle holds it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.text.chosen_index import ChosenIndex, QueryKey, key_of
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.operators import parse_query
from app.engine.text.spelling import Spelling
from offline.dataset.logged_queries import LEAST_USERS, LONGEST_QUERY, query_events

MOST_QUERIES: Final = 50_000
MOST_ITEMS: Final = 64  # of a query
HALF_LIFE_S: Final = 90 * 86_400
"""After a quarter of a year a choice counts half: what is wanted changes by season."""


def write_chosen(
    folder: Path, split: Path, parts: Sequence[str], vocabulary: Vocabulary, absent: NDArray[np.int32]
) -> None:
    """Write the index to the bundle in `folder`, perhaps without a query.

    Args:
        split: folder of the split.
        parts: whose events are counted; never test.
        vocabulary: of the catalogue, by which queries are corrected as the service corrects them.
        absent: rows of items that are never answered.
    """
    events = query_events(split, parts).filter(
        (pl.col("item") > 0) & (pl.col("query").str.len_chars() <= LONGEST_QUERY)
    )
    make_chosen_index(events.filter(~pl.col("item").is_in(absent)), vocabulary).write(folder)


def make_chosen_index(events: pl.DataFrame, vocabulary: Vocabulary) -> ChosenIndex:
    """The index of some events: user, item (row), time, query, typed.

    A person counts once for a query and an item, by the newest of their events. Queries of fewer than `LEAST_USERS`
    people are left out, so that nobody is shown what one person has typed; `MOST_QUERIES` are kept, those of most
    people, and `MOST_ITEMS` of each. Queries that leave something out by an operator say nothing of their words.
    """
    read = _read(events.get_column("typed").unique().sort().to_list())
    events = events.with_columns(weight=_weights(events)).join(read, on="typed")
    common = events.group_by("text").agg(pl.col("user").n_unique().alias("people"), pl.col("meant").min())
    common = common.filter(pl.col("people") >= LEAST_USERS).sort("people", "text", descending=[True, False])
    keys = _corrected(common.head(MOST_QUERIES).select("text", "meant").rows(), vocabulary)
    texts = sorted({key.text for key in keys.values()}, key=str.encode)
    number = {text: place for place, text in enumerate(texts)}
    numbered = pl.DataFrame(
        {"text": list(keys), "number": [number[key.text] for key in keys.values()]},
        schema={"text": pl.String, "number": pl.Int64},
    )
    counted = (
        events.join(numbered, on="text")
        .group_by("number", "user", "item")
        .agg(pl.col("weight").max())
        .group_by("number", "item")
        .agg(pl.col("weight").sum().alias("people"))
        .sort("number", "people", "item", descending=[False, True, False])
        .group_by("number", maintain_order=True)
        .head(MOST_ITEMS)
        .sort("number", "item")
    )
    query = counted.get_column("number").to_numpy()
    people = counted.get_column("people").to_numpy()
    by_text = {key.text: key for key in keys.values()}
    of_query = [by_text[text] for text in texts]
    totals: NDArray[np.float64] = np.bincount(query, weights=people, minlength=len(texts)).astype(np.float64)
    bags = _by_hash([(key.bag, place) for place, key in enumerate(of_query)], totals)
    shorter = _by_hash([(hashed, place) for place, key in enumerate(of_query) for hashed in key.shortened()], totals)
    return ChosenIndex(
        queries=SortedTexts.of(texts),
        offsets=offsets_of(np.bincount(query, minlength=len(texts))),
        rows=counted.get_column("item").to_numpy().astype(np.int32),
        counts=people.astype(np.float32),
        bags=bags[0],
        bag_queries=bags[1],
        shorter=shorter[0],
        shorter_queries=shorter[1],
    )


def _read(typed: Sequence[str]) -> pl.DataFrame:
    """typed, meant (without operators), text (of its key): of each query that has words and leaves nothing out."""
    parsed = ((text, parse_query(text)) for text in typed)
    meant = [(text, query.text) for text, query in parsed if not query.excluded]
    rows = [(text, query, key_of(query).text) for text, query in meant]
    return pl.DataFrame(rows, schema=dict.fromkeys(("typed", "meant", "text"), pl.String), orient="row").filter(
        pl.col("text") != ""
    )


def _corrected(queries: Sequence[tuple[str, str]], vocabulary: Vocabulary) -> dict[str, QueryKey]:
    """The key of each query as the service reads it, by the text of its key before it is corrected."""
    spelling = Spelling(vocabulary)
    keys = {text: key_of(spelling.read(f"{meant} ").corrected or meant) for text, meant in queries}  # no longer typed
    return {text: key for text, key in keys.items() if key.text}


def _weights(events: pl.DataFrame) -> pl.Series:
    """How much each event counts, by its age at the end of the log; those without a time are as old as the oldest."""
    age = pl.col("time").cast(pl.Float64).max() - pl.col("time")
    weight = 0.5 ** (age.fill_null(age.max()).fill_null(0.0) / HALF_LIFE_S)
    return events.select(weight.alias("weight")).get_column("weight")


def _by_hash(
    pairs: Sequence[tuple[int, int]], totals: NDArray[np.float64]
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Pairs of a hash and a query by hash; of equal ones, the query with the largest total first."""
    hashes = np.array([hashed for hashed, _ in pairs], dtype=np.uint64)
    queries = np.array([query for _, query in pairs], dtype=np.int32)
    order = np.lexsort((queries, -totals[queries], hashes))
    return hashes[order], queries[order]
