"""Reading the files that a `dataset.toml` names, whatever their format, column by column."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.dataset.missing import MISSING_WORDS
from offline.dataset.nested import names_in, reach
from offline.dataset.numbers import PLAIN, NumberStyle, plain_number, written_number
from offline.errors import DatasetError, Mistake
from offline.tables import flaws
from offline.tables.flaws import FLAW, LINE, RECORD, TableError
from offline.tables.formats import format_of, formats_text
from offline.tables.sources import container_of, match
from offline.tables.tables import table_of

ROW = flaws.ROW
FILE = "source_file"
_MOST_NAMES = 60  # of columns in a message


@dataclass(frozen=True)
class ColumnRequest:
    """A column to read: `column` of the file becomes `role`. `location` is the line of the TOML that names it."""

    role: str
    column: str
    location: str
    required: bool


def find_files(root: Path, paths: Sequence[str], location: str) -> tuple[str, ...]:
    """Every file that `paths` (names, globs or URLs, relative to `root`) stand for; the files of a glob sorted.

    A table in an archive or a sheet of a workbook is a file in a folder: `shop.zip/events.csv`.

    Raises:
        DatasetError: a name stands for no file, for several tables, or for a file of an unknown format.
    """
    files: list[str] = []
    for path in paths:
        try:
            matches = [path] if "://" in path else match(root, path)
        except TableError as error:
            raise DatasetError(Mistake(location, f"a table in {root / path}", error.got, error.advice)) from None
        if not matches:
            raise DatasetError(Mistake(location, f"a file {path!r} below {root}", "none", "correct the path"))
        files += matches
    for file in files:
        if format_of(file) is None and format_of(container_of(file)[0].name) is None:
            raise DatasetError(Mistake(location, f"a file ending in {formats_text()}", file, "convert it"))
    return tuple(files)


def scan(files: Sequence[str], location: str, *, with_flaws: bool = False) -> pl.LazyFrame:
    """All rows of `files`, in order, lazily. Text formats come as text: an id `007` stays `007`.

    Two columns are added: `source_file` (index into `files`) and `source_row` (from 1 in each file). Rows that cannot
    be read are left out, unless `with_flaws`: then they have null in every column of the files, and, where there are
    any, all rows have `source_flaw` (why, else null) and `source_record` (the row, as JSON).

    Raises:
        DatasetError: a file cannot be read at all.
    """
    frames = []
    for index, file in enumerate(files):
        with read_errors((file,), location):
            frame = table_of(file).frame
            names = frame.collect_schema().names()
        if ROW not in names:
            frame = frame.with_row_index(ROW, offset=1)
        if FLAW in names and not with_flaws:
            frame = frame.filter(pl.col(FLAW).is_null())
        dropped = [name for name in (LINE, *(() if with_flaws else (FLAW, RECORD))) if name in names]
        frames.append(frame.drop(dropped).with_columns(pl.col(ROW).cast(pl.Int64), pl.lit(index, pl.Int32).alias(FILE)))
    return frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")


def scan_columns(files: Sequence[str], requests: Sequence[ColumnRequest], location: str) -> pl.LazyFrame:
    """The requested columns of `files` under their roles, with `source_file` and `source_row`, lazily.

    Rows that cannot be read are among them, as `scan` has them `with_flaws`. A column that the files lack is left out,
    unless it is required.

    Raises:
        DatasetError: a required column is missing, or a file cannot be read. Names the file, the column, the
            line of the TOML and the columns that exist.
    """
    frame = scan(files, location, with_flaws=True)
    schema = own_columns(frame)
    if missing := missing_columns(schema, files, requests):
        raise DatasetError(*missing)
    return select_roles(frame, schema, requests)


def own_columns(frame: pl.LazyFrame) -> dict[str, pl.DataType]:
    """The columns of files in `frame`, with their types: all but those that `scan` adds."""
    return {name: dtype for name, dtype in frame.collect_schema().items() if name not in (ROW, FILE, FLAW, RECORD)}


def select_roles(
    frame: pl.LazyFrame,
    schema: Mapping[str, pl.DataType],
    requests: Sequence[ColumnRequest],
    further: Sequence[str] = (),
) -> pl.LazyFrame:
    """The requested columns that `frame`, of that schema, has, under their roles; `scan`'s and `further` ones stay."""
    further = [name for name in (FLAW, RECORD, *further) if name in frame.collect_schema()]
    reached = {request.role: reach(request.column, schema) for request in requests}
    columns = (inside.values.alias(role) for role, inside in reached.items() if inside is not None)
    return frame.select(ROW, FILE, *further, *columns)


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
    expected = f"readable rows in {', '.join(files)}"
    try:
        yield
    except TableError as error:
        raise DatasetError(Mistake(location, expected, error.got, error.advice)) from None
    except OSError as error:
        got = str(error.strerror or "an error of the file system").lower()
        raise DatasetError(Mistake(location, expected, got, "correct the path or its permissions")) from None
    except pl.exceptions.PolarsError as error:  # its text may hold rows of the file
        got = f"rows that cannot be read ({type(error).__name__})"
        raise DatasetError(Mistake(location, expected, got, "repair or export the file again")) from None


def missing_columns(
    schema: Mapping[str, pl.DataType], files: Sequence[str], requests: Sequence[ColumnRequest]
) -> list[Mistake]:
    """A mistake for each required column that a table of that schema, the rows of `files`, does not have."""
    mistakes = []
    for request in requests:
        if request.required and reach(request.column, schema) is None:
            advice = f"set {request.role!r} to one of them"
            mistakes.append(unknown_column(request.column, schema, files, request.location, advice=advice))
    return mistakes


def unknown_column(
    name: str, schema: Mapping[str, pl.DataType], files: Sequence[str], location: str, *, advice: str
) -> Mistake:
    """The mistake of a column that files lack; `advice` where none has a name like it."""
    names = names_in(schema)
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else advice
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return Mistake(location, f"a column {name!r} in {', '.join(files)}", ", ".join(names[:_MOST_NAMES]) + more, hint)


def text(column: str, dtype: pl.DataType, missing: Sequence[str] = MISSING_WORDS) -> pl.Expr:
    """`column` as text without surrounding blanks; empty, or a word of `missing`, is null.

    Whole floats lose their `.0`, lists and objects become JSON.
    """
    values = pl.col(column)
    if dtype.is_nested():
        values = pl.struct(values).struct.json_encode().str.extract(r"^\{\"(?:[^\"\\]|\\.)*\":(.*)\}$")
    if dtype.is_float():
        whole = values.cast(pl.Int64, strict=False)
        values = pl.when(whole == values).then(whole.cast(pl.String)).otherwise(values.fill_nan(None).cast(pl.String))
    stripped = values.cast(pl.String).str.strip_chars()
    if dtype != pl.String:
        return pl.when(stripped != "").then(stripped).alias(column)
    return pl.when((stripped != "") & ~stripped.is_in(missing)).then(stripped).alias(column)


def number(column: str, dtype: pl.DataType, style: NumberStyle = PLAIN) -> pl.Expr:
    """`column` as a finite f64; null where it is empty or no number. `style`: how a column of texts is written."""
    values = pl.col(column)
    if dtype == pl.String:
        return written_number(values.str.strip_chars(), style).alias(column)
    return (pl.lit(None, pl.Float64) if dtype.is_nested() else plain_number(values)).alias(column)
