"""What the first rows of a shop's file say of a column: times, words for events, ids, prices, texts."""

from dataclasses import dataclass, replace

import polars as pl

from app.artifact.behaviours import behaviour_of
from app.artifact.people import MAIL
from offline.dataset.numbers import PLAIN, style_of
from offline.dataset.reading import number, text
from offline.dataset.times import seconds, survey_times, unit_of_count
from offline.onboarding.column_names import plain
from offline.onboarding.separators import list_separator

FEW_WORDS = 40
_MOST_CELLS = 2_000
_MANY = 0.4  # of the values
_LEAST_DATE = 19_700_101  # a date of eight figures; seconds since 1970 are more
_LIKE_A_DATE = r"[0-9]{8}|[0-9]{1,4}\D{1,3}\w{1,9}\D{1,3}[0-9]{1,4}|\p{L}{3,9}\D{1,2}[0-9]{1,2}\D{1,3}[0-9]{2,4}"
_EARLIEST, _LATEST = 631_152_000.0, 4_102_444_800.0
"""1990 and 2100: what lies between passes for a time of an event."""


_FORMS = {
    "mails": rf"^(?:{MAIL})$",
    "phones": (
        r"^\+[0-9][0-9 ()./-]{7,18}[0-9]$|^00[0-9]{2}[ /-][0-9 ()./-]{5,16}[0-9]$"
        r"|^\([0-9]{2,5}\) ?[0-9][0-9 /-]{4,12}[0-9]$"
    ),
    "hosts": r"^(?:[0-9]{1,3}\.){3}[0-9]{1,3}$|^(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F:]{1,8}$",
    "wordy": r"\p{L}{3}|\p{Han}|\p{Hiragana}|\p{Katakana}",
    "links": r"^\s*(?:https?:)?//[^\s]+|\.(?i:jpe?g|png|webp|gif|avif|svg)(?:$|[?,;|])",
}
_TEXT_OR_NUMBER = r"""(?:"[^"{}\[\]]+"|'[^'{}\[\]]+'|[\w.-]+)"""
_ID_LIST = rf"^\s*\[\s*{_TEXT_OR_NUMBER}(?:\s*,\s*{_TEXT_OR_NUMBER})*\s*\]\s*$"


@dataclass(frozen=True)
class ColumnProfile:
    """What is known of a column. Shares are of the values that are there, from 0 to 1; `filled` is of the rows."""

    column: str
    dtype: pl.DataType
    rows: int
    filled: float
    distinct: int
    unique: float  # distinct values a value
    times: float
    clock: float  # numbers a second, if times are numbers; 0 for dates and ISO 8601
    numbers: float
    negative: float
    behaviours: float
    spaced: float  # texts of several words
    length: float  # mean characters
    nested: bool  # a list, a struct, or JSON of either
    fractions: float = 0.0  # numbers that are not whole
    least: float = 0.0  # of the numbers
    most: float = 0.0
    mails: float = 0.0
    phones: float = 0.0
    hosts: float = 0.0  # addresses of the internet protocol
    links: float = 0.0  # addresses of pages and images
    wordy: float = 0.0  # texts with a word of three letters
    mark: str | None = None  # what parts several values of a cell
    id_lists: bool = False  # lists of texts or numbers, in JSON or as such

    @property
    def few_words(self) -> bool:
        """Whether the column can hold event types."""
        return 0 < self.distinct <= FEW_WORDS and self.unique < 0.5


def profile_column(sample: pl.DataFrame, column: str) -> ColumnProfile:
    """The profile of `column` of `sample`, the first rows of a file."""
    dtype = sample.schema[column]
    if dtype.is_nested():
        filled = 1 - sample.get_column(column).null_count() / max(1, sample.height)
        links = _links_in(sample.get_column(column))
        lists = isinstance(dtype, pl.List) and (dtype.inner == pl.String or dtype.inner.is_integer()) and not links
        nothing = (0,) * 9
        return ColumnProfile(column, dtype, sample.height, filled, *nothing, nested=True, links=links, id_lists=lists)
    values = sample.select(text(column, dtype)).to_series().drop_nulls()
    count = max(1, len(values))
    counts = values.value_counts()
    words = counts.get_column(column)
    known = words.map_elements(_is_known, return_dtype=pl.Boolean) if 0 < len(words) <= FEW_WORDS else None
    style = style_of(words) if dtype == pl.String else PLAIN
    numbers = (
        sample.select(number(column, dtype, style)).to_series() if _is_plain(dtype) else pl.Series([], dtype=pl.Float64)
    )
    timed, scale = _times(sample, column) if _may_be_times(values, numbers) else (0, 0.0)
    first = values.str.slice(0, 1)
    return ColumnProfile(
        column=column,
        dtype=dtype,
        rows=sample.height,
        filled=len(values) / max(1, sample.height),
        distinct=len(words),
        unique=len(words) / count,
        times=timed / count,
        clock=scale,
        numbers=numbers.count() / count,
        negative=int((numbers < 0).sum()) / count,
        behaviours=0.0 if known is None else int(counts.filter(known).get_column("count").sum()) / count,
        spaced=int(values.str.contains(r"\S\s+\S").sum()) / count,
        length=float(values.str.len_chars().sum()) / count,
        nested=bool(len(values)) and first.is_in(["{", "["]).sum() / count > 0.5,
        fractions=int((numbers != numbers.floor()).sum()) / count,
        least=_float(numbers.min()),
        most=_float(numbers.max()),
        id_lists=int(values.str.contains(_ID_LIST).sum()) > 0.5 * len(values),
        mark=list_separator(words.head(_MOST_CELLS), plain(column)) if dtype == pl.String else None,
        **{name: int(values.str.contains(form).sum()) / count for name, form in _FORMS.items()},
    )


def _links_in(lists: pl.Series) -> float:
    """The share of addresses of pages and images among the texts of lists."""
    if not isinstance(lists.dtype, pl.List) or lists.dtype.inner != pl.String:
        return 0.0
    texts = lists.head(_MOST_CELLS).explode().drop_nulls()
    return int(texts.str.contains(_FORMS["links"]).sum()) / len(texts) if len(texts) else 0.0


def _float(value: object) -> float:
    return value if isinstance(value, float) else 0.0


def _is_known(word: str) -> bool:
    return behaviour_of(word) is not None


def _is_plain(dtype: pl.DataType) -> bool:
    return dtype == pl.String or dtype.is_numeric()


def _may_be_times(values: pl.Series, numbers: pl.Series) -> bool:
    """Whether a look at each value as a time is worth it."""
    if numbers.count() >= _MANY * len(values):
        return _float(numbers.max()) >= _LEAST_DATE
    return float(values.str.contains(_LIKE_A_DATE).sum()) >= _MANY * len(values) > 0


def _times(sample: pl.DataFrame, column: str) -> tuple[int, float]:
    """How many values pass for the time of an event, and how many numbers a second there are (0: no numbers)."""
    dtype = sample.schema[column]
    if not (_is_plain(dtype) or dtype in (pl.Date, pl.Datetime)):
        return 0, 0.0
    clock = survey_times(sample.lazy(), column)
    times = sample.select(seconds(column, dtype, replace(clock, order=clock.order.with_defaults()))).to_series()
    timed = int(times.is_between(_EARLIEST, _LATEST).sum())
    if dtype.is_temporal() or clock.words or clock.figures:
        return timed, 0.0
    counts = sample.select(number(column, dtype)).to_series().median()
    return timed, unit_of_count(counts) if isinstance(counts, float) else 1.0
