"""Columns of items that are answered as they are, and that nothing else reads: images, addresses, badges."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from app.artifact.columns import TextColumn
from app.artifact.names import DISPLAY

_NAMES: Final = "columns.json"
_NAMES_OF: Final = TypeAdapter(list[str])


def write_display(folder: Path, columns: Mapping[str, Sequence[str | None]]) -> None:
    """Write columns `[items + 1]` of values in JSON by name into the bundle in `folder`, perhaps none."""
    below = folder / DISPLAY
    below.mkdir(parents=True, exist_ok=True)
    (below / _NAMES).write_bytes(_NAMES_OF.dump_json(list(columns)))
    for number, values in enumerate(columns.values()):  # a name may hold what the name of a file must not
        TextColumn.of(values).write(below / str(number))


def read_display(folder: Path) -> dict[str, TextColumn]:
    """The columns of the bundle in `folder`, mapped into memory.

    Raises:
        OSError: a file is missing.
        ValueError: the names are no list of different texts.
    """
    below = folder / DISPLAY
    names = _NAMES_OF.validate_json((below / _NAMES).read_bytes())
    if len(set(names)) < len(names) or "" in names:
        raise ValueError(f"{below / _NAMES}: expected different names, got {names}")
    return {name: TextColumn.read(below / str(number)) for number, name in enumerate(names)}
