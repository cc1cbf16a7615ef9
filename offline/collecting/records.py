"""Read the entries of streams as records, or say why an entry cannot be read."""

import math
import re
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from app.artifact.stream_records import (
    FIELD,
    EraseRecord,
    EventRecord,
    ImpressionRecord,
    MergeRecord,
    read_event_record,
)
from offline.collecting.streams import Entry

_HASH: Final = re.compile(r"[0-9a-f]{16}")
_LARGEST: Final = 2**63 - 1  # of a column of whole numbers


@dataclass(frozen=True, slots=True)
class Unreadable:
    """An entry that is rejected. Only the reason is kept: an erasure could not find a user in its content."""

    reason: str


def read_event(entry: Entry) -> EventRecord | MergeRecord | EraseRecord | Unreadable:
    """Read an entry of the event stream."""
    line = entry.fields.get(FIELD)
    if line is None:
        return Unreadable(_no_field())
    try:
        record = read_event_record(line)
    except ValidationError as error:
        return Unreadable(_first(error))
    flaw = _flaw(record.time, record.position if isinstance(record, EventRecord) else None)
    if isinstance(record, EraseRecord):
        flaw = flaw or _flaw_of_hash(record.user_hash)
    if isinstance(record, EventRecord) and record.person is None:
        flaw = "expected a user_id or a visitor_id, got neither"
    return record if flaw is None else Unreadable(flaw)


def read_impression(entry: Entry) -> ImpressionRecord | Unreadable:
    """Read an entry of the impression stream."""
    line = entry.fields.get(FIELD)
    if line is None:
        return Unreadable(_no_field())
    try:
        record = ImpressionRecord.model_validate_json(line)
    except ValidationError as error:
        return Unreadable(_first(error))
    flaw = _flaw(record.time, record.first_position) or _flaw(record.time, record.total)
    if record.user_hash is not None:
        flaw = flaw or _flaw_of_hash(record.user_hash)
    return record if flaw is None else Unreadable(flaw)


def _flaw(time: float, position: int | None) -> str | None:
    if not math.isfinite(time):
        return "time: expected unix seconds"
    return "position: expected a smaller number" if abs(position or 0) > _LARGEST else None


def _flaw_of_hash(user_hash: str) -> str | None:
    return None if _HASH.fullmatch(user_hash) else "user_hash: expected 16 hexadecimal digits"


def _no_field() -> str:
    return f"expected the field {FIELD.decode()}, got none"


def _first(error: ValidationError) -> str:
    """Return the first finding, without the value that it is about."""
    finding = error.errors(include_url=False, include_input=False, include_context=False)[0]
    field = ".".join(map(str, finding["loc"]))
    return f"{field}: {finding['msg']}" if field else finding["msg"]
