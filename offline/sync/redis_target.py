"""A live catalogue in Redis: the items of the bundle that is served, and what Redis says over them."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson
import redis

from app.artifact.bundle_store import folder_of, is_bundle, resolve
from app.artifact.catalogue_records import CatalogueHead, CatalogueRecord, Kind
from app.artifact.item_document import ItemDocument
from app.artifact.item_fields import document_of, merged, read_fields, write_fields
from app.artifact.manifest import read_manifest
from app.artifact.redis_keys import Keys
from app.stores.catalogue import CatalogueChange
from offline.errors import InputError
from offline.publishing.versions import read_pointer
from offline.sync.bundled_items import BundledItems
from offline.sync.difference import Operation
from offline.sync.known_item import KnownItem
from offline.sync.target import Refusal
from offline.workspace.live_catalogue import LiveCatalogueStore
from offline.workspace.progress import Progress

_MOST_BYTES: Final = 65_536
"""Of what is stored of an item, as the service takes it."""


class RedisTarget:
    """The catalogue of all replicas that share a Redis.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        bundle: the bundle that is served, or the store of bundles that it is in.
        keep_new: whether columns that it does not know are kept for the next training, rather than refused.
    """

    def __init__(self, client: redis.Redis, keys: Keys, bundle: Path, *, keep_new: bool) -> None:
        self._store = LiveCatalogueStore(client, keys)
        self._bundled = BundledItems(_served(client, keys, bundle))
        self._keep_new = keep_new
        self._records: dict[str, CatalogueRecord] = {}

    def items(self, progress: Progress) -> dict[str, KnownItem]:
        """All items as they are now, by id."""
        progress(0, 1, "reading the live catalogue")
        bundled, manifest = self._bundled, self._bundled.manifest
        if manifest.catalogue_epoch is not None and manifest.catalogue_sequence is not None:
            self._store.require(CatalogueHead(manifest.catalogue_epoch, manifest.catalogue_sequence))
        head, records = self._store.documents()
        self._records = {record.item_id: record for record in records}
        absorbed = manifest.catalogue_sequence if manifest.catalogue_epoch == head.epoch else None
        known = {item_id: KnownItem.of(document) for item_id, document in bundled.documents().items()}
        for record in records:
            if absorbed is None or record.sequence > absorbed:
                document = self._document_of(record)
                if document is None:
                    known.pop(record.item_id, None)
                else:
                    known[record.item_id] = KnownItem.of(document)
        progress(1, 1, "read the live catalogue")
        return known

    def send(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Do operations; one of an item that somebody else changed since it was read is refused."""
        changes, refused = [], []
        for operation in operations:
            try:
                changes.append(self._change_of(operation))
            except ValueError as error:
                refused.append(Refusal(operation.item_id, str(error)))
        written = self._store.write(changes)
        for change, record in zip(changes, written.records, strict=True):
            if record is None:
                refused.append(Refusal(change.item_id, "somebody changed it meanwhile: sync again"))
            else:
                self._records[record.item_id] = record
        return refused

    def _document_of(self, record: CatalogueRecord) -> ItemDocument | None:
        base = self._bundled.find(record.item_id) if record.kind == "patch" else None
        if record.kind == "delete" or (record.kind == "patch" and base is None):
            return None
        return document_of(_fields_in(record), base)

    def _change_of(self, operation: Operation) -> CatalogueChange:
        """The record that an operation leaves.

        Raises:
            ValueError: the item cannot be stored.
        """
        item_id, record = operation.item_id, self._records.get(operation.item_id)
        expected = 0 if record is None else record.sequence
        if operation.kind == "delete":
            return CatalogueChange(item_id, "delete", b"", expected)
        fields = self._stored(operation)
        kind: Kind = operation.kind
        if kind == "put":
            fields = {"added": time.time()} | fields
        elif record is not None and record.kind != "delete":
            kind, fields = record.kind, merged(_fields_in(record), fields, is_whole=record.kind == "put")
        body = write_fields(fields)
        if len(body) > _MOST_BYTES:
            raise ValueError(f"expected at most {_MOST_BYTES} bytes, got {len(body)}: leave something out")
        return CatalogueChange(item_id, kind, body, expected)

    def _stored(self, operation: Operation) -> dict[str, Any]:
        """The fields of an operation in the form of `app.artifact.item_fields`."""
        fields = dict(operation.fields)
        attributes, further = dict(operation.attributes), {}
        for name in [name for name in attributes if not self._bundled.has_attribute(name)]:
            values = attributes.pop(name)
            further[name] = None if values is None else _json(values if len(values) > 1 else values[0])
        shown = {name: None if value is None else _json(value) for name, value in operation.display.items()}
        further |= {name: shown.pop(name) for name in [name for name in shown if name not in self._bundled.display]}
        if further and not self._keep_new:
            raise ValueError(
                f"the catalogue has no column {', '.join(sorted(further))}: correct the name, or keep it for the next "
                "training with --new-columns keep"
            )
        named: Mapping[str, Mapping[str, Any]] = {"attributes": attributes, "display": shown, "further": further}
        return fields | {name: values for name, values in named.items() if values}


def _served(client: redis.Redis, keys: Keys, bundle: Path) -> Path:
    """The folder of the version that is served; that of `bundle` where none is published.

    Raises:
        InputError: the bundle is of another version.
    """
    version = read_pointer(client, keys)
    if version is None:
        return resolve(bundle)
    if not is_bundle(bundle):
        return folder_of(bundle, version)
    own = read_manifest(bundle).version
    if own != version:
        raise InputError(
            f"--bundle: expected the version that is served, {version}, got {own}: give its folder, or the store of all"
        )
    return bundle


def _fields_in(record: CatalogueRecord) -> dict[str, Any]:
    try:
        return read_fields(record.body)
    except ValueError:  # damaged: it counts as none
        return {}


def _json(value: object) -> str:
    return orjson.dumps(value).decode()
