"""Conditions of a data set over the rows of its files: which columns they read, and how numbers are written there."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from offline.dataset.conditions import Comparison, columns_of, comparisons_of, holds, parse_condition
from offline.dataset.nested import reach
from offline.dataset.numbers import Mark, NumberStyle, plain_number, style_of, written_number
from offline.dataset.reading import text

_SAMPLE: Final = 10_000
_MOST_TEXTS: Final = 50
_PRODUCT: Final = "row_product"
_OWN: Final = "row_own_id"
_LEFT_OUT: Final = "product_is_left_out"


def where_columns(where: str | None) -> list[str]:
    """The columns that a condition reads; none without one."""
    return columns_of(parse_condition(where)) if where else []


def compared_texts(where: str | None) -> list[tuple[str, str]]:
    """The columns and texts that a condition compares for being equal, each pair once, `_MOST_TEXTS` at most."""
    if where is None:
        return []
    pairs = [
        (comparison.column, value)
        for comparison in comparisons_of(parse_condition(where))
        for value in comparison.values
        if comparison.how == "=" and isinstance(value, str)
    ]
    return list(dict.fromkeys(pairs))[:_MOST_TEXTS]


def with_hits(rows: pl.LazyFrame, where: str, prefix: str, missing: Sequence[str]) -> pl.LazyFrame:
    """`rows` with a column for each of `compared_texts`, called `prefix` and a number: whether rows have it."""
    schema = rows.collect_schema()
    hits = {}
    for number, (column, value) in enumerate(compared_texts(where)):
        reached = reach(column, schema)
        name = f"{prefix}{number}"
        if reached is not None:
            rows = rows.with_columns(reached.values.alias(name))
            hits[name] = (text(name, reached.dtype, missing) == value).fill_null(value=False)
    return rows.with_columns(**hits)


def with_where(
    rows: pl.LazyFrame,
    where: str,
    name: str,
    *,
    missing: Sequence[str],
    decimal: Mark | None,
    product: str | None = None,
    own: str | None = None,
) -> pl.LazyFrame:
    """`rows` with a column `name`: whether the condition holds. Its columns have to be there.

    Args:
        rows: of a table.
        where: the condition.
        name: of the new column.
        missing: words that stand for no value.
        decimal: what stands before the fraction of numbers; None: the first rows of each column tell.
        product: a column; a row without a value has the first of the rows of its product.
        own: the column of the rows' own ids. Where the condition asks for words alone, such as a state, and does not
            hold for the row of a product itself, it does not hold for the product's variants.
    """
    condition = parse_condition(where)
    schema = rows.collect_schema()
    inner = {column: f"{name}_{number}" for number, column in enumerate(columns_of(condition))}
    rows = rows.with_columns(
        reached.values.alias(inner[column]) for column in inner if (reached := reach(column, schema)) is not None
    )
    schema = rows.collect_schema()
    if product is not None and (group := reach(product, schema)) is not None:
        rows = rows.with_columns(group.values.alias(_PRODUCT)).with_columns(text(_PRODUCT, group.dtype, missing))
        rows = rows.with_columns(_filled(alias, schema[alias], missing) for alias in inner.values()).drop(_PRODUCT)
    numeric = {
        comparison.column
        for comparison in comparisons_of(condition)
        if any(isinstance(value, float) for value in comparison.values)
    }
    numbers = {column: _number(rows, inner[column], schema[inner[column]], missing, decimal) for column in numeric}
    texts = {column: text(alias, schema[alias], missing) for column, alias in inner.items()}
    nothing = pl.lit(None, pl.Float64)
    hits = holds(condition, texts.__getitem__, lambda column: numbers.get(column, nothing))
    rows = rows.with_columns(hits.alias(name))
    if product is not None and own is not None and all(map(_is_of_words, comparisons_of(condition))):
        is_told = pl.all_horizontal(*(value.is_not_null() for value in texts.values()))
        rows = _with_products(rows, name, product, own, is_told, missing)
    return rows.drop(list(inner.values()))


def _is_of_words(comparison: Comparison) -> bool:
    return comparison.how == "=" and not any(isinstance(value, float) for value in comparison.values)


def _with_products(
    rows: pl.LazyFrame, name: str, product: str, own: str, is_told: pl.Expr, missing: Sequence[str]
) -> pl.LazyFrame:
    """`rows` with false in the column `name` where the row of their product has its values, and false there."""
    schema = rows.collect_schema()
    group, key = reach(product, schema), reach(own, schema)
    if group is None or key is None:
        return rows
    rows = rows.with_columns(group.values.alias(_PRODUCT), key.values.alias(_OWN))
    rows = rows.with_columns(text(_PRODUCT, group.dtype, missing), text(_OWN, key.dtype, missing))
    is_product = pl.col(_PRODUCT).is_null() | (pl.col(_PRODUCT) == pl.col(_OWN))
    left_out = rows.filter(is_product & is_told & ~pl.col(name)).select(pl.col(_OWN).alias(_PRODUCT)).unique()
    left_out = left_out.drop_nulls().with_columns(pl.lit(value=True).alias(_LEFT_OUT))
    rows = rows.join(left_out, on=_PRODUCT, how="left", maintain_order="left")
    return rows.with_columns(pl.col(name) & pl.col(_LEFT_OUT).is_null()).drop(_PRODUCT, _OWN, _LEFT_OUT)


def _filled(column: str, dtype: pl.DataType, missing: Sequence[str]) -> pl.Expr:
    """A column with the first value of its product where a row has none.

    Exports write what is true of a product (whether it is sold) in its first row alone.
    """
    own = pl.when(text(column, dtype, missing).is_not_null()).then(pl.col(column))
    first = pl.when(pl.col(_PRODUCT).is_not_null()).then(own.drop_nulls().first().over(_PRODUCT))
    return pl.coalesce(own, first).alias(column)


def _number(
    rows: pl.LazyFrame, column: str, dtype: pl.DataType, missing: Sequence[str], decimal: Mark | None
) -> pl.Expr:
    """A column as numbers, null where it holds none."""
    if dtype != pl.String:
        return pl.lit(None, pl.Float64) if dtype.is_nested() else plain_number(pl.col(column))
    first = rows.select(text(column, dtype, missing)).head(_SAMPLE).collect().to_series().drop_nulls()
    sample_style = style_of(first.unique(maintain_order=True), decimal)
    style = NumberStyle(plain=False, mark=decimal or ".") if sample_style.plain else sample_style

    def read(values: pl.Series) -> pl.Series:
        stripped = values.str.strip_chars()
        numbers = stripped.cast(pl.Float64, strict=False)
        if style.mark != "," and numbers.null_count() == values.null_count():
            return numbers
        return stripped.to_frame("value").select(written_number(pl.col("value"), style)).to_series()

    return pl.col(column).map_batches(read, return_dtype=pl.Float64, is_elementwise=True)
