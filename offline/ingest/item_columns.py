"""The columns of a catalogue, each read as a whole, with a sentence about what is not written as programs write it."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from offline.dataset.ids import has_point_zero, tidy_ids
from offline.dataset.lists import category_paths, parse_json, split_cells
from offline.dataset.markup import read_markup
from offline.dataset.missing import are_told
from offline.dataset.numbers import PLAIN, NumberStyle, currency_codes, style_of
from offline.dataset.reading import number, text
from offline.dataset.stock import stock_flags
from offline.dataset.times import survey_times, unix_seconds
from offline.errors import DatasetError, Mistake
from offline.ingest.survey_events import unclear_order

_AMOUNTS: Final = ("amount", "value", "price", "current", "regular", "min", "gross")
_CODES: Final = ("currency", "currency_code", "currencyCode", "currencycode", "code")
_SHOWN: Final = 60  # characters of a value in a message


@dataclass
class ColumnReader:
    """Reads the columns of `raw`, named by role, and gathers what it has understood.

    `read_as` has a sentence a role; `odd` a count and an example for values that nobody understands.
    """

    raw: pl.DataFrame
    missing: tuple[str, ...]
    columns: Mapping[str, str]  # role -> name in the files
    read_as: dict[str, str] = field(default_factory=dict)
    odd: dict[str, tuple[int, str]] = field(default_factory=dict)
    currency: str | None = None

    def ids(self, role: str = "id") -> pl.Series:
        """The ids of items or users."""
        point_zero = has_point_zero(self.raw.lazy(), role, self.missing)
        if point_zero:
            self.read_as[role] = "whole numbers: .0 at the end of every id is left out"
        return tidy_ids(self.texts(role), point_zero=point_zero)

    def texts(self, role: str, missing: Sequence[str] | None = None) -> pl.Series:
        """A column as text; of lists the first value, of objects their JSON."""
        raw = self.raw.select(_flat(role, self.raw.schema[role]))
        return raw.select(text(role, raw.schema[role], self.missing if missing is None else missing)).to_series()

    def names(self, role: str, context: pl.Series | None = None) -> pl.Series:
        """A column of names, such as titles and brands, without markup; see `are_told` for `context`."""
        values = self.texts(role, missing=())
        kept = are_told(values, self.missing, context)
        words = [word for word in self.missing if word not in kept]
        values = pl.select(pl.when(~values.is_in(words)).then(values)).to_series().alias(role)
        return self._without_markup(role, values)

    def categories(self, role: str, separator: str | None) -> pl.Series:
        """A column of categories as paths."""
        column = self.raw.get_column(role)
        values = self.texts(role) if column.dtype == pl.String else column
        if values.dtype == pl.String:
            values = self._without_markup(role, values)
        paths = category_paths(values, separator)
        if paths.dtype == values.dtype and (changed := values.ne_missing(paths)).any():
            self.read_as[role] = f"paths of categories, such as {_shown(values.filter(changed)[0])}"
        elif values.dtype != pl.String and values.dtype.is_nested():
            self.read_as[role] = "paths of categories, from lists"
        return paths

    def prose(self, role: str) -> pl.Series:
        """A column of texts, without markup."""
        return self._without_markup(role, self.texts(role))

    def price(self, role: str, mark: object, location: str) -> pl.Series:
        """A column of prices.

        Raises:
            DatasetError: its values are objects that hold no number.
        """
        raw = self.raw.select(role)
        codes: tuple[str, ...] = ()
        if _holds_objects(raw.to_series()):
            raw, codes = _amounts(raw.to_series(), self.columns.get(role, role), location)
            self.read_as[role] = "the number in each object" + (f"; in {' and '.join(codes)}" if codes else "")
        style = PLAIN
        if raw.schema[role] == pl.String:
            values = raw.select(text(role, pl.String(), self.missing)).to_series().drop_nulls()
            style = style_of(values.unique(maintain_order=True), "," if mark == "," else "." if mark == "." else None)
            codes = codes or style.currencies
        self._tell_numbers(role, style)
        if len(codes) == 1:
            self.currency = codes[0]
        elif codes:
            self.odd["currency"] = (len(codes), " and ".join(codes))
        prices = raw.select(number(role, raw.schema[role], style)).to_series()
        filled = raw.select(text(role, raw.schema[role], self.missing)).to_series()
        self._tell_odd(role, filled, prices)
        return prices

    def stock(self, role: str) -> pl.Series:
        """A column of stock as flags."""
        words = self.texts(role)
        flags = words.to_frame().select(stock_flags(pl.col(role)).alias(role)).to_series()
        self._tell_odd(role, words, flags)
        return flags

    def times(self, role: str, location: str, *, day_first: bool | None) -> pl.Series:
        """A column of times as unix seconds.

        Raises:
            DatasetError: the order of day and month cannot be told.
        """
        raw = self.raw.select(_flat(role, self.raw.schema[role]))
        clock = survey_times(raw.lazy(), role, day_first=day_first)
        if clock.order.unclear:
            raise DatasetError(unclear_order(location, self.columns.get(role, role), clock))
        if sentence := clock.described():
            self.read_as[role] = sentence
        times = unix_seconds(raw.to_series(), clock).alias(role)
        self._tell_odd(role, self.texts(role), times)
        return times

    def attribute(self, role: str, separator: str | None) -> pl.Series:
        """A column of attributes: texts without markup, lists where a separator parts them."""
        column = self.raw.get_column(role)
        if column.dtype != pl.String:
            return column
        values = self._without_markup(role, self.texts(role))
        if separator is None:
            return values
        if values.str.starts_with("[").any():
            lists = [parse_json(value) if value else None for value in values.to_list()]
            split = split_cells(values, separator).to_list()
            return pl.Series(role, [a if isinstance(a, list) else b for a, b in zip(lists, split, strict=True)])
        return split_cells(values, separator)

    def currencies(self, role: str) -> pl.Series:
        """A column of currencies as codes of ISO 4217."""
        values = self.texts(role)
        codes = currency_codes(values)
        self._tell_odd(role, values, codes)
        return codes

    def shown(self, role: str, separator: str | None) -> pl.Series:
        """A column that is answered as it is, each value in JSON: a list where a separator parts it."""
        column = self.raw.get_column(role)
        values = column.to_list()
        if column.dtype == pl.String:
            texts = self.texts(role)
            values = (texts if separator is None else split_cells(texts, separator)).to_list()
        return pl.Series(role, [_json(value) for value in values], pl.String)

    def _without_markup(self, role: str, values: pl.Series) -> pl.Series:
        plain = read_markup(values)
        changed = values.ne_missing(plain)
        if changed.any():
            self.read_as[role] = f"HTML as text, such as {_shown(values.filter(changed)[0])}"
            return pl.select(pl.when(plain != "").then(plain)).to_series().alias(values.name)
        return values

    def _tell_numbers(self, role: str, style: NumberStyle) -> None:
        if sentence := style.described():
            self.read_as[role] = sentence

    def _tell_odd(self, role: str, filled: pl.Series, read: pl.Series) -> None:
        odd = filled.filter(filled.is_not_null() & read.is_null())
        if len(odd):
            self.odd[role] = (len(odd), _shown(odd[0]))


def _json(value: object) -> str | None:
    """A value in JSON; times and the like as their text. None for what is no value."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return None
    if isinstance(value, pl.Series):
        value = value.to_list()
    return json.dumps(value, ensure_ascii=False, default=str)


