"""Points in time, however a shop writes them, as unix seconds."""

import polars as pl

_UNITS = ((1e17, 1e9), (1e14, 1e6), (1e11, 1e3))
"""Typical value at least the first: so many units a second follow. 1e11 s would be the year 5138."""

_ISO = (
    r"^(?P<date>\d{4}-\d{2}-\d{2})"
    r"(?:[T ](?P<hour>[01]\d|2[0-3]):(?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d(?:[.,]\d+)?|60))?"
    r"\s*(?:(?P<utc>[Zz]|UTC)|(?P<sign>[+-])(?P<ahead_h>\d{2}):?(?P<ahead_m>\d{2})?)?)?$"
)


def unix_seconds(column: pl.Series, typical: pl.Series) -> pl.Series:
    """`column` as f64 unix seconds; null where it is empty or cannot be read as a time.

    Numbers are seconds, or ms, us, ns: one unit for the whole column, told from the median where the mask
    `typical` holds. Text is a number or ISO 8601; a time without an offset is UTC.
    """
    if column.dtype.is_temporal():
        return column.cast(pl.Datetime("us")).dt.epoch("us").cast(pl.Float64) / 1e6
    words = column.str.strip_chars() if column.dtype == pl.String else None
    counts = (column if words is None else words).cast(pl.Float64, strict=False)
    counts = counts.to_frame("n").select(pl.when(pl.col("n").is_finite() & (pl.col("n") >= 0)).then("n")).to_series()
    middle = counts.filter(typical).median()
    if middle is None:
        middle = counts.median()
    scale = next((unit for least, unit in _UNITS if isinstance(middle, float) and middle >= least), 1.0)
    seconds = counts / scale
    if words is None or not bool((counts.is_null() & words.is_not_null()).any()):
        return seconds
    return seconds.to_frame("n").select(pl.coalesce("n", _iso(words))).to_series()


def _iso(words: pl.Series) -> pl.Series:
    parts = words.str.extract_groups(_ISO).struct.unnest()

    def count(name: str) -> pl.Expr:
        return pl.col(name).str.replace(",", ".").cast(pl.Float64, strict=False).fill_null(0.0)

    days = pl.col("date").str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    ahead = count("ahead_h") * 3600 + count("ahead_m") * 60
    ahead = pl.when(pl.col("sign") == "-").then(-ahead).otherwise(ahead)
    clock = count("hour") * 3600 + count("minute") * 60 + count("second")
    return parts.select((days * 86400 + clock - ahead).alias("n")).to_series()
