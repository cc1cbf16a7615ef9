"""Events as a shop exports them, each column in its own type, each bad row with its reason; nothing is dropped."""

from dataclasses import dataclass

import polars as pl

from app.artifact.behaviours import BEHAVIOURS, VIEW
from offline.dataset.people import person_column
from offline.dataset.reading import FILE, ROW, number, text
from offline.dataset.spec import EventsSpec
from offline.dataset.times import Clock, clock_of, clock_votes, seconds
from offline.ingest.rejects import REASON, Reason

SPLITS = ("train", "valid", "test", "context")
_NO_ROLES = ("path", "types", "skip_users", "skip_visitors")
EVENT_ROLES = tuple(role for role in EventsSpec.model_fields if role not in _NO_ROLES)
"""What columns of events are read as; `visitor` is part of `user` once rows are typed."""
UNREADABLE_PRICE = "price_unreadable"


@dataclass(frozen=True)
class EventFacts:
    """What has to be known of all rows before the first can be typed."""

    rows: int
    clock: Clock
    has_split: bool


def survey(raw: pl.LazyFrame) -> EventFacts:
    """The facts of `raw` (columns by role), from one pass over its times and splits."""
    schema = raw.collect_schema()
    sums = {"rows": pl.len()}
    typical = pl.lit(value=True)
    if "split" in schema:
        splits = text("split", schema["split"])
        sums["splits"] = splits.count()
        typical = splits.str.to_lowercase().ne_missing("test")
    if "time" in schema:
        sums |= clock_votes("time", schema["time"], typical)
    facts = raw.select(**sums).collect(engine="streaming").row(0, named=True)
    return EventFacts(int(facts["rows"]), clock_of(facts), bool(facts.get("splits")))


def type_events(raw: pl.DataFrame, table: EventsSpec, facts: EventFacts) -> pl.DataFrame:
    """Every role in its own type, and the `reason` why a row is bad, else null. Rows stay in place.

    `user` is the text of the user, else of the visitor: see `offline.dataset.people`.
    """
    absent = [pl.lit(None, pl.String).alias(role) for role in EVENT_ROLES if role not in raw.columns]
    has_type = "type" in raw.columns
    raw = raw.with_columns(absent)
    schema = raw.schema
    texts = [text(role, schema[role]) for role in EVENT_ROLES if role not in ("time", "price", "position")]
    filled = [_is_filled(role, schema[role]).alias(f"has_{role}") for role in ("time", "position", "price")]
    rows = raw.select(
        *texts,
        ROW,
        FILE,
        number("price", schema["price"]),
        number("position", schema["position"]),
        seconds("time", schema["time"], facts.clock),
        *filled,
    )
    behaviour = _behaviour_codes(rows.get_column("type"), table) if has_type else pl.lit(VIEW, pl.UInt8)
    rows = rows.with_columns(
        pl.col("split").str.to_lowercase(),
        behaviour.alias("type"),
        person_column(pl.col("user"), pl.col("visitor")).alias("user"),
    )
    unknown_split = ~pl.col("split").is_in(SPLITS).fill_null(value=False)
    return rows.select(
        *(role for role in EVENT_ROLES if role != "visitor"),
        ROW,
        FILE,
        (pl.col("has_price") & pl.col("price").is_null()).alias(UNREADABLE_PRICE),
        _reason(unknown_split if facts.has_split else pl.lit(value=False)).alias(REASON),
    )


def _reason(unknown_split: pl.Expr) -> pl.Expr:
    """The first thing that is wrong with each row, else null."""
    flaws = (
        (pl.col("user").is_null(), Reason.EMPTY_USER),
        (pl.col("item").is_null(), Reason.EMPTY_ITEM),
        (pl.col("type").is_null(), Reason.UNKNOWN_TYPE),
        (pl.col("has_time") & pl.col("time").is_null(), Reason.UNREADABLE_TIME),
        (pl.col("has_position") & pl.col("position").is_null(), Reason.UNREADABLE_POSITION),
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


def _is_filled(role: str, dtype: pl.DataType) -> pl.Expr:
    """Where the column has a value, readable or not."""
    values = pl.col(role)
    if dtype == pl.String:
        return values.str.strip_chars().fill_null("") != ""
    present = values.is_not_null()
    return present & values.is_not_nan().fill_null(value=False) if dtype.is_float() else present
