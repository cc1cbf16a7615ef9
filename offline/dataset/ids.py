"""Ids as one text each: the same signs for the same letters, and no `.0` behind what was a whole number."""

from collections.abc import Sequence
from typing import Final

import polars as pl

from offline.dataset.missing import MISSING_WORDS

_SAMPLE: Final = 1_000
_WHOLE: Final = r"^-?[0-9]+\.0$"


def has_point_zero(rows: pl.LazyFrame, column: str, missing: Sequence[str] = MISSING_WORDS) -> bool:
    """Whether every id of a `column` of `rows` is a whole number with `.0`, as programs write them that know no gaps.

    Few rows are looked at where these show that it is not so.
    """
    if rows.collect_schema()[column] != pl.String:
        return False
    value = pl.col(column).str.strip_chars()
    ids = rows.select(id=value).filter(pl.col("id") != "", ~pl.col("id").is_in(missing))
    whole = pl.col("id").str.contains(_WHOLE)
    first = ids.head(_SAMPLE).select(whole.all().alias("all"), rows=pl.len()).collect().row(0, named=True)
    if not first["rows"] or not first["all"]:
        return False
    return bool(ids.select(whole.all()).collect(engine="streaming").item())


def tidy_ids(ids: pl.Series, *, point_zero: bool) -> pl.Series:
    """Ids in Unicode's form NFC; `point_zero`: without `.0` at their end."""
    if point_zero:
        ids = ids.str.strip_suffix(".0")
    if (ids.str.len_bytes() > ids.str.len_chars()).any():
        ids = ids.str.normalize("NFC")
    return ids


def too_long(ids: pl.Series, most: int) -> pl.Series:
    """Which ids have more than `most` characters."""
    long = ids.str.len_bytes() > most
    return long & (ids.str.len_chars() > most) if long.any() else long
