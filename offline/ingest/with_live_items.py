"""The catalogue as it is now: the rows of a shop's item files with the changes of the live catalogue over them."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from unicodedata import normalize

import polars as pl

from app.artifact.item_document import ItemDocument
from app.artifact.item_fields import document_of
from offline.dataset.live_items import LiveItem, LiveItems, read_live_items
from offline.dataset.spec import DatasetSpec, ItemsSpec
from offline.ingest.attributes import attribute_words
from offline.ingest.clean_items import CODES, DISPLAY, ITEMS_SCHEMA, PLACE, CleanRows, clean_items
from offline.ingest.item_documents import documents_of
from offline.ingest.variants import VARIANTS

_OWN: Final = (VARIANTS, PLACE)  # of the files alone: a live change says nothing of them
_CURRENCY: Final = "currency"


def with_live_items(rows: pl.DataFrame, changes: LiveItems, spec: DatasetSpec) -> tuple[pl.DataFrame, dict[str, int]]:
    """The rows of a clean catalogue with changes over them, sorted by id, and how many of each kind there were.

    Items that are deleted or hidden have no row; nor has one of which only some fields are known. Columns that no
    bundle knew become attributes, and those for display where their values are no plain ones.
    """
    if not changes:
        return rows, {}
    before = rows.filter(pl.col("item_id").is_in(list(changes)))
    known = dict(zip(before["item_id"].to_list(), documents_of(before), strict=True))
    counts: Counter[str] = Counter()
    documents: dict[str, ItemDocument] = {}
    for item_id, change in changes.items():
        document = current_document(change, known.get(item_id))
        if document is None:
            counts["deleted" if change.kind == "delete" else "unknown"] += 1
        elif document.hidden:
            counts["hidden"] += 1
        else:
            counts["changed" if item_id in known else "new"] += 1
            documents[item_id] = document
    untouched = rows.filter(~pl.col("item_id").is_in(list(changes)))
    codes = () if spec.items is None else spec.items.codes
    changed = _with_own(_rows_of(documents, rows.schema, codes), before, rows)
    joined = pl.concat([untouched, changed], how="diagonal_relaxed")
    return joined.sort("item_id"), dict(counts)


def current_items(spec: DatasetSpec, table: ItemsSpec, max_bad_share: float) -> CleanRows:
    """As `clean_items`, with the changes of the live catalogue over what the files say, counted as `live`.

    Raises:
        DatasetError: as `clean_items`, and where the changes cannot be read.
    """
    changes = read_live_items(spec.root)
    cleaned = clean_items(spec, table, max_bad_share)
    rows, counts = with_live_items(cleaned.rows, changes, spec)
    return replace(cleaned, rows=rows, counts=cleaned.counts | {"live": counts}) if changes else cleaned


def bare_rows(item_ids: pl.DataFrame) -> pl.DataFrame:
    """Rows of items of which nothing is known but their ids, in the column `item_id`, each once."""
    missing = [
        pl.lit(None, dtype).alias(name)
        for name, dtype in ITEMS_SCHEMA.items()
        if name not in ("item_id", "text", "attributes")
    ]
    rows = item_ids.select(
        "item_id", *missing, pl.lit("").alias("text"), pl.lit([], pl.List(pl.String)).alias("attributes")
    )
    return rows.select(ITEMS_SCHEMA.names()).sort("item_id")


def current_document(change: LiveItem, known: ItemDocument | None) -> ItemDocument | None:
    """An item after a change, for training; None where it is no more, or was not known and came by some fields only."""
    if change.kind == "delete" or (change.kind == "patch" and known is None):
        return None
    return document_of(_trainable(change.fields), known if change.kind == "patch" else None)


def _trainable(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields in which the columns that no bundle knew have become attributes, or columns for display."""
    values = {name: None if text is None else json.loads(text) for name, text in fields.get("further", {}).items()}
    attributes = {name: attribute_words(value) for name, value in values.items() if _is_plain(value)}
    shown = {name: fields["further"][name] for name in values if name not in attributes}
    trainable = {name: value for name, value in fields.items() if name != "further"}
    for name, new in (("attributes", attributes), ("display", shown)):
        if new:
            trainable[name] = new | trainable.get(name, {})
    return trainable


def _is_plain(value: object) -> bool:
    """Whether it is one value, or a list of such."""
    return not any(isinstance(entry, dict | list) for entry in (value if isinstance(value, list) else [value]))


def _rows_of(documents: Mapping[str, ItemDocument], schema: pl.Schema, codes: Sequence[str]) -> pl.DataFrame:
    """The rows of documents, with the columns of `schema` and those that documents have besides."""
    columns = {normalize("NFC", name): name for name in schema if name.startswith(DISPLAY)}
    rows = [_row(item_id, document, columns, codes) for item_id, document in documents.items()]
    shown = dict.fromkeys(name for row in rows for name in row if name.startswith(DISPLAY))
    types: dict[str, Any] = {name: dtype for name, dtype in schema.items() if name not in _OWN}
    types |= {name: pl.String() for name in shown if name not in types}
    if any(document.currency is not None for document in documents.values()):
        types[_CURRENCY] = pl.String()
    return pl.DataFrame([[row.get(name) for name in types] for row in rows], schema=types, orient="row")


def _row(item_id: str, document: ItemDocument, columns: Mapping[str, str], codes: Sequence[str]) -> dict[str, Any]:
    pairs = [pair.partition("=")[::2] for pair in document.attributes]
    shown = {f"{DISPLAY}{name}": text for name, text in document.display.items()}
    return {
        "item_id": item_id,
        "title": document.title,
        "category": document.category,
        "brand": document.brand,
        "price": document.price,
        _CURRENCY: document.currency,
        "in_stock": document.in_stock,
        "added": document.added,
        "text": document.description or "",
        "attributes": list(document.attributes),
        CODES: list(dict.fromkeys(value for name, value in pairs if name in codes)),
        **{columns.get(normalize("NFC", name), name): text for name, text in shown.items()},
    }


def _with_own(changed: pl.DataFrame, before: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Changed rows with what the files alone say: their variants, and a place behind all others for new ones."""
    own = [name for name in _OWN if name in rows.columns]
    changed = changed.join(before.select("item_id", *own), on="item_id", how="left", maintain_order="left")
    if PLACE not in own:
        return changed
    behind = 1 + int(rows[PLACE].max() or 0)  # type: ignore[arg-type]  # of whole numbers
    place = pl.when(pl.col(PLACE).is_null()).then(behind + pl.col(PLACE).is_null().cum_sum() - 1).otherwise(PLACE)
    return changed.with_columns(place.cast(rows.schema[PLACE]).alias(PLACE))
