"""JSON in which a member that is named twice is a mistake, rather than the last one's say."""

import json
from typing import Any, Final

import orjson

BOM: Final = b"\xef\xbb\xbf"
"""A byte order mark, which some programs write in front of a text."""
MAX_LEVELS: Final = 64
"""Objects and lists within each other."""
_LARGEST_INTEGER: Final = 2**64 - 1


class JsonFlawError(ValueError):
    """A text is JSON, and not to be read as any.

    Args:
        name: of the member that is wrong, empty for the text as a whole.
        reason: what was expected, and what came.
    """

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


class _RepeatedMembers(dict[str, Any]):
    """An object that names a member twice."""

    name = ""


def read_json(text: bytes) -> tuple[Any, bool]:
    """The value of a JSON text, and whether `check_members` is to look at it before anything else does.

    Raises:
        orjson.JSONDecodeError: it is no JSON.
        JsonFlawError: it is nested too deeply.
    """
    text = text.removeprefix(BOM)
    value = orjson.loads(text)
    members = _count_members(value)
    # A colon for each member, and some in strings: where there are no more of them than members, none was dropped.
    if text.count(b":") == members:
        return value, False
    with_all = json.loads(text, object_pairs_hook=_object_of, parse_int=_integer_of)
    return with_all, _is_repeated(with_all)


def check_members(value: Any, *, is_deep: bool = True) -> None:
    """Refuse a value of `read_json` in which an object names a member twice.

    Args:
        value: to look at.
        is_deep: whether objects within it are looked at, too.

    Raises:
        JsonFlawError: one does.
    """
    if isinstance(value, _RepeatedMembers):
        raise JsonFlawError(value.name, "expected once, got twice: leave one out")
    if is_deep and isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            check_members(inner)


def _count_members(value: Any) -> int:
    """The members of all objects in a value."""
    count, level = 0, [value]
    for _ in range(MAX_LEVELS):
        below: list[Any] = []
        for one in level:
            if isinstance(one, dict):
                count += len(one)
                below += [inner for inner in one.values() if isinstance(inner, dict | list)]
            elif isinstance(one, list):
                below += [inner for inner in one if isinstance(inner, dict | list)]
        if not below:
            return count
        level = below
    raise JsonFlawError("", f"expected at most {MAX_LEVELS} objects and lists within each other, got more")


def _is_repeated(value: Any) -> bool:
    try:
        check_members(value)
    except JsonFlawError:
        return True
    return False


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    names = [name for name, _ in pairs]
    repeated = _RepeatedMembers(members)
    repeated.name = next(name for place, name in enumerate(names) if name in names[:place])
    return repeated


def _integer_of(digits: str) -> int | float:
    """As the other reader has it: what no machine word holds is a float."""
    if len(digits) > 20 or not -(2**63) <= int(digits) <= _LARGEST_INTEGER:
        return float(digits)
    return int(digits)
