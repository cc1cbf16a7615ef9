"""From the bodies of calls that change items to operations, and to reasons why a row is none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import orjson

from app.api.item_parsing import ItemParser, WrongField, checked_id, invalid
from app.api.json_members import BOM, JsonFlawError, check_members, read_json
from app.errors import InvalidRequest
from app.serving.catalogue_writer import Operation
from app.stores.catalogue import Kind

_KINDS: Final = ("put", "patch", "delete")
_ONE_OPERATION: Final = 'one of {"put": {..}}, {"patch": {..}} and {"delete": "id"}'
_WHOLE_BATCH: Final = '{"operations": [{"put": {"item_id": ..}}, {"patch": {..}}, {"delete": "id"}]}'
_ITEM: Final = "the fields of an item as a JSON object"


@dataclass(frozen=True)
class BatchLimits:
    """The largest changes that an operator accepts."""

    body_bytes: int = 32 * 2**20
    item_bytes: int = 65_536  # of the JSON of one item
    operations: int = 10_000  # of a batch in JSON
    lines: int = 100_000  # of a batch with an operation a line


@dataclass(frozen=True, slots=True)
class Row:
    """One operation of a batch, not yet read."""

    value: Any  # of JSON, or the bytes of a line
    line: int | None = None  # its number, where operations are lines
    is_doubtful: bool = False  # whether objects in the value may name members twice


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row is not done."""

    code: Literal["invalid_item", "item_not_found"]
    message: str
    is_operation: bool = True  # whether it has the form of one


class _NoOperation(WrongField):
    """A row has not the form of an operation."""


def object_in(body: bytes) -> dict[str, Any]:
    """The fields of an item.

    Raises:
        InvalidRequest: the body is something else.
        WrongField: it names a field twice.
    """
    try:
        row = _value_of(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"the body: expected {_ITEM}, got {_no_json(body, error)}") from error
    if not isinstance(row, dict):
        raise InvalidRequest(f"the body: expected {_ITEM}, got something else")
    return row


def rows_of_json(body: bytes, most: int) -> Sequence[Row]:
    """The operations of a batch in JSON.

    Raises:
        InvalidRequest: the body is no batch, or has more than `most`.
    """
    try:
        document, is_doubtful = read_json(body)
        check_members(document, is_deep=False)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(
            f"the body: expected {_WHOLE_BATCH}, got {_no_json(body, error)}; operations a line need the Content-Type "
            "application/x-ndjson"
        ) from error
    except JsonFlawError as error:
        raise invalid(WrongField(error.name, str(error))) from error
    rows = document.get("operations") if isinstance(document, dict) and len(document) == 1 else None
    if not isinstance(rows, list):
        raise InvalidRequest(f"the body: expected {_WHOLE_BATCH}, got something else", "operations")
    if len(rows) > most:
        raise InvalidRequest(
            f"operations: at most {most} in one call, got {len(rows)}: send several calls, or one with an operation a "
            "line (application/x-ndjson)",
            "operations",
        )
    return [Row(row, is_doubtful=is_doubtful) for row in rows]


def rows_of_lines(body: bytes, most: int) -> Sequence[Row]:
    """The operations of a batch with one a line; lines without anything are none.

    Raises:
        InvalidRequest: there are more than `most`.
    """
    lines = body.removeprefix(BOM).splitlines()
    rows = [Row(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if len(rows) > most:
        raise InvalidRequest(f"the body: at most {most} lines in one call, got {len(rows)}: send several calls")
    return rows


def parse_rows(parser: ItemParser, limits: BatchLimits, rows: Sequence[Row]) -> list[Operation | Rejection]:
    """The operation of each row, or why it is none."""
    return list(_parsed(parser, limits, rows))


def operation_of(
    parser: ItemParser, limits: BatchLimits, kind: Kind, item_id: str, row: Mapping[str, Any], size: int
) -> Operation:
    """What is to become of an item by the fields that are given.

    Args:
        parser: reads them.
        limits: of one item.
        kind: `put` or `patch`.
        item_id: of the item.
        row: the fields.
        size: their bytes.

    Raises:
        WrongField: one of them is wrong, or they say nothing.
    """
    if size > limits.item_bytes:
        raise WrongField("", f"expected an item of at most {limits.item_bytes} bytes, got {size}: leave something out")
    fields = parser.whole(row) if kind == "put" else parser.some(row)
    if not fields:
        besides = " besides `hidden`" if kind == "put" else ""
        raise WrongField("", f"expected at least one field of the item{besides}, got none")
    return Operation(item_id, kind, fields)


def _parsed(parser: ItemParser, limits: BatchLimits, rows: Sequence[Row]) -> Iterator[Operation | Rejection]:
    for row in rows:
        try:
            yield _parse(parser, limits, row)
        except WrongField as error:
            yield Rejection("invalid_item", str(error), is_operation=not isinstance(error, _NoOperation))


def _parse(parser: ItemParser, limits: BatchLimits, row: Row) -> Operation:
    value = row.value
    if row.line is not None:
        if len(value) > 2 * limits.item_bytes:
            raise WrongField("", f"expected a line of at most {2 * limits.item_bytes} bytes, got {len(value)}")
        try:
            value = _value_of(value)
        except orjson.JSONDecodeError as error:
            raise _NoOperation("", f"expected an operation as a JSON object, got no JSON ({error})") from error
    elif row.is_doubtful:
        _check(value)
    if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= set(_KINDS):
        raise _NoOperation("", f"expected {_ONE_OPERATION}, got {_form_of(value)}")
    ((kind, item),) = value.items()
    if kind == "delete":
        return Operation(checked_id(item), "delete", {})
    if not isinstance(item, dict):
        raise WrongField(kind, "expected the fields of an item as an object, got something else")
    return operation_of(parser, limits, kind, checked_id(item.get("item_id")), item, len(orjson.dumps(item)))


def _value_of(text: bytes) -> Any:
    try:
        value, is_doubtful = read_json(text)
    except JsonFlawError as error:
        raise WrongField(error.name, str(error)) from error
    if is_doubtful:
        _check(value)
    return value


def _check(value: Any) -> None:
    try:
        check_members(value)
    except JsonFlawError as error:
        raise WrongField(error.name, str(error)) from error


def _form_of(value: Any) -> str:
    """What something is that is no operation, in words."""
    if isinstance(value, list):
        return "a list: send its entries a line each"
    if isinstance(value, dict):
        if value.keys() == {"operations"}:
            return "a whole batch: send it as application/json, or its operations a line each"
        return f"an object with {', '.join(map(repr, sorted(value)[:4]))}" if value else "an object without anything"
    return "something else"


def _no_json(body: bytes, error: orjson.JSONDecodeError) -> str:
    return f"no JSON (see line {error.lineno}, column {error.colno})" if body else "nothing"
