"""How the items of a bundle spell the values that they share: what a facet shows follows the most frequent spelling."""

from collections import Counter
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final

import orjson

from app.artifact.attribute_values import attribute_parts
from app.artifact.filter_columns import LEVELS, levels_of
from app.engine.catalogue import Catalogue
from app.engine.selection.column import Column

_ATTRIBUTES: Final = "attributes"  # the column of all of them

Contested = Mapping[str, Mapping[str, int]]
"""Of a value in lower case, or of a level of a category, how many items spell it, or its last level, which way."""


class BundleSpellings:
    """What the texts of a bundle's catalogue say; read on the first need and kept, as far as items differ.

    Args:
        catalogue: of the bundle.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._contested: dict[str, Contested] = {}
        self._of_rows: dict[tuple[str, int], dict[str, list[str]]] = {}
        self._of_attributes: dict[str, Contested] | None = None

    def contested(self, column: Column) -> Contested:
        """The values of a column of texts that items spell in several ways."""
        if column.attribute:
            if self._of_attributes is None:
                self._of_attributes = self._read_attributes()
            return self._of_attributes.get(column.name, {})
        if column.path not in self._contested:
            self._contested[column.path] = self._read(column)
        return self._contested[column.path]

    def read(self, columns: Iterable[Column]) -> None:
        """Read what columns of texts share values in, so that no request has to wait for it: tenths of a second."""
        for column in columns:
            if column.kind == "text" and not column.by_reference:
                self.contested(column)

    def of_row(self, column: Column, row: int, fold: str) -> list[str]:
        """The spellings of the value `fold`, or of its last level, that one item has; kept, as views ask for them."""
        of_row = self._of_rows.get((column.path, row))
        if of_row is None:
            of_row = {}
            for text in dict.fromkeys(self._texts_of_row(column, row)):
                of_row.setdefault(text.casefold(), []).append(last_level(text) if column.nested else text)
            self._of_rows[column.path, row] = of_row
        return of_row.get(fold, [])

    def _texts_of_row(self, column: Column, row: int) -> list[str]:
        if column.attribute:
            document = self._catalogue.documents[_ATTRIBUTES][row] if _ATTRIBUTES in self._catalogue.documents else None
            pairs = map(attribute_parts, orjson.loads(document) if document else ())
            return [parts[1] for parts in pairs if parts is not None and parts[0] == column.name]
        texts = self._catalogue.texts.get(column.name)
        text = None if texts is None else texts[row]
        return [] if text is None else levels_of(text) if column.nested else [text]

    def _read(self, column: Column) -> Contested:
        texts = self._catalogue.texts.get(column.name)
        counts = Counter(() if texts is None else texts.all())
        if not column.nested:
            return _contested(counts)
        of_levels: Counter[str] = Counter()
        for path, count in counts.items():
            for level in levels_of(path):
                of_levels[level] += count
        return _contested(of_levels, nested=True)

    def _read_attributes(self) -> dict[str, Contested]:
        documents = self._catalogue.documents.get(_ATTRIBUTES)
        texts = [] if documents is None else documents.all()
        counts = Counter(chain.from_iterable(map(orjson.loads, filter(None, texts))))
        parts_of = {pair: parts for pair in counts if (parts := attribute_parts(pair)) is not None}
        if any("=".join(parts) != pair for pair, parts in parts_of.items()):  # an item may have one value twice
            lists = ({parts_of.get(pair) for pair in orjson.loads(text)} for text in filter(None, texts))
            of_parts = Counter(chain.from_iterable(lists))
        else:
            of_parts = Counter({parts: counts[pair] for pair, parts in parts_of.items()})
        by_name: dict[str, Counter[str]] = {}
        for known, count in of_parts.items():
            if known is not None:
                by_name.setdefault(known[0], Counter())[known[1]] += count
        contested = ((name, _contested(counts)) for name, counts in by_name.items())
        return {name: of_name for name, of_name in contested if of_name}


def _contested(counts: Mapping[str, int], *, nested: bool = False) -> Contested:
    """The values with several spellings; of a level of a category, its last name is what is spelled."""
    spellings: dict[str, dict[str, int]] = {}
    for text, count in counts.items():
        if text:
            of_value = spellings.setdefault(text.casefold(), {})
            spelling = last_level(text) if nested else text
            of_value[spelling] = of_value.get(spelling, 0) + count
    return {fold: of_value for fold, of_value in spellings.items() if len(of_value) > 1}


def last_level(path: str) -> str:
    """The last level of a category; of any other text without levels, the text."""
    return path.rpartition(LEVELS)[2]
