"""Files by name: plain ones, tables inside `.zip` archives, and sheets of workbooks, as if these were folders."""

import fnmatch
import zipfile
from pathlib import Path

from offline.tables.flaws import TableError
from offline.tables.formats import ARCHIVE, Kind, format_of
from offline.tables.temporary import state_of, workplace
from offline.tables.workbooks import sheet_names

_MOST_MEMBERS = 10_000


def container_of(file: str) -> tuple[Path, str | None]:
    """The file on disk that `file` stands in, and its name in there: `a.zip/b.csv` stands in `a.zip`.

    None is the name of what is a file of its own. What is nowhere is taken for a file of its own, too.
    """
    path = Path(file)
    if not path.is_file():
        for parent in path.parents:
            if parent.is_file() and is_container(parent):
                return parent, path.relative_to(parent).as_posix()
    return path, None


def is_container(path: Path) -> bool:
    """Whether several tables can stand in the file `path`: an archive or a workbook."""
    kind = format_of(path.name)
    return path.name.lower().endswith(ARCHIVE) or (kind is not None and kind.kind is Kind.WORKBOOK)


def tables_in(path: Path) -> list[str]:
    """The names of all tables in an archive or a workbook, sorted in an archive; of any other file "" alone.

    Raises:
        TableError: it cannot be read, holds nothing, or too much.
    """
    if not is_container(path):
        return [""]
    key = ("tables", *state_of(path))
    known = workplace().known
    if key not in known:
        known[key] = _members(path) if path.name.lower().endswith(ARCHIVE) else sheet_names(path)
    names: list[str] = known[key]
    return names


def files_in(path: Path) -> list[str]:
    """All tables of the file `path` by the names that they are read by: itself, or each of those in it.

    A workbook with one sheet is read by its own name.

    Raises:
        TableError: as `tables_in`.
    """
    names = tables_in(path)
    if len(names) == 1 and not path.name.lower().endswith(ARCHIVE):
        return [str(path)]
    return [f"{path}/{name}" for name in names]


def match(root: Path, path: str) -> list[str]:
    """The files that `path`, a name or a pattern relative to `root`, stands for, sorted; nothing where there is none.

    Raises:
        TableError: an archive or a workbook cannot be read, or `path` is one that holds several tables.
    """
    pattern = any(mark in path for mark in "*?[")
    if (root / path).is_file():
        return _only(root / path)
    if not pattern and (root / path).is_dir():
        raise TableError("a folder", f"name the files in it, such as {path.rstrip('/')}/*.csv")
    anchor = Path(path).anchor
    start = Path(anchor) if anchor else root
    if pattern:
        files = sorted(file for file in start.glob(path[len(anchor) :]) if file.is_file())
        if files:
            return [name for file in files for name in files_in(file)]
    parts = Path(path).parts
    for number in range(1, len(parts)):
        box = root.joinpath(*parts[:number])
        if is_container(box) and box.is_file():
            inner = "/".join(parts[number:])
            return [f"{box}/{name}" for name in tables_in(box) if fnmatch.fnmatchcase(name, inner) or name == inner]
    return []


def _only(path: Path) -> list[str]:
    files = files_in(path)
    if len(files) > 1:
        names = ", ".join(repr(name) for name in tables_in(path)[:10])
        raise TableError(f"{len(files)} tables ({names})", f"name one, such as '{path.name}/{tables_in(path)[0]}'")
    return files


def _members(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise TableError(str(error.strerror).lower(), "correct its permissions or the disk") from None
        raise TableError("no whole ZIP archive", "copy or download it again") from None
    if len(members) > _MOST_MEMBERS:
        raise TableError(f"{len(members):,} files", f"give {_MOST_MEMBERS:,} files at most in an archive")
    names = {member.filename for member in members if not member.is_dir() and _is_table(member.filename)}
    if not names:
        raise TableError("an archive without a table", "put .csv, .jsonl or .parquet files into it")
    return sorted(names)


def _is_table(name: str) -> bool:
    parts = name.replace("\\", "/").split("/")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    kind = format_of(name)
    return not hidden and kind is not None and kind.kind is not Kind.WORKBOOK
