"""Up to which change of the live catalogue the item file of a data set goes: `catalogue.json` beside it."""

import json
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from offline.errors import DatasetError, Mistake

CATALOGUE_FILE: Final = "catalogue.json"
_MOST_BYTES: Final = 4096


class CatalogueMark(BaseModel):
    """A change of the live catalogue, by its number in one epoch. The item file has it and all before it."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)
    epoch: str = Field(min_length=1)
    sequence: int = Field(ge=0)


def is_mark(path: Path) -> bool:
    """Whether a file is a mark, right or wrong: a shop may call its own list of products so."""
    return path.name == CATALOGUE_FILE and _document(path) is not None


def read_catalogue_mark(root: Path) -> CatalogueMark | None:
    """The mark of the data set in the folder `root`; None where its items were not collected.

    Raises:
        DatasetError: what it says is not one.
    """
    path = root / CATALOGUE_FILE
    document = _document(path)
    if document is None:
        return None
    try:
        return CatalogueMark.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = ".".join(map(str, first["loc"]))
        expected = "`epoch`, a text, and `sequence`, a whole number from 0"
        got = f"{document.get(name)!r} as {name}" if name in document else f"no {name}"
        advice = "collect again, or delete it, and no live change counts as known"
        raise DatasetError(Mistake(str(path), expected, got, advice)) from None


def catalogue_key(root: Path) -> list[object]:
    """What a stage depends on that carries the mark; empty without one, so that keys stay those of other data sets."""
    mark = read_catalogue_mark(root)
    return [] if mark is None else [mark.epoch, mark.sequence]


def _document(path: Path) -> dict[str, Any] | None:
    """The object in a file that names an epoch or a sequence, and hardly more; None of any other file, or none."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) and document.keys() & CatalogueMark.model_fields.keys() else None
