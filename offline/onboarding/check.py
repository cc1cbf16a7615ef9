"""Check: everything that is wrong with the files of a `dataset.toml`, by the code that ingest reads them with."""

import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.dataset.reading import Wanted, find_files, missing, scan
from offline.dataset.spec import DatasetSpec, lacking_tables, read_spec
from offline.errors import DatasetError
from offline.ingest.clean_events import clean_events, wanted_events
from offline.ingest.clean_items import CleanRows, clean_items, clean_users, wanted_items, wanted_users
from offline.ingest.ingest import read_graded
from offline.onboarding.findings import Finding, errors_of, of_message, of_rejected
from offline.onboarding.warnings import (
    better_columns,
    doubts_between,
    doubts_of_counts,
    doubts_of_events,
    doubts_of_items,
)
from offline.workspace.progress import Progress, silent

Columns = dict[str, str]


@dataclass(frozen=True)
class Checked:
    """All findings, errors first, and the rows that were read by table."""

    findings: tuple[Finding, ...]
    rows: dict[str, int]

    @property
    def errors(self) -> int:
        """How many findings stop ingest."""
        return len(errors_of(self.findings))

    @property
    def warnings(self) -> int:
        """How many do not."""
        return len(self.findings) - self.errors


@dataclass(frozen=True)
class _Table:
    name: str
    at: str
    files: tuple[str, ...]
    columns: Columns  # by role, those that the files have


def check(
    data: Path, now: float, *, max_bad_share: float = 0.05, most: int = 10, progress: Progress | None = None
) -> Checked:
    """Look at every file that `data`, a `dataset.toml` or its folder, names; nothing is kept.

    Args:
        data: what to check.
        now: unix seconds; what lies after it is in the future.
        max_bad_share: the share of bad rows past which ingest stops.
        most: bad rows to show of each file and kind of mistake.
        progress: who is told.
    """
    tell = progress or silent
    try:
        spec = read_spec(data)
    except DatasetError as error:
        return Checked(tuple(of_message("dataset.toml", error.message)), {})
    findings = [finding for line in lacking_tables(spec) for finding in of_message("dataset.toml", line)]
    tables = {name: table for name in ("events", "items", "users") if (table := _open(spec, name, findings))}
    rows: dict[str, int] = {}
    items, users = (
        _catalogue(spec, tables[name], clean, max_bad_share, most, findings, rows) if name in tables else None
        for name, clean in (("items", _clean_items), ("users", _clean_users))
    )
    if items is not None:
        findings += doubts_of_items(items, tables["items"].columns)
    if "events" in tables:
        with tempfile.TemporaryDirectory(prefix="aisle-check-") as folder:
            found = _check_events(
                spec, tables["events"], Path(folder), items, users, max_bad_share, most, now, rows, tell
            )
        findings += found
    try:
        graded = read_graded(spec)
    except DatasetError as error:
        findings += of_message("evaluation", error.message)
    else:
        rows |= {name: table.height for name, table in graded.items()}
    ordered = sorted(findings, key=lambda finding: finding.level)
    return Checked(tuple(ordered), rows)


def _open(spec: DatasetSpec, name: str, findings: list[Finding]) -> _Table | None:
    """The table with its files and columns; None when cleaning could not begin. Adds what is wrong to `findings`."""
    table = getattr(spec, name)
    if table is None:
        return None
    at = spec.toml.at(name, "path")
    files: list[str] = []
    before = len(errors_of(findings))
    for path in table.path:
        try:
            files += find_files(spec.root, (path,), at)
        except DatasetError as error:
            findings += of_message(name, error.message)
    wanted = _wanted(spec, name)
    there: Columns = {}
    lacking: list[set[str]] = []
    for file in files:
        try:
            names = set(scan((file,), at).collect_schema().names())
        except DatasetError as error:
            findings += of_message(name, error.message)
            continue
        there |= {each.role: each.column for each in wanted if each.column in names}
        lacking.append({each.column for each in wanted} - names)
    if len(errors_of(findings)) > before or not files:
        return None
    findings += [
        Finding(
            "warning", name, "the same columns in all files", f"no {column!r}", "its rows lack the value", file=file
        )
        for file, without in zip(files, lacking, strict=True)
        for column in sorted(without & set(there.values()))
    ]
    said = missing(scan(files, at), files, wanted)
    findings += [finding for line in said for finding in of_message(name, line)]
    findings += better_columns(spec, name, files, there)
    return None if said else _Table(name, at, tuple(files), there)


