"""The `dataset.toml` of a collected data set: written once, for people to edit, and read at every pass."""

import glob
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from offline.collecting.base import Base, read_base
from offline.collecting.columns import NO_SPLIT, VISITOR, EventColumns, TimeForm, event_columns
from offline.collecting.durable import write_whole
from offline.dataset.reading import find_files
from offline.dataset.spec import SPEC_FILE, EventsSpec
from offline.dataset.synonyms import usual_names
from offline.dataset.toml_text import read_toml
from offline.errors import DatasetError

EVENTS_FOLDER = "events"
EVENTS_PATH = f"{EVENTS_FOLDER}/*.parquet"
TIMES_FILE = "times.json"
"""Holds how the base writes times, for which `dataset.toml` has no key."""

_EVENTS = re.compile(r"\s*\[\s*events\s*\]\s*(#.*)?$")
_TABLES = ("events", "items", "users", "evaluation", "search", "text")
_PATHS = {
    "items": ("path",),
    "users": ("path",),
    "evaluation": ("queries", "judgments"),
    "search": ("synonyms", "stop_words"),
    "text": ("teacher",),
}


@dataclass(frozen=True)
class DatasetFile:
    """What `dataset.toml` says, or will say, about collected events."""

    columns: EventColumns
    location: str  # where it describes events, for errors
    notes: list[str] = field(default_factory=list)  # what people should know
    text: str | None = None  # to be written; None when it is there as it shall be
    has_earlier: bool = False  # whether it will name other events before those collected


def read_dataset_file(out: Path) -> DatasetFile:
    """Read the `dataset.toml` in the folder `out`.

    Raises:
        DatasetError: the file is no TOML, or `[events]` is wrong.
    """
    toml, raw = read_toml(out / SPEC_FILE)
    location = toml.location("events")
    table = raw.get("events", {})
    try:
        # A file that lacks what `run` needs is no reason to leave events in Redis.
        spec = EventsSpec.model_validate({"path": EVENTS_PATH, **table} if isinstance(table, dict) else table)
    except ValidationError as error:
        mistake = error.errors(include_url=False)[0]
        key_location = toml.location("events", *(part for part in mistake["loc"] if isinstance(part, str)))
        raise DatasetError(f"{key_location}: {mistake['msg']}, got {mistake['input']!r}: correct it") from None
    columns, notes = event_columns(spec, _read_times(out)), _notes_on_paths(out, spec, location)
    if spec.visitor is not None:
        return DatasetFile(columns, location, notes)
    # Written before there were kinds of people: what is in the files stays the users', as it was read until now.
    line = f"visitor = {_value(columns.of[VISITOR])}"
    if toml.line("events") is None:
        note = (
            f"{out / SPEC_FILE} does not say where visitors are: write {line} below [events] to train on what they do"
        )
        return DatasetFile(columns, location, [*notes, note])
    lines = toml.text.splitlines()
    place = next((place for place, text in enumerate(lines) if _EVENTS.match(text)), None)
    if place is None:
        note = f"{out / SPEC_FILE} does not say where visitors are: add {line} to events to train on what they do"
        return DatasetFile(columns, location, [*notes, note])
    lines.insert(
        place + 1, f"{line}  # of rows without a user; what was collected before this line came is all of users"
    )
    notes.append(f"{out / SPEC_FILE} gets the line {line}: visitors are a kind of their own from now on")
    return DatasetFile(columns, location, notes, "\n".join(lines) + "\n")


def plan_dataset_file(out: Path, base: Path | None, name: str | None, items: str | None) -> DatasetFile:
    """Plan the `dataset.toml` of a folder that has none yet; `write_dataset_file` writes it.

    Args:
        out: the folder to collect into.
        base: a data set whose events come first, with its mapping, catalogue and evaluation.
        name: of the data set; that of the base or of the folder otherwise.
        items: file of the catalogue, instead of the base's.

    Raises:
        DatasetError: the base cannot be added to, or a file is missing.
    """
    before = None if base is None else read_base(base)
    tables = _tables_of(before)
    if items is not None:
        find_files(Path.cwd(), [items], "--items")
        tables["items"] = {"path": _moved(items, Path.cwd())}
    events = _with_kinds(tables.pop("events", {"path": [EVENTS_PATH]}), () if before is None else before.columns)
    notes = [] if before is None else _notes_on(before)
    lines = [
        "# What users did, as `aisle-offline collect` read it from Redis. It is written once: edit it as you like, but",
        "# leave the names of columns, which what is collected bears too.",
        *(f"# {note}" for note in notes),
        f"name = {_value(name or (before.spec.name if before else out.resolve().name))}",
        "",
        *_table("events", events),
    ]
    if "items" not in tables:
        lines += ["", "# [items]                        # the catalogue; new items and text search need it"]
        lines += ['# path = "items.parquet"']
    for table, content in tables.items():
        lines += ["", *_table(table, content)]
    spec = EventsSpec.model_validate(events)
    times = TimeForm() if before is None else before.times
    return DatasetFile(
        event_columns(spec, times),
        f"{out / SPEC_FILE}, events",
        notes,
        "\n".join(lines) + "\n",
        has_earlier=len(spec.names) > 1,
    )


