"""Reading the files that a `dataset.toml` names, whatever their format, column by column."""

import difflib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.errors import DatasetError

ROW = "source_row"
FILE = "source_file"
FORMATS = (".parquet", ".csv", ".csv.gz", ".jsonl")


@dataclass(frozen=True)
class Wanted:
    """A column to read: `column` of the file becomes `role`. `at` is the place in the TOML that names it."""

    role: str
    column: str
    at: str
    required: bool


def find_files(root: Path, paths: Sequence[str], at: str) -> tuple[str, ...]:
    """Every file that `paths` (names, globs or URLs, relative to `root`) stand for; those of a glob sorted.

    Raises:
        DatasetError: a name stands for no file, or for one of a format that is not read.
    """
    files: list[str] = []
    for path in paths:
        if "://" in path:
            found = [path]
        elif any(mark in path for mark in "*?["):
            anchor = Path(path).anchor
            start = Path(anchor) if anchor else root
            found = sorted(str(file) for file in start.glob(path[len(anchor) :]) if file.is_file())
        else:
            found = [str(root / path)] if (root / path).is_file() else []
        if not found:
            raise DatasetError(f"{at}: expected a file {path!r} below {root}, got none: correct the path")
        files += found
    for file in files:
        if not file.lower().endswith(FORMATS):
            raise DatasetError(f"{at}: expected a file ending in {' '.join(FORMATS)}, got {file}: convert it")
    return tuple(files)


def scan(files: Sequence[str], at: str) -> pl.LazyFrame:
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
            raise _unreadable(file, at, error) from error
        frames.append(
            frame.with_row_index(ROW, offset=1).with_columns(
                pl.col(ROW).cast(pl.Int64), pl.lit(index, pl.Int32).alias(FILE)
            )
        )
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def scan_columns(files: Sequence[str], wanted: Sequence[Wanted], at: str) -> pl.LazyFrame:
    """The `wanted` columns of `files` under their roles, with `source_file` and `source_row`, lazily.

    A column that is not required and not there is left out.

    Raises:
        DatasetError: a required column is missing, or a file cannot be read. Names the file, the column, the
            line of the TOML and the columns that exist.
    """
    frame = scan(files, at)
    there = present(frame, files, wanted)
    return frame.select(ROW, FILE, *(pl.col(each.column).alias(each.role) for each in there))


def read_columns(files: Sequence[str], wanted: Sequence[Wanted], at: str) -> pl.DataFrame:
    """As `scan_columns`, in memory.

    Raises:
        DatasetError: as there, and where a file breaks off or holds something else further down.
    """
    frame = scan_columns(files, wanted, at)
    with readable(files, at):
        return frame.collect()


def batches_of(frame: pl.LazyFrame, files: Sequence[str], at: str, size: int) -> Iterator[pl.DataFrame]:
    """The rows of `frame`, which reads `files`, in order, about `size` at a time.

    Raises:
        DatasetError: a file breaks off or holds something else further down.
    """
    with readable(files, at):
        yield from frame.collect_batches(chunk_size=size, maintain_order=True, engine="streaming")


@contextmanager
def readable(files: Sequence[str], at: str) -> Iterator[None]:
    """Say as an error of the data set what goes wrong while its files are read.

    Raises:
        DatasetError: a file cannot be read.
    """
    try:
        yield
    except (pl.exceptions.PolarsError, OSError) as error:
        raise _unreadable(", ".join(files), at, error) from error


def present(frame: pl.LazyFrame, files: Sequence[str], wanted: Sequence[Wanted]) -> list[Wanted]:
    """Those of `wanted` that `frame`, the rows of `files`, has.

    Raises:
        DatasetError: a required column is missing; one line for each.
    """
    lacking = missing(frame, files, wanted)
    if lacking:
        raise DatasetError("\n".join(lacking))
    columns = frame.collect_schema().names()
    return [each for each in wanted if each.column in columns]


def missing(frame: pl.LazyFrame, files: Sequence[str], wanted: Sequence[Wanted]) -> list[str]:
    """What to say of each required column that `frame`, the rows of `files`, has not."""
    columns = [name for name in frame.collect_schema().names() if name not in (ROW, FILE)]
    said = []
    for each in wanted:
        if each.required and each.column not in columns:
            near = difflib.get_close_matches(each.column, columns, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"set {each.role!r} to one of them"
            said.append(
                f"{each.at}: expected a column {each.column!r} in {', '.join(files)}, got {', '.join(columns)}: {hint}"
            )
    return said


def text(column: str, dtype: pl.DataType) -> pl.Expr:
    """`column` as text without surrounding blanks; empty is null. Whole floats lose their `.0`."""
    of = pl.col(column)
    if dtype.is_float():
        whole = of.cast(pl.Int64, strict=False)
        of = pl.when(whole == of).then(whole.cast(pl.String)).otherwise(of.fill_nan(None).cast(pl.String))
    stripped = of.cast(pl.String).str.strip_chars()
    return pl.when(stripped != "").then(stripped).alias(column)


def number(column: str, dtype: pl.DataType) -> pl.Expr:
    """`column` as a finite f64; null where it is empty or no number."""
    of = pl.col(column)
    if dtype == pl.String:
        of = of.str.strip_chars()
    value = of.cast(pl.Float64, strict=False)
    return pl.when(value.is_finite()).then(value).alias(column)


def _scan_one(file: str) -> pl.LazyFrame:
    lower = file.lower()
    if lower.endswith(".parquet"):
        return pl.scan_parquet(file, glob=False)
    if lower.endswith(".jsonl"):
        return pl.scan_ndjson(file, infer_schema_length=None)
    return pl.scan_csv(file, infer_schema=False, glob=False)


def _unreadable(file: str, at: str, error: Exception) -> DatasetError:
    said = (str(error).splitlines() or [type(error).__name__])[0]
    return DatasetError(f"{at}: expected readable rows in {file}, got {said!r}: repair or export the file again")
