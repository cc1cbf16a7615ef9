"""Dates in words and in figures of any order: `12/31/2024 8:26 PM`, `31.12.2024`, `Dec 31, 2024`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import polars as pl

_CLOCK: Final = (
    r"(?:,?(?:T|\s)\s*(?:at\s+|um\s+)?(?P<hour>\d{1,2})(?::(?P<minute>[0-5]\d)"
    r"(?::(?P<second>(?:[0-5]\d|60)(?:[.,]\d+)?))?)?"
    r"\s*(?P<half>[AaPp]\.?\s?[Mm]\.?)?(?:\s*Uhr)?"
    r"\s*(?:(?P<zone>Z|[A-Z]{3,4})?(?:(?P<sign>[+-])(?P<ahead_h>\d{1,2}):?(?P<ahead_m>\d{2})?)?)?"
    r"(?:\s*\([A-Za-z ]+\))?)?$"
)
_WEEKDAY: Final = r"^(?:\pL{2,10}\.?,?\s+)?"
_FIGURES: Final = _WEEKDAY + r"(?P<a>\d{1,4})(?P<mark>[/.\-])(?P<b>\d{1,2})[/.\-](?P<c>\d{4}|\d{1,2})" + _CLOCK
_DAY: Final = r"(?P<day>\d{1,2})(?:st|nd|rd|th|\.|º)?"
_MONTH: Final = r"(?P<month>\p{L}{3,10})\.?"
_YEAR: Final = r"(?P<year>\d{4}|\d{2})"
_DAY_MONTH: Final = rf"^(?:\pL{{2,10}}\.?,?\s+)?{_DAY}[\s\-/]+(?:de\s+)?{_MONTH},?[\s\-/]+(?:de\s+)?{_YEAR}{_CLOCK}"
_MONTH_DAY: Final = rf"^(?:\pL{{2,10}}\.?,?\s+)?{_MONTH}\s+{_DAY},?\s+{_YEAR}{_CLOCK}"

_MONTHS: Final = {
    name: number
    for number, names in enumerate(
        (
            "jan january januar januari janvier janv enero ene gennaio gen janeiro",
            "feb february februar februari février fevrier févr fevr febrero febbraio fevereiro fev",
            "mar march märz mär mrz maart mrt mars marzo março",
            "apr april avril avr abril abr aprile",
            "may mai mei mayo maggio mag maio",
            "jun june juni juin junio giugno giu junho",
            "jul july juli juillet juil julio luglio lug julho",
            "aug august augustus août aout agosto ago",
            "sep sept september septembre septiembre settembre set setembro",
            "oct october oktober okt octobre octubre ottobre ott outubro out",
            "nov november novembre noviembre novembro",
            "dec december dezember dez décembre decembre déc diciembre dic dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
_ZONES: Final = {
    "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "CET": 1, "WEST": 1, "BST": 1, "CEST": 2, "EET": 2, "EEST": 3, "MSK": 3,
    "JST": 9, "EDT": -4, "EST": -5, "CDT": -5, "CST": -6, "MDT": -6, "MST": -7, "PDT": -7, "PST": -8,
}  # fmt: skip
"""Hours ahead of UTC, by the letters of a zone."""
_YEAR_FIGURES: Final = 4
_CENTURY: Final = 70  # years of two figures from it on are of the 20th century
_MONTHS_A_YEAR: Final = 12
_CLEARLY: Final = 10  # times as many steps against the order of rows, that one reading is surely the wrong one
_FEWEST_STEPS: Final = 2  # against the order of rows: fewer are chance


@dataclass(frozen=True)
class DayOrder:
    """Whether the day stands before the month, by the mark between them; null where the column does not tell.

    `examples` has a value for each mark.
    """

    day_first: Mapping[str, bool | None] = field(default_factory=dict)
    examples: Mapping[str, str] = field(default_factory=dict)

    @property
    def unclear(self) -> list[str]:
        """Values, one for each mark, which may be read in two ways."""
        return [self.examples[mark] for mark, first in self.day_first.items() if first is None]

    def with_defaults(self) -> "DayOrder":
        """The same, the day first wherever the column does not tell: one of two readings, for a look at a column."""
        return DayOrder({mark: first is not False for mark, first in self.day_first.items()}, self.examples)


def day_order(rows: pl.LazyFrame, column: str, day_first: bool | None) -> DayOrder:
    """The order of day and month in a column of texts, where they are dates in figures.

    Told by a value above 12, for points by what everybody does, else by the reading that follows the order of rows; or
    by `day_first`, where the data set says it. Values that speak for both leave it untold.
    """
    parts = pl.col(column).str.strip_chars().str.extract_groups(_FIGURES)
    figures = (
        rows.select(text=pl.col(column).str.strip_chars(), parts=parts)
        .unnest("parts")
        .filter(pl.col("a").str.len_chars() < _YEAR_FIGURES, pl.col("c").str.len_chars() > 1)
        .with_columns(pl.col("a", "b", "c").cast(pl.Int32))
    )
    marks = (
        figures.group_by("mark")
        .agg(
            first=(pl.col("a") > _MONTHS_A_YEAR).sum(),
            second=(pl.col("b") > _MONTHS_A_YEAR).sum(),
            example=pl.col("text").first(),
            day=pl.col("text").filter(pl.col("a") > _MONTHS_A_YEAR).first(),
            month=pl.col("text").filter(pl.col("b") > _MONTHS_A_YEAR).first(),
        )
        .collect(engine="streaming")
        .sort("mark")
    )
    orders: dict[str, bool | None] = {}
    examples: dict[str, str] = {}
    for row in marks.iter_rows(named=True):
        mark = str(row["mark"])
        evidence = bool(row["first"]), bool(row["second"])
        if day_first is not None:
            orders[mark] = day_first
        elif evidence[0] != evidence[1]:
            orders[mark] = evidence[0]
        elif mark == "." and not evidence[0]:
            orders[mark] = True
        else:
            orders[mark] = None if evidence[0] else _order_of_rows(figures.filter(pl.col("mark") == mark))
        examples[mark] = row["day"] or row["month"] or row["example"]
    return DayOrder(orders, examples)


def _order_of_rows(figures: pl.LazyFrame) -> bool | None:
    """Whether days stand first, where one reading follows the order of rows, up or down, and the other does not."""
    clock = (pl.col(name).cast(pl.Float64, strict=False).fill_null(0.0) for name in ("hour", "minute", "second"))
    hours, minutes, seconds = clock
    hours = pl.when(pl.col("half").str.contains("^[Pp]")).then(hours % 12 + 12).otherwise(hours)
    time = hours * 3600 + minutes * 60 + seconds
    rows = figures.select("a", "b", "c", time=time).collect()
    against = []
    for day, month in (("a", "b"), ("b", "a")):
        days = (rows["c"] * 12 + rows[month]) * 31 + rows[day]
        steps = (days * 86_400 + rows["time"]).diff()
        against.append(min(int((steps < 0).sum()), int((steps > 0).sum())))
    if min(against) * _CLEARLY <= max(against) and max(against) >= _FEWEST_STEPS:
        return against[0] < against[1]
    return None


def written_date(values: pl.Expr, order: DayOrder) -> pl.Expr:
    """Texts without blanks around them as f64 unix seconds; null where they are no dates of these forms."""
    figures = values.str.extract_groups(_FIGURES)
    first, second, last = (figures.struct.field(name).cast(pl.Int32) for name in ("a", "b", "c"))
    has_year_first = figures.struct.field("a").str.len_chars() == _YEAR_FIGURES
    last = pl.when(has_year_first | (figures.struct.field("c").str.len_chars() > 1)).then(last)
    days_first = figures.struct.field("mark").replace_strict(
        {mark: evidence for mark, evidence in order.day_first.items() if evidence is not None},
        default=None,
        return_dtype=pl.Boolean,
    )
    day = pl.when(has_year_first).then(last).when(days_first).then(first).when(~days_first).then(second)
    month = pl.when(has_year_first | days_first).then(second).when(~days_first).then(first)
    year = pl.when(has_year_first).then(first).otherwise(last)
    forms = [_seconds(figures, year, month, day)]
    for pattern in (_MONTH_DAY, _DAY_MONTH):
        words = values.str.extract_groups(pattern)
        named = words.struct.field("month").str.to_lowercase()
        of_name = named.replace_strict(_MONTHS, default=None, return_dtype=pl.Int32)
        forms.append(
            _seconds(
                words, words.struct.field("year").cast(pl.Int32), of_name, words.struct.field("day").cast(pl.Int32)
            )
        )
    return pl.coalesce(forms)


def _seconds(parts: pl.Expr, year: pl.Expr, month: pl.Expr, day: pl.Expr) -> pl.Expr:
    def part(name: str) -> pl.Expr:
        return parts.struct.field(name)

    def count(name: str) -> pl.Expr:
        return part(name).str.replace(",", ".").cast(pl.Float64, strict=False).fill_null(0.0)

    year = pl.when(year < _CENTURY).then(year + 2000).when(year < 100).then(year + 1900).otherwise(year)
    date = pl.format("{}-{}-{}", year, month.cast(pl.String).str.zfill(2), day.cast(pl.String).str.zfill(2))
    days = date.str.to_date("%Y-%m-%d", strict=False).cast(pl.Int32).cast(pl.Float64)
    hour = count("hour")
    half = part("half").str.to_lowercase()
    in_half = hour.is_between(1, 12)
    hour_of_day = (
        pl.when(half.str.starts_with("p") & in_half)
        .then(hour % 12 + 12)
        .when(half.str.starts_with("a") & in_half)
        .then(hour % 12)
        .when(half.is_null() & (hour < 24))
        .then(hour)
    )
    zone = part("zone").replace_strict(_ZONES, default=None, return_dtype=pl.Float64)
    known = part("zone").is_null() | zone.is_not_null()
    ahead = count("ahead_h") * 3600 + count("ahead_m") * 60
    east = pl.when(part("sign") == "-").then(-ahead).otherwise(ahead) + zone.fill_null(0.0) * 3600
    return pl.when(known).then(days * 86_400 + hour_of_day * 3600 + count("minute") * 60 + count("second") - east)
