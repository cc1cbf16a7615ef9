"""One table a file, whatever the file: as the fast readers read it where it is plain, else row by row."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import orjson
import polars as pl

from offline.tables.encodings import EncodingVotes, encoding_name, marked
from offline.tables.flaws import FLAW, LINE, RECORD, ROW, BadRow, Flaw, TableError
from offline.tables.formats import Kind, ending_of, format_of
from offline.tables.json_rows import json_rows
from offline.tables.json_shapes import Shape, fit, merge, shape_of
from offline.tables.layouts import Layout, layout_of, names_of
from offline.tables.plain import survey
from offline.tables.sources import container_of
from offline.tables.temporary import state_of, workplace
from offline.tables.text_rows import text_rows
from offline.tables.unpack import plain_file
from offline.tables.workbooks import sheet_rows

_SAMPLE_BYTES = 1 << 18
_PART_ROWS = 50_000
_TELL_ROWS = 500_000
_MAGIC = (
    (b"PK\x03\x04", "a ZIP archive or a workbook by its bytes", "name it .zip or .xlsx"),
    (b"PAR1", "Parquet by its bytes", "name it .parquet"),
    (b"<!DOCTYPE", "a page of HTML", "download the export itself"),
    (b"<html", "a page of HTML", "download the export itself"),
    (b"\xd0\xcf\x11\xe0", "an old workbook by its bytes", "name it .xls"),
    (b"%PDF", "a PDF", "export a table"),
)


@dataclass(frozen=True)
class Table:
    """A file's rows, lazily. Text formats come as text: an id `007` stays `007`.

    `frame` may have the columns `source_row` (from 1), `source_line`, `source_flaw` and `source_record` of
    `offline.tables.flaws`; a row with a flaw has nothing else. `remarks` say what is not the ordinary.
    `offset` is the line of a row less its number, where that is the same for all rows and no column has it.
    """

    frame: pl.LazyFrame
    remarks: tuple[str, ...] = ()
    offset: int | None = None
    path: Path | None = None  # on disk, unpacked, where the fast reader reads it
    begin: int = 0  # lines before its first row


def table_of(file: str) -> Table:
    """The table in `file`: a path, a URL, or a name inside an archive or a workbook.

    Raises:
        TableError: it cannot be read at all.
    """
    if "://" in file:
        return Table(_fast(file, file))
    box, member = container_of(file)
    place = workplace()
    try:
        key = ("table", *state_of(box), member or "")
    except OSError as error:
        raise TableError(str(error.strerror).lower(), "correct the path or its permissions") from None
    if key not in place.known:
        place.known[key] = _read(file, box, member)
    table: Table = place.known[key]
    return table


def head_of(file: str, rows: int) -> pl.DataFrame:
    """The first `rows` rows of `file` that can be read, without those columns that are not the file's own.

    Raises:
        TableError: as `table_of`.
    """
    frame = table_of(file).frame
    try:
        return _head(frame, rows)
    except (pl.exceptions.PolarsError, OSError) as error:  # its text may hold rows of the file
        raise TableError(f"rows that cannot be read ({type(error).__name__})", "repair or export it again") from None


def _head(frame: pl.LazyFrame, rows: int) -> pl.DataFrame:
    frame = frame if FLAW not in frame.collect_schema() else frame.filter(pl.col(FLAW).is_null())
    return frame.head(rows).select(pl.exclude(ROW, LINE, FLAW, RECORD)).collect()


def _fast(file: str, path: str | Path) -> pl.LazyFrame:
    """What the fast reader makes of a URL, by its ending."""
    form = format_of(file)
    if form is None:
        raise TableError("an unknown ending", "download it")
    if form.kind is Kind.PARQUET:
        return pl.scan_parquet(path, glob=False)
    if form.kind in (Kind.JSON, Kind.JSON_LINES):
        return pl.scan_ndjson(path, infer_schema_length=None)
    return pl.scan_csv(path, infer_schema=False, glob=False, separator="\t" if ".tsv" in file.lower() else ",")


def _read(file: str, box: Path, member: str | None) -> Table:
    form = format_of(box.name if member is None else member) or format_of(box.name)
    if form is None:
        raise TableError("an unknown ending", "convert it")
    if form.kind is Kind.WORKBOOK:
        return _workbook(file, box, member)
    path = plain_file(file)
    try:
        with path.open("rb") as stream:
            begin = stream.read(_SAMPLE_BYTES)
    except OSError as error:
        raise TableError(str(error.strerror).lower(), "correct its permissions") from None
    if form.kind is Kind.PARQUET:
        frame = pl.scan_parquet(path, glob=False)
        try:
            frame.collect_schema()
        except (pl.exceptions.PolarsError, OSError):
            raise TableError("no whole Parquet file", "copy or export it again") from None
        return Table(frame, path=path)
    for magic, got, advice in _MAGIC:
        if begin.lstrip().startswith(magic):
            raise TableError(got, advice)
    if not begin.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise TableError("an empty file", "export it again, or leave it out")
    letters = begin[:400].decode(marked(begin) or "utf-8", errors="replace").lstrip("\ufeff \t\r\n")
    if form.kind in (Kind.JSON, Kind.JSON_LINES) or re.match(r"[{\[]\s*[\[{\"']", letters):
        return _json(file, path, begin, lines=form.kind is Kind.JSON_LINES)
    return _text(file, path, begin)


def _text(file: str, path: Path, begin: bytes) -> Table:
    ending = ending_of(file) or ""
    encoding = marked(begin)
    layout = layout_of(_decode(begin, encoding or "utf-8"), encoding or "utf-8", ending)
    if encoding in (None, "utf-8-sig"):
        seen = survey(path, layout)
        if seen.plain:
            offset = None if seen.quoted_lines else layout.begin
            return Table(_plain(path, layout), tuple(layout.remarks(ending)), offset, path, layout.begin)
        if seen.encoding != "utf-8":
            encoding = seen.encoding
            layout = layout_of(_decode(begin, encoding), encoding, ending)
    rows = text_rows(path, layout)
    parts = _parts(rows, layout.names, file)
    return Table(parts, tuple(layout.remarks(ending)))


def _decode(begin: bytes, encoding: str) -> str:
    """The whole lines of the first bytes of a file."""
    text = begin.decode(encoding, errors="replace")
    if len(begin) < _SAMPLE_BYTES:
        return text
    cut = max(text.rfind("\n"), text.rfind("\r"))
    return text[: cut + 1] if cut > 0 else text


def _plain(path: Path, layout: Layout) -> pl.LazyFrame:
    if layout.ordinary:
        return pl.scan_csv(path, infer_schema=False, glob=False, separator=layout.separator)
    return pl.scan_csv(
        path,
        infer_schema=False,
        glob=False,
        separator=layout.separator,
        has_header=False,
        skip_lines=layout.begin,
        new_columns=list(layout.names),
    )


def _parts(rows: Iterable[tuple[int, list[str] | BadRow]], names: tuple[str, ...], file: str) -> pl.LazyFrame:
    """The rows, in files of the temporary folder."""
    place = workplace()
    schema = dict.fromkeys(names, pl.String) | {ROW: pl.Int64, LINE: pl.Int64, FLAW: pl.String, RECORD: pl.String}
    nothing = [""] * len(names)
    parts: list[Path] = []
    iterator = iter(enumerate(rows, start=1))
    done = 0
    while batch := list(islice(iterator, _PART_ROWS)):
        cells = [row if isinstance(row, list) else nothing for _, (_, row) in batch]
        flaws = [None if isinstance(row, list) else row for _, (_, row) in batch]
        columns: dict[str, list[object]] = dict(zip(names, map(list, zip(*cells, strict=True)), strict=True))
        columns[ROW] = [number for number, _ in batch]
        columns[LINE] = [line for _, (line, _) in batch]
        columns[FLAW] = [None if flaw is None else flaw.flaw.value for flaw in flaws]
        columns[RECORD] = [None if flaw is None else flaw.record for flaw in flaws]
        frame = pl.DataFrame(columns, schema=schema)
        parts.append(place.new_path(".parquet"))
        frame.with_columns(pl.when(pl.col(name) != "").then(pl.col(name)) for name in names).write_parquet(
            parts[-1], compression="lz4"
        )
        done += len(batch)
        if not done % _TELL_ROWS:
            place.progress(0, 1, f"reading {Path(file).name} row by row: {done:,} rows")
    return pl.scan_parquet(parts) if parts else pl.LazyFrame(schema=schema)


def _workbook(file: str, path: Path, sheet: str | None) -> Table:
    rows = [(line, cells) for line, cells in sheet_rows(path, sheet) if any(cell.strip() for cell in cells)]
    if not rows:
        raise TableError("an empty sheet", "export it again, or leave it out")
    header, names, _, _ = names_of([cells for _, cells in rows[:500]])
    remarks = [f"sheet {sheet!r}"] if sheet else []
    if not header:
        remarks.append(f"without a header: its columns are called column_1 to column_{len(names)}")
    return Table(_parts(_fitted(rows[int(header) :], len(names)), names, file), tuple(remarks))


def _fitted(rows: Iterable[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str] | BadRow]]:
    for line, cells in rows:
        if any(cells[width:]):
            yield line, BadRow(Flaw.TOO_MANY_CELLS, f"{len(cells)} cells instead of {width}", "\t".join(cells))
        else:
            yield line, (cells + [""] * (width - len(cells)))[:width]


def _json(file: str, path: Path, begin: bytes, *, lines: bool) -> Table:
    encoding = marked(begin)
    if encoding is None:
        if lines and begin.lstrip().startswith(b"{"):
            frame = pl.scan_ndjson(path, infer_schema_length=None)
            try:  # this reads all of it
                frame.collect_schema()
            except (pl.exceptions.PolarsError, OSError):
                pass
            else:
                return Table(frame, path=path)
        votes = EncodingVotes()
        with path.open("rb") as stream:
            while some := stream.readlines(1 << 22):
                votes.add(b"".join(some))
        encoding = votes.encoding
    name = encoding_name(encoding)
    remarks = () if name == "UTF-8" else (f"encoded in {name}",)
    return Table(_json_lines(json_rows(path, encoding, lines=lines), file), remarks)


def _json_lines(rows: Iterable[tuple[int, dict[str, object] | BadRow]], file: str) -> pl.LazyFrame:
    """The rows as plain JSON lines of one type a column, in a file of the temporary folder."""
    place = workplace()
    draft, path = place.new_path(".jsonl"), place.new_path(".jsonl")
    shape: Shape = None
    good, first = 0, None
    with draft.open("wb") as out:
        for number, (line, row) in enumerate(rows, start=1):
            source: dict[str, object] = {ROW: number, LINE: line}
            if isinstance(row, BadRow):
                first = first or (line, row)
                source |= {FLAW: row.flaw.value, RECORD: row.record}
                out.write(_dumps(source) + b"\n")
                continue
            good += 1
            values = {str(name): value for name, value in row.items()}
            shape = merge(shape, shape_of(values))
            out.write(_dumps(source | {"row": _plain_value(values)}) + b"\n")
            if not number % _TELL_ROWS:
                place.progress(0, 1, f"reading {Path(file).name} row by row: {number:,} rows")
    if not good:
        got = "no rows" if first is None else f"no row that can be read; line {first[0]} is {first[1].got}"
        raise TableError(got, "export an object on each line, or an array of objects")
    with draft.open("rb") as given, path.open("wb") as out:
        for text in given:
            source = orjson.loads(text)
            values = fit(source.pop("row", {}), shape)
            out.write(_dumps(source | values) + b"\n")
    draft.unlink()
    return pl.scan_ndjson(path, infer_schema_length=None)


def _plain_value(value: object) -> object:
    """`value` without what JSON cannot hold: whole numbers past 64 bits become texts, tuples and sets lists."""
    match value:
        case list() | tuple() | set():
            return [_plain_value(element) for element in value]
        case dict():
            return {str(name): _plain_value(inner) for name, inner in value.items()}
        case str():
            return value.encode(errors="replace").decode()
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() | None:
            return value
        case _:
            return str(value)


def _dumps(value: object) -> bytes:
    return orjson.dumps(value)
