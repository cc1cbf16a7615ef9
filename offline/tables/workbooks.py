"""Workbooks (.xlsx, .xls, .ods): their sheets, and the rows of a sheet as text."""

import datetime as dt
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from python_calamine import CalamineError, CalamineWorkbook, PasswordError

from offline.tables.flaws import TableError

_MOST_BYTES = 2_000_000_000
_PACKED_AT_MOST = 200
_SMALL = 64_000_000
_READER_ERRORS = (CalamineError, ValueError, OverflowError)  # the latter two of dates and numbers


def sheet_names(path: Path) -> list[str]:
    """The names of the sheets that hold something; the first one where none does.

    Raises:
        TableError: it is no workbook, is protected by a password, or unpacks to too much.
    """
    book = _open(path)
    names: list[str] = [name for name in book.sheet_names if _rows(book, name)] if len(book.sheet_names) > 1 else []
    return names or list(book.sheet_names[:1])


def sheet_rows(path: Path, name: str | None) -> Iterator[tuple[int, list[str]]]:
    """Line and cells of each row of a sheet, by default the first with something in it; empty cells are empty texts.

    Raises:
        TableError: as `sheet_names`.
    """
    book = _open(path)
    rows = _rows(book, name or sheet_names(path)[0])
    for line, row in enumerate(rows, start=1):
        yield line, [cell_text(cell) for cell in row]


def cell_text(cell: Any) -> str:
    """A cell as a CSV would have it: whole numbers without a point, times in ISO 8601."""
    match cell:
        case None:
            return ""
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 2**63 else repr(cell)
        case dt.datetime():
            return cell.isoformat(sep=" ")
        case _:
            return str(cell)


def _rows(book: CalamineWorkbook, name: str) -> list[list[Any]]:
    try:
        rows: list[list[Any]] = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except _READER_ERRORS as error:
        raise TableError(f"a sheet {name!r} that cannot be read", "save the workbook again") from error
    return rows


def _open(path: Path) -> CalamineWorkbook:
    _check_size(path)
    try:
        return CalamineWorkbook.from_path(str(path))
    except OSError as error:
        raise TableError(str(error.strerror or "an unreadable file").lower(), "correct its permissions") from None
    except PasswordError:
        raise TableError("a workbook with a password", "save it without one") from None
    except _READER_ERRORS as error:
        if "assword" in str(error) or "encrypt" in str(error).lower():  # of formats whose reader does not tell
            raise TableError("a workbook with a password", "save it without one") from None
        raise TableError("no workbook that can be read", "save it as .xlsx or .csv") from None


def _check_size(path: Path) -> None:
    """Unpack what is an archive once, keeping nothing, up to what a workbook may hold."""
    try:
        with zipfile.ZipFile(path) as archive:
            most = min(max(_SMALL, _PACKED_AT_MOST * path.stat().st_size), _MOST_BYTES)
            size = 0
            for member in archive.infolist():
                with archive.open(member) as stream:
                    while chunk := stream.read(1 << 20):
                        size += len(chunk)
                        if size > most:
                            raise TableError(f"a workbook of more than {most >> 20} MiB", "export it as CSV")
    except OSError as error:
        raise TableError(str(error.strerror or "an unreadable file").lower(), "correct its permissions") from None
    except (zipfile.BadZipFile, EOFError, ValueError, NotImplementedError, RuntimeError):
        return  # an .xls, or damaged: the reader says so
