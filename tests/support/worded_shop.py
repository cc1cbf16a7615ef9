"""A bundle whose items have the words that a test wants: another one's numbers under a catalogue of its own."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.manifest import list_files, read_manifest
from app.artifact.parts import numbers_of
from app.artifact.text.synonym_table import SynonymTable
from offline.export.catalogue_columns import write_catalogue
from offline.export.chosen import make_chosen_index
from offline.export.codes import write_codes
from offline.export.filter_columns import write_filters
from offline.export.lexical import brands_by_code, queries_by_row, write_lexical
from offline.export.vocabulary import write_vocabulary
from offline.ingest.clean_items import ITEMS_SCHEMA

_SCHEMA = {"row": pl.UInt32()} | {name: kind for name, kind in ITEMS_SCHEMA.items() if name != "added"}
Item = dict[str, Any]
"""Some of the columns of a split's item table; further items, which no test asks for, fill the bundle up."""


def write_worded_bundle(
    source: Path,
    folder: Path,
    items: list[Item],
    queries: dict[str, str] | None = None,
    known: tuple[str, ...] = (),
    synonyms: SynonymTable | None = None,
    chosen: Sequence[tuple[str, str, str]] = (),
) -> Path:
    """Write a bundle like the one in `source`, with other items; its vectors are those of the items before.

    Args:
        source: a bundle, or a store of bundles.
        folder: of the new bundle.
        items: no more than the bundle has.
        queries: by item id, what people searched for who then chose it.
        known: columns that filters may name, though no item has a value.
        synonyms: of the shop, and its stop words.
        chosen: who searched for what, and the id of the item that they chose then.
    """
    shutil.copytree(resolve(source), folder, ignore=shutil.ignore_patterns("lexical", "vocabulary", "filters", "codes"))
    manifest = read_manifest(folder)
    fillers = [
        {"item_id": f"filler-{row}", "title": f"Thing {row}"} for row in range(len(items), manifest.shapes.items)
    ]
    rows = [{"row": row} | item for row, item in enumerate([*items, *fillers], start=1)]
    table = pl.DataFrame(rows, schema=_SCHEMA)
    TextColumn.of(["", *table["item_id"].to_list()]).write(folder / names.ITEM_IDS)
    shutil.rmtree(folder / names.CATALOGUE)
    columns = write_catalogue(folder, table)
    write_filters(folder, table, np.full(table.height + 1, np.nan), known)
    brands = brands_by_code(table["brand"])
    codes = np.load(folder / names.ITEM_CODES)
    codes[1 : table.height + 1, 1] = [brands.index(brand) for brand in table["brand"].to_list()]
    np.save(folder / names.ITEM_CODES, codes)
    synonyms = synonyms or SynonymTable()
    synonyms.write(folder)
    vocabulary = write_vocabulary(folder, table, [(text, 1) for text in synonyms.texts()])
    pairs = [(row["row"], (queries or {}).get(row["item_id"])) for row in rows]
    logged = pl.DataFrame(
        [(row, query, 1.0) for row, query in pairs if query], schema=["item", "query", "share"], orient="row"
    )
    write_lexical(folder, table, vocabulary, queries_by_row(logged, table.height))
    write_codes(folder, table)
    row_of = {row["item_id"]: row["row"] for row in rows}
    events = [(user, query, row_of[item_id], None) for user, query, item_id in chosen]
    schema = {"user": pl.String, "typed": pl.String, "item": pl.UInt32, "time": pl.Float64}
    make_chosen_index(pl.DataFrame(events, schema=schema, orient="row"), vocabulary).write(folder)
    files = list_files(folder)
    document = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    document |= {
        "version": folder.name,
        "catalogue_columns": columns,
        "parts": numbers_of(files),
        "files": {path: entry.model_dump() for path, entry in files.items()},
    }
    (folder / names.MANIFEST).write_text(json.dumps(document), "utf-8")
    return folder
