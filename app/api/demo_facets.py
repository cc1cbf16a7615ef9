"""Which columns and attributes of a catalogue the storefront narrows its lists by."""

from typing import Final

from app.artifact.filter_columns import ADDED, Kind
from app.engine.selection.filter_columns import Column
from app.engine.selection.filter_index import FilterIndex

_FIRST: Final = ("category", "brand", "price")  # where the catalogue has them, however many values they have
_MOST: Final = 6  # further ones
_MOST_NUMBERS: Final = 2  # of these: a range takes more thought than a value
_LEAST_SHARE: Final = 0.1  # of the items that have a value
_MOST_VALUES: Final = 60  # of a text: more are titles, ids or descriptions


def demo_facets(filters: FilterIndex, items: int) -> list[tuple[str, Kind]]:
    """Names and kinds: category, brand and price, then what most of the `items` have."""
    columns = {name: filters.column(name, name) for name in filters.names}
    first = [name for name in _FIRST if name in columns and columns[name].stored.entry.pairs]
    others = [name for name, column in columns.items() if name not in _FIRST and _is_telling(column, items)]
    others.sort(key=lambda name: -columns[name].stored.entry.pairs)  # stable: of two alike, as the catalogue has them
    numbers = [name for name in others if columns[name].kind == "number"]
    others = [name for name in others if name not in numbers[_MOST_NUMBERS:]]
    return [(name, columns[name].kind) for name in (*first, *others[:_MOST])]


def _is_telling(column: Column, items: int) -> bool:
    entry = column.stored.entry
    if entry.name == ADDED or entry.pairs < _LEAST_SHARE * items:
        return False
    return entry.kind == "number" or 2 <= entry.values <= _MOST_VALUES