def _shown(value: str) -> str:
    return repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "...")


def _flat(role: str, dtype: pl.DataType) -> pl.Expr:
    """A column without lists and objects: the first value of a list, the JSON of an object."""
    column = pl.col(role)
    while isinstance(dtype, pl.List | pl.Array):
        column = column.list.first() if isinstance(dtype, pl.List) else column.arr.first()
        dtype = pl.Series(dtype=dtype).explode().dtype  # an instance, where a class would do as well
    return column.struct.json_encode().alias(role) if isinstance(dtype, pl.Struct) else column.alias(role)


def _holds_objects(values: pl.Series) -> bool:
    if values.dtype.is_nested():
        return True
    if values.dtype != pl.String:
        return False
    cell = values.drop_nulls()
    return bool(len(cell)) and bool(cell.str.contains(r"^\s*[\[{]").all())


def _amounts(values: pl.Series, column: str, location: str) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """The numbers of a column of objects, and the codes of their currencies."""
    amounts: list[str | None] = []
    codes: list[str] = []
    for value in values.to_list():
        cell = parse_json(value) if isinstance(value, str) else value
        if isinstance(cell, Sequence) and not isinstance(cell, str):
            cell = cell[0] if len(cell) else None
        if isinstance(cell, Mapping):
            code = next((cell[name] for name in _CODES if isinstance(cell.get(name), str)), None)
            codes += [code.upper()] if code else []
            amount = next(
                (cell[name] for name in _AMOUNTS if isinstance(cell.get(name), int | float | str)),
                None,
            )
            if amount is None:
                got = f"an object of {', '.join(map(str, cell))}"
                advice = f"export the number in a column of its own, or call it {_AMOUNTS[0]!r} in the object"
                raise DatasetError(Mistake(location, f"a number in the column {column!r}", got, advice))
            cell = amount
        amounts.append(None if cell is None else str(cell))
    return pl.DataFrame({values.name: pl.Series(amounts, dtype=pl.String)}), tuple(dict.fromkeys(codes))