def _wanted(spec: DatasetSpec, name: str) -> Sequence[Wanted]:
    if name == "events" and spec.events:
        return wanted_events(spec, spec.events)
    if name == "items" and spec.items:
        return wanted_items(spec, spec.items)
    return wanted_users(spec, spec.users) if spec.users else []


def _clean_items(spec: DatasetSpec) -> CleanRows:
    assert spec.items is not None  # noqa: S101 - it was opened
    return clean_items(spec, spec.items, 1.0)


def _clean_users(spec: DatasetSpec) -> CleanRows:
    assert spec.users is not None  # noqa: S101 - it was opened
    return clean_users(spec, spec.users, 1.0)


def _catalogue(
    spec: DatasetSpec,
    table: _Table,
    clean: Callable[[DatasetSpec], CleanRows],
    max_bad_share: float,
    most: int,
    findings: list[Finding],
    rows: dict[str, int],
) -> pl.DataFrame | None:
    try:
        cleaned = clean(spec)
    except DatasetError as error:
        findings += of_message(table.name, error.message)
        return None
    findings += _bad_rows(table, cleaned.rejected, cleaned.counts, max_bad_share, most)
    findings += doubts_of_counts(table.name, cleaned.counts, table.columns)
    rows[table.name] = int(str(cleaned.counts["read"]))
    return cleaned.rows


def _check_events(
    spec: DatasetSpec,
    table: _Table,
    folder: Path,
    items: pl.DataFrame | None,
    users: pl.DataFrame | None,
    max_bad_share: float,
    most: int,
    now: float,
    rows: dict[str, int],
    tell: Progress,
) -> list[Finding]:
    assert spec.events is not None  # noqa: S101 - it was opened
    work = folder / "work"
    work.mkdir()
    try:
        cleaned = clean_events(spec, spec.events, folder / "events.parquet", work, max_bad_share=1.0, progress=tell)
    except DatasetError as error:
        return of_message("events", error.message)
    rows["events"] = int(str(cleaned.counts["read"]))
    bad = _bad_rows(table, cleaned.rejected.collect(), cleaned.counts, max_bad_share, most)
    return [
        *bad,
        *doubts_of_counts("events", cleaned.counts, table.columns),
        *doubts_of_events(cleaned.events, now),
        *doubts_between(cleaned.events, items, users),
    ]


def _bad_rows(
    table: _Table, rejected: pl.DataFrame, counts: dict[str, object], max_bad_share: float, most: int
) -> list[Finding]:
    read = int(str(counts["read"]))
    stops = rejected.height > max_bad_share * read
    found = of_rejected(table.name, rejected, table.columns, most=most, level="error" if stops else "warning")
    if not stops:
        return found
    share = Finding(
        "error",
        table.name,
        expected=f"at most {max_bad_share:.1%} bad rows",
        found=f"{rejected.height} of {read}",
        advice="correct the column mapping or the rows, or allow a larger share by --max-bad-share",
        file=table.at,
        count=rejected.height,
    )
    return [share, *found]


def as_table(findings: Iterable[Finding]) -> list[tuple[str, str, str, str, str, str]]:
    """What to show of each finding: level, where, column, found, expected, what to do."""
    return [
        (
            finding.level,
            _where(finding),
            finding.column or "",
            finding.found + (f" (and {finding.count - 1} more)" if finding.row and finding.count > 1 else ""),
            finding.expected,
            finding.advice,
        )
        for finding in findings
    ]


def _where(finding: Finding) -> str:
    place = [f"[{finding.table}]" if finding.file is None else finding.file]
    if finding.line is not None:
        place.append(f"line {finding.line}")
    elif finding.row is not None:
        place.append(f"row {finding.row}")
    return ", ".join(place)
