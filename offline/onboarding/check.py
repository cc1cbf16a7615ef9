"""Check: everything that is wrong with the files of a `dataset.toml`, by the code that ingest reads them with."""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from offline.dataset.catalogue_mark import read_catalogue_mark
from offline.dataset.nested import reach
from offline.dataset.open_source import open_source
from offline.dataset.reading import ColumnRequest, find_files, own_columns, scan
from offline.dataset.spec import DatasetSpec, missing_tables, path_location, read_spec
from offline.dataset.synonyms import read_synonyms
from offline.errors import DatasetError
from offline.ingest.clean_events import clean_events, event_requests
from offline.ingest.clean_items import CleanRows, clean_users, item_requests, user_requests
from offline.ingest.heavy_users import heavy_users
from offline.ingest.ingest import read_graded
from offline.ingest.rejects import NOT_BAD, bad_rows
from offline.ingest.variants import variant_ids
from offline.ingest.with_live_items import current_items
from offline.onboarding.column_names import EVENT_COLUMNS, name_rank
from offline.onboarding.findings import (
    LEVELS,
    Finding,
    Level,
    errors_of,
    findings_of_error,
    findings_of_mistakes,
    findings_of_rejected,
)
from offline.onboarding.left_out import left_out_findings
from offline.onboarding.robots import robot_findings
from offline.onboarding.second_look import other_items
from offline.onboarding.source_findings import left_out, source_findings
from offline.onboarding.unread_files import unread_files
from offline.onboarding.warnings import (
    count_warnings,
    event_warnings,
    has_rows_of_events,
    item_warnings,
    joined_id_warnings,
    reading_notes,
    spelling_warnings,
    table_warnings,
    unmapped_words,
    unread_columns,
)
from offline.tables.temporary import temporary_tables
from offline.teacher.chosen import chosen_teacher
from offline.workspace.progress import Progress, silent

Columns = dict[str, str]


@dataclass(frozen=True)
class Checked:
    """All findings, errors first, how many rows of each table were read, and whose ids the events have."""

    findings: tuple[Finding, ...]
    rows: dict[str, int]
    people: str | None = field(default=None, compare=False)  # a sentence; None where no events could be read
    left_out: Mapping[str, int] = field(default_factory=dict, compare=False)  # rows neither read nor bad, by table

    @property
    def errors(self) -> int:
        """How many findings stop ingest."""
        return len(errors_of(self.findings))

    @property
    def warnings(self) -> int:
        """How many findings do not stop ingest."""
        return sum(finding.level == "warning" for finding in self.findings)


@dataclass
class CheckContext:
    """What a check goes by, and what it has gathered so far."""

    spec: DatasetSpec
    now: float  # unix seconds
    max_bad_share: float
    max_rows: int  # to show of each file and reason
    progress: Progress
    findings: list[Finding] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)  # read, by table
    left_out: dict[str, int] = field(default_factory=dict)  # neither read nor bad, by table

    def tell_source(self, name: str, counts: Mapping[str, object]) -> None:
        """Take what cleaning counted of the tables that joined `[name]`, and of rows left out."""
        self.findings += source_findings(name, getattr(self.spec, name), counts)
        self.left_out[name] = left_out(counts)


