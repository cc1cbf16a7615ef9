"""The catalogue as a shop exports it, brought to one form: one row an item, its texts and attributes gathered."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from app.artifact.ids import MAX_ID
from offline.dataset.ids import too_long
from offline.dataset.people import has_mails, hide_mails, person_column
from offline.dataset.reading import FILE, ROW, ColumnRequest, find_files, read_columns
from offline.dataset.spec import DatasetSpec, ItemsSpec, UsersSpec, missing_words
from offline.ingest import rejects
from offline.ingest.attributes import attribute_lists
from offline.ingest.item_columns import ColumnReader
from offline.ingest.rejects import REASON, Reason
from offline.ingest.survey_events import HIDDEN

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
    files = find_files(spec.root, table.names, location)
    raw = read_columns(files, item_requests(spec, table), location)
    for role in _SINGLE:
        if role not in raw.columns:
            raw = raw.with_columns(pl.lit(None, pl.String).alias(role))
    place = spec.toml.location
    reader = ColumnReader(raw, missing_words(table), {role: getattr(table, role) for role in _SINGLE})
    title = reader.names("title")
    price = reader.price("price", table.decimal, place("items", "price"))
    ids = reader.ids()
    rows = raw.select(ROW, FILE).with_columns(
        ids,
        title,
        reader.categories("category", table.separators.get(table.category)),
        reader.names("brand", context=title),
        price,
        reader.stock("in_stock"),
        _joined_text(reader),
        reader.times("added", place("items", "added"), day_first=table.day_first),
        _attributes(reader, table.separators),
        pl.when(pl.lit(too_long(ids, MAX_ID)))
        .then(pl.lit(Reason.LONG_ID.value))
        .when(pl.lit(ids.is_null()))
        .then(pl.lit(Reason.EMPTY_ITEM.value))
        .when(pl.lit(price < 0))
        .then(pl.lit(Reason.NEGATIVE_PRICE.value))
        .alias(REASON),
    )
    return _clean_rows(
        rows,
        raw,
        files=files,
        location=location,
        max_bad_share=max_bad_share,
        schema=ITEMS_SCHEMA,
        further_counts={
            "unreadable_price": reader.odd.get("price", (0, ""))[0],
            "unreadable_added": reader.odd.get("added", (0, ""))[0],
            **_understood(reader),
        },
    )


def clean_users(spec: DatasetSpec, table: UsersSpec, max_bad_share: float) -> CleanRows:
    """Read and clean `[users]`. Of several rows with one id the first is kept.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    location = spec.toml.location("users", "path")
    files = find_files(spec.root, table.names, location)
    raw = read_columns(files, user_requests(spec, table), location)
    reader = ColumnReader(raw, missing_words(table), {role: getattr(table, role) for role in _PERSON})
    none = pl.repeat(None, raw.height, dtype=pl.String, eager=True)
    ids = [hide_mails(reader.ids(role)) if role in raw.columns else none.alias(role) for role in _PERSON]
    if "id" in raw.columns and has_mails(raw.lazy(), "id"):
        reader.read_as["id"] = HIDDEN
    rows = raw.select(ROW, FILE).with_columns(
        pl.DataFrame(ids).select(person_column(pl.col("id"), pl.col("visitor")).alias("id")).to_series(),
        _attributes(reader, table.separators),
    )
    rows = rows.with_columns(
        pl.when(pl.lit(too_long(ids[0], MAX_ID)) | pl.lit(too_long(ids[1], MAX_ID)))
        .then(pl.lit(Reason.LONG_ID.value))
        .when(pl.col("id").is_null())
        .then(pl.lit(Reason.EMPTY_USER.value))
        .alias(REASON)
    )
    return _clean_rows(
        rows,
        raw,
        files=files,
        location=location,
        max_bad_share=max_bad_share,
        schema=USERS_SCHEMA,
        further_counts=_understood(reader),
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


def _understood(reader: ColumnReader) -> dict[str, object]:
    """What was read otherwise than it is written, and what was not understood, where there is any."""
    understood: dict[str, object] = {}
    if reader.read_as:
        understood["read_as"] = reader.read_as
    if reader.odd:
        understood["not_understood"] = {role: list(pair) for role, pair in reader.odd.items()}
    return understood


def _attributes(reader: ColumnReader, separators: Mapping[str, str]) -> pl.Series:
    """The attributes of each row, with the currency of its price where all prices are in one."""
    roles = [role for role in reader.raw.columns if role.startswith("attributes.")]
    columns = [(role, role.removeprefix("attributes.")) for role in roles]
    read = reader.raw.select(ROW).with_columns(reader.attribute(role, separators.get(name)) for role, name in columns)
    if reader.currency is not None and "currency" not in (name for _, name in columns):
        read = read.with_columns(pl.lit(reader.currency).alias("currency"))
        columns.append(("currency", "currency"))
    return attribute_lists(read, columns)


def _joined_text(reader: ColumnReader) -> pl.Series:
    """The text fields of each row, one a line, in the order that the TOML gives them."""
    fields = [role for role in reader.raw.columns if role.startswith("text.")]
    if not fields:
        return pl.repeat("", reader.raw.height, dtype=pl.String, eager=True).alias("text")
    read = pl.DataFrame([reader.prose(role) for role in fields])
    return read.select(pl.concat_str(fields, separator="\n", ignore_nulls=True).alias("text")).to_series()
