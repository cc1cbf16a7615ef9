"""The columns that filters, facets and orders read, from the split's item table."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.attribute_values import FLAGS, kind_of, number_of
from app.artifact.columns import TextColumn, offsets_of
from app.artifact.filter_columns import (
    ADDED,
    FALSE_TEXT,
    TRUE_TEXT,
    ColumnEntry,
    FilterColumn,
    levels_of,
    sort_key,
    write_filter_columns,
)
from app.artifact.spellings import common_paths, common_spellings

_BY_REFERENCE: Final = {"title": "title", "text": "description"}
"""Nearly every item has a text of its own: the bundle's catalogue holds them already."""
_ATTRIBUTES: Final = "attributes."  # before the name of an attribute
_NOTHING: Final = np.zeros(0, dtype=np.int32)


def write_filters(
    folder: Path, items: pl.DataFrame, first_times: NDArray[np.float64], known: Sequence[str] = ()
) -> None:
    """Write every column of the catalogue and every attribute that an item has a value of, and those that are known.

    An attribute whose values all are numbers is one of numbers, and one of `true` and `false` a boolean one. Values
    that differ in case only are one value, in its most frequent spelling.

    Args:
        items: the split's item table.
        first_times: `[items + 1]` unix seconds of the first event that the bundle knows, NaN where there is none: when
            an item was added, where the catalogue does not say.
        known: columns that the data set names, attributes with `attributes.` before their names; they are written where
            no item has a value, too: a filter that names one finds nothing then, and is no mistake.
    """
    items = items.with_columns(pl.col("row").cast(pl.Int32))
    columns = [column for column in _catalogue(items, first_times) if column.entry.pairs or column.entry.name in known]
    attributes = list(_attributes(items))
    names = {column.entry.name for column in attributes}
    without = (name.removeprefix(_ATTRIBUTES) for name in known if name.startswith(_ATTRIBUTES))
    attributes += [_Vocabulary(name, {}).column(_NOTHING, _NOTHING) for name in without if name not in names]
    write_filter_columns(folder, [*columns, *attributes])


