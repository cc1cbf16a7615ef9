"""The catalogue as a shop exports it, brought to one form: one row an item, its texts and attributes gathered."""

from collections import Counter
from dataclasses import dataclass

import polars as pl

from offline.dataset.people import person_column
from offline.dataset.reading import FILE, ROW, ColumnRequest, find_files, number, read_columns, text
from offline.dataset.spec import DatasetSpec, ItemsSpec, UsersSpec
from offline.dataset.times import unix_seconds
from offline.ingest import rejects
from offline.ingest.attributes import attribute_lists
from offline.ingest.rejects import REASON, Reason

ITEMS_SCHEMA = pl.Schema(
    {
        "item_id": pl.String(),
        "title": pl.String(),
        "category": pl.String(),
        "brand": pl.String(),
        "price": pl.Float64(),
        "in_stock": pl.Boolean(),
        "added": pl.Float64(),
        "text": pl.String(),
        "attributes": pl.List(pl.String),
    }
)
USERS_SCHEMA = pl.Schema({"user_id": pl.String(), "attributes": pl.List(pl.String)})

_PERSON = ("id", "visitor")  # whose row it is
_SINGLE = ("id", "title", "category", "brand", "price", "in_stock", "added")
_YES = ("true", "t", "yes", "y", "in stock", "in_stock", "instock", "available")
_NO = ("false", "f", "no", "n", "out of stock", "out_of_stock", "outofstock", "unavailable")


@dataclass(frozen=True)
class CleanRows:
    """The good rows sorted by id, the rows set aside, and what was counted on the way."""

    rows: pl.DataFrame
    rejected: pl.DataFrame
    counts: dict[str, object]


def item_requests(spec: DatasetSpec, table: ItemsSpec) -> list[ColumnRequest]:
    """The columns of `[items]`: the id, and each column that the TOML names itself, must be there."""
    single = [
        ColumnRequest(
            role,
            getattr(table, role),
            spec.toml.location("items", role),
            role == "id" or role in table.model_fields_set,
        )
        for role in _SINGLE
    ]
    return single + [
        ColumnRequest(f"{role}.{column}", column, spec.toml.location("items", role), role in table.model_fields_set)
        for role in ("text", "attributes")
        for column in getattr(table, role)
    ]


def user_requests(spec: DatasetSpec, table: UsersSpec) -> list[ColumnRequest]:
    """The columns of `[users]`: user or visitor, and each column that the TOML names itself, must be there."""
    location = spec.toml.location("users", "attributes")
    named = "attributes" in table.model_fields_set
    ids = (("id", table.id_column, table.needs_id), ("visitor", table.visitor, True))
    return [
        *(
            ColumnRequest(role, column, spec.toml.location("users", role), required)
            for role, column, required in ids
            if column is not None
        ),
        *(ColumnRequest(f"attributes.{column}", column, location, named) for column in table.attributes),
    ]


def clean_items(spec: DatasetSpec, table: ItemsSpec, max_bad_share: float) -> CleanRows:
    """Read and clean `[items]`. Of several rows with one id the first is kept.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    location = spec.toml.location("items", "path")
    files = find_files(spec.root, table.path, location)
    raw = read_columns(files, item_requests(spec, table), location)
    for role in _SINGLE:
        if role not in raw.columns:
            raw = raw.with_columns(pl.lit(None, pl.String).alias(role))
    schema = raw.schema
    rows = raw.select(
        ROW,
        FILE,
        *(text(role, schema[role]) for role in ("id", "title", "category", "brand")),
        number("price", schema["price"]),
        _in_stock(schema["in_stock"]),
        _joined_text(raw),
    ).with_columns(
        unix_seconds(raw["added"], pl.repeat(value=True, n=raw.height, eager=True)).alias("added"),
        attribute_lists(raw, _attribute_columns(raw)),
        pl.when(pl.col("id").is_null())
        .then(pl.lit(Reason.EMPTY_ITEM.value))
        .when(pl.col("price") < 0)
        .then(pl.lit(Reason.NEGATIVE_PRICE.value))
        .alias(REASON),
    )
    unreadable = text("price", schema["price"]).is_not_null() & number("price", schema["price"]).is_null()
    undated = raw.select(text("added", schema["added"])).to_series().is_not_null() & rows["added"].is_null()
    return _clean_rows(
        rows,
        raw,
        files=files,
        location=location,
        max_bad_share=max_bad_share,
        schema=ITEMS_SCHEMA,
        further_counts={
            "unreadable_price": int(raw.select(unreadable.sum()).item()),
            "unreadable_added": int(undated.sum()),
        },
    )


def clean_users(spec: DatasetSpec, table: UsersSpec, max_bad_share: float) -> CleanRows:
    """Read and clean `[users]`. Of several rows with one id the first is kept.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    location = spec.toml.location("users", "path")
    files = find_files(spec.root, table.path, location)
    raw = read_columns(files, user_requests(spec, table), location)
    ids = [text(role, raw.schema[role]) if role in raw.columns else pl.lit(None, pl.String) for role in _PERSON]
    rows = raw.select(ROW, FILE, person_column(*ids).alias("id")).with_columns(
        attribute_lists(raw, _attribute_columns(raw)),
        pl.when(pl.col("id").is_null()).then(pl.lit(Reason.EMPTY_USER.value)).alias(REASON),
    )
    return _clean_rows(
        rows, raw, files=files, location=location, max_bad_share=max_bad_share, schema=USERS_SCHEMA, further_counts={}
    )


def _clean_rows(
    rows: pl.DataFrame,
    raw: pl.DataFrame,
    *,
    files: tuple[str, ...],
    location: str,
    max_bad_share: float,
    schema: pl.Schema,
    further_counts: dict[str, object],
) -> CleanRows:
    rows = rejects.flaws_first(rows, raw)
    rejected = rejects.rejected_rows(rows, raw, files)
    reasons = Counter(rejected.get_column(REASON).to_list())
    rejects.refuse_too_many(reasons, next(rejected.iter_rows(named=True), None), raw.height, max_bad_share, location)
    good = rows.filter(pl.col(REASON).is_null())
    unique = good.unique("id", keep="first", maintain_order=True)
    counts: dict[str, object] = {
        "read": raw.height,
        "kept": unique.height,
        "duplicates": good.height - unique.height,
        "rejected": rejected.height,
        "reasons": rejects.count_reasons(reasons),
        **further_counts,
    }
    ids = next(iter(schema))
    return CleanRows(unique.rename({"id": ids}).select(schema.names()).cast(schema).sort(ids), rejected, counts)


def _attribute_columns(raw: pl.DataFrame) -> list[tuple[str, str]]:
    return [(role, role.removeprefix("attributes.")) for role in raw.columns if role.startswith("attributes.")]


def _joined_text(raw: pl.DataFrame) -> pl.Expr:
    """The text fields of each row, one a line, in the order that the TOML gives them."""
    fields = [role for role in raw.columns if role.startswith("text.")]
    if not fields:
        return pl.lit("").alias("text")
    return pl.concat_str([text(role, raw.schema[role]) for role in fields], separator="\n", ignore_nulls=True).alias(
        "text"
    )


def _in_stock(dtype: pl.DataType) -> pl.Expr:
    """Stock as a flag: a count above 0, or a word for yes; null where it is neither."""
    word = text("in_stock", dtype).str.to_lowercase()
    count = word.cast(pl.Float64, strict=False)
    return (
        pl.when(word.is_in(_YES))
        .then(statement=True)
        .when(word.is_in(_NO))
        .then(statement=False)
        .otherwise(count > 0)
        .alias("in_stock")
    )
