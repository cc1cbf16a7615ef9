"""Variants of a product: several rows of a catalogue that are one item, and their ids in place of its own."""

from collections import Counter
from collections.abc import Iterable, Sequence
from unicodedata import normalize

import polars as pl

VARIANTS = "variants"
"""The column of an item's further ids, a list; where a catalogue has them."""

_VARIANT = "variant"  # the id of a row itself, where the column `id` is its product's
_PRODUCT = "product_of_variant"


def roll_up(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a product of `rows`, in the order of their first rows.

    `rows` have the product as `id`, their own id as `variant`, and columns of items. The first value there is counts,
    that of a row that bears the product's own id before all others; of prices the lowest, of times the earliest. In
    stock is what has a variant that is, and lists are joined, each value once.
    """
    own_first = rows.sort(pl.col(_VARIANT).ne_missing(pl.col("id")), maintain_order=True)
    order = rows.select(pl.col("id").unique(maintain_order=True))
    merged = own_first.group_by("id", maintain_order=True).agg(
        *(_merged(name, dtype) for name, dtype in rows.schema.items() if name not in ("id", _VARIANT)),
    )
    return order.join(merged, on="id", how="left", maintain_order="left").join(
        _variants(rows), on="id", how="left", maintain_order="left"
    )


def _merged(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if isinstance(dtype, pl.List):
        return column.explode().drop_nulls().unique(maintain_order=True)
    if name in ("price", "added", "place"):
        return column.min()
    if name == "in_stock":
        return column.max()
    return column.drop_nulls().first()


def shared_variants(rows: pl.DataFrame) -> pl.Series:
    """The ids that rows of several products bear."""
    products = rows.drop_nulls(_VARIANT).group_by(_VARIANT, maintain_order=True).agg(pl.col("id").n_unique())
    return products.filter(pl.col("id") > 1).get_column(_VARIANT)


def variant_ids(items: pl.DataFrame) -> pl.DataFrame | None:
    """The columns `variant` and `item_id` of a clean catalogue: each further id of an item once; None without any."""
    if VARIANTS not in items.columns:
        return None
    pairs = items.select(pl.col(VARIANTS).alias(_VARIANT), "item_id").explode(_VARIANT).drop_nulls()
    return pairs if pairs.height else None


def with_products(rows: pl.DataFrame, column: str, variants: pl.DataFrame | None) -> pl.DataFrame:
    """`rows` with the product's id in `column` where it holds that of one of the `variants`."""
    if variants is None:
        return rows
    products = variants.select(pl.col(_VARIANT).alias(column), pl.col("item_id").alias(_PRODUCT))
    joined = rows.join(products, on=column, how="left", maintain_order="left")
    return joined.with_columns(pl.coalesce(_PRODUCT, column).alias(column)).drop(_PRODUCT)


def option_lists(options: Sequence[tuple[pl.Series, Sequence[object]]]) -> pl.Series:
    """Attributes `name=value` a row, of columns of names, each with the values beside it; a list gives several.

    Names that differ in case alone are one, and so are values of one name: the spelling that most rows have.
    """
    pairs = [
        [(normalize("NFC", name).strip(), word) for word in _words(value) if not _is_none(name, word)]
        if name is not None
        else []
        for names, values in options
        for name, value in zip(names.to_list(), values, strict=True)
    ]
    names = _spelling(name for row in pairs for name, _ in row)
    of_name: dict[str, list[str]] = {}
    for row in pairs:
        for name, word in row:
            of_name.setdefault(name.casefold(), []).append(word)
    words = {name: _spelling(spelt) for name, spelt in of_name.items()}
    texts = [
        [f"{names[name.casefold()]}={words[name.casefold()][word.casefold()]}" for name, word in row] for row in pairs
    ]
    height = len(options[0][0])
    rows = [list(dict.fromkeys(word for part in texts[row::height] for word in part)) for row in range(height)]
    return pl.Series("options", rows, pl.List(pl.String))


def _words(value: object) -> list[str]:
    several = value if isinstance(value, list) else [value]
    return [word for word in (normalize("NFC", str(one)).strip() for one in several if one is not None) if word]


def _spelling(words: Iterable[str]) -> dict[str, str]:
    """The most frequent spelling of each word, by its folded form; of two the first."""
    spelling: dict[str, str] = {}
    for word, _ in Counter(words).most_common():
        spelling.setdefault(word.casefold(), word)
    return spelling


def _is_none(name: str, value: str) -> bool:
    """Whether it is what Shopify writes for a product without options."""
    return (name, value) == ("Title", "Default Title")


def _variants(rows: pl.DataFrame) -> pl.DataFrame:
    """The further ids of each product: of an id of several the first one has it, and an item's own id is no variant."""
    own = rows.drop_nulls(_VARIANT).unique(_VARIANT, keep="first", maintain_order=True)
    own = own.filter(~pl.col(_VARIANT).is_in(rows.get_column("id").unique().to_list()))
    return own.group_by("id", maintain_order=True).agg(pl.col(_VARIANT).alias(VARIANTS))
