"""Points in time, however a shop writes them, as unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""From which typical value on a number counts so many units a second: 1e11 seconds would be the year 5138."""

_ISO = (
    r"^(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:[.,]\d+)?|60))?"
    r"\s*(?:(?P<utc>[Zz]|UTC)|(?P<sign>[+-])(?P<ahead_h>\d{2}):?(?P<ahead_m>\d{2})?)?)?$"
)


@dataclass(frozen=True)
class Clock:
    """How a column of times is written: `scale` units a second if numbers; whether some are `words` (ISO 8601)."""

    scale: float = 1.0
    words: bool = False


def clock_votes(column: str, dtype: pl.DataType, typical: pl.Expr) -> dict[str, pl.Expr]:
    """Sums over the whole column from which `clock_of` infers how it is written; they need no sorting.

    One unit holds for the whole column: the median's, where the mask `typical` holds.
    """
    if dtype.is_temporal():
        return {}
    counts = _counts(column, dtype)
    votes = {"all": counts.count(), "typical": counts.filter(typical).count()}
    for least, _ in _UNITS:
        votes[f"all_{least:g}"] = (counts >= least).sum()
        votes[f"typical_{least:g}"] = (counts.filter(typical) >= least).sum()
    if dtype == pl.String:
        votes["words"] = (counts.is_null() & (pl.col(column).str.strip_chars() != "")).sum()
    return votes


def clock_of(votes: Mapping[str, int]) -> Clock:
    """The clock of a column, from the sums of `clock_votes`."""
    voters = "typical" if votes.get("typical") else "all"
    number = votes.get(voters, 0)
    # The median is at least so large when half of the values are.
    scale = next((unit for least, unit in _UNITS if number and 2 * votes[f"{voters}_{least:g}"] >= number), 1.0)
    return Clock(scale, bool(votes.get("words")))


def seconds(column: str, dtype: pl.DataType, clock: Clock) -> pl.Expr:
    """`column` as f64 unix seconds; null where it is empty or cannot be read as a time.

    Text is a number or ISO 8601; a time without an offset is UTC.
    """
    if dtype.is_temporal():
        return (pl.col(column).cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6).alias(column)
    numbers = _counts(column, dtype) / clock.scale
    return (pl.coalesce(numbers, _iso(column)) if clock.words else numbers).alias(column)


def unix_seconds(column: pl.Series, typical: pl.Series) -> pl.Series:
    """A column in memory as `seconds` gives it; the unit is inferred where the mask `typical` holds."""
    frame = column.to_frame("time").with_columns(typical.alias("typical"))
    votes = clock_votes("time", column.dtype, pl.col("typical"))
    clock = clock_of(frame.select(**votes).row(0, named=True)) if votes else Clock()
    return frame.select(seconds("time", column.dtype, clock)).to_series()


def _counts(column: str, dtype: pl.DataType) -> pl.Expr:
    values = pl.col(column).str.strip_chars() if dtype == pl.String else pl.col(column)
    number = values.cast(pl.Float64, strict=False)
    return pl.when(number.is_finite() & (number >= 0)).then(number)


def _iso(column: str) -> pl.Expr:
    parts = pl.col(column).str.strip_chars().str.extract_groups(_ISO)

    def count(name: str) -> pl.Expr:
        return parts.struct.field(name).str.replace(",", ".").cast(pl.Float64, strict=False).fill_null(0.0)

    days = parts.struct.field("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    ahead = count("ahead_h") * 3600 + count("ahead_m") * 60
    ahead = pl.when(parts.struct.field("sign") == "-").then(-ahead).otherwise(ahead)
    return days * 86400 + count("hour") * 3600 + count("minute") * 60 + count("second") - ahead
