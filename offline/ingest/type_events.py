"""Events as a shop exports them, each column in its own type, each bad row with its reason; nothing is dropped."""

from collections.abc import Sequence

import polars as pl

from app.artifact.behaviours import BEHAVIOURS, VIEW
from app.artifact.ids import MAX_ID
from offline.dataset.ids import tidy_ids, too_long
from offline.dataset.people import hide_mails, person_column
from offline.dataset.reading import FILE, ROW, number, text
from offline.dataset.spec import EventsSpec, missing_words
from offline.dataset.times import seconds
from offline.ingest.rejects import REASON, Reason
from offline.ingest.survey_events import ID_ROLES, EventFacts

SPLITS = ("train", "valid", "test", "context")
_NO_ROLES = (
    "path",
    "where",
    "unnest",
    "types",
    "skip_users",
    "skip_visitors",
    "day_first",
    "decimal",
    "missing",
    "separators",
)
EVENT_ROLES = tuple(role for role in EventsSpec.model_fields if role not in _NO_ROLES)
"""What columns of events are read as; `visitor` is part of `user` once rows are typed."""
UNREADABLE_PRICE = "price_unreadable"


def position_roles(count: int) -> list[str]:
    """What `count` columns of positions are read as, the most significant first."""
    return ["position", *(f"position.{number}" for number in range(2, count + 1))]


def type_events(raw: pl.DataFrame, table: EventsSpec, facts: EventFacts) -> pl.DataFrame:
    """Every role in its own type, and the `reason` why a row is bad, else null. Rows stay in place.

    `user` is the text of the user, else of the visitor: see `offline.dataset.people`.
    """
    positions = position_roles(len(table.position))
    absent = [pl.lit(None, pl.String).alias(role) for role in (*EVENT_ROLES, *positions[1:]) if role not in raw.columns]
    has_type, has_quantity = "type" in raw.columns, "quantity" in raw.columns
    raw = raw.with_columns(absent)
    schema = raw.schema
    texts = [
        text(role, schema[role], missing_words(table))
        for role in EVENT_ROLES
        if role not in ("time", "price", "position")
    ]
    filled = [
        _is_filled(role, schema[role], missing_words(table)).alias(f"has_{role}")
        for role in ("time", *positions, "price")
    ]
    rows = raw.select(
        *texts,
        ROW,
        FILE,
        number("price", schema["price"], facts.price),
        *(number(role, schema[role]) for role in positions),
        seconds("time", schema["time"], facts.clock),
        *filled,
    )
    ids = [tidy_ids(rows.get_column(role), point_zero=role in facts.point_zero) for role in ID_ROLES]
    is_long = pl.lit(too_long(ids[0], MAX_ID)) | pl.lit(too_long(ids[1], MAX_ID)) | pl.lit(too_long(ids[2], MAX_ID))
    behaviour = _behaviour_codes(rows.get_column("type"), table) if has_type else pl.lit(VIEW, pl.UInt8)
    ids[:2] = [hide_mails(people) for people in ids[:2]]
    rows = rows.with_columns(*ids, pl.col("split").str.to_lowercase(), behaviour.alias("type"))
    rows = rows.with_columns(person_column(pl.col("user"), pl.col("visitor")).alias("user"))
    unknown_split = ~pl.col("split").is_in(SPLITS).fill_null(value=False)
    returned = (
        (raw.select(number("quantity", schema["quantity"], facts.quantity)).to_series() < 0) if has_quantity else None
    )
    return rows.select(
        *(role for role in EVENT_ROLES if role != "visitor"),
        *positions[1:],
        ROW,
        FILE,
        (pl.col("has_price") & pl.col("price").is_null()).alias(UNREADABLE_PRICE),
        _reason(is_long, returned, unknown_split if facts.has_split else pl.lit(value=False), positions).alias(REASON),
    )


def _reason(is_long: pl.Expr, returned: pl.Series | None, unknown_split: pl.Expr, positions: Sequence[str]) -> pl.Expr:
    """The first thing that is wrong with each row, else null."""
    unreadable = pl.any_horizontal(pl.col(f"has_{role}") & pl.col(role).is_null() for role in positions)
    flaws = (
        (pl.col("user").is_null(), Reason.EMPTY_USER),
        (pl.col("item").is_null(), Reason.EMPTY_ITEM),
        (is_long, Reason.LONG_ID),
        (pl.col("type").is_null(), Reason.UNKNOWN_TYPE),
        (pl.col("has_time") & pl.col("time").is_null(), Reason.UNREADABLE_TIME),
        (unreadable, Reason.UNREADABLE_POSITION),
        (pl.lit(value=False) if returned is None else pl.lit(returned), Reason.NEGATIVE_QUANTITY),
        (pl.col("price") < 0, Reason.NEGATIVE_PRICE),
        (unknown_split, Reason.UNKNOWN_SPLIT),
    )
    return pl.coalesce(pl.when(is_flawed).then(pl.lit(reason.value)) for is_flawed, reason in flaws)


def _behaviour_codes(words: pl.Series, table: EventsSpec) -> pl.Series:
    """The code of each word for an event: one of `[events.types]`, else a behaviour's name in any case, else null.

    Words of other systems count only where `dataset.toml` maps them, as `init` writes it: to leave one out is the
    shop's decision.
    """
    names = {word: table.types.get(word, word.lower()) for word in words.drop_nulls().unique()}
    codes = {word: BEHAVIOURS[name] for word, name in names.items() if name in BEHAVIOURS}
    return words.replace_strict(codes, default=None, return_dtype=pl.UInt8)


def _is_filled(role: str, dtype: pl.DataType, missing: tuple[str, ...]) -> pl.Expr:
    """Where the column has a value, readable or not."""
    values = pl.col(role)
    if dtype == pl.String:
        value = values.str.strip_chars().fill_null("")
        return (value != "") & ~value.is_in(missing)
    present = values.is_not_null()
    return present & values.is_not_nan().fill_null(value=False) if dtype.is_float() else present
