"""The settings as a page of Markdown, made from the code: `python -m app.settings_table > app/SETTINGS.md`."""

import sys
from collections.abc import Iterator
from typing import Any, Final

from app.api.limits import limits_table
from app.settings import PREFIX, Settings

COMMAND: Final = "make docs"
"""The command that renews the page."""
_GROUPS: Final = (
    (
        "What is served",
        (
            "bundle",
            "wait",
            "follow_s",
            "cache",
            "cache_mb",
            "object_timeout_s",
            "fetch_timeout_s",
            "clock",
            "device",
            "gpu_memory_mb",
            "gpu_captures",
            "threads",
            "engine_threads",
        ),
    ),
    (
        "Where it listens",
        ("host", "reached_at", "port", "processes", "page", "log_level", "drain_s", "shutdown_grace_s"),
    ),
    ("Who may call", ("read_keys", "admin_keys", "allowed_hosts", "rate_per_key", "cursor_secrets")),
    ("Depth of lists", ("retrieve_depth", "list_depth")),
    (
        "Connections",
        (
            "max_connections",
            "max_head_bytes",
            "head_timeout_s",
            "body_timeout_s",
            "answer_timeout_s",
            "keep_alive_s",
            "held_body_mb",
            "unread_answer_mb",
        ),
    ),
    (
        "Limits",
        (
            "timeout_ms",
            "max_batch",
            "max_pending",
            "max_body_bytes",
            "max_batch_bytes",
            "batch_timeout_s",
            "max_batch_operations",
            "max_batch_lines",
            "max_item_bytes",
            "catalogue_wait_ms",
            "catalogue_start_s",
            "max_events",
            "max_item_ids",
            "max_conditions",
            "max_reasons",
            "max_event_rows",
        ),
    ),
    (
        "Redis",
        (
            "redis",
            "redis_username",
            "redis_password",
            "redis_db",
            "redis_ca_file",
            "redis_prefix",
            "redis_timeout_ms",
            "redis_write_timeout_ms",
            "redis_pool",
        ),
    ),
    (
        "What is kept",
        (
            "keep_events",
            "keep_items",
            "user_ttl_days",
            "event_stream_warning",
            "impression_share",
            "impression_cap",
            "catalogue_change_cap",
            "activity_cap",
        ),
    ),
    ("Online figures", ("online_window_s", "online_memory_mb")),
)
_INTRODUCTION: Final = f"""# Settings

Every setting of `aisle-serve` is a variable of its environment, read once, at the start. A variable that begins with
`{PREFIX}` and is none of these is refused, and so is a wrong value, by a line that names it. An option of the command
(`aisle-serve --help`) goes before its variable. `aisle-serve --settings` lists the same.

This page is made from `app/settings.py` by `{COMMAND}`; a test fails where it says something else.
"""
_LIMITS_TITLE: Final = """## What is bounded

What one caller sends takes neither time nor memory from others: past these bounds it is refused, with this status and
this `code` of a problem document. Values are those that hold if nothing is set; `x-limits` in `/openapi.json`, and the
table at the end of `/docs`, have those of the service that is asked. This table is made from `app/api/limits.py`.
"""
_KINDS: Final = {
    "boolean": "`true` or `false`",
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "path": "path",
    "password": "text, kept secret",
}
_BOUNDS: Final = {
    "minimum": "at least {:,}",
    "exclusiveMinimum": "more than {:,}",
    "maximum": "at most {:,}",
    "minLength": "at least {:,} character",
}


def settings_page() -> str:
    """The page, with a table a group, what is in no group behind them, and the table of limits at the end."""
    names_in_groups = {name for _, names in _GROUPS for name in names}
    others = tuple(name for name in Settings.model_fields if name not in names_in_groups)
    groups = [*_GROUPS, *([("Others", others)] if others else [])]
    tables = (row for title, names in groups for row in _group(title, names))
    return "\n".join([_INTRODUCTION, *tables, _LIMITS_TITLE, *limits_table(), ""])


def _group(title: str, names: tuple[str, ...]) -> Iterator[str]:
    schemas = Settings.model_json_schema()["properties"]
    yield f"## {title}\n"
    yield "| variable | default | what it takes | meaning |"
    yield "|---|---|---|---|"
    for name in names:
        schema = schemas[name]
        cells = (
            f"`{PREFIX}{name.upper()}`",
            _default(schema["default"]),
            _describe_values(schema),
            schema["description"],
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _default(default: object) -> str:
    if default is None:
        return ""
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text.removesuffix('.0')}`"


def _describe_values(schema: dict[str, Any]) -> str:
    """Kind and limits of a value, by its JSON schema."""
    for option in schema.get("anyOf", ()):  # of a setting that may be left out
        if option.get("type", "null") != "null":
            schema = option
    if "enum" in schema:
        *others, last = (f"`{word}`" for word in schema["enum"])
        return f"{', '.join(others)} or {last}"
    kind = _KINDS[schema.get("format", schema["type"])]
    return ", ".join([kind, *(words.format(schema[key]) for key, words in _BOUNDS.items() if key in schema)])


if __name__ == "__main__":
    sys.stdout.write(settings_page())
