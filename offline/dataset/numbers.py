"""Numbers as people write them: thousands, decimal commas, currencies, percent, and minus in its several forms."""

from dataclasses import dataclass
from typing import Final, Literal

import polars as pl

Mark = Literal[".", ","]

_SIGNS: Final = {
    "$": "USD", "US$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "RS": "INR", "RS.": "INR", "₽": "RUB",
    "РУБ": "RUB", "РУБ.": "RUB", "₩": "KRW", "₺": "TRY", "TL": "TRY", "₪": "ILS", "₫": "VND", "฿": "THB", "₴": "UAH",
    "₦": "NGN", "₱": "PHP", "R$": "BRL", "C$": "CAD", "CA$": "CAD", "A$": "AUD", "AU$": "AUD", "NZ$": "NZD",
    "HK$": "HKD", "S$": "SGD", "MX$": "MXN", "NT$": "TWD", "FR.": "CHF", "SFR.": "CHF", "ZŁ": "PLN", "KČ": "CZK",
    "FT": "HUF", "LEI": "RON", "LEU": "RON", "ЛВ": "BGN", "ЛВ.": "BGN", "KR": "SEK", "KR.": "DKK", "元": "CNY",
    "円": "JPY", "원": "KRW", "EURO": "EUR", "EUROS": "EUR",
}  # fmt: skip
"""Signs of currencies in capitals, and the code that each most often means."""

_CODES: Final = (
    "AED", "ARS", "AUD", "BDT", "BGN", "BHD", "BRL", "CAD", "CHF", "CLP", "CNY", "COP", "CRC", "CZK", "DKK", "DOP",
    "EGP", "EUR", "GBP", "GEL", "GHS", "HKD", "HRK", "HUF", "IDR", "ILS", "INR", "ISK", "JOD", "JPY", "KES", "KRW",
    "KWD", "KZT", "LKR", "MAD", "MXN", "MYR", "NGN", "NOK", "NZD", "OMR", "PEN", "PHP", "PKR", "PLN", "QAR", "RON",
    "RSD", "RUB", "SAR", "SEK", "SGD", "THB", "TND", "TRY", "TWD", "UAH", "USD", "UYU", "VND", "XAF", "XOF", "ZAR",
)  # fmt: skip
"""Codes of ISO 4217."""

_CURRENCIES: Final = {**_SIGNS, **{code: code for code in _CODES}}
_CURRENCY: Final = "|".join(
    sign.replace(".", r"\.").replace("$", r"\$") for sign in sorted(_CURRENCIES, key=len, reverse=True)
)
_DIGITS: Final = r"[0-9](?:[0-9.,'’\s]*[0-9])?|[.,][0-9]+"
_NUMBER: Final = (
    r"^(?P<open>\()?\s*(?P<sign>[-+−])?\s*"
    rf"(?P<before>(?i:{_CURRENCY}))?\s*(?P<inner>[-+−])?\s*"
    rf"(?P<digits>{_DIGITS})(?:[.,](?:[-–—]{{1,2}})?)?\s*(?P<last>[-−])?\s*"
    rf"(?P<after>(?i:{_CURRENCY}))?\s*%?\s*\)?$"
)
_POINT: Final = r"^(?:[0-9]+|[1-9][0-9]{0,2}(?:[,'’\s][0-9]{3})+|[1-9][0-9]{0,1}(?:,[0-9]{2})+,[0-9]{3})?(?:\.[0-9]+)?$"
_COMMA: Final = r"^(?:[0-9]+|[1-9][0-9]{0,2}(?:[.'’\s][0-9]{3})+)?(?:,[0-9]+)?$"


@dataclass(frozen=True)
class NumberStyle:
    """How a column of numbers is written.

    `plain`: every value as programs write it. `mark` stands before the fraction where a value alone does not say, such
    as `1,299`; None: the column does not say either, and such values are unreadable. `currencies`: the codes that its
    values name, in their order. `example`: a value that is not plain. `unclear`: how many different values the column
    does not tell.
    """

    plain: bool = True
    mark: Mark | None = "."
    currencies: tuple[str, ...] = ()
    example: str | None = None
    unclear: int = 0

    def described(self) -> str:
        """How the numbers are read, in words; nothing where they are plain."""
        if self.plain:
            return ""
        marks = {".": "a decimal point", ",": "a decimal comma", None: "the decimal mark that each value shows"}
        shown = f", such as {self.example!r}" if self.example else ""
        money = f"; in {' and '.join(self.currencies)}" if self.currencies else ""
        return f"numbers with {marks[self.mark]}{shown}{money}"