@dataclass(frozen=True)
class _Table:
    name: str
    location: str
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
        progress: called with the rows read.
    """
    try:
        spec = read_spec(data)
    except DatasetError as error:
        return Checked(tuple(findings_of_error("dataset.toml", error)), {})
    context = CheckContext(spec, now, max_bad_share, most, progress or silent)
    with temporary_tables(progress):
        return _check(context)


def _check(context: CheckContext) -> Checked:
    spec = context.spec
    context.findings += findings_of_mistakes("dataset.toml", missing_tables(spec))
    tables = {name: table for name in ("events", "items", "users") if (table := _open(context, name))}
    items = _check_rows(context, tables["items"], _clean_items) if "items" in tables else None
    users = _check_rows(context, tables["users"], _clean_users) if "users" in tables else None
    if items is not None:
        context.findings += item_warnings(items, tables["items"].columns)
        context.findings += spelling_warnings(items, tables["items"].columns)
    if "events" in tables:
        _check_events(context, tables["events"], items, users)
    _check_graded(context)
    _check_synonyms(context)
    _check_teacher(context)
    _check_catalogue_mark(context)
    context.findings += unread_files(spec)
    findings = tuple(sorted(context.findings, key=lambda finding: LEVELS.index(finding.level)))
    people = _people(tables["events"].columns) if "events" in tables else None
    return Checked(findings, context.rows, people, context.left_out)


def _people(columns: Columns) -> str:
    """Which kind of ids the columns of events hold."""
    user, visitor = columns.get("user"), columns.get("visitor")
    if user is None:
        return f"the ids of {visitor!r} are visitors'"
    if visitor is not None:
        return f"the ids of {user!r} are users', and in rows without one those of {visitor!r} are visitors'"
    if name_rank(user, EVENT_COLUMNS["visitor"]) is None:
        return f"the ids of {user!r} are users'"
    return (
        f"the ids of {user!r} are users'; if they are of devices that are not logged in, write visitor = "
        f"{json.dumps(user)} in place of user"
    )


def _open(context: CheckContext, name: str) -> _Table | None:
    """The table with its files and columns; None when cleaning could not begin."""
    spec, findings = context.spec, context.findings
    table = getattr(spec, name)
    if table is None:
        return None
    location = spec.toml.location(name, "path")
    errors_before = len(errors_of(findings))
    schemas: dict[str, Mapping[str, pl.DataType]] = {}
    for path in table.all_names:
        place = path_location(spec, name, path)
        try:
            for file in find_files(spec.root, (path,), place):
                schemas[file] = own_columns(scan((file,), place))
        except DatasetError as error:
            findings += findings_of_error(name, error)
    requests = _column_requests(spec, name)
    if len(errors_of(findings)) > errors_before:
        return None
    try:
        source = open_source(spec, name)
    except DatasetError as error:
        findings += findings_of_error(name, error)
        return None
    findings += _columns_lacking(name, {file: schemas[file] for file in source.files}, requests)
    columns = {request.role: request.column for request in requests if source.has(request.column)}
    missing = source.missing(requests)
    findings += findings_of_mistakes(name, missing)
    findings += unread_columns(spec, name, source.files, columns)
    return None if missing else _Table(name, location, source.files, columns)


def _columns_lacking(
    name: str, schemas: Mapping[str, Mapping[str, pl.DataType]], requests: Sequence[ColumnRequest]
) -> list[Finding]:
    """A warning for each requested column that one of several files of a table lacks and another has."""
    lacking = {
        file: {request.column for request in requests if reach(request.column, schema) is None}
        for file, schema in schemas.items()
    }
    nowhere = set[str]().union(*lacking.values()).intersection(*lacking.values())
    return [
        Finding(
            "warning", name, "the same columns in all files", f"no {column!r}", "its rows lack the value", file=file
        )
        for file, columns in lacking.items()
        for column in sorted(columns - nowhere)
    ]


def _column_requests(spec: DatasetSpec, name: str) -> Sequence[ColumnRequest]:
    if name == "events" and spec.events:
        return event_requests(spec, spec.events)
    if name == "items" and spec.items:
        return item_requests(spec, spec.items)
    return user_requests(spec, spec.users) if spec.users else []


def _clean_items(spec: DatasetSpec) -> CleanRows:
    assert spec.items is not None  # noqa: S101 - it was opened
    return current_items(spec, spec.items, 1.0)


def _clean_users(spec: DatasetSpec) -> CleanRows:
    assert spec.users is not None  # noqa: S101 - it was opened
    return clean_users(spec, spec.users, 1.0)


def _check_rows(context: CheckContext, table: _Table, clean: Callable[[DatasetSpec], CleanRows]) -> pl.DataFrame | None:
    """The good rows of the items or the users; None when they cannot be read."""
    try:
        cleaned = clean(context.spec)
    except DatasetError as error:
        context.findings += findings_of_error(table.name, error)
        return None
    context.rows[table.name] = int(str(cleaned.counts["read"]))
    context.findings += _bad_rows(context, table, cleaned.rejected)
    counts = cleaned.counts | ({"duplicates": 0} if table.name == "items" and has_rows_of_events(context.spec) else {})
    context.findings += count_warnings(table.name, counts, table.columns)
    context.findings += reading_notes(table.name, cleaned.counts, table.columns)
    context.tell_source(table.name, cleaned.counts)
    return cleaned.rows


def _check_events(context: CheckContext, table: _Table, items: pl.DataFrame | None, users: pl.DataFrame | None) -> None:
    spec, findings = context.spec, context.findings
    assert spec.events is not None  # noqa: S101 - it was opened
    with tempfile.TemporaryDirectory(prefix="aisle-check-") as folder:
        work = Path(folder) / "work"
        work.mkdir()
        try:
            cleaned = clean_events(
                spec,
                spec.events,
                Path(folder) / "events.parquet",
                work,
                max_bad_share=1.0,
                variants=None if items is None else variant_ids(items),
                progress=context.progress,
            )
        except DatasetError as error:
            findings += findings_of_error("events", error)
            return
        context.rows["events"] = int(str(cleaned.counts["read"]))
        rejected = cleaned.rejected.collect()
        findings += _bad_rows(context, table, rejected)
        findings += unmapped_words(rejected)
        findings += count_warnings("events", cleaned.counts, table.columns)
        findings += reading_notes("events", cleaned.counts, table.columns)
        context.tell_source("events", cleaned.counts)
        findings += left_out_findings(cleaned.counts, spec.events, table.columns)
        findings += event_warnings(cleaned.events, context.now)
        findings += robot_findings(heavy_users(cleaned.events), int(str(cleaned.counts["kept"])), spec.events)
        findings += table_warnings(cleaned.events, items, users)
        findings += other_items(spec, cleaned.events, items)
        findings += joined_id_warnings(cleaned.events, items, table.columns["item"], spec.events.separators)


def _check_graded(context: CheckContext) -> None:
    try:
        graded = read_graded(context.spec)
    except DatasetError as error:
        context.findings += findings_of_error("evaluation", error)
    else:
        context.rows |= {name: table.height for name, table in graded.items()}


def _check_synonyms(context: CheckContext) -> None:
    try:
        read_synonyms(context.spec)
    except DatasetError as error:
        context.findings += findings_of_error("search", error)


def _check_teacher(context: CheckContext) -> None:
    try:
        chosen_teacher(context.spec, None)
    except DatasetError as error:
        context.findings += findings_of_error("text", error)


def _check_catalogue_mark(context: CheckContext) -> None:
    try:
        read_catalogue_mark(context.spec.root)
    except DatasetError as error:
        context.findings += findings_of_error("items", error)


def _bad_rows(context: CheckContext, table: _Table, rejected: pl.DataFrame) -> list[Finding]:
    """Findings of the rejected rows of a table whose rows were counted."""
    read = context.rows[table.name]
    reasons = Counter(rejected.get_column("reason").to_list())
    bad = bad_rows(reasons, read, NOT_BAD if table.name == "events" else ())
    stops = bad > context.max_bad_share * read
    level: Level = "error" if stops else "warning"
    findings = findings_of_rejected(table.name, rejected, table.columns, max_rows=context.max_rows, level=level)
    if not stops:
        return findings
    share = Finding(
        "error",
        table.name,
        expected=f"at most {context.max_bad_share:.1%} bad rows",
        found=f"{bad} of {read}",
        advice="correct the column mapping or the rows, or allow a larger share by --max-bad-share",
        file=table.location,
        count=bad,
    )
    return [share, *findings]
