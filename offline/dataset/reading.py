"""Reading the files that a `dataset.toml` names, whatever their format, column by column."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.errors import DatasetError, Mistake

ROW = "source_row"
FILE = "source_file"
FORMATS = (".parquet", ".csv", ".csv.gz", ".jsonl")


@dataclass(frozen=True)
class ColumnRequest:
    """A column to read: `column` of the file becomes `role`. `location` is the line of the TOML that names it."""

    role: str
    column: str
    location: str
    required: bool


def find_files(root: Path, paths: Sequence[str], location: str) -> tuple[str, ...]:
    """Every file that `paths` (names, globs or URLs, relative to `root`) stand for; the files of a glob sorted.

    Raises:
        DatasetError: a name stands for no file, or for a file of an unknown format.
    """
    files: list[str] = []
    for path in paths:
        if "://" in path:
            matches = [path]
        elif any(mark in path for mark in "*?["):
            anchor = Path(path).anchor
            start = Path(anchor) if anchor else root
            matches = sorted(str(file) for file in start.glob(path[len(anchor) :]) if file.is_file())
        else:
            matches = [str(root / path)] if (root / path).is_file() else []
        if not matches:
            raise DatasetError(Mistake(location, f"a file {path!r} below {root}", "none", "correct the path"))
        files += matches
    for file in files:
        if not file.lower().endswith(FORMATS):
            raise DatasetError(Mistake(location, f"a file ending in {' '.join(FORMATS)}", file, "convert it"))
    return tuple(files)


def scan(files: Sequence[str], location: str) -> pl.LazyFrame:
    """All rows of `files`, in order, lazily. Text formats come as text: an id `007` stays `007`.

    Two columns are added: `source_file` (index into `files`) and `source_row` (from 1 in each file).

    Raises:
        DatasetError: a file cannot be read in the format that its name promises.
    """
    frames = []
    for index, file in enumerate(files):
        try:
            frame = _scan_one(file)
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise _unreadable(file, location, error) from error
        frames.append(
            frame.with_row_index(ROW, offset=1).with_columns(
                pl.col(ROW).cast(pl.Int64), pl.lit(index, pl.Int32).alias(FILE)
            )
        )
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def scan_columns(files: Sequence[str], requests: Sequence[ColumnRequest], location: str) -> pl.LazyFrame:
    """The requested columns of `files` under their roles, with `source_file` and `source_row`, lazily.

    A column that the files lack is left out, unless it is required.

    Raises:
        DatasetError: a required column is missing, or a file cannot be read. Names the file, the column, the
            line of the TOML and the columns that exist.
    """
    frame = scan(files, location)
    columns = require_columns(frame, files, requests)
    return frame.select(ROW, FILE, *(pl.col(request.column).alias(request.role) for request in columns))


def read_columns(files: Sequence[str], requests: Sequence[ColumnRequest], location: str) -> pl.DataFrame:
    """As `scan_columns`, in memory.

    Raises:
        DatasetError: as `scan_columns`, and where a file breaks off or changes its form further down.
    """
    frame = scan_columns(files, requests, location)
    with read_errors(files, location):
        return frame.collect()


def batches_of(frame: pl.LazyFrame, files: Sequence[str], location: str, size: int) -> Iterator[pl.DataFrame]:
    """The rows of `frame`, which reads `files`, in order, about `size` at a time.

    Raises:
        DatasetError: a file breaks off or changes its form further down.
    """
    with read_errors(files, location):
        yield from frame.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


@contextmanager
def read_errors(files: Sequence[str], location: str) -> Iterator[None]:
    """Raise errors of reading `files` as errors of the data set.

    Raises:
        DatasetError: a file cannot be read.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(", ".join(files), location, error) from error


def require_columns(
    frame: pl.LazyFrame, files: Sequence[str], requests: Sequence[ColumnRequest]
) -> list[ColumnRequest]:
    """Those of `requests` whose column `frame`, the rows of `files`, has.

    Raises:
        DatasetError: a required column is missing; one line for each.
    """
    missing = missing_columns(frame, files, requests)
    if missing:
        raise DatasetError(*missing)
    columns = frame.collect_schema().names()
    return [request for request in requests if request.column in columns]


def missing_columns(frame: pl.LazyFrame, files: Sequence[str], requests: Sequence[ColumnRequest]) -> list[Mistake]:
    """A mistake for each required column that `frame`, the rows of `files`, does not have."""
    columns = [name for name in frame.collect_schema().names() if name not in (ROW, FILE)]
    mistakes = []
    for request in requests:
        if request.required and request.column not in columns:
            near = difflib.get_close_matches(request.column, columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"set {request.role!r} to one of them"
            expected = f"a column {request.column!r} in {', '.join(files)}"
            mistakes.append(Mistake(request.location, expected, ", ".join(columns), hint))
    return mistakes


def text(column: str, dtype: pl.DataType) -> pl.Expr:
    """`column` as text without surrounding blanks; empty is null. Whole floats lose their `.0`."""
    values = pl.col(column)
    if dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        values = pl.when(whole == values).then(whole.cast(pl.String)).otherwise(values.fill_nan(None).cast(pl.String))
    stripped = values.cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(column)


def number(column: str, dtype: pl.DataType) -> pl.Expr:
    """`column` as a finite f64; null where it is empty or no number."""
    values = pl.col(column)
    if dtype == pl.String:
        values = values.str.strip_chars()
    value = values.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value).alias(column)


def _scan_one(file: str) -> pl.LazyFrame:
    lower = file.lower()
    if lower.endswith(".parquet"):
        return pl.scan_parquet(file, glob=False)
    if lower.endswith(".jsonl"):
        return pl.scan_ndjson(file, infer_schema_length=None)
    return pl.scan_csv(file, infer_schema=False, glob=False)


def _unreadable(file: str, location: str, error: Exception) -> DatasetError:
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return DatasetError(Mistake(location, f"readable rows in {file}", repr(reason), "repair or export the file again"))
