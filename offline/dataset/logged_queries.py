"""The queries of a log: how often and by how many users each was typed, and which led to an item."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import polars as pl

from app.artifact.text.ngrams import words
from offline.dataset.split_events import read_parts

LEAST_USERS: Final = 2
"""What a single user has typed may be a secret: nobody else is shown it."""
MOST_QUERIES: Final = 20_000
MOST_NODES: Final = 200_000
MOST_ITEM_QUERIES: Final = 10
LONGEST_QUERY: Final = 200  # letters; what is longer was pasted, not typed


def normalised_query(text: str) -> str:
    """The words of a query, folded and joined by one space; empty where it holds none."""
    return " ".join(words(text))


def query_events(split: Path, parts: Sequence[str]) -> pl.DataFrame:
    """The events of some parts that a query led to: user, item (0 outside the vocabulary), time, order, query, typed.

    `query` is normalised, `typed` as it was logged. Ordered as in the parts. Without valid among them, queries that are
    to be new to its users are left out.
    """
    events = read_parts(split, parts, ("user", "item", "time", "order", "query", "query_new"))
    events = events.filter(pl.col("query").is_not_null() & (pl.lit("valid" in parts) | ~pl.col("query_new")))
    events = events.drop("query_new")
    typed = events.get_column("query").unique().sort()
    read = pl.DataFrame(
        {"typed": typed, "query": [normalised_query(text) for text in typed]},
        schema={"typed": pl.String, "query": pl.String},
    ).filter(pl.col("query") != "")
    return events.rename({"query": "typed"}).join(read, on="typed", how="inner", maintain_order="left")


def query_nodes(events: pl.DataFrame) -> pl.Series:
    """The queries of the graph, ascending: all of `events` (from `query_events`), the `MOST_NODES` most frequent ones.

    The index of a query is the number of its node.
    """
    counted = events.group_by("query").len("count").sort("count", "query", descending=[True, False])
    return counted.head(MOST_NODES).get_column("query").sort()


def popular_queries(split: Path, parts: Sequence[str]) -> pl.DataFrame:
    """The queries of most users: query, text, count, users; most users first, then by query, `MOST_QUERIES` at most.

    `text` is the query in the spelling that most of its events have. Queries of fewer than `LEAST_USERS` users are left
    out, and so are queries of over 200 letters.

    Args:
        split: folder of the split.
        parts: whose events are counted; never test.
    """
    events = query_events(split, parts).with_columns(pl.col("typed").str.strip_chars().str.replace_all(r"\s+", " "))
    events = events.filter(pl.col("typed").str.len_chars() <= LONGEST_QUERY)
    spelled = (
        events.group_by("query", "typed")
        .len("times")
        .sort("query", pl.col("times"), "typed", descending=[False, True, False])
    )
    texts = spelled.group_by("query", maintain_order=True).agg(pl.col("typed").first().alias("text"))
    counted = events.group_by("query").agg(pl.len().alias("count"), pl.col("user").n_unique().alias("users"))
    kept = counted.filter(pl.col("users") >= LEAST_USERS).join(texts, on="query")
    ordered = kept.sort("users", "count", "query", descending=[True, True, False]).head(MOST_QUERIES)
    return ordered.select("query", "text", "count", "users")


def logged_query_texts(split: Path, parts: Sequence[str]) -> pl.DataFrame:
    """The queries that led to each item: item (row), query (normalised), share; ordered by item, largest share first.

    `share` is the query's part of the item's events that a query led to. `MOST_ITEM_QUERIES` an item at most. Items
    without a query are left out.

    Args:
        split: folder of the split.
        parts: whose events are counted; never test.
    """
    counted = query_events(split, parts).filter(pl.col("item") > 0).group_by("item", "query").len("count")
    shared = counted.with_columns(
        (pl.col("count") / pl.col("count").sum().over("item")).cast(pl.Float32).alias("share")
    )
    ordered = shared.sort("item", "count", "query", descending=[False, True, False])
    return ordered.group_by("item", maintain_order=True).head(MOST_ITEM_QUERIES).select("item", "query", "share")
