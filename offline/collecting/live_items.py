"""The changes of the live catalogue, beside the events: what the next training goes over the item files with."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.artifact.catalogue_records import CatalogueHead, CatalogueRecord
from app.artifact.item_document import ItemDocument
from app.artifact.item_fields import document_of, fields_of, read_fields, write_fields
from app.stores.catalogue import CatalogueChange
from offline.collecting.durable import write_whole
from offline.dataset.catalogue_mark import CATALOGUE_FILE, CatalogueMark, read_catalogue_mark
from offline.dataset.live_items import LIVE_ITEMS_FILE, LiveItem, read_live_items, table_of
from offline.dataset.spec import SPEC_FILE, read_spec
from offline.errors import DatasetError
from offline.ingest.clean_items import clean_items
from offline.ingest.item_documents import documents_of
from offline.tables.temporary import temporary_tables
from offline.workspace.live_catalogue import LiveCatalogueStore


@dataclass(frozen=True)
class CollectedItems:
    """What came of the changes of items."""

    changed: int  # items with a change that the folder did not have
    mark: CatalogueMark  # up to which the folder has them


def collect_items(
    store: LiveCatalogueStore, out: Path, describe: Callable[[], None], say: Callable[[str], None]
) -> CollectedItems | None:
    """Write the changes of the live catalogue into the folder `out`; None where it has them all already.

    The changes stay in the store, where a version that lacks them needs them. An item that is hidden gets no row in the
    next catalogue, and its whole document is written again behind the mark, so that it can be shown again.

    Args:
        store: has the changes.
        out: the folder of the data set.
        describe: called before anything is written.
        say: called with each line that a person may want to read.

    Raises:
        DatasetError: the changes that are in the folder, or the mark beside them, cannot be read.
        RunFolderError: a file cannot be written.
        RedisError: the store cannot be reached, or refuses.
    """
    mark, known = read_catalogue_mark(out), read_live_items(out)
    if mark is not None:
        store.require(CatalogueHead(mark.epoch, mark.sequence))
    head, records = store.documents()
    if not head.epoch:
        return None
    since = mark.sequence if mark is not None and mark.epoch == head.epoch else 0
    items = {record.item_id: item for record in records if (item := _read(record, say)) is not None}
    hidden = {
        record.item_id: record for record in records if record.item_id in items and items[record.item_id].is_hidden
    }
    fresh = {
        record.item_id
        for record in records
        if record.sequence > since and record.item_id in items and not _is_kept_hidden(record, items, known)
    }
    if not fresh:
        return None
    describe()
    now = dict(known)
    for item_id, item in items.items():
        if item_id in fresh:
            now[item_id] = now[item_id].followed_by(item) if item_id in now else item
    whole = _whole(
        out, {item_id: now[item_id] for item_id in hidden if item_id in now and now[item_id].kind == "patch"}
    )
    now |= whole
    table = table_of(now)
    write_whole(out / LIVE_ITEMS_FILE, table.write_parquet)
    _put_behind(store, head, hidden, now)
    mark = CatalogueMark(epoch=head.epoch, sequence=head.sequence)
    text = json.dumps(mark.model_dump()) + "\n"
    write_whole(out / CATALOGUE_FILE, lambda partial: partial.write_text(text, encoding="utf-8"))
    return CollectedItems(len(fresh), mark)


def _read(record: CatalogueRecord, say: Callable[[str], None]) -> LiveItem | None:
    if record.kind == "delete":
        return LiveItem("delete", {})
    try:
        return LiveItem(record.kind, read_fields(record.body))
    except ValueError as error:
        say(f"warning: what is stored of the item {record.item_id!r} cannot be read ({error}), and is left out: put it")
        return None


def _is_kept_hidden(record: CatalogueRecord, items: Mapping[str, LiveItem], known: Mapping[str, LiveItem]) -> bool:
    """Whether a record is one that an earlier pass wrote behind its mark: it says nothing new."""
    return items[record.item_id].is_hidden and known.get(record.item_id) == items[record.item_id]


def _whole(out: Path, hidden: Mapping[str, LiveItem]) -> dict[str, LiveItem]:
    """All that is known of hidden items of which the store has some fields only, where their item files can be read."""
    if not hidden or not (out / SPEC_FILE).is_file():
        return {}
    try:
        spec = read_spec(out)
        if spec.items is None:
            return {}
        with temporary_tables():
            rows = clean_items(spec, spec.items, 1.0).rows
    except DatasetError:  # what is wrong there the next run says
        return {}
    rows = rows.filter(rows["item_id"].is_in(list(hidden)))
    documents = zip(rows["item_id"].to_list(), documents_of(rows), strict=True)
    return {item_id: _put_of(hidden[item_id], document) for item_id, document in documents}


def _put_of(change: LiveItem, document: ItemDocument) -> LiveItem:
    return LiveItem("put", fields_of(document_of(change.fields, document)))


def _put_behind(
    store: LiveCatalogueStore, head: CatalogueHead, hidden: Mapping[str, CatalogueRecord], now: Mapping[str, LiveItem]
) -> None:
    """Write hidden items again, unless somebody changes them meanwhile: a version with the mark lacks them."""
    changes = [
        CatalogueChange(item_id, now[item_id].kind, write_fields(now[item_id].fields), record.sequence)
        for item_id, record in hidden.items()
        if item_id in now and record.sequence <= head.sequence
    ]
    if changes:
        store.write(changes)
