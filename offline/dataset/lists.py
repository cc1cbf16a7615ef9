"""Cells that hold several values: lists, JSON, texts with separators, and paths of categories."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

import polars as pl

from app.artifact.filter_columns import PATHS

_ARROWS: Final = r"\s*(?:>|»|›|→)\s*"
_NAMES: Final = ("path", "name", "title", "label", "value", "id")  # of an object that is a category


def parse_json(cell: str) -> object:
    """What a text that is a JSON list or object means; any other text as it is."""
    if cell.lstrip()[:1] in ("[", "{"):
        try:
            parsed: object = json.loads(cell)
        except (json.JSONDecodeError, RecursionError):
            return cell
        return parsed
    return cell


def split_cells(cells: pl.Series, separator: str) -> pl.Series:
    """Texts as lists of their parts, without blanks around them and without empty ones; JSON stays as it is."""
    separated = cells.str.split(separator.strip() or separator)
    parts = separated.list.eval(pl.element().str.strip_chars())
    return parts.list.eval(pl.element().filter(pl.element() != ""))


def category_paths(cells: pl.Series, separator: str | None) -> pl.Series:
    """Categories as paths, `Home > Tables`, several of an item parted by `PATHS`.

    A list of names is a path, from its top; one of paths, of lists or of objects is several. `separator` stands between
    several paths of a text.
    """
    if cells.dtype != pl.String:
        paths = [_paths(value, separator) for value in cells.to_list()]
        return pl.Series(cells.name, [PATHS.join(hits) or None for hits in paths], pl.String)
    cells = cells.str.strip_chars()
    in_json = cells.str.contains(r"^[\[{]")
    if in_json.any():
        read = [PATHS.join(_paths(parse_json(cell), separator)) or None for cell in cells.filter(in_json).to_list()]
        cells = cells.clone().scatter(in_json.arg_true(), pl.Series(read, dtype=pl.String))
    if separator is not None and (apart := cells.str.contains(separator.strip() or separator, literal=True)).any():
        hits = split_cells(cells.filter(apart), separator).list.unique(maintain_order=True).list.join(PATHS)
        cells = cells.clone().scatter(apart.arg_true(), hits)
    arrows = cells.str.contains("[»›→]")
    if arrows.any():
        cells = pl.select(pl.when(arrows).then(cells.str.replace_all(_ARROWS, " > ")).otherwise(cells)).to_series()
    return pl.select(pl.when(cells != "").then(cells)).to_series().alias(cells.name)


def _paths(value: object, separator: str | None) -> list[str]:
    """The paths that a value stands for."""
    if value is None:
        return []
    if isinstance(value, str):
        parts = value.split(separator.strip() or separator) if separator else [value]
        return [part.strip() for part in parts if part.strip()]
    if isinstance(value, Mapping):
        named = next((value[name] for name in _NAMES if value.get(name)), None)
        return _paths(named, separator)
    if not isinstance(value, Iterable):
        return [str(value)]
    entries = [entry for entry in value if entry is not None and entry != ""]
    if all(isinstance(entry, str) for entry in entries) and not any(re.search(_ARROWS, entry) for entry in entries):
        names = [entry.strip() for entry in entries if entry.strip()]
        return [" > ".join(names)] if names else []
    return list(dict.fromkeys(path for entry in entries for path in _paths(entry, separator)))
