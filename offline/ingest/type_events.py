"""Events as a shop exports them, each column in its own type, each bad row with its reason; nothing is dropped."""

from collections.abc import Sequence
from enum import StrEnum

import polars as pl

from app.artifact.behaviours import BEHAVIOURS, VIEW
from app.artifact.ids import MAX_ID
from offline.dataset.event_meaning import Constant, behaviours_of, ignored, undone_by
from offline.dataset.ids import tidy_ids, too_long
from offline.dataset.people import hide_mails, person_column
from offline.dataset.reading import FILE, ROW, number, text
from offline.dataset.spec import EventsSpec, missing_words
from offline.dataset.times import seconds
from offline.ingest.rejects import REASON, Reason
from offline.ingest.survey_events import ID_ROLES, EventFacts
from offline.ingest.undo_events import UNDO

SPLITS = ("train", "valid", "test", "context")
_NO_ROLES = (
    "path",
    "where",
    "unnest",
    "types",
    "rating_from",
    "rating_implicit",
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
LEFT_OUT = "left_out"
NO_QUANTITY = "no_quantity"


class LeftOut(StrEnum):
    """Why a good row is no event. The texts are names of `summary.json`."""

    IGNORED = "ignored"
    DISLIKED = "disliked"


def position_roles(count: int) -> list[str]:
    """What `count` columns of positions are read as, the most significant first."""
    return ["position", *(f"position.{number}" for number in range(2, count + 1))]


def type_events(raw: pl.DataFrame, table: EventsSpec, facts: EventFacts) -> pl.DataFrame:
    """Every role but the rating in its own type, and the `reason` why a row is bad, else null. Rows stay in place.

    `user` is the text of the user, else of the visitor: see `offline.dataset.people`. `left_out`: why a good row is no
    event, else null. `undo`: whether a row takes back an earlier event of its type. `no_quantity`: whether it has a
    quantity of 0.
    """
    positions = position_roles(len(table.position))
    absent = [pl.lit(None, pl.String).alias(role) for role in (*EVENT_ROLES, *positions[1:]) if role not in raw.columns]
    has_type = "type" in raw.columns
    raw = raw.with_columns(absent)
    schema = raw.schema
    texts = [
        text(role, schema[role], missing_words(table))
        for role in EVENT_ROLES
        if role not in ("time", "price", "position", "rating")
    ]
    filled = [
        _is_filled(role, schema[role], missing_words(table)).alias(f"has_{role}")
        for role in ("time", *positions, "price", "rating")
    ]
    rows = raw.select(
        *texts,
        ROW,
        FILE,
        number("price", schema["price"], facts.price),
        *(number(role, schema[role]) for role in positions),
        number("rating", schema["rating"], facts.rating),
        number("quantity", schema["quantity"], facts.quantity).alias(NO_QUANTITY),
        seconds("time", schema["time"], facts.clock),
        *filled,
    )
    ids = [tidy_ids(rows.get_column(role), point_zero=role in facts.point_zero) for role in ID_ROLES]
    is_long = pl.lit(too_long(ids[0], MAX_ID)) | pl.lit(too_long(ids[1], MAX_ID)) | pl.lit(too_long(ids[2], MAX_ID))
    ids[:2] = [hide_mails(people) for people in ids[:2]]
    words = rows.get_column("type")
    rows = rows.with_columns(
        *ids,
        pl.col("split").str.to_lowercase(),
        _behaviour_codes(words, table).alias("type") if has_type else pl.lit(_only_code(table), pl.UInt8).alias("type"),
        pl.lit(_is_one_of(words, ignored(table.types))).alias(LEFT_OUT),
        (pl.lit(_is_one_of(words, list(undone_by(table.types)))) | (pl.col(NO_QUANTITY) < 0))
        .fill_null(value=False)
        .alias(UNDO),
        pl.col(NO_QUANTITY).eq(0).fill_null(value=False),
    )
    rows = rows.with_columns(person_column(pl.col("user"), pl.col("visitor")).alias("user"))
    unknown_split = ~pl.col("split").is_in(SPLITS).fill_null(value=False)
    rows = rows.with_columns(
        pl.when(~pl.col(LEFT_OUT))
        .then(_reason(is_long, unknown_split if facts.has_split else pl.lit(value=False), positions))
        .alias(REASON),
        pl.when(pl.col(LEFT_OUT))
        .then(pl.lit(LeftOut.IGNORED.value))
        .when(_is_disliked(table, facts))
        .then(pl.lit(LeftOut.DISLIKED.value))
        .alias(LEFT_OUT),
    )
    return rows.select(
        *(role for role in EVENT_ROLES if role not in ("visitor", "rating")),
        *positions[1:],
        ROW,
        FILE,
        UNDO,
        NO_QUANTITY,
        (pl.col("has_price") & pl.col("price").is_null()).alias(UNREADABLE_PRICE),
        REASON,
        LEFT_OUT,
    )


def _reason(is_long: pl.Expr, unknown_split: pl.Expr, positions: Sequence[str]) -> pl.Expr:
    """The first thing that is wrong with each row, else null."""
    unreadable = pl.any_horizontal(pl.col(f"has_{role}") & pl.col(role).is_null() for role in positions)
    flaws = (
        (pl.col("user").is_null(), Reason.EMPTY_USER),
        (pl.col("item").is_null(), Reason.EMPTY_ITEM),
        (is_long, Reason.LONG_ID),
        (pl.col("type").is_null(), Reason.UNKNOWN_TYPE),
        (pl.col("has_time") & pl.col("time").is_null(), Reason.UNREADABLE_TIME),
        (unreadable, Reason.UNREADABLE_POSITION),
        (pl.col("has_rating") & pl.col("rating").is_null(), Reason.UNREADABLE_RATING),
        ((pl.col("price") < 0) & ~pl.col(UNDO), Reason.NEGATIVE_PRICE),
        (unknown_split, Reason.UNKNOWN_SPLIT),
    )
    return pl.coalesce(pl.when(is_flawed).then(pl.lit(reason.value)) for is_flawed, reason in flaws)


def _is_disliked(table: EventsSpec, facts: EventFacts) -> pl.Expr:
    """Where the rating is below those that count, and says something."""
    if facts.rating_from is None:
        return pl.lit(value=False)
    says = ~pl.col("rating").is_in(list(table.rating_implicit))
    return (says & (pl.col("rating") < facts.rating_from)).fill_null(value=False)


def _behaviour_codes(words: pl.Series, table: EventsSpec) -> pl.Series:
    """The code of each word for an event: one of `[events.types]`, else a behaviour's name in any case, else null.

    Words that undo have the code of what they take back. Words of other systems count only where `dataset.toml` maps
    them, as `init` writes it: to leave one out is the shop's decision.
    """
    own = {**behaviours_of(table.types), **undone_by(table.types)}
    names = {word: own.get(word, word.lower()) for word in words.drop_nulls().unique()}
    codes = {word: BEHAVIOURS[name] for word, name in names.items() if name in BEHAVIOURS}
    return words.replace_strict(codes, default=None, return_dtype=pl.UInt8)


def _only_code(table: EventsSpec) -> int:
    """The code of all rows of a log without a column of types."""
    return BEHAVIOURS[table.type.constant] if isinstance(table.type, Constant) else VIEW


def _is_one_of(words: pl.Series, some: Sequence[str]) -> pl.Series:
    """Whether each word is one of some; none is where it is missing."""
    return words.is_in(some).fill_null(value=False)


def _is_filled(role: str, dtype: pl.DataType, missing: tuple[str, ...]) -> pl.Expr:
    """Where the column has a value, readable or not."""
    values = pl.col(role)
    if dtype == pl.String:
        value = values.str.strip_chars().fill_null("")
        return (value != "") & ~value.is_in(missing)
    present = values.is_not_null()
    return present & values.is_not_nan().fill_null(value=False) if dtype.is_float() else present
