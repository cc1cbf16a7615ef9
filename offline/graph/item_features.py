"""What the catalogue says of items, as sparse rows: text n-grams, and attributes as nodes."""

from collections import Counter

import numpy as np
import polars as pl

from app.artifact.tokenizer import TEXT_BUCKETS, buckets

_TEXT_COLUMNS = ("title", "brand", "category", "text")
_FEWEST_SEARCH_BUCKETS, _MOST_SEARCH_BUCKETS = 16_384, 65_536  # powers of two
_MISSABLE = ("title", "category", "brand", "price")
MIN_ATTRIBUTE_ITEMS = 2
"""An attribute of a single item connects nothing."""


def search_buckets(items: int) -> int:
    """How many text buckets a catalogue is given where text is all that there is to learn from: about one an item."""
    return int(min(max(1 << (items - 1).bit_length(), _FEWEST_SEARCH_BUCKETS), _MOST_SEARCH_BUCKETS))


def item_text(items: pl.DataFrame, text_buckets: int = TEXT_BUCKETS) -> pl.DataFrame:
    """Columns item, bucket, weight: sublinear counts times idf over the catalogue, each item's row of length 1."""
    texts = items.select(
        "row", pl.concat_str([pl.col(name).fill_null("") for name in _TEXT_COLUMNS], separator=" ").alias("text")
    )
    counts = [Counter(buckets(text, text_buckets)) for text in texts["text"]]
    sizes = np.array([len(count) for count in counts], dtype=np.int64)
    item = np.repeat(texts["row"].to_numpy().astype(np.int64), sizes)
    bucket = np.fromiter((key for count in counts for key in count), dtype=np.int64, count=int(sizes.sum()))
    number = np.fromiter((value for count in counts for value in count.values()), np.float32, int(sizes.sum()))
    idf = np.log((1 + len(counts)) / (1 + np.bincount(bucket, minlength=text_buckets))) + 1
    weight = (1 + np.log(np.maximum(number, 1))) * idf[bucket]
    squares = np.bincount(item, weights=weight**2, minlength=int(items.height) + 1)
    weight = weight / np.sqrt(np.maximum(squares[item], 1e-12))
    return pl.DataFrame({"item": item, "bucket": bucket, "weight": weight.astype(np.float32)})


def item_attributes(items: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Columns item, attribute, weight, and the names in order: attributes, brand, category and its parents.

    What an item lacks and others have is an attribute too, such as `category=?`: it says that the shop did not say. A
    price is none: its tenth as an attribute ranked worse on validation. Rare attributes say more: an edge weighs the
    inverse root of how many items have the attribute; an item's sum to 1.
    """
    parts = [
        items.select("row", name=pl.col("attributes")).explode("name"),
        items.select("row", name="brand=" + pl.col("brand")),
    ]
    path = pl.col("category").str.split(">").list.eval(pl.element().str.strip_chars())
    for depth in range(1, 6):
        level = path.list.head(depth).list.join(" > ")
        parts.append(items.filter(path.list.len() >= depth).select("row", name="category=" + level))
    parts += _missing(items)
    edges = pl.concat(parts).drop_nulls().unique()
    edges = edges.with_columns(count=pl.len().over("name")).filter(pl.col("count") >= MIN_ATTRIBUTE_ITEMS)
    vocabulary = edges.select("name").unique().sort("name").with_row_index("attribute")
    edges = edges.join(vocabulary, on="name").with_columns(weight=1 / pl.col("count").sqrt())
    edges = edges.with_columns(weight=(pl.col("weight") / pl.col("weight").sum().over("row")).cast(pl.Float32))
    edges = edges.select(pl.col("row").cast(pl.Int64).alias("item"), pl.col("attribute").cast(pl.Int64), "weight")
    return edges.sort("item", "attribute"), vocabulary["name"].to_list()


def _missing(items: pl.DataFrame) -> list[pl.DataFrame]:
    """`name=?` for the items without what others have. Nothing where all have it, or none has."""
    return [
        items.filter(pl.col(name).is_null()).select("row", name=pl.lit(f"{name}=?"))
        for name in _MISSABLE
        if name in items.columns and 0 < items[name].null_count() < items.height
    ]
