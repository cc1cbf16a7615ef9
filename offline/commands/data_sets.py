"""What `aisle-offline init` and `check` show: tables on standard error, and the document of the last line."""

import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from offline.onboarding.check import Checked, as_table, check
from offline.onboarding.init import Initialised, init
from offline.workspace.display import RichDisplay


def init_command(folder: Path, *, force: bool) -> dict[str, Any]:
    """Write `dataset.toml` into `folder`, show what was guessed, and return it."""
    done = init(folder, force=force)
    console = Console(stderr=True)
    for name, table in done.tables.items():
        shown = Table("role", "column", "why", title=f"[{name}] {table.group.path}".replace("[", r"\["))
        for role, guess in table.roles.items():
            shown.add_row(role, ", ".join(guess.columns), guess.why)
        console.print(shown)
    for line in _remarks(done):
        console.print(line, highlight=False, markup=False)
    console.print(f"wrote {done.path}; next: aisle-offline check {folder}", highlight=False, markup=False)
    return {
        "written": str(done.path),
        "tables": {
            name: {"path": table.group.path, "roles": {role: list(g.columns) for role, g in table.roles.items()}}
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
    lines += [f"taken for nothing: {path}" for path in done.guessed.left]
    if words := done.unknown_words:
        shown = ", ".join(words[:10])
        lines.append(f"words for events that are not known here: {shown}; map them in [events.types], or their rows")
        lines.append("are set aside, and ingest stops when these are more than --max-bad-share (0.05)")
    return lines


def _show(checked: Checked, data: Path) -> None:
    console = Console(stderr=True)
    if checked.findings:
        shown = Table("", "where", "column", "got", "expected", "what to do", title=f"{data}")
        for row in as_table(checked.findings):
            shown.add_row(*(cell.replace("[", r"\[") for cell in row))
        console.print(shown)
    if checked.people is not None:
        console.print(checked.people, highlight=False, markup=False)
    verdict = "ingest would refuse it" if checked.errors else f"next: aisle-offline run --data {data} --out runs/NAME"
    console.print(f"{checked.errors} errors, {checked.warnings} warnings; {verdict}", highlight=False, markup=False)
