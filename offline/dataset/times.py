"""Points in time, however a shop writes them, as unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from offline.dataset.dates import DayOrder, day_order, written_date
from offline.dataset.missing import MISSING_WORDS

_UNITS: Final = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which number on there are so many units a second: 1e11 seconds would be the year 5138."""

_ISO: Final = (
    r"^(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:[.,]\d+)?|60))?"
    r"\s*(?:(?P<utc>[Zz]|UTC)|(?P<sign>[+-])(?P<ahead_h>\d{2}):?(?P<ahead_m>\d{2})?)?)?$"
)
_FIGURES: Final = ((8, 19_700_101, 21_001_231), (12, 197_001_010_000, 210_012_312_359))
"""How many figures a date without marks has, `20241231` or `202412312359`, and between which numbers it lies."""
_LONGEST: Final = (19_700_101_000_000, 21_001_231_235_959)  # with seconds: no unit of a present time lies there


@dataclass(frozen=True)
class Clock:
    """How a column of times is written.

    `words`: some are no numbers. `figures`: its numbers all are dates of so many figures; 0: they count from 1970.
    `long_figures`: some are dates of 14. `odd`: some are words of other forms than ISO 8601, whose days and months
    stand in `order`.
    """

    words: bool = False
    figures: int = 0
    long_figures: bool = False
    odd: bool = False
    order: DayOrder = field(default_factory=DayOrder)

    def described(self) -> str:
        """How times are read where they are neither numbers since 1970 nor ISO 8601, in words; else nothing."""
        if self.figures:
            return f"dates of {self.figures} figures, the year first"
        if not self.odd:
            return ""
        orders = [
            f"{'the day' if first else 'the month'} first, such as {self.order.examples[mark]!r}"
            for mark, first in self.order.day_first.items()
        ]
        return "dates: " + ", and ".join(orders) if orders else "dates in words, or the year first"


def clock_inputs(column: str, dtype: pl.DataType) -> dict[str, pl.Expr]:
    """What `clock_votes` sums up, as columns: apart from the sums, since they share the reading of each value."""
    if dtype.is_temporal():
        return {}
    inputs = {"count": _counts(column, dtype)}
    if dtype == pl.String:
        inputs["word"] = pl.col(column).str.strip_chars()
    return inputs


def clock_votes(dtype: pl.DataType) -> dict[str, pl.Expr]:
    """Sums over the columns of `clock_inputs` from which `clock_of` infers how times are written."""
    if dtype.is_temporal():
        return {}
    count = pl.col("count")
    votes = {"numbers": count.count(), "figures_14": count.is_between(*_LONGEST).sum()}
    for figures, least, most in _FIGURES:
        votes[f"figures_{figures}"] = count.is_between(least, most).sum()
    if dtype == pl.String:
        word = pl.col("word")
        words = count.is_null() & (word != "")
        iso = (word.str.slice(4, 1) == "-") & (word.str.slice(7, 1) == "-")
        votes |= {"words": words.sum(), "odd": (words & ~iso).sum()}
    return votes


def clock_of(
    votes: Mapping[str, int],
    rows: pl.LazyFrame,
    column: str,
    *,
    day_first: bool | None = None,
    missing: tuple[str, ...] = MISSING_WORDS,
) -> Clock:
    """The clock of a `column` of `rows`, from the sums of `clock_votes`; other words than ISO 8601 are looked at."""
    number = votes.get("numbers", 0)
    figures = next((length for length, _, _ in _FIGURES if number and votes[f"figures_{length}"] == number), 0)
    odd = bool(votes.get("odd")) and _has_odd_words(rows, column, missing)
    order = day_order(rows, column, day_first) if odd else DayOrder()
    return Clock(bool(votes.get("words")), figures, bool(votes.get("figures_14")), odd, order)


def _has_odd_words(rows: pl.LazyFrame, column: str, missing: tuple[str, ...]) -> bool:
    """Whether there are words in forms other than ISO 8601 which do not say that a value is missing."""
    word = pl.col(column).str.strip_chars()
    iso = (word.str.slice(4, 1) == "-") & (word.str.slice(7, 1) == "-")
    odd = word.cast(pl.Float64, strict=False).is_null() & (word != "") & ~iso & ~word.is_in(missing)
    return bool(rows.select(odd.any()).collect(engine="streaming").item())


