"""What is odd in a data set that ingest accepts: counted, and said as warnings."""

from collections.abc import Mapping, Sequence

import polars as pl

from offline.dataset.reading import FILE, ROW, scan
from offline.dataset.spec import DatasetSpec
from offline.onboarding.column_profile import looks_of
from offline.onboarding.findings import Finding
from offline.onboarding.guess import event_roles, item_roles

_SAMPLE = 20_000
_DAY_S = 86_400
_LONG_AGO = 631_152_000.0  # 1990: earlier times are zeros and wrong units
_ONE_EVENT_SHARE = 0.5
_HEAVY_SHARE = 0.02
_SMALL_LOG = 1_000


def doubts_of_counts(table: str, counts: Mapping[str, object], columns: Mapping[str, str]) -> list[Finding]:
    """Duplicates, unreadable prices and times, and missing values, from what cleaning counted.

    `columns` are those that the files have: what a shop does not export at all is not missing.
    """
    said = []
    if number := _int(counts, "duplicates"):
        same = "rows that differ" if table == "events" else "one row an id"
        said.append(_doubt(table, same, f"{number} duplicates", "none: the first of them is kept", number))
    if number := _int(counts, "unreadable_price"):
        said.append(_doubt(table, "a number", f"{number} prices that are none", "correct them", number, "price"))
    if number := _int(counts, "unreadable_added"):
        found = f"{number} times of items that are none"
        said.append(_doubt(table, "unix seconds, milliseconds, or ISO 8601", found, "correct them", number, "added"))
    if "time" in columns and (number := _int(counts, "missing_time")):
        advice = "fill them in: a split by time leaves these rows out"
        said.append(_doubt(table, "a time", f"{number} rows without one", advice, number, columns["time"]))
    return said


def doubts_of_items(items: pl.DataFrame, columns: Mapping[str, str]) -> list[Finding]:
    """Titles and other values that the catalogue lacks."""
    said = []
    for name in ("title", "category", "brand", "price"):
        number = items.get_column(name).null_count()
        if number and (name in columns or name == "title"):
            found = f"{number} of {items.height} items without one ({number / items.height:.1%})"
            advice = "fill them in: text search and cold items need them" if name == "title" else "fill them in"
            said.append(_doubt("items", f"a {name}", found, advice, number, columns.get(name)))
    return said


def doubts_of_events(events: pl.LazyFrame, now: float) -> list[Finding]:
    """Times that cannot be, users with one event or with very many, parts that are empty.

    `events` are as ingest writes them; `now` is unix seconds.
    """
    time = pl.col("time")
    told = (
        events.select(
            rows=pl.len(),
            timed=time.count(),
            future=(time > now + _DAY_S).sum(),
            past=(time < _LONG_AGO).sum(),
            newest=time.max(),
            oldest=time.min(),
            split=pl.col("split").count(),
            test=(pl.col("split") == "test").sum(),
        )
        .collect(engine="streaming")
        .row(0, named=True)
    )
    users = events.group_by("user_id").len().collect(engine="streaming")
    rows = int(told["rows"])
    if not rows:
        return [_doubt("events", "events", "none", "export some", 1)]
    said = []
    if told["future"]:
        advice = "look at the unit and the time zone of the column"
        said.append(_doubt("events", "times up to now", f"{told['future']} in the future", advice, told["future"]))
    if told["past"]:
        found = f"{told['past']} before 1990"
        said.append(_doubt("events", "times of this shop", found, "look for zeros and the column's unit", told["past"]))
    if told["timed"] > 1 and told["newest"] == told["oldest"]:
        advice = "export the time of each event: order and a split by time mean nothing so"
        said.append(_doubt("events", "times that differ", "one time for all events", advice, rows))
    if told["split"] and not told["test"]:
        advice = "mark rows test, or split by --split time:0.8"
        said.append(_doubt("events", "test rows in the split column", "none", advice, rows))
    once = int((users["len"] == 1).sum())
    if once > _ONE_EVENT_SHARE * users.height:
        found = f"{once} of {users.height} users with one event ({once / users.height:.1%})"
        said.append(_doubt("events", "users with several events", found, "check that the user column is one", once))
    heaviest = users.sort("len", "user_id", descending=[True, False]).row(0, named=True)
    if rows >= _SMALL_LOG and heaviest["len"] > _HEAVY_SHARE * rows:
        found = f"{heaviest['len']} of {rows} events by user {heaviest['user_id']!r}"
        said.append(_doubt("events", "no user who makes up the log", found, "leave robots out", heaviest["len"]))
    return said


def doubts_between(events: pl.LazyFrame, items: pl.DataFrame | None, users: pl.DataFrame | None) -> list[Finding]:
    """Events on items that the catalogue lacks, and users that no event is of."""
    said = []
    if items is not None:
        absent = events.join(items.lazy().select("item_id"), on="item_id", how="anti")
        told = absent.select(rows=pl.len(), items=pl.col("item_id").n_unique(), first=pl.col("item_id").min())
        row = told.collect(engine="streaming").row(0, named=True)
        if row["rows"]:
            found = f"{row['rows']} events on {row['items']} items that it lacks, such as {row['first']!r}"
            said.append(_doubt("events", "items of the catalogue", found, "add them to [items]", row["rows"]))
    if users is not None:
        idle = users.lazy().join(events.select("user_id").unique(), on="user_id", how="anti")
        number = int(idle.select(pl.len()).collect(engine="streaming").item())
        if number:
            found = f"{number} users without an event"
            said.append(_doubt("users", "users of [events]", found, "check that both tables have the same ids", number))
    return said


def better_columns(spec: DatasetSpec, table: str, files: Sequence[str], columns: Mapping[str, str]) -> list[Finding]:
    """Roles of `table` without a column in the `files`, where a column looks as if it were meant."""
    frame = scan(files[:1], "").head(_SAMPLE).drop(ROW, FILE).collect()
    looks = [looks_of(frame, column) for column in frame.columns if column not in columns.values()]
    guessed = event_roles(looks) if table == "events" else item_roles(looks) if table == "items" else {}
    named = getattr(spec, table).model_fields_set
    said = []
    for role, guess in guessed.items():
        if role in columns or role in named or role in ("text", "attributes"):
            continue
        found = f"{guess.columns[0]!r} looks like one ({guess.why})"
        line = f'write {role} = "{guess.columns[0]}" below [{table}]'
        said.append(_doubt(table, f"a column for {role}", found, line, 1, guess.columns[0]))
    return said


def _doubt(table: str, expected: str, found: str, advice: str, count: int, column: str | None = None) -> Finding:
    return Finding("warning", table, expected, found, advice, column=column, count=count)


def _int(counts: Mapping[str, object], name: str) -> int:
    number = counts.get(name, 0)
    return number if isinstance(number, int) else 0
