"""What is wrong with the keys and values of a `dataset.toml`, with the line that each mistake is about."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from offline.dataset.source_spec import Join
from offline.dataset.toml_text import TomlText
from offline.errors import Mistake

_ENTRY = 3  # keys up to an entry of `path`


def mistake_of(
    toml: TomlText, error: ErrorDetails, models: Mapping[str, type[BaseModel]], file: type[BaseModel]
) -> Mistake:
    """A finding of pydantic, with the line that it is about.

    Args:
        toml: the text, and what it parses to.
        error: of `file`.
        models: of the tables, by name.
        file: the model of the whole file.
    """
    keys, entry = _keys(error["loc"])
    location = toml.location(*keys) if entry is None else entry_location(toml, keys, entry)
    known = (models.get(keys[0], file) if entry is None else Join).model_fields if len(keys) > 1 else file.model_fields
    context = error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            near = difflib.get_close_matches(keys[-1], known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "remove or correct it"
            return Mistake(location, f"one of {', '.join(known)}", f"the unknown key {keys[-1]!r}", hint)
        case "missing" if entry is not None and keys[-1] == "on":
            advice = 'add on = "order_id", or on = {ours = "theirs"} where the names differ'
            return Mistake(location, "the key 'on', the column by which the table joins the rows", "none", advice)
        case "missing":
            return Mistake(location, f"the key {keys[-1]!r}", "none", "add it")
        case "whole_mistake":
            where = toml.location(*keys, context["key"]) if context["key"] else location
            return Mistake(where, *context["whole"])
        case "string_pattern_mismatch":
            expected = "hr@k, recall@k, precision@k, ndcg@k, mrr@k, map@k or mrr"
        case "literal_error":
            expected = str(context.get("expected", "a known word"))
        case "model_type" | "model_attributes_type":
            expected = f"a table [{keys[-1]}]"
        case _:
            expected = error["msg"].removeprefix("Input should be ")
    return Mistake(location, expected, repr(error["input"]), "correct the value")


def entry_location(toml: TomlText, keys: Sequence[str], entry: int) -> str:
    """The file, line and key of an entry of a list; `keys` name the list, and what is wrong inside the entry."""
    value: Any = toml.value(*keys[:2])
    inner = value[entry] if isinstance(value, list) else value
    inside = inner.get("path") if isinstance(inner, Mapping) else inner
    text = inside if isinstance(inside, str) else next(iter(inside), None) if isinstance(inside, list) else None
    return toml.location(*keys, line=toml.line(*keys[:2], text=text if isinstance(text, str) else None))


def _keys(place: Sequence[int | str]) -> tuple[tuple[str, ...], int | None]:
    """The keys of a place, and the entry of `path` that it is in."""
    keys = tuple(part for part in place if isinstance(part, str))
    if len(place) >= _ENTRY and place[1] == "path" and isinstance(place[2], int):
        return (*keys[:2], *keys[_ENTRY:]), place[2]  # without the kind of the entry
    return keys, None
