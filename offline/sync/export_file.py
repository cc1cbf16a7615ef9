"""The items of a shop's export, read as `init` and `dataset.toml` say, and what the export says of items at all."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import polars as pl

from app.artifact.ids import composed_id
from app.artifact.item_document import ItemDocument
from offline.dataset.open_source import open_source
from offline.dataset.reading import find_files
from offline.dataset.spec import SPEC_FILE, DatasetSpec, ItemsSpec, read_spec
from offline.errors import DatasetError, InputError
from offline.ingest.clean_items import DISPLAY, clean_items, item_requests
from offline.ingest.item_documents import documents_of
from offline.ingest.rejects import with_lines
from offline.onboarding.files import group_of
from offline.onboarding.guess import guess_folder
from offline.onboarding.toml_writer import toml_of
from offline.tables.temporary import temporary_tables
from offline.workspace.progress import Progress

_PLAIN: Final = ("title", "category", "brand", "price", "in_stock", "added")
_ADVICE: Final = "write a dataset.toml with [items] that says which column is what, and name it with --data"


@dataclass(frozen=True)
class ExportedItems:
    """What an export says. A field, an attribute or a column that it has no column of it says nothing about."""

    documents: dict[str, ItemDocument]
    fields: frozenset[str]  # of `ItemDocument`, those with one value
    attributes: frozenset[str]  # names
    display: frozenset[str]  # names
    rejected: tuple[str, ...]  # a line for each row that cannot be an item


def read_export(
    items: str | None,
    data: Path | None,
    max_bad_share: float,
    progress: Progress,
    say: Callable[[str], None],
) -> ExportedItems:
    """Read the items of an export.

    Args:
        items: a file, a pattern or a URL; None for what `data` names.
        data: `dataset.toml`, or its folder, whose `[items]` says which column is what; guessed if left out.
        max_bad_share: the share of bad rows past which nothing is taken.
        progress: called with what is done.
        say: called with each line that a person may want to read.

    Raises:
        DatasetError: a file or a column is missing, no catalogue can be told, or too many rows are bad.
        InputError: neither is given.
    """
    if items is None and data is None:
        raise InputError("expected --items FILE, or --data with a dataset.toml that has [items], got neither")
    with temporary_tables(progress):
        progress(0, 1, "reading the export")
        spec = _guessed_spec(items) if data is None and items is not None else _told_spec(data, items)
        if spec.items is None:
            raise DatasetError(f"{spec.toml.location()}: expected a table [items], got none: {_ADVICE}")
        if data is not None and items is not None:
            spec = _without_missing(spec, spec.items, say)
        exported = _read(spec, max_bad_share)
        progress(1, 1, "read the export")
        return exported


def _without_missing(spec: DatasetSpec, table: ItemsSpec, say: Callable[[str], None]) -> DatasetSpec:
    """The same without the columns that a file lacks, such as one of prices alone; each of them is told."""
    source = open_source(spec, "items")
    missing = {column for column in table.value_columns if not source.has(column)}
    if not missing:
        return spec
    say(f"the export has no {', '.join(sorted(missing))}: what the catalogue has of it stays")
    return spec.model_copy(update={"items": table.without(missing)})


def _read(spec: DatasetSpec, max_bad_share: float) -> ExportedItems:
    table = spec.items
    assert table is not None  # noqa: S101 - it was looked for
    source = open_source(spec, "items")
    roles = {request.role for request in item_requests(spec, table) if source.has(request.column)}
    cleaned = clean_items(spec, table, max_bad_share)
    rows = cleaned.rows
    documents = dict(zip(map(composed_id, rows["item_id"].to_list()), documents_of(rows), strict=True))
    fields: set[str] = {name for name in _PLAIN if name in roles}
    if any(role.startswith("text.") for role in roles):
        fields.add("description")
    if "currency" in rows.columns and "price" in roles:
        fields.add("currency")
    pairs = rows.select(pl.col("attributes").explode().drop_nulls().unique()).to_series()
    attributes = {pair.partition("=")[0] for pair in pairs}
    attributes |= {name for name in table.codes if f"codes.{name}" in roles}
    attributes |= {
        name for name in table.attributes if _is_plain(source.schema.get(name)) and f"attributes.{name}" in roles
    }
    return ExportedItems(
        documents=documents,
        fields=frozenset(fields),
        attributes=frozenset(attributes),
        display=frozenset(name.removeprefix(DISPLAY) for name in rows.columns if name.startswith(DISPLAY)),
        rejected=tuple(_lines(cleaned.rejected)),
    )


def _is_plain(dtype: pl.DataType | None) -> bool:
    return dtype is not None and not isinstance(dtype, pl.Struct)


def _lines(rejected: pl.DataFrame) -> list[str]:
    located = with_lines(rejected)
    return [
        f"{row['file']}, {'row' if row.get('line') is None else 'line'} {row.get('line') or row['row']}: "
        f"{row['reason'].replace('_', ' ')}"
        for row in located.iter_rows(named=True)
    ]


def _told_spec(data: Path | None, items: str | None) -> DatasetSpec:
    assert data is not None  # noqa: S101 - one of both is given
    spec = read_spec(data)
    if items is None or spec.items is None:
        return spec
    files = find_files(Path.cwd(), (items,), "--items")
    joins = tuple(entry for entry in spec.items.path if not isinstance(entry, str))
    paths = tuple(str(Path(file).resolve()) if "://" not in file else file for file in files)
    table = spec.items.model_copy(update={"path": (*paths, *joins)})
    return spec.model_copy(update={"items": table})


def _guessed_spec(items: str) -> DatasetSpec:
    """What `init` would write of these files alone."""
    files = find_files(Path.cwd(), (items,), "--items")
    guessed = guess_folder([group_of(files)])
    if guessed.items is None:
        what = "events" if guessed.events is not None else "no catalogue"
        raise DatasetError(f"{items}: expected a table of items, got what looks like {what}: {_ADVICE}")
    with TemporaryDirectory(prefix="aisle-sync-") as folder:
        path = Path(folder) / SPEC_FILE
        path.write_text(toml_of("export", replace(guessed, events=None, users=None)), encoding="utf-8")
        spec = read_spec(path)
    return spec.model_copy(update={"toml": replace(spec.toml, path=Path(f"the guess for {items}"))})
