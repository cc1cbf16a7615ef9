"""Values inside records and lists of records, by names with points: `customer.id`, `items.price`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import polars as pl

_LABELS: Final = ("key", "name")  # of a record that is a name and a value
_VALUE: Final = "value"
_DEEPEST: Final = 4


@dataclass(frozen=True)
class Reached:
    """A column, or what is inside one."""

    values: pl.Expr
    dtype: pl.DataType


def reach(name: str, schema: Mapping[str, pl.DataType]) -> Reached | None:
    """What `name` means in a table of that schema; None where it means nothing.

    A column of that very name goes first. Inside a record a name is a field; inside a list of records it is the list of
    that field's values, or, where records are pairs of a key and a value as in GA4's `event_params`, the first value
    of the key: a text, whichever of the value's types holds it.
    """
    if name in schema:
        return Reached(pl.col(name), schema[name])
    for head, rest in _splits(name):
        if head in schema and (inside := _inside(Reached(pl.col(head), schema[head]), rest)):
            return inside
    return None


def column_of(name: str, schema: Mapping[str, pl.DataType]) -> str:
    """The column of a table of that schema that `name` is, or is inside of; `name` where there is none."""
    if name in schema:
        return name
    return next((head for head, _ in _splits(name) if head in schema), name)


def names_in(schema: Mapping[str, pl.DataType]) -> list[str]:
    """All names of columns, and of what is inside them."""
    return [inner for name, dtype in schema.items() for inner in _names(name, dtype, _DEEPEST)]


def element_type(dtype: pl.DataType) -> pl.DataType | None:
    """What is in a list; None where `dtype` is none."""
    if isinstance(dtype, pl.List | pl.Array):
        return pl.Series(dtype=dtype).explode().dtype  # an instance, where a class would do as well
    return None


def _splits(name: str) -> Iterator[tuple[str, str]]:
    """The name cut in two at each point, the longest first part first."""
    parts = name.split(".")
    for length in range(len(parts) - 1, 0, -1):
        yield ".".join(parts[:length]), ".".join(parts[length:])


def _fields(dtype: pl.DataType | None) -> dict[str, pl.DataType]:
    if not isinstance(dtype, pl.Struct):
        return {}
    fields = pl.DataFrame(schema=dtype.to_schema()).schema  # instances, where classes would do as well
    return dict(fields)


def _inside(outer: Reached, name: str) -> Reached | None:
    element = element_type(outer.dtype)
    if element is None:
        fields = _fields(outer.dtype)
        for head, rest in [(name, ""), *_splits(name)]:
            if head in fields:
                inner = Reached(outer.values.struct.field(head), fields[head])
                return _inside(inner, rest) if rest else inner
        return None
    inside = _inside(Reached(pl.element(), element), name)
    if inside is not None:
        lists = outer.values.list if isinstance(outer.dtype, pl.List) else outer.values.arr.to_list().list
        return Reached(lists.eval(inside.values), pl.List(inside.dtype))
    return _labelled(outer, _fields(element), name)


def _labelled(outer: Reached, fields: Mapping[str, pl.DataType], name: str) -> Reached | None:
    """The first value of the key `name` in lists of keys and values."""
    label = next((label for label in _LABELS if label in fields), None)
    if label is None or _VALUE not in fields:
        return None
    lists = outer.values.list if isinstance(outer.dtype, pl.List) else outer.values.arr.to_list().list
    hit = pl.element().filter(pl.element().struct.field(label) == name).struct.field(_VALUE)
    value = lists.eval(hit).list.first()
    kinds = _fields(fields[_VALUE])
    if not kinds:
        return Reached(value, fields[_VALUE])
    plain = [kind for kind, dtype in kinds.items() if not dtype.is_nested()]
    return (
        Reached(pl.coalesce(value.struct.field(kind).cast(pl.String) for kind in plain), pl.String()) if plain else None
    )


def _names(name: str, dtype: pl.DataType, depth: int) -> Iterator[str]:
    fields = _fields(element_type(dtype) or dtype)
    if not fields or not depth:
        yield name
        return
    for field, inner in fields.items():
        yield from _names(f"{name}.{field}", inner, depth - 1)
