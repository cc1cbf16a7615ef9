"""What the catalogue says of items, as sparse rows: text n-grams, and attributes as nodes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.item_content import (
    MISSABLE,
    brand_attribute,
    category_attributes,
    joined_text,
    missing_attribute,
)
from app.artifact.text.ngrams import TEXT_BUCKETS, buckets
from offline.graph.attributes import Attributes

_TEXT_COLUMNS = ("title", "brand", "category", "text")
_FEWEST_SEARCH_BUCKETS, _MOST_SEARCH_BUCKETS = 16_384, 65_536  # powers of two
_TOGETHER = 10_000  # texts that are counted at once: a table a text takes fifty times as much as its counts
MIN_ATTRIBUTE_ITEMS = 2
"""An attribute of a single item connects nothing."""


def search_buckets(items: int) -> int:
    """How many text buckets a catalogue is given where text is all that there is to learn from: about one an item."""
    return int(min(max(1 << (items - 1).bit_length(), _FEWEST_SEARCH_BUCKETS), _MOST_SEARCH_BUCKETS))


def item_text(items: pl.DataFrame, text_buckets: int = TEXT_BUCKETS) -> pl.DataFrame:
    """Columns item, bucket, weight: sublinear counts times idf over the catalogue, each item's row of length 1."""
    return item_and_query_text(items, [], text_buckets)[0]


def query_text(queries: Sequence[str], idf: NDArray[np.floating]) -> pl.DataFrame:
    """Columns query (the place in `queries`), bucket, weight, by the idf `[buckets]` of another graph.

    What no text of that graph has weighs nothing.
    """
    counts = _count(np.arange(len(queries), dtype=np.int64), queries, len(idf))
    return _weigh(counts, np.asarray(idf, dtype=np.float64), "query").filter(pl.col("weight") > 0)


def item_and_query_text(
    items: pl.DataFrame, queries: Sequence[str], text_buckets: int = TEXT_BUCKETS
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Columns item, bucket, weight, and query (the place in `queries`), bucket, weight.

    Sublinear counts times the idf over items and queries together; each row of length 1.
    """
    texts = [joined_text(*values) for values in items.select(_TEXT_COLUMNS).iter_rows()]
    of_items = _count(items["row"].to_numpy().astype(np.int64), texts, text_buckets)
    of_queries = _count(np.arange(len(queries), dtype=np.int64), queries, text_buckets)
    holders = sum(np.bincount(counts.bucket, minlength=text_buckets) for counts in (of_items, of_queries))
    described = len(np.unique(of_items.owner)) if queries else items.height
    idf = inverse_frequency(np.asarray(holders), described + len(queries))
    return _weigh(of_items, idf, "item"), _weigh(of_queries, idf, "query")


def inverse_frequency(holders: NDArray[np.int64], documents: int) -> NDArray[np.float64]:
    """The idf of buckets `[buckets]`, `holders` of which so many of the `documents` have."""
    idf: NDArray[np.float64] = np.log((1 + documents) / (1 + holders)) + 1
    return idf


@dataclass(frozen=True)
class _Counts:
    """How often a bucket stands in a text; an entry a text and bucket."""

    owner: NDArray[np.int64]
    bucket: NDArray[np.int64]
    number: NDArray[np.float32]


def _count(owners: NDArray[np.int64], texts: Sequence[str], text_buckets: int) -> _Counts:
    parts = [
        _count_some(owners[start : start + _TOGETHER], texts[start : start + _TOGETHER], text_buckets)
        for start in range(0, max(len(texts), 1), _TOGETHER)
    ]
    return _Counts(*(np.concatenate(arrays) for arrays in zip(*parts, strict=True)))


def _count_some(
    owners: NDArray[np.int64], texts: Sequence[str], text_buckets: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Owner, bucket and number of some texts; the buckets of each in the order in which it first has them."""
    read = [buckets(text, text_buckets) for text in texts]
    sizes = np.array([len(of_text) for of_text in read], dtype=np.int64)
    flat = np.fromiter(chain.from_iterable(read), np.int64, int(sizes.sum()))
    keys = np.repeat(np.arange(len(read)), sizes) * text_buckets + flat
    distinct, first, numbers = np.unique(keys, return_index=True, return_counts=True)
    order = np.argsort(first)
    place, bucket = np.divmod(distinct[order], text_buckets)
    return owners[place], bucket, numbers[order].astype(np.float32)


def _weigh(counts: _Counts, idf: NDArray[np.float64], owner: str) -> pl.DataFrame:
    weight = (1 + np.log(np.maximum(counts.number, 1))) * idf[counts.bucket]
    squares = np.bincount(counts.owner, weights=weight**2, minlength=1)
    weight = weight / np.sqrt(np.maximum(squares[counts.owner], 1e-12))
    return pl.DataFrame({owner: counts.owner, "bucket": counts.bucket, "weight": weight.astype(np.float32)})


def item_attributes(items: pl.DataFrame, known: Attributes | None = None) -> tuple[pl.DataFrame, Attributes]:
    """Columns item, attribute, weight, and the attributes: those of the shop, brand, category and its parents.

    What an item lacks and others have is an attribute too, such as `category=?`: it says that the shop did not say. A
    price is none: its tenth as an attribute ranked worse on validation. Rare attributes say more: an edge weighs the
    inverse root of how many items have the attribute; an item's sum to 1.

    Args:
        items: a split's item table.
        known: of another graph: these are the attributes then, in their order, weighed by their counts there.
    """
    parts = [
        items.select("row", name=pl.col("attributes")).explode("name"),
        _named(items, "brand", lambda brand: [brand_attribute(brand)]),
        _named(items, "category", category_attributes),
        *_missing_fields(items),
    ]
    edges = pl.concat(parts).drop_nulls().unique()
    attributes = Attributes.of(edges["name"], MIN_ATTRIBUTE_ITEMS) if known is None else known
    edges = attributes.edges(edges)
    edges = edges.with_columns(weight=(pl.col("weight") / pl.col("weight").sum().over("row")).cast(pl.Float32))
    edges = edges.select(pl.col("row").cast(pl.Int64).alias("item"), pl.col("attribute").cast(pl.Int64), "weight")
    return edges.sort("item", "attribute"), attributes


def _named(items: pl.DataFrame, column: str, names_of: Callable[[str], list[str]]) -> pl.DataFrame:
    """Columns row and name, of the attributes that `names_of` makes of the values of a column."""
    values = items[column].drop_nulls().unique().cast(pl.String)
    names = pl.Series("name", [names_of(value) for value in values], pl.List(pl.String))
    table = pl.DataFrame([values.alias("value"), names])
    held = items.select("row", value=pl.col(column).cast(pl.String))
    return held.join(table, on="value").select("row", "name").explode("name")


def _missing_fields(items: pl.DataFrame) -> list[pl.DataFrame]:
    """`name=?` for the items without what others have. Nothing where all have it, or none has."""
    return [
        items.filter(pl.col(name).is_null()).select("row", name=pl.lit(missing_attribute(name)))
        for name in MISSABLE
        if name in items.columns and 0 < items[name].null_count() < items.height
    ]
