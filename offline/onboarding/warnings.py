"""What is odd in a data set that ingest accepts: each oddity counted, as a warning."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from app.artifact.behaviours import behaviour_of
from offline.dataset.spec import DatasetSpec
from offline.ingest.rejects import Reason
from offline.onboarding.column_profile import profile_column
from offline.onboarding.event_roles import event_roles
from offline.onboarding.findings import Finding
from offline.onboarding.item_roles import item_roles
from offline.onboarding.separators import id_separator
from offline.tables.flaws import TableError
from offline.tables.tables import head_of

_SAMPLE = 20_000
_DAY_S = 86_400
_LONG_AGO = 631_152_000.0  # 1990: earlier times are zeros and wrong units
_ONE_EVENT_SHARE = 0.5
_SHOWN_SPELLINGS = 3


def count_warnings(table: str, counts: Mapping[str, object], columns: Mapping[str, str]) -> list[Finding]:
    """Duplicates, unreadable prices and times, and missing values, from what cleaning counted.

    `columns` are those that the files have: what a shop does not export at all is not missing.
    """
    warnings = []
    if number := _int(counts, "duplicates"):
        same = "rows that differ" if table == "events" else "one row an id"
        warnings.append(_warning(table, same, f"{number} duplicates", "none: the first of them is kept", number))
    if number := _int(counts, "unreadable_price"):
        warnings.append(_warning(table, "a number", f"{number} prices that are none", "correct them", number, "price"))
    if number := _int(counts, "unreadable_added"):
        got = f"{number} times of items that are none"
        warnings.append(
            _warning(table, "unix seconds, milliseconds, or ISO 8601", got, "correct them", number, "added")
        )
    if "time" in columns and (number := _int(counts, "missing_time")):
        advice = "fill them in: a split by time leaves these rows out"
        warnings.append(_warning(table, "a time", f"{number} rows without one", advice, number, columns["time"]))
    return warnings


def reading_notes(table: str, counts: Mapping[str, object], columns: Mapping[str, str]) -> list[Finding]:
    """How columns are read that are not written as programs write them, and values that nobody understands."""
    notes = []
    read_as, odd = counts.get("read_as"), counts.get("not_understood")
    for role, sentence in read_as.items() if isinstance(read_as, dict) else ():
        column = columns.get(role)
        word = _plain_role(role)
        expected = f"{'an' if word[0] in 'aeio' else 'a'} {word}"
        notes.append(Finding("note", table, expected, sentence, "none: it is read so", column=column))
    for role, (count, example) in odd.items() if isinstance(odd, dict) else ():
        if role == "currency":
            advice = "give prices in one currency: filters and orders compare them as they stand"
            notes.append(_warning(table, "one currency", example, advice, count, columns.get("price")))
        elif role == "variant":
            got = f"{count} ids of several products, such as {example}"
            notes.append(_warning(table, "variants of one product each", got, "none: its first product counts", count))
        elif role == "in_stock":
            expected = "a count, yes or no"
            got = f"{count} values that are none, such as {example}"
            notes.append(_warning(table, expected, got, "write true or false", count, columns.get(role)))
    return notes


def _plain_role(role: str) -> str:
    words = {
        "attributes": "attribute",
        "in_stock": "stock",
        "added": "time of addition",
        "variant_of": "variant",
        "option": "value of an option",
    }
    bare = role.partition(".")[0]
    return words.get(bare, bare)


def item_warnings(items: pl.DataFrame, columns: Mapping[str, str]) -> list[Finding]:
    """Titles and other values that the catalogue lacks."""
    warnings = []
    for name in ("title", "category", "brand", "price"):
        number = items.get_column(name).null_count()
        if number and (name in columns or name == "title"):
            got = f"{number} of {items.height} items without one ({number / items.height:.1%})"
            advice = "fill them in: text search and cold items need them" if name == "title" else "fill them in"
            warnings.append(_warning("items", f"a {name}", got, advice, number, columns.get(name)))
    return warnings


def spelling_warnings(items: pl.DataFrame, columns: Mapping[str, str]) -> list[Finding]:
    """Values of a column that differ in their case alone: each would be counted and filtered by on its own."""
    values = [items.select(pl.lit(role).alias("name"), pl.col(role).alias("value")) for role in ("brand", "category")]
    pairs = items.select(pl.col("attributes").explode().str.split_exact("=", 1).alias("pair")).unnest("pair")
    values.append(pairs.rename({"field_0": "name", "field_1": "value"}))
    counts = pl.concat(values).drop_nulls().group_by("name", "value").len("items")
    spelt = counts.with_columns(pl.col("value").str.to_lowercase().str.strip_chars().alias("plain"))
    several = spelt.filter(pl.len().over("name", "plain") > 1).sort(
        "name", "plain", "items", "value", descending=[False, False, True, False]
    )
    warnings = []
    for (name,), rows in several.group_by("name", maintain_order=True):
        first = rows.filter(pl.col("plain") == rows["plain"][0])["value"].head(_SHOWN_SPELLINGS).to_list()
        got = f"{' and '.join(map(repr, first))}, which differ in their case alone"
        kinds = rows["plain"].n_unique()
        more = f", and {kinds - 1} more of the kind" if kinds > 1 else ""
        advice = "write them alike: each is counted and filtered by on its own"
        column = columns.get(str(name), str(name))
        warnings.append(_warning("items", "one spelling a value", got + more, advice, rows.height, column))
    return warnings


def joined_id_warnings(
    events: pl.LazyFrame, items: pl.DataFrame | None, column: str, separators: Mapping[str, str]
) -> list[Finding]:
    """Cells that hold several ids of items, whose parts are ids themselves."""
    if column in separators:
        return []
    marks = pl.col("item_id").str.contains(r"[|;,]")
    ids = events.select("item_id").unique().filter(marks).head(_SAMPLE).collect(engine="streaming").to_series()
    if not len(ids):
        return []
    parts = ids.str.split("|").list.eval(pl.element().str.split(";").explode().str.split(",").explode())
    parts = parts.explode().str.strip_chars(" []\"'").unique().drop_nulls()
    sold = (
        [] if items is None else items.filter(pl.col("item_id").is_in(parts.implode())).get_column("item_id").to_list()
    )
    seen = events.select("item_id").filter(pl.col("item_id").is_in(parts.implode())).unique()
    known = {*sold, *seen.collect(engine="streaming").to_series().to_list()}
    mark = id_separator(ids.filter(~ids.is_in(sold)), known)
    if mark is None:
        return []
    example = ids.filter(ids.str.contains(mark, literal=True)).sort()[0]
    number = events.filter(pl.col("item_id").str.contains(mark, literal=True)).select(pl.len())
    count = int(number.collect(engine="streaming").item())
    got = f"{example!r}, where several ids are joined by {mark!r}"
    key = column if re.fullmatch("[A-Za-z0-9_-]+", column) else json.dumps(column, ensure_ascii=False)
    advice = f"write separators = {{{key} = {json.dumps(mark)}}} below [events]: a row for each id then"
    return [_warning("events", "one id of an item in a cell", got, advice, count, column)]


def event_warnings(events: pl.LazyFrame, now: float) -> list[Finding]:
    """Times that cannot be, users with one event, parts that are empty.

    `events` are as ingest writes them; `now` is unix seconds.
    """
    time = pl.col("time")
    facts = (
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
    if not facts["rows"]:
        return [_warning("events", "events", "none", "export some", 1)]
    users = events.group_by("user_id").len().collect(engine="streaming")
    return [*_time_warnings(facts), *_user_warnings(users)]


def _time_warnings(facts: Mapping[str, Any]) -> list[Finding]:
    warnings = []
    if facts["future"]:
        got, advice = f"{facts['future']} in the future", "look at the unit and the time zone of the column"
        warnings.append(_warning("events", "times up to now", got, advice, facts["future"]))
    if facts["past"]:
        got, advice = f"{facts['past']} before 1990", "look for zeros and the column's unit"
        warnings.append(_warning("events", "times of this shop", got, advice, facts["past"]))
    if facts["timed"] > 1 and facts["newest"] == facts["oldest"]:
        advice = "export the time of each event: order and a split by time mean nothing so"
        warnings.append(_warning("events", "times that differ", "one time for all events", advice, facts["rows"]))
    if facts["split"] and not facts["test"]:
        advice = "mark rows test, or split by --split time:0.8"
        warnings.append(_warning("events", "test rows in the split column", "none", advice, facts["rows"]))
    return warnings


def _user_warnings(users: pl.DataFrame) -> list[Finding]:
    """`users` has the number of events of each user, `len`."""
    warnings = []
    once = int((users["len"] == 1).sum())
    if once > _ONE_EVENT_SHARE * users.height:
        got = f"{once} of {users.height} users with one event ({once / users.height:.1%})"
        warnings.append(_warning("events", "users with several events", got, "check that the user column is one", once))
    return warnings


def table_warnings(events: pl.LazyFrame, items: pl.DataFrame | None, users: pl.DataFrame | None) -> list[Finding]:
    """Events on items that the catalogue lacks, and users without an event."""
    warnings = []
    if items is not None:
        absent = events.join(items.lazy().select("item_id"), on="item_id", how="anti")
        facts = absent.select(rows=pl.len(), items=pl.col("item_id").n_unique(), first=pl.col("item_id").min())
        row = facts.collect(engine="streaming").row(0, named=True)
        if row["rows"]:
            got = f"{row['rows']} events on {row['items']} items that it lacks, such as {row['first']!r}"
            warnings.append(
                _warning(
                    "events",
                    "items of the catalogue",
                    got,
                    "add them to [items]: else they teach and are never answered",
                    row["rows"],
                )
            )
    if users is not None:
        idle = users.lazy().join(events.select("user_id").unique(), on="user_id", how="anti")
        number = int(idle.select(pl.len()).collect(engine="streaming").item())
        if number:
            got = f"{number} users without an event"
            warnings.append(
                _warning("users", "users of [events]", got, "check that both tables have the same ids", number)
            )
    return warnings


def has_rows_of_events(spec: DatasetSpec) -> bool:
    """Whether the rows of the catalogue are those of the events, of which each item has several."""
    if spec.items is None:
        return False
    return spec.events is not None and bool(set(spec.items.names) & set(spec.events.names))


def unread_columns(spec: DatasetSpec, table: str, files: Sequence[str], columns: Mapping[str, str]) -> list[Finding]:
    """Roles of `table` without a column in the `files`, where the profile of a column fits."""
    if table == "items" and has_rows_of_events(spec):
        return []
    try:
        frame = head_of(files[0], _SAMPLE)
    except TableError:  # cleaning says so
        return []
    profiles = [profile_column(frame, column) for column in frame.columns if column not in columns.values()]
    guessed = event_roles(profiles) if table == "events" else item_roles(profiles) if table == "items" else {}
    named = getattr(spec, table).model_fields_set
    warnings = []
    for role, guess in guessed.items():
        if role in columns or role in named or role in ("text", "attributes", "codes", "display", "variant_of"):
            continue
        if role == "position" and "time" in columns:
            continue
        if role in ("user", "id") and "visitor" in columns:
            continue
        got = f"{guess.columns[0]!r} looks like one ({guess.why})"
        advice = f'write {role} = "{guess.columns[0]}" below [{table}]'
        warnings.append(_warning(table, f"a column for {role}", got, advice, 1, guess.columns[0]))
    return warnings


def unmapped_words(rejected: pl.DataFrame) -> list[Finding]:
    """For each word for an event that other systems have and `dataset.toml` does not map: the line that maps it.

    Args:
        rejected: rows of the events, as `rejects.rejected_rows` returns them.
    """
    records = rejected.filter(pl.col("reason") == Reason.UNKNOWN_TYPE).get_column("record")
    words = dict.fromkeys(str(json.loads(record)["type"]) for record in records)
    behaviours = {word: behaviour_of(word) for word in words}
    return [
        _warning("events", "a line in [events.types]", repr(word), f'write "{word}" = "{behaviour}"', 1)
        for word, behaviour in behaviours.items()
        if behaviour is not None
    ]


def _warning(table: str, expected: str, got: str, advice: str, count: int, column: str | None = None) -> Finding:
    return Finding("warning", table, expected, got, advice, column=column, count=count)


def _int(counts: Mapping[str, object], name: str) -> int:
    number = counts.get(name, 0)
    return number if isinstance(number, int) else 0
