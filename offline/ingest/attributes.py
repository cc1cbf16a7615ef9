"""Attribute columns of scalars, lists or objects as one list of `name=value` texts."""

import json
from collections.abc import Iterable, Iterator, Sequence

import polars as pl


def attribute_lists(table: pl.DataFrame, columns: Sequence[tuple[str, str]]) -> pl.Series:
    """One `list[str]` a row from `columns`, pairs of (column of `table`, the name to write before `=`).

    A scalar gives `name=value`, a list one of these for each element, a JSON object or a struct `key=value`
    for each key; a nested object joins its keys with a dot. Null gives nothing. Duplicates within a row
    are dropped.
    """
    rows: list[list[str]] = [[] for _ in range(table.height)]
    for column, name in columns:
        for row, value in zip(rows, table.get_column(column).to_list(), strict=True):
            if value is not None:
                row.extend(_pairs(name, _parsed(value), top=True))
    return pl.Series("attributes", [list(dict.fromkeys(row)) for row in rows], pl.List(pl.String))


def attribute_words(value: object) -> list[str]:
    """The texts of one value, or of a list of values, as attributes have them; each once."""
    return list(dict.fromkeys(pair.partition("=")[2] for pair in _pairs("", value, top=False)))


def _parsed(value: object) -> object:
    """What a text that holds a JSON object or list means; any other value as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            parsed: object = json.loads(value)
        except json.JSONDecodeError:
            return value
        return parsed
    return value


def _pairs(name: str, value: object, *, top: bool) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _pairs(str(key) if top else f"{name}.{key}", inner, top=False)
    elif isinstance(value, Iterable) and not isinstance(value, str):
        for inner in value:
            yield from _pairs(name, inner, top=False)
    elif word := _word(value):
        yield f"{name}={word}"


def _word(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip()