def seconds(column: str, dtype: pl.DataType, clock: Clock) -> pl.Expr:
    """`column` as f64 unix seconds; null where it is empty or cannot be read as a time.

    Numbers count seconds, milliseconds, microseconds or nanoseconds since 1970, told by the size of each, or are dates
    without marks; text is a number, ISO 8601 or a date of another form. A time without an offset is UTC.
    """
    if dtype.is_temporal():
        return (pl.col(column).cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6).alias(column)
    counts = _counts(column, dtype)
    numbers = _of_figures(counts, clock.figures) if clock.figures else _of_units(counts)
    if clock.long_figures:
        numbers = pl.when(counts.is_between(*_LONGEST)).then(_of_figures(counts, 14)).otherwise(numbers)
    forms = [numbers]
    if clock.words:
        forms.append(_iso(column))
    if clock.odd:
        forms.append(written_date(pl.col(column).str.strip_chars(), clock.order))
    return pl.coalesce(forms).alias(column)


def unit_of_count(count: float) -> float:
    """How many of its units a second has, where a time is so large a number."""
    return next((unit for least, unit in _UNITS if count >= least), 1.0)


def survey_times(rows: pl.LazyFrame, column: str, *, day_first: bool | None = None) -> Clock:
    """How a `column` of `rows` is written."""
    dtype = rows.collect_schema()[column]
    if dtype.is_temporal():
        return Clock()
    inputs = rows.select(**clock_inputs(column, dtype))
    votes = inputs.select(**clock_votes(dtype)).collect(engine="streaming").row(0, named=True)
    return clock_of(votes, rows, column, day_first=day_first)


def unix_seconds(column: pl.Series, clock: Clock | None = None) -> pl.Series:
    """A column in memory as `seconds` gives it; how it is written is looked at unless it is given."""
    frame = column.to_frame("time")
    clock = clock or survey_times(frame.lazy(), "time")
    return frame.select(seconds("time", column.dtype, clock)).to_series()


def _counts(column: str, dtype: pl.DataType) -> pl.Expr:
    values = pl.col(column).str.strip_chars() if dtype == pl.String else pl.col(column)
    number = values.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite() & (number >= 0)).then(number)


def _of_units(counts: pl.Expr) -> pl.Expr:
    (nano, a_nano), (micro, a_micro), (milli, a_milli) = _UNITS
    return (
        pl.when(counts < milli)
        .then(counts)
        .when(counts < micro)
        .then(counts / a_milli)
        .when(counts < nano)
        .then(counts / a_micro)
        .otherwise(counts / a_nano)
    )


def _of_figures(counts: pl.Expr, figures: int) -> pl.Expr:
    """Seconds of numbers that are dates without marks, of so many figures."""
    text = counts.cast(pl.Int64).cast(pl.String)
    text = pl.when(text.str.len_chars() == figures).then(text)
    days = text.str.slice(0, 8).str.to_date("%Y%m%d", strict=False).cast(pl.Int32).cast(pl.Float64)

    def count(place: int, most: int) -> pl.Expr:
        value = text.str.slice(place, 2).cast(pl.Float64, strict=False)
        return pl.when(value <= most).then(value)

    value = days * 86_400
    for place, most, unit in ((8, 23, 3600), (10, 59, 60), (12, 60, 1)):
        value = value + count(place, most) * unit if place < figures else value
    return value


def _iso(column: str) -> pl.Expr:
    parts = pl.col(column).str.strip_chars().str.extract_groups(_ISO)

    def count(name: str) -> pl.Expr:
        return parts.struct.field(name).str.replace(",", ".").cast(pl.Float64, strict=False).fill_null(0.0)

    days = parts.struct.field("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    ahead = count("ahead_h") * 3600 + count("ahead_m") * 60
    ahead = pl.when(parts.struct.field("sign") == "-").then(-ahead).otherwise(ahead)
    return days * 86400 + count("hour") * 3600 + count("minute") * 60 + count("second") - ahead
