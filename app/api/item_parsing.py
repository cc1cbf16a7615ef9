"""From the wire to the fields of an item: typed against the catalogue that is served."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from app.api.schemas import MAX_NAME, Time
from app.api.wire_values import unix_of
from app.artifact.filter_columns import FALSE_TEXT, PATHS, TRUE_TEXT, levels_of
from app.artifact.ids import MAX_ID, composed_id
from app.artifact.item_fields import NAMED_FIELDS
from app.engine.selection.column import ATTRIBUTES
from app.engine.snapshot import Snapshot
from app.errors import InvalidRequest

PLAIN: Final = ("title", "brand", "currency", "description")
STANDARD: Final = (*PLAIN, "category", "price", "in_stock", "added", "hidden", "attributes")
"""The fields that items of every catalogue may have."""
MAX_VALUES: Final = 100
"""Values of one attribute, and categories of one item."""
LARGEST_NUMBER: Final = 1e15
_MOST_SHOWN: Final = 20  # names in a message
_CURRENCY: Final = re.compile("[A-Za-z]{3}")
_TIME: Final = TypeAdapter(Time)


class WrongField(Exception):
    """A field of an item is wrong.

    Args:
        field: its name, empty for the item as a whole.
        reason: what was expected, and what came.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class ItemParser:
    """Reads the fields of items.

    Args:
        snapshot: whose catalogue they are of.
        keeps_new: whether columns that it does not know are kept for the next training, rather than refused.
    """

    snapshot: Snapshot
    keeps_new: bool = False

    def whole(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """All fields of an item, as they are stored; what is missing is left out. None where they say nothing of it.

        Raises:
            WrongField: one of them is wrong.
        """
        given = {name: value for name, value in row.items() if value is not None or name != "attributes"}
        fields = {name: value for name, value in self.some(given).items() if value is not None}
        for name in NAMED_FIELDS:
            if name in fields:
                fields[name] = {key: value for key, value in fields[name].items() if value is not None}
        return fields if any(map(_says_something, fields, fields.values())) else {}

    def some(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Some fields of an item; None clears one.

        Raises:
            WrongField: one of them is wrong.
        """
        fields: dict[str, Any] = {}
        for name, value in row.items():
            if name in STANDARD:
                self._take_standard(fields, name, value)
            elif name != "item_id":
                self._take_other(fields, name, value)
        return fields

    def _take_standard(self, fields: dict[str, Any], name: str, value: Any) -> None:
        if name == "attributes":
            if value is None:
                if name in fields:
                    raise _cleared_and_said()
                fields[name] = None
                return
            if not isinstance(value, dict):
                raise WrongField(name, f"expected values by name, got {_kind(value)}")
            for attribute, values in value.items():
                self._take_attribute(fields, attribute, values)
        elif name == "hidden":
            fields[name] = _flag(name, False if value is None else value)
        elif value is None:
            fields[name] = None
        elif name in PLAIN:
            fields[name] = _currency(value) if name == "currency" else _text_or_none(name, value)
        elif name == "category":
            fields[name] = _category(value)
        elif name == "price":
            fields[name] = _number(name, value, least=0.0)
        elif name == "in_stock":
            fields[name] = _flag(name, value)
        else:
            fields[name] = _time(name, value)

    def _take_other(self, fields: dict[str, Any], name: str, value: Any) -> None:
        """A column by the catalogue's own name: an attribute, or one that is for display alone."""
        if name in self.snapshot.catalogue.display:
            _put_once(fields, "display", name, None if value is None else orjson.dumps(value).decode())
        else:
            self._take_attribute(fields, name.removeprefix(ATTRIBUTES), value)

    def _take_attribute(self, fields: dict[str, Any], name: str, value: Any) -> None:
        name = composed_id(name) if len(name) <= MAX_NAME else name
        filters = self.snapshot.filters
        path = f"{ATTRIBUTES}{name}"
        if not filters.has(path):
            if not self.keeps_new or not name or len(name) > MAX_NAME:
                raise WrongField(name[:MAX_NAME], f"the catalogue has no such column; {self._known()}")
            _put_once(fields, "further", name, None if value is None else orjson.dumps(value).decode())
            return
        values = value if isinstance(value, list) else [value]
        if len(values) > MAX_VALUES:
            raise WrongField(name, f"expected at most {MAX_VALUES} values, got {len(values)}")
        kinds = filters.column(path, name).kinds
        texts = None if value is None else list(dict.fromkeys(_attribute_value(name, one, kinds) for one in values))
        _put_once(fields, "attributes", name, texts)

    def _known(self) -> str:
        own = [column.removeprefix(ATTRIBUTES) for column in self.snapshot.filters.names if column not in STANDARD]
        known = list(dict.fromkeys([*STANDARD, *own, *self.snapshot.catalogue.display]))
        more = f" and {len(known) - _MOST_SHOWN} more" if len(known) > _MOST_SHOWN else ""
        return (
            f"it has {', '.join(known[:_MOST_SHOWN])}{more}: correct the name, or send ?new_columns=keep to store it "
            "for the next training"
        )


def checked_id(item_id: Any) -> str:
    """An id as ids are kept.

    Raises:
        WrongField: it cannot be one.
    """
    if not isinstance(item_id, str) or not item_id:
        raise WrongField(
            "item_id", f"expected the id of an item, got {_kind(item_id) if item_id != '' else 'an empty text'}"
        )
    if len(item_id) > MAX_ID:
        raise WrongField("item_id", f"expected at most {MAX_ID} characters, got {len(item_id)}")
    return composed_id(_clean("item_id", item_id))


def invalid(error: WrongField) -> InvalidRequest:
    """The refusal of a call with a wrong field."""
    return InvalidRequest(str(error), error.field) if error.field else InvalidRequest(str(error))


def _put_once(fields: dict[str, Any], group: str, name: str, value: Any) -> None:
    """Keep a value by name; the same column by two names, or within `attributes` and beside them, is a mistake."""
    values = fields.setdefault(group, {})
    if values is None:
        raise _cleared_and_said()
    if name in values:
        raise WrongField(name, "expected once, got twice: leave one out")
    values[name] = value


def _cleared_and_said() -> WrongField:
    return WrongField("attributes", "expected null or values, got null and values: leave one out")


def _says_something(name: str, value: Any) -> bool:
    """Whether a field says anything of an item itself."""
    return name != "hidden" and (name not in NAMED_FIELDS or any(value.values()))


def _attribute_value(name: str, value: Any, kinds: Sequence[str]) -> str:
    """A value of an attribute as text, of one of these kinds."""
    only = kinds[0] if len(kinds) == 1 else "text"
    if isinstance(value, bool):
        if only != "number":
            return TRUE_TEXT if value else FALSE_TEXT
    elif isinstance(value, int | float):
        if only != "boolean":
            number = _number(name, value)
            return repr(int(number)) if number == int(number) else repr(number)
    elif isinstance(value, str):
        text = _text(name, value).strip()
        if only == "boolean" and text.lower() in {TRUE_TEXT, FALSE_TEXT}:
            return text.lower()
        if only == "number" and _is_number(text):
            return text
        if text and only == "text":
            return text
    expected = {"number": "a number", "boolean": "true or false"}.get(only, "a text, a number, true or false")
    raise WrongField(name, f"expected {expected}, got {_shown(value)}")


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and abs(float(text)) <= LARGEST_NUMBER
    except ValueError:
        return False


def _category(value: Any) -> str | None:
    paths = value if isinstance(value, list) else [value]
    if len(paths) > MAX_VALUES:
        raise WrongField("category", f"expected at most {MAX_VALUES} paths, got {len(paths)}")
    tidy = [_path(_text("category", path)) for path in paths]
    return PATHS.join(dict.fromkeys(path for path in tidy if path)) or None


def _path(text: str) -> str:
    levels = levels_of(text.replace(PATHS, " "))
    return levels[-1] if levels else ""


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise WrongField(name, f"expected a text, got {_kind(value)}")
    return composed_id(_clean(name, value))


def _text_or_none(name: str, value: Any) -> str | None:
    """A text; none for one without anything to see."""
    text = _text(name, value)
    return text if text.strip() else None


def _currency(value: Any) -> str | None:
    text = _text("currency", value)
    if text and not _CURRENCY.fullmatch(text):
        raise WrongField("currency", f"expected three letters, as in ISO 4217, such as EUR, got {_shown(value)}")
    return text or None


def _clean(name: str, text: str) -> str:
    if "\0" in text or (not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text)):
        raise WrongField(name, "expected a text of Unicode characters, got one with others")
    return text


def _number(name: str, value: Any, least: float = -LARGEST_NUMBER) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongField(name, f"expected a number, got {_kind(value)}")
    if not math.isfinite(value) or not least <= value <= LARGEST_NUMBER:
        raise WrongField(name, f"expected a number from {least:g} to {LARGEST_NUMBER:g}, got {value!r}")
    return float(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise WrongField(name, f"expected true or false, got {_shown(value)}")
    return value


def _time(name: str, value: Any) -> float:
    try:
        return unix_of(_TIME.validate_python(value))
    except ValidationError as error:
        raise WrongField(name, f"expected ISO 8601 or Unix time, got {_shown(value)}") from error


def _shown(value: Any) -> str:
    if isinstance(value, bool) or value is None or (isinstance(value, int | float) and abs(value) < LARGEST_NUMBER):
        return orjson.dumps(value).decode()
    return repr(value) if isinstance(value, str) and len(value) <= 40 else _kind(value)


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return names.get(type(value), "a number")
