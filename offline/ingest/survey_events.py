"""What has to be known of all events before the first can be typed: how their columns are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from offline.dataset.ids import has_point_zero
from offline.dataset.numbers import PLAIN, NumberStyle, style_of
from offline.dataset.people import has_mails
from offline.dataset.reading import ROW, number, text
from offline.dataset.spec import EventsSpec, missing_words
from offline.dataset.times import Clock, clock_inputs, clock_of, clock_votes
from offline.errors import DatasetError, Mistake

ID_ROLES = ("user", "visitor", "item")
HIDDEN = "mail addresses: a hash stands for each wherever it is kept; ask a service with the address itself"
_SAMPLE = 10_000


@dataclass(frozen=True)
class EventFacts:
    """What has to be known of all rows before the first can be typed. `point_zero`: roles whose ids all end in `.0`.

    `has_mails`: whether ids of users are mail addresses.
    """

    rows: int
    clock: Clock
    has_split: bool
    price: NumberStyle = PLAIN
    quantity: NumberStyle = PLAIN
    rating: NumberStyle = PLAIN
    rating_from: float | None = None  # lower ratings are dislikes; None: no row is left out for its rating
    scale: tuple[float, float] | None = None  # the lowest and the highest rating that says something
    point_zero: tuple[str, ...] = ()
    has_mails: bool = False
    whole: bool = False  # whether all numbers were looked at, rather than the first rows


def survey(raw: pl.LazyFrame, table: EventsSpec, location: str, *, whole: bool = False) -> EventFacts:
    """The facts of `raw` (columns by role), from one pass over its times and splits and the first rows of all else.

    Args:
        raw: columns by role.
        table: what the data set says of them.
        location: of `day_first` in the data set.
        whole: look at all numbers; needed where the first rows did not tell how they are written.

    Raises:
        DatasetError: the order of day and month cannot be told.
    """
    schema = raw.collect_schema()
    inputs: dict[str, pl.Expr] = {}
    sums = {"rows": pl.len()}
    if "split" in schema:
        inputs["split"] = text("split", schema["split"], missing_words(table))
        sums["splits"] = pl.col("split").count()
    if "time" in schema:
        inputs |= clock_inputs("time", schema["time"])
        sums |= clock_votes(schema["time"])
    facts = raw.select(ROW, **inputs).select(**sums).collect(engine="streaming").row(0, named=True)
    clock = Clock()
    if "time" in schema:
        clock = clock_of(facts, raw, "time", day_first=table.day_first, missing=missing_words(table))
    if clock.order.unclear:
        raise DatasetError(unclear_order(location, table.time, clock))
    rating = _style(raw, "rating", schema, table, whole=True)
    ratings = _ratings(raw, schema["rating"], rating, table) if "rating" in schema else []
    return EventFacts(
        rows=int(facts["rows"]),
        clock=clock,
        has_split=bool(facts.get("splits")),
        price=_style(raw, "price", schema, table, whole=whole),
        quantity=_style(raw, "quantity", schema, table, whole=whole),
        rating=rating,
        rating_from=_rating_from(ratings) if table.rating_from is None else table.rating_from,
        scale=(ratings[0], ratings[-1]) if ratings else None,
        point_zero=tuple(
            role for role in ID_ROLES if role in schema and has_point_zero(raw, role, missing_words(table))
        ),
        has_mails="user" in schema and has_mails(raw, "user", missing_words(table)),
        whole=whole,
    )


def unclear_order(location: str, column: str, clock: Clock) -> Mistake:
    """The mistake of a `column` of times whose days and months cannot be told apart."""
    shown = ", ".join(map(repr, clock.order.unclear))
    return Mistake(
        location,
        f"times whose order of day and month can be told in the column {column!r}",
        f"{shown}, which can be read in two ways" if len(shown) else "none",
        "write day_first = true if the day stands first, else day_first = false",
    )


def _style(
    raw: pl.LazyFrame, role: str, schema: Mapping[str, pl.DataType], table: EventsSpec, *, whole: bool
) -> NumberStyle:
    if schema.get(role) != pl.String:
        return PLAIN
    values = raw.select(text(role, pl.String(), missing_words(table))).drop_nulls()
    first = values.head(_SAMPLE).unique(maintain_order=True).collect().to_series()
    style = style_of(first, table.decimal)
    if style.plain and not whole:
        return style
    return style_of(values.unique(maintain_order=True).collect(engine="streaming").to_series(), table.decimal)


def _ratings(raw: pl.LazyFrame, dtype: pl.DataType, style: NumberStyle, table: EventsSpec) -> list[float]:
    """The different ratings of `raw` that say something, ascending."""
    values = raw.select(number("rating", dtype, style)).unique().collect(engine="streaming").to_series()
    return values.filter(~values.is_in(list(table.rating_implicit))).drop_nulls().sort().to_list()


def _rating_from(ratings: Sequence[float]) -> float | None:
    """The lowest rating in the upper half of the scale that `ratings`, ascending, stand on; None where there is one."""
    if len(ratings) < 2:
        return None
    middle = (ratings[0] + ratings[-1]) / 2
    return next(rating for rating in ratings if rating > middle)


def describe_events(facts: EventFacts, table: EventsSpec) -> dict[str, str]:
    """How columns are read that are not written as programs write them: a sentence by role."""
    read = {"time": facts.clock.described(), "price": facts.price.described(), "quantity": facts.quantity.described()}
    if facts.scale is not None and facts.rating_from is not None:
        silent = [f"{rating:g}" for rating in table.rating_implicit]
        said = f"; {' and '.join(silent)} says nothing, and counts" if silent else ""
        read["rating"] = (
            f"{facts.scale[0]:g} to {facts.scale[1]:g}: {facts.rating_from:g} and more count as events, less is a "
            f"dislike, and left out{said}"
        )
    for role in facts.point_zero:
        read[role] = "whole numbers: .0 at the end of every id is left out"
    if facts.has_mails:
        read["user"] = HIDDEN
    for column, separator in table.separators.items():
        if column == table.item:
            read["item"] = f"a row for each id of a cell, split at {separator!r}"
    return {role: sentence for role, sentence in read.items() if sentence}
