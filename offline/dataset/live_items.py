"""Changes of the live catalogue that go over the item files of a data set: `live_items.parquet` beside it.

`aisle-offline collect` writes the file, with the newest change of every item that was changed while it was served. It
is whole at every moment, and the mark of `catalogue_mark` is written behind it.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import polars as pl

from app.artifact.catalogue_records import Kind
from app.artifact.item_fields import merged, read_fields, write_fields
from offline.errors import DatasetError, Mistake

LIVE_ITEMS_FILE: Final = "live_items.parquet"
_SCHEMA: Final = pl.Schema({"item_id": pl.String(), "kind": pl.String(), "fields": pl.Binary()})
_KINDS: Final = ("put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class LiveItem:
    """What is said of an item beside the item files, or over them."""

    kind: Kind
    fields: Mapping[str, Any]  # as `app.artifact.item_fields`; none for `delete`

    @property
    def is_hidden(self) -> bool:
        """Whether the item is known and answered nowhere."""
        return bool(self.fields.get("hidden"))

    def followed_by(self, later: "LiveItem") -> "LiveItem":
        """What both say, one after the other. What is deleted comes again whole, never by some fields."""
        if later.kind != "patch":
            return later
        if self.kind == "delete":
            return self
        return LiveItem(self.kind, merged(self.fields, later.fields, is_whole=self.kind == "put"))


LiveItems = Mapping[str, LiveItem]
"""By item id, in the order in which the items were first changed."""


def read_live_items(root: Path) -> dict[str, LiveItem]:
    """The changes that go over the item files of the data set in the folder `root`; empty where there is no file.

    Raises:
        DatasetError: it is another file.
    """
    path = root / LIVE_ITEMS_FILE
    if not path.is_file():
        return {}
    try:
        table = pl.read_parquet(path, glob=False)
        if table.schema != _SCHEMA:
            raise ValueError(f"columns {', '.join(table.columns)}")
        return {item_id: _live_item(kind, body) for item_id, kind, body in table.iter_rows()}
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        expected, advice = "changes of items as collect writes them", "restore it from a copy, or take it away"
        raise DatasetError(Mistake(str(path), expected, str(error).partition("\n")[0], advice)) from error


def live_items_key(root: Path) -> list[object]:
    """What a stage depends on that reads the changes; empty without any, so that keys stay those of other data sets."""
    path = root / LIVE_ITEMS_FILE
    return [hashlib.sha256(path.read_bytes()).hexdigest()] if path.is_file() else []


def table_of(items: LiveItems) -> pl.DataFrame:
    """What `LIVE_ITEMS_FILE` holds of changes."""
    rows = [
        (item_id, item.kind, b"" if item.kind == "delete" else write_fields(item.fields))
        for item_id, item in items.items()
    ]
    return pl.DataFrame(rows, schema=_SCHEMA, orient="row")


def _live_item(kind: str, body: bytes) -> LiveItem:
    if kind not in _KINDS:
        raise ValueError(f"a change of the kind {kind!r}")
    return LiveItem(cast(Kind, kind), {} if kind == "delete" else read_fields(body))
