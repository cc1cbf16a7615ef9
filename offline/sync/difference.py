"""What has to be said of items so that the live catalogue has what an export says."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.artifact.catalogue_records import Kind
from app.artifact.item_document import ItemDocument
from offline.sync.export_file import ExportedItems
from offline.sync.known_item import FIELDS, KnownItem, attributes_of, paths_of

_SAME_MOMENT_S: Final = 1e-3


@dataclass(frozen=True)
class Operation:
    """What is to become of one item. In a patch None clears."""

    item_id: str
    kind: Kind
    fields: Mapping[str, Any] = field(default_factory=dict)  # of `FIELDS`
    attributes: Mapping[str, list[str] | None] = field(default_factory=dict)
    display: Mapping[str, Any] = field(default_factory=dict)

    def said(self) -> str:
        """The operation in words, for people."""
        if self.kind == "delete":
            return f"delete {self.item_id}"
        values = {**self.fields, **self.attributes, **self.display}
        shown = ", ".join(f"{name}: {_shown(value)}" for name, value in values.items())
        return f"{self.kind} {self.item_id}: {shown}"


@dataclass(frozen=True)
class Difference:
    """The operations, new items first."""

    puts: list[Operation]
    patches: list[Operation]
    missing: list[Operation]  # deletes of items that the export does not have
    same: int  # items of which nothing has to be said

    @property
    def known(self) -> int:
        """How many items the export and the live catalogue have in common, or the latter alone."""
        return self.same + len(self.patches) + len(self.missing)


def difference(exported: ExportedItems, known: Mapping[str, KnownItem]) -> Difference:
    """Compare an export with the live catalogue; what the export has no column of is as it shall be.

    Hidden items that the export does not have stay as they are.
    """
    puts, patches = [], []
    for item_id, document in exported.documents.items():
        if item_id not in known:
            puts.append(_put(item_id, document))
        elif (patch := _patch(item_id, document, known[item_id], exported)) is not None:
            patches.append(patch)
    missing = [
        Operation(item_id, "delete")
        for item_id, item in known.items()
        if item_id not in exported.documents and not item.is_hidden
    ]
    return Difference(puts, patches, missing, len(exported.documents) - len(puts) - len(patches))


def _put(item_id: str, document: ItemDocument) -> Operation:
    fields: dict[str, Any] = {name: value for name in FIELDS if (value := getattr(document, name)) not in (None, "")}
    shown = {name: json.loads(text) for name, text in document.display.items()}
    return Operation(item_id, "put", fields, attributes_of(document), shown)


def _patch(item_id: str, document: ItemDocument, known: KnownItem, exported: ExportedItems) -> Operation | None:
    fields: dict[str, Any] = {
        name: getattr(document, name)
        for name in FIELDS
        if name in exported.fields and not _is_same(name, getattr(document, name), known.fields.get(name))
    }
    own = attributes_of(document)
    attributes = {
        name: own.get(name)
        for name in sorted(exported.attributes)
        if sorted(own.get(name, ())) != sorted(known.words_of(name))
    }
    shown = dict(_other_columns(document, known, exported))
    return Operation(item_id, "patch", fields, attributes, shown) if fields or attributes or shown else None


def _other_columns(document: ItemDocument, known: KnownItem, exported: ExportedItems) -> Iterator[tuple[str, Any]]:
    for name in sorted(exported.display):
        text = document.display.get(name)
        value = None if text is None else json.loads(text)
        if value != known.others.get(name):
            yield name, value


def _is_same(name: str, exported: Any, known: Any) -> bool:
    """Whether a field is as an export tells it. An export that does not know when an item was added leaves that."""
    if name == "category":
        own_paths, known_paths = paths_of(exported), paths_of(known)
        folded = [{path.casefold() for path in paths} for paths in (own_paths, known_paths)]
        return own_paths[:1] == known_paths[:1] and folded[0] == folded[1]
    if name == "added":
        return exported is None or (known is not None and abs(exported - known) < _SAME_MOMENT_S)
    return bool((exported or None) == (known or None)) if isinstance(exported, str | None) else bool(exported == known)


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:60]}.."