def first_times(rows: NDArray[np.int32], times: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """The earliest time of each item row `[count]`, NaN where there is none; `rows` and `times` are of events."""
    earliest = np.full(count, np.inf)
    known = np.isfinite(times)
    np.minimum.at(earliest, rows[known], times[known])
    return np.where(np.isfinite(earliest), earliest, np.nan)


def _catalogue(items: pl.DataFrame, first_times: NDArray[np.float64]) -> Iterator[FilterColumn]:
    for column, name in _BY_REFERENCE.items():
        pairs = _pairs(items, pl.col(column))
        yield _of_values(name, pairs, by_reference=pairs.height > 0)
    levels = pl.col("category").map_elements(levels_of, return_dtype=pl.List(pl.String))
    nested = items.select("row", levels).explode("category")
    yield _of_values("category", _pairs(nested, pl.col("category")), nested=True)
    yield _of_values("brand", _pairs(items, pl.col("brand")))
    yield _of_numbers("price", _pairs(items, pl.col("price").cast(pl.Float64)))
    flags = pl.when("in_stock").then(pl.lit(TRUE_TEXT)).when(~pl.col("in_stock")).then(pl.lit(FALSE_TEXT))
    if "currency" in items.columns:
        yield _of_values("currency", _pairs(items, pl.col("currency")))
    yield _of_values("in_stock", _pairs(items, flags), boolean=True)
    added = pl.col(ADDED) if ADDED in items.columns else pl.lit(None, pl.Float64)
    first = pl.Series("first", first_times[items["row"].to_numpy()]).fill_nan(None)
    yield _of_numbers(ADDED, _pairs(items.with_columns(first), pl.coalesce(added.cast(pl.Float64), "first")))


def _attributes(items: pl.DataFrame) -> Iterator[FilterColumn]:
    """All at once, since there may be tens of thousands of them."""
    attributes = items.select("row", pl.col("attributes").alias("told")).explode("told").drop_nulls()
    attributes = attributes.filter(pl.col("told").str.contains("=", literal=True))
    pairs = attributes.select(
        "row",
        pl.col("told").str.replace(r"(?s)=.*$", "").str.strip_chars().alias("name"),
        pl.col("told").str.replace(r"^[^=]*=", "").str.strip_chars().alias("value"),
    ).filter((pl.col("name") != "") & (pl.col("value") != ""))
    values: dict[str, dict[str, int]] = {}
    for name, value, count in pairs.unique().group_by("name", "value").len().iter_rows():
        values.setdefault(name, {})[value] = count
    vocabularies = [_Vocabulary(name, values[name]) for name in sorted(values)]
    codes = pl.DataFrame(
        [
            (name.name, value, place, code)
            for place, name in enumerate(vocabularies)
            for value, code in name.codes.items()
        ],
        schema={"name": pl.String, "value": pl.String, "column": pl.Int32, "code": pl.Int32},
        orient="row",
    )
    coded = (
        pairs.join(codes, on=("name", "value")).select("column", "code", "row").unique().sort("column", "code", "row")
    )
    ends = np.searchsorted(coded["column"].to_numpy(), np.arange(len(vocabularies) + 1))
    for vocabulary, start, end in zip(vocabularies, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        yield vocabulary.column(coded["code"][start:end].to_numpy(), coded["row"][start:end].to_numpy())


class _Vocabulary:
    """The values of one attribute, in their order; texts that are the same number share a code, or the same name."""

    def __init__(self, name: str, counts: Mapping[str, int]) -> None:
        texts = list(counts)
        self.name = name
        self._kind = kind_of(texts)
        self._values: list[str] = []
        self._numbers: list[float] = []
        if self._kind == "boolean":
            self._values = list(FLAGS)
            self.codes = {text: FLAGS.index(text) for text in texts}
        elif self._kind == "number":
            numbers = {text: number_of(text) or 0.0 for text in texts}
            self._numbers = sorted(set(numbers.values()))
            place = {number: code for code, number in enumerate(self._numbers)}
            self.codes = {text: place[number] for text, number in numbers.items()}
        else:
            self._values, self.codes = _values_and_codes(common_spellings(counts))

    def column(self, codes: NDArray[np.int32], rows: NDArray[np.int32]) -> FilterColumn:
        """The column of pairs that are sorted by code and row."""
        entry = ColumnEntry(name=self.name, kind=self._kind, attribute=True, pairs=len(rows), values=len(self._values))
        counts = np.bincount(codes, minlength=len(self._values))
        is_number = self._kind == "number"
        return FilterColumn(
            entry=entry,
            rows=rows,
            numbers=np.array(self._numbers)[codes] if is_number else None,
            offsets=None if is_number else offsets_of(counts),
            texts=None if is_number else TextColumn.of(self._values),
            first_text=0,
        )


def _pairs(items: pl.DataFrame, value: pl.Expr) -> pl.DataFrame:
    """Columns row and value, without what is missing."""
    pairs = items.select("row", value.alias("value")).drop_nulls().unique()
    return pairs.filter(pl.col("value") != "") if pairs.schema["value"] == pl.String else pairs


def _of_values(
    name: str,
    pairs: pl.DataFrame,
    *,
    nested: bool = False,
    boolean: bool = False,
    by_reference: bool = False,
) -> FilterColumn:
    """A column of texts or flags; the first item of a value has it in the spelling that stands for all."""
    if boolean:
        values, spellings = list(FLAGS), dict(zip(FLAGS, range(len(FLAGS)), strict=True))
    else:
        counts_of = dict(pairs.group_by("value").len().iter_rows())
        common = (common_paths if nested else common_spellings)(counts_of)
        values, spellings = _values_and_codes(common)
    codes = pl.DataFrame(
        {"value": list(spellings), "code": list(spellings.values()), "common": [values[c] for c in spellings.values()]},
        schema={"value": pl.String, "code": pl.Int64, "common": pl.String},
    )
    is_other = pl.col("value") != pl.col("common")
    coded = pairs.join(codes, on="value").sort("code", is_other, "row").unique(["code", "row"], maintain_order=True)
    counts = np.bincount(coded["code"].to_numpy(), minlength=len(values))
    entry = ColumnEntry(
        name=name,
        kind="boolean" if boolean else "text",
        attribute=False,
        nested=nested,
        by_reference=by_reference,
        pairs=coded.height,
        values=len(values),
    )
    return FilterColumn(
        entry=entry,
        rows=coded["row"].to_numpy().astype(np.int32),
        numbers=None,
        offsets=offsets_of(counts),
        texts=None if by_reference else TextColumn.of(values),
        first_text=0,
    )


def _values_and_codes(spellings: Mapping[str, str]) -> tuple[list[str], dict[str, int]]:
    """The values in their order, and the code of each text, by the spelling that stands for it."""
    values = sorted(set(spellings.values()), key=sort_key)
    codes = {value: code for code, value in enumerate(values)}
    return values, {text: codes[spelling] for text, spelling in spellings.items()}


def _of_numbers(name: str, pairs: pl.DataFrame) -> FilterColumn:
    ordered = pairs.filter(pl.col("value").is_finite()).sort("value", "row")
    return FilterColumn(
        entry=ColumnEntry(name=name, kind="number", attribute=False, pairs=ordered.height, values=0),
        rows=ordered["row"].to_numpy().astype(np.int32),
        numbers=ordered["value"].to_numpy().astype(np.float64),
        offsets=None,
        texts=None,
        first_text=0,
    )
