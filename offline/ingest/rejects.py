"""Bad rows: set aside with a reason, and too many of them stop the run."""

from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import polars as pl

from offline.dataset.people import hide_mails_in
from offline.dataset.reading import FILE, ROW
from offline.errors import DatasetError, Mistake
from offline.tables.flaws import FLAW, RECORD
from offline.tables.lines import line_numbers

REASON = "reason"


class Reason(StrEnum):
    """Why a row is set aside. The texts stand in `rejected.parquet` and `summary.json`."""

    EMPTY_USER = "empty user id"
    EMPTY_ITEM = "empty item id"
    UNKNOWN_TYPE = "unknown event type"
    UNREADABLE_TIME = "unparsable time"
    UNREADABLE_POSITION = "unparsable position"
    NEGATIVE_PRICE = "negative price"
    UNREADABLE_RATING = "unparsable rating"
    LONG_ID = "id longer than the service takes"
    UNKNOWN_SPLIT = "unknown split"


LINE_NUMBER = "line"
NOT_BAD = (Reason.EMPTY_USER,)
"""Of events: rows that are read as they are meant, of nobody. They teach nothing, and say nothing against the export:
where other rows are left, they stop nothing."""


REJECTED_SCHEMA = pl.Schema({"file": pl.String, "row": pl.Int64, "reason": pl.String, "record": pl.String})


def flaws_first(rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """`rows` with the reason of those that could not be read; they stand in the order of `raw`, which knows."""
    if FLAW not in raw.columns:
        return rows
    return rows.with_columns(pl.coalesce(raw.get_column(FLAW), pl.col(REASON)).alias(REASON))


def rejected_rows(rows: pl.DataFrame, raw: pl.DataFrame, files: Sequence[str]) -> pl.DataFrame:
    """The rows with a `reason`, as `rejected.parquet` keeps them: `file`, `row` (from 1), `reason`, `record`.

    `record` is the row of `raw`, which stands in the same order as `rows`, as JSON; of a row that could not be read,
    what `offline.tables.flaws.BadRow` says of it. Mail addresses in it are hidden.
    """
    bad = rows.get_column(REASON).is_not_null()
    names = pl.Series(list(files), dtype=pl.String)
    columns = [
        pl.col(name) if dtype.is_nested() else pl.col(name).cast(pl.String, strict=False)
        for name, dtype in raw.schema.items()
        if name not in (ROW, FILE, FLAW, RECORD)
    ]
    values = pl.struct(columns).struct.json_encode()
    record = raw.filter(bad).select(pl.coalesce(RECORD, values) if RECORD in raw.columns else values)
    return rows.filter(bad).select(
        pl.col(FILE).replace_strict(dict(enumerate(names)), return_dtype=pl.String).alias("file"),
        pl.col(ROW).alias("row"),
        pl.col(REASON).alias("reason"),
        hide_mails_in(record.to_series()).alias("record"),
    )


def refuse_too_many(
    reasons: Counter[str],
    first: Mapping[str, Any] | None,
    read: int,
    max_bad_share: float,
    location: str,
    not_bad: Sequence[Reason] = (),
) -> None:
    """Stop when more than `max_bad_share` of the `read` rows are rejected; `reasons` counts them.

    Those of a reason in `not_bad` do not count while other rows are left.

    Raises:
        DatasetError: there are more; the message counts the reasons and says where the `first` row is.
    """
    if first is None or bad_rows(reasons, read, not_bad) <= max_bad_share * read:
        return
    counted = ", ".join(f"{count} {reason}" for reason, count in count_reasons(reasons).items())
    raise DatasetError(
        Mistake(
            location,
            f"at most {max_bad_share:.1%} bad rows",
            f"{reasons.total()} of {read} ({counted}); the first is {_place(first)}",
            "correct the column mapping or the rows, or allow a larger share",
        )
    )


def _place(row: Mapping[str, Any]) -> str:
    line = line_numbers(row["file"], [row["row"]]).get(row["row"])
    return f"row {row['row']} of {row['file']}" if line is None else f"line {line} of {row['file']}"


def with_lines(rejected: pl.DataFrame) -> pl.DataFrame:
    """`rejected` with a column `line`, on which each row begins, null where files have no lines or too many."""
    parts = [
        rows.with_columns(pl.Series(LINE_NUMBER, [lines.get(row) for row in rows.get_column("row")], dtype=pl.Int64))
        for (file,), rows in rejected.group_by("file", maintain_order=True)
        if (lines := line_numbers(str(file), rows.get_column("row"))) is not None
    ]
    return pl.concat(parts) if parts else rejected.with_columns(pl.lit(None, pl.Int64).alias(LINE_NUMBER))


def bad_rows(reasons: Mapping[str, int], read: int, not_bad: Sequence[Reason]) -> int:
    """How many of the `read` rows speak against the export: the rejected ones, without those `not_bad`.

    Where no row is left all count.
    """
    rejected = sum(reasons.values())
    return rejected if rejected >= read else rejected - sum(reasons.get(reason, 0) for reason in not_bad)


def count_reasons(reasons: Counter[str]) -> dict[str, int]:
    """How many rows were rejected for each reason, the most frequent first."""
    return dict(sorted(reasons.items(), key=lambda entry: (-entry[1], entry[0])))


def scan_rejected(parts: list[Path]) -> pl.LazyFrame:
    """The rejected rows of several files, lazily."""
    return pl.scan_parquet(parts) if parts else pl.LazyFrame(schema=REJECTED_SCHEMA)
