"""Events as a shop exports them, brought to one form: typed, checked, without duplicates, in order."""

from dataclasses import dataclass

import polars as pl

from offline.dataset import rejects
from offline.dataset.reading import FILE, ROW, Wanted, find_files, number, read_columns, text
from offline.dataset.rejects import REASON
from offline.dataset.spec import BEHAVIOUR_CODES, DatasetSpec, EventsSpec
from offline.dataset.times import unix_seconds

EVENTS_SCHEMA = pl.Schema(
    {
        "user_id": pl.String,
        "item_id": pl.String,
        "type": pl.UInt8,
        "time": pl.Float64,
        "order": pl.Int64,
        "query": pl.String,
        "price": pl.Float64,
        "split": pl.String,
    }
)
_SPLITS = ("train", "valid", "test", "context")
_ROLES = tuple(role for role in EventsSpec.model_fields if role not in ("path", "types"))


@dataclass(frozen=True)
class CleanEvents:
    """`events` sorted by (user_id, order), the rows set aside, and what was counted on the way."""

    events: pl.DataFrame
    rejected: pl.DataFrame
    counts: dict[str, object]
    has_time: bool
    has_order: bool


def wanted_events(spec: DatasetSpec, table: EventsSpec) -> list[Wanted]:
    """The columns of `[events]`: user and item, and each column that the TOML names itself, must be there."""
    return [
        Wanted(
            role=role,
            column=getattr(table, role),
            at=spec.toml.at("events", role),
            required=role in ("user", "item") or role in table.model_fields_set,
        )
        for role in _ROLES
    ]


def clean_events(spec: DatasetSpec, table: EventsSpec, max_bad_share: float) -> CleanEvents:
    """Read and clean `[events]`.

    Raises:
        DatasetError: a file or a column is missing, or more than `max_bad_share` of the rows are bad.
    """
    at = spec.toml.at("events", "path")
    files = find_files(spec.root, table.path, at)
    raw = read_columns(files, wanted_events(spec, table), at)
    typed = _typed(raw, table)
    rejected = rejects.set_aside(typed, raw, files)
    rejects.refuse_too_many(rejected, raw.height, max_bad_share, at)
    good = typed.filter(pl.col(REASON).is_null()).drop(REASON)
    unique = good.unique(subset=[c for c in good.columns if c not in (ROW, FILE)], keep="first", maintain_order=True)
    before_test = unique.filter(pl.col("split").ne_missing("test"))
    has_time = before_test.get_column("time").is_not_null().any()
    has_position = before_test.get_column("position").is_not_null().any()
    counts: dict[str, object] = {
        "read": raw.height,
        "kept": unique.height,
        "duplicates": good.height - unique.height,
        "rejected": rejected.height,
        "reasons": rejects.count_reasons(rejected),
        "unreadable_price": typed.get_column("price_unreadable").sum(),
        "missing_time": unique.get_column("time").null_count(),
    }
    return CleanEvents(_ordered(unique), rejected, counts, has_time, has_time or has_position)


def _typed(raw: pl.DataFrame, table: EventsSpec) -> pl.DataFrame:
    """Every column in its own type, and the `reason` why a row is bad, else null. Rows stay in place."""
    absent = [pl.lit(None, pl.String).alias(role) for role in _ROLES if role not in raw.columns]
    has_type = "type" in raw.columns
    raw = raw.with_columns(absent)
    schema = raw.schema
    texts = raw.select(text(role, schema[role]) for role in _ROLES if role not in ("time", "price", "position"))
    given = texts.get_column("split").is_not_null().any()
    codes = {word: BEHAVIOUR_CODES[behaviour] for word, behaviour in table.types.items()}
    rows = texts.with_columns(
        pl.col("split").str.to_lowercase(),
        pl.col("type").replace_strict(codes, default=None, return_dtype=pl.UInt8).alias("mapped"),
        pl.col("type")
        .str.to_lowercase()
        .replace_strict(dict(BEHAVIOUR_CODES), default=None, return_dtype=pl.UInt8)
        .alias("plain"),
        raw.get_column(ROW),
        raw.get_column(FILE),
        raw.select(number("price", schema["price"])).to_series(),
        raw.select(number("position", schema["position"])).to_series(),
    ).with_columns(pl.coalesce("mapped", "plain").alias("type") if has_type else pl.lit(1, pl.UInt8).alias("type"))
    told = {role: _told(raw.get_column(role)) for role in ("time", "position", "price")}
    rows = rows.with_columns(
        unix_seconds(raw.get_column("time"), rows.get_column("split").ne_missing("test")).alias("time")
    )
    unknown_split = ~pl.col("split").is_in(_SPLITS).fill_null(value=False) if given else pl.lit(value=False)
    return rows.with_columns(
        (told["price"] & rows.get_column("price").is_null()).alias("price_unreadable"),
        pl.when(pl.col("user").is_null())
        .then(pl.lit("empty user id"))
        .when(pl.col("item").is_null())
        .then(pl.lit("empty item id"))
        .when(pl.col("type").is_null())
        .then(pl.lit("unknown event type"))
        .when(told["time"] & pl.col("time").is_null())
        .then(pl.lit("unparsable time"))
        .when(told["position"] & pl.col("position").is_null())
        .then(pl.lit("unparsable position"))
        .when(pl.col("price") < 0)
        .then(pl.lit("negative price"))
        .when(unknown_split)
        .then(pl.lit("unknown split"))
        .alias(REASON),
    ).drop("mapped", "plain")


def _told(column: pl.Series) -> pl.Series:
    """Where `column` says anything at all."""
    if column.dtype == pl.String:
        return column.str.strip_chars().fill_null("") != ""
    return column.is_not_null() & (column.is_not_nan() if column.dtype.is_float() else True)


def _ordered(rows: pl.DataFrame) -> pl.DataFrame:
    """Sorted by user, then position, else time, else place in the files; `order` counts from 0 in a user."""
    clock = "position" if rows.get_column("position").is_not_null().any() else "time"
    rows = rows.sort("user", clock, FILE, ROW, nulls_last=True)
    return rows.select(
        pl.col("user").alias("user_id"),
        pl.col("item").alias("item_id"),
        "type",
        "time",
        pl.int_range(pl.len(), dtype=pl.Int64).over("user").alias("order"),
        "query",
        "price",
        "split",
    ).cast(EVENTS_SCHEMA)