PLAIN: Final = NumberStyle()


def currency_codes(values: pl.Series) -> pl.Series:
    """Names of currencies as codes of ISO 4217: codes in any case, and signs; null where it is neither."""
    words = values.str.strip_chars().str.to_uppercase()
    codes = words.replace_strict(_CURRENCIES, default=None, return_dtype=pl.String)
    return pl.select(
        pl.coalesce(codes, pl.when(words.str.contains("^[A-Z]{3}$")).then(words)).alias(values.name)
    ).to_series()


def plain_number(values: pl.Expr) -> pl.Expr:
    """Numbers, or texts without blanks around them, as finite f64; null where they are none."""
    value = values.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value)


def written_number(values: pl.Expr, style: NumberStyle) -> pl.Expr:
    """Texts without blanks around them as finite f64, written in that style; null where they cannot be read."""
    if style.plain:
        return plain_number(values)
    point, comma, negative, _ = _readings(values)
    value: pl.Expr
    if style.mark is None:
        value = pl.when((point == comma) | comma.is_null()).then(point).when(point.is_null()).then(comma)
    else:
        first, second = (point, comma) if style.mark == "." else (comma, point)
        value = pl.coalesce(first, second)
    exponent = pl.when(values.str.contains(r"^[-+]?[0-9.]+[eE][-+]?[0-9]{1,3}$")).then(plain_number(values))
    return pl.coalesce(pl.when(negative).then(-value).otherwise(value), exponent)


def style_of(values: pl.Series, mark: Mark | None = None) -> NumberStyle:
    """The style of a column, from its different values: texts without blanks around them, none of them missing.

    The mark before the fraction is told from the whole column, unless the data set says it: values such as `12,90`,
    `1.299,00` or `1.5` have one reading, and tell how `1,299` is meant. Where none does, marks that always stand before
    three digits part thousands: commas, and points beside a currency.
    """
    odd = values.filter(values.to_frame("v").select(plain_number(pl.col("v")).is_null()).to_series())
    if mark != "," and odd.is_empty():
        return PLAIN
    point, comma, _, currency = _readings(pl.col("value"))
    read = values.to_frame("value").select("value", point.alias("point"), comma.alias("comma"), currency.alias("code"))
    read = read.filter(pl.col("point").is_not_null() | pl.col("comma").is_not_null())
    if read.is_empty():
        return PLAIN
    unclear = read.filter(pl.col("point") != pl.col("comma"))["value"]
    codes = tuple(read["code"].drop_nulls().unique(maintain_order=True).to_list())
    column_mark: Mark | None = mark
    if mark is None:
        points, commas = read["comma"].null_count(), read["point"].null_count()
        column_mark = _column_mark(points, commas, unclear, has_currency=bool(codes))
    example = odd.filter(odd.is_in(read["value"].to_list()))
    return NumberStyle(
        plain=False,
        mark=column_mark,
        currencies=codes,
        example=example[0] if len(example) else None,
        unclear=0 if column_mark else len(unclear),
    )


def _column_mark(points: int, commas: int, unclear: pl.Series, *, has_currency: bool) -> Mark | None:
    if bool(points) != bool(commas):
        return "." if points else ","
    if points or not len(unclear):
        return None
    with_comma = int(unclear.str.contains(",", literal=True).sum())
    if with_comma == len(unclear):
        return "."
    if with_comma:
        return None
    return "," if has_currency else "."


def _readings(values: pl.Expr) -> tuple[pl.Expr, pl.Expr, pl.Expr, pl.Expr]:
    """Each value by a decimal point, by a decimal comma, whether it is negative, and the code of its currency."""
    parts = values.str.extract_groups(_NUMBER)

    def part(name: str) -> pl.Expr:
        return parts.struct.field(name)

    digits = part("digits")
    point = pl.when(digits.str.contains(_POINT)).then(
        digits.str.replace_all(r"[,'’\s]", "").cast(pl.Float64, strict=False)
    )
    comma = pl.when(digits.str.contains(_COMMA)).then(
        digits.str.replace_all(r"[.'’\s]", "").str.replace(",", ".", literal=True).cast(pl.Float64, strict=False)
    )
    minus = [part(name).is_in(["-", "−"]).fill_null(value=False) for name in ("sign", "inner", "last")]
    negative = part("open").is_not_null() | minus[0] | minus[1] | minus[2]
    sign = pl.coalesce(part("before"), part("after")).str.to_uppercase()
    return point, comma, negative, sign.replace_strict(_CURRENCIES, default=None, return_dtype=pl.String)
