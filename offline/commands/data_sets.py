"""What `aisle-offline init` and `check` show: tables on standard error, and the document of the last line."""

import textwrap
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console

from offline.onboarding.check import Checked, check
from offline.onboarding.init import Initialised, init
from offline.onboarding.readable import outlook, readable, tally
from offline.onboarding.summary import table_lines, wrapped
from offline.workspace.display import RichDisplay

_WIDEST = 100  # columns of a line, where the terminal is wider


def init_command(folder: Path, *, force: bool) -> dict[str, Any]:
    """Write `dataset.toml` into `folder`, show what was guessed, and return it."""
    done = init(folder, force=force)
    console = Console(stderr=True)
    lines = [line for name, table in done.tables.items() for line in table_lines(name, table)]
    lines += [line for remark in _remarks(done) for line in wrapped(remark, "  ")]
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"wrote {done.path}; next: aisle-offline check {folder}", highlight=False, markup=False)
    return {
        "written": str(done.path),
        "tables": {
            name: {
                "path": table.group.path,
                "joined": [link.group.path for link in table.links],
                "roles": {role: list(guess.columns) for role, guess in table.roles.items()},
                "settings": {key: setting.value for key, setting in table.settings.items() if setting.is_sure},
                "left_out": {column: why for column, why in table.unread.items() if why},
            }
            for name, table in done.tables.items()
        },
        "event_types": done.guessed.events.words if done.guessed.events else {},
        "left": list(done.guessed.left),
    }


def check_command(data: Path, *, max_bad_share: float, rows: int) -> dict[str, Any]:
    """Check `data`, show the findings, and return them."""
    with RichDisplay() as display:
        display.stage("check")
        checked = check(data, time.time(), max_bad_share=max_bad_share, most=rows, progress=display.work)
    _show(checked, data)
    return {
        "errors": checked.errors,
        "warnings": checked.warnings,
        "rows": checked.rows,
        "people": checked.people,
        "findings": [asdict(finding) for finding in checked.findings],
    }


def _remarks(done: Initialised) -> list[str]:
    lines = [f"not read: {line}" for line in done.unreadable]
    lines += [f"taken for nothing: {path}{': ' if why else ''}{why}" for path, why in done.guessed.left.items()]
    if words := done.unknown_words:
        shown = ", ".join(words[:10])
        lines.append(
            f"words for events that are not known here: {shown}; map them in [events.types], or their rows are set "
            "aside, and ingest stops when these are more than --max-bad-share (0.05)"
        )
    return lines


def _show(checked: Checked, data: Path) -> None:
    console = Console(stderr=True)
    root = data if data.is_dir() else data.parent
    lines = readable(checked.findings, root, min(console.width, _WIDEST))
    if checked.people is not None:
        lines += textwrap.wrap(checked.people, min(console.width, _WIDEST), break_long_words=False)
    lines.append(tally(checked.findings))
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(outlook(checked.findings, checked.rows, data, checked.left_out), highlight=False, markup=False)