def write_dataset_file(out: Path, planned: DatasetFile) -> None:
    """Write a planned file; do nothing for one that was read and stays as it is.

    Raises:
        RunFolderError: the file cannot be written.
    """
    if planned.text is None:
        return
    text, times = planned.text, planned.columns.times
    spelled = json.dumps({"unit": times.unit, "zone": times.zone})
    write_whole(out / TIMES_FILE, lambda partial: partial.write_text(spelled + "\n", encoding="utf-8"))
    write_whole(out / SPEC_FILE, lambda partial: partial.write_text(text, encoding="utf-8"))


def _with_kinds(events: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    """`[events]` with a column for users and one for visitors, of a base with these columns.

    Where the base has no visitors, none of its columns becomes theirs.
    """
    spec = EventsSpec.model_validate(events)
    named = dict(events)
    if spec.user_column is None:
        named["user"] = _free("collected_user_id", columns)
    if spec.visitor is None:
        named["visitor"] = _free(event_columns(spec, TimeForm()).of[VISITOR], columns)
    return named


def _free(name: str, columns: Sequence[str]) -> str:
    while name in columns:
        name = f"collected_{name}"
    return name


def _read_times(out: Path) -> TimeForm:
    path = out / TIMES_FILE
    return TimeForm(**json.loads(path.read_text("utf-8"))) if path.is_file() else TimeForm()


def _tables_of(base: Base | None) -> dict[str, dict[str, Any]]:
    """Return the tables of the base, with absolute paths."""
    if base is None:
        return {}
    spec, tables = base.spec, {}
    for name in _TABLES:
        table = getattr(spec, name)
        if table is not None:
            tables[name] = table.model_dump(exclude_unset=True)
    tables["search"] = {**usual_names(spec), **tables["search"]}
    for name, keys in _PATHS.items():
        for key in keys:
            if key in tables.get(name, {}):
                tables[name][key] = _moved(tables[name][key], spec.root)
    if spec.evaluation.task == "graded_search":
        for key in _PATHS["evaluation"]:
            tables["evaluation"][key] = _moved(getattr(spec.evaluation, key), spec.root)
    if "events" in tables:
        tables["events"]["path"] = [*_moved(tables["events"]["path"], spec.root), EVENTS_PATH]
        if base.has_split:
            tables["events"]["split"] = NO_SPLIT
    return {name: table for name, table in tables.items() if table}


def _notes_on(base: Base) -> list[str]:
    notes = []
    if base.has_split:
        notes.append(
            f"The split column of {base.spec.name} says nothing of collected events, so it is not used: "
            f"cut with --split {'time:0.8' if base.has_time else 'last'}."
        )
    elif not base.has_time and base.spec.events is not None:
        notes.append(f"{base.spec.name} has no times, and collected events have: cut with --split last.")
    return notes


def _notes_on_paths(out: Path, spec: EventsSpec, location: str) -> list[str]:
    folder = (out / EVENTS_FOLDER).resolve()
    for path in spec.names:
        try:
            files = [] if "://" in path else find_files(out, [path], location)
        except DatasetError:
            files = [str(out / path)]  # no part is there yet
        if any(Path(file).resolve().parent == folder for file in files):
            return []
    return [f"{location}.path does not name {EVENTS_PATH!r}: add it to train on what is collected"]


def _moved(paths: str | Mapping[str, Any] | Sequence[str | Mapping[str, Any]], root: Path) -> Any:
    """Return the same paths or patterns, and those of tables that join, made absolute."""
    if isinstance(paths, Mapping):
        return {**paths, "path": _moved(paths["path"], root)}
    if not isinstance(paths, str):
        return [_moved(path, root) for path in paths]
    if "://" in paths or Path(paths).is_absolute():
        return paths
    is_pattern = any(mark in paths for mark in "*?[")
    where = str(root.resolve())
    return str(Path(glob.escape(where) if is_pattern else where) / paths)


def _table(name: str, content: Mapping[str, Any]) -> list[str]:
    """Return the lines of a TOML table, followed by those of its nested tables."""
    flat = {key: value for key, value in content.items() if not isinstance(value, Mapping)}
    lines = [f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in flat.items() if value is not None)]
    for key, value in content.items():
        if isinstance(value, Mapping) and value:
            lines += _table(f"{name}.{_key(key)}", value)
    return lines


def _key(key: str) -> str:
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() else _value(key)


def _value(value: Any) -> str:
    """Return a value in TOML, which reads the escapes of JSON."""
    if isinstance(value, str | int | float):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value(entry)}' for key, entry in value.items())}}}"
    return f"[{', '.join(_value(entry) for entry in value)}]"
