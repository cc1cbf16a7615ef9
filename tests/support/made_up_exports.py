"""Made-up exports in the columns that shops, tools and public data sets write, and what each column means."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

DAYS = [f"2024-{1 + n // 28:02d}-{1 + n % 28:02d}" for n in range(300)]
LINES = [(n, n % 17, (n * 7 + n // 5) % 23) for n in range(120)]
"""Of each event: its number, the user's, the item's."""
ORDERS = sorted({(n // 3, (n // 3) % 17) for n, _, _ in LINES})
"""Of each order of three lines: its number, the user's."""
WORDS = ("oak", "pine", "steel", "glass", "wool", "cork", "clay", "felt")
THINGS = ("table", "chair", "lamp", "rug", "vase", "shelf", "clock", "stool")


def name_of(item: int) -> str:
    """The title of an item."""
    return f"{WORDS[item % 8].title()} {THINGS[item // 3 % 8]} number {item}"


def table(header: Sequence[str] | None, rows: Sequence[Sequence[object]], separator: str = ",") -> str:
    """The text of a table."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=separator, lineterminator="\n")
    if header is not None:
        writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def lines(records: Sequence[Mapping[str, Any]]) -> str:
    """The text of JSON lines."""
    return "".join(json.dumps(record) + "\n" for record in records)


@dataclass(frozen=True)
class Export:
    """Files by name, and what `init` has to write of the tables, key by key; `nowhere`: columns that no role has."""

    files: Mapping[str, str]
    events: Mapping[str, Any] = field(default_factory=dict)
    items: Mapping[str, Any] = field(default_factory=dict)
    users: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, Any] = field(default_factory=dict)
    nowhere: Sequence[str] = ()
