"""The tables of a folder of exports: which files belong together, and their first rows."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from offline.dataset.catalogue_mark import is_mark
from offline.dataset.live_items import LIVE_ITEMS_FILE
from offline.dataset.reading import read_errors
from offline.dataset.synonyms import STOP_WORDS_FILE, SYNONYMS_FILE
from offline.tables.flaws import TableError
from offline.tables.formats import VAGUE, ending_of, other_format
from offline.tables.sources import files_in
from offline.tables.tables import head_of, table_of

SAMPLE_ROWS = 20_000
_FEWEST_LINES = 5
_BEGIN = 4  # letters that names have in common by more than chance


@dataclass(frozen=True)
class FileGroup:
    """Files that are one table: `path` is what `dataset.toml` says for them, `sample` their first rows.

    `remarks` say what is not the ordinary about the first of them: its separator, its encoding. `further` are paths of
    more of its files, which no pattern joins with the first.
    """

    path: str
    files: tuple[str, ...]
    sample: pl.DataFrame
    remarks: tuple[str, ...] = ()
    further: tuple[str, ...] = ()

    @property
    def paths(self) -> tuple[str, ...]:
        """What `dataset.toml` says for the files, a text or several."""
        return (self.path, *self.further)


def file_groups(root: Path) -> tuple[list[FileGroup], list[str]]:
    """The tables in `root` and its folders, by name, and an error text for each file that cannot be read.

    Files of a folder whose names differ in digits alone, or whose columns are the same, are one table. Tables in an
    archive and sheets of a workbook are as files of a folder.
    """
    names, unreadable = table_files(root)
    files_by_pattern: dict[str, list[str]] = {}
    for name in names:
        files_by_pattern.setdefault(_pattern(name), []).append(name)
    groups = []
    for pattern, files in files_by_pattern.items():
        try:
            table = table_of(str(root / files[0]))
            sample = head_of(str(root / files[0]), SAMPLE_ROWS)
        except TableError as error:
            unreadable.append(f"{files[0]}: {error}")
            continue
        except (pl.exceptions.PolarsError, OSError) as error:
            unreadable.append(f"{files[0]}: rows that cannot be read ({type(error).__name__})")
            continue
        if _is_prose(files[0], sample):
            if _has_blanks_between(sample):
                unreadable.append(f"{files[0]}: columns with blanks between them: put commas or tabs there")
            continue
        path = pattern if len(files) > 1 else files[0]
        groups.append(FileGroup(path, tuple(str(root / name) for name in files), sample, table.remarks))
    return _joined(groups, root), unreadable


def group_of(files: Sequence[str]) -> FileGroup:
    """Some files, by their whole names, as one table.

    Raises:
        DatasetError: the first of them cannot be read.
    """
    names = tuple(name if "://" in name else str(Path(name).resolve()) for name in files)
    with read_errors(names, names[0]):
        table, sample = table_of(names[0]), head_of(names[0], SAMPLE_ROWS)
    return FileGroup(names[0], names, sample, table.remarks, further=names[1:])


def table_files(root: Path, depth: int = 3) -> tuple[list[str], list[str]]:
    """What may be tables in `root` and its folders, by names relative to it, and a text for each that cannot be read.

    These are bad archives, tables in formats that are not read, and folders named like a file that hold none.
    """
    names: list[str] = []
    unreadable: list[str] = []
    for file in sorted(path for path in root.rglob("*") if _is_visible(path, root, depth)):
        name = file.relative_to(root).as_posix()
        if file.is_dir():
            if ending_of(file.name) is not None and not any(path.is_file() for path in file.rglob("*")):
                unreadable.append(f"{name}: an empty folder of that name: put the file in its place")
            continue
        if (other := other_format(file.name)) is not None:
            unreadable.append(f"{name}: {other}, which is not read: save it as .csv")
        if ending_of(file.name) is None:
            continue
        try:
            names += [Path(name).relative_to(root).as_posix() for name in files_in(file)]
        except TableError as error:
            unreadable.append(f"{name}: {error}")
    return names, unreadable


def _is_prose(name: str, sample: pl.DataFrame) -> bool:
    """Whether a file whose ending promises no table holds none: a text of lines, a note."""
    return name.lower().endswith(VAGUE) and (sample.width < 2 or not sample.height)


def _has_blanks_between(sample: pl.DataFrame) -> bool:
    """Whether each line of a text has as many words as the first, as in a table with columns below each other."""
    if sample.width != 1 or sample.height < _FEWEST_LINES:
        return False
    number = len(sample.columns[0].split())
    words = sample.to_series().cast(pl.String).str.extract_all(r"\S+").list.len()
    return number > 1 and bool((words == number).all())


def _is_visible(path: Path, root: Path, depth: int) -> bool:
    parts = path.relative_to(root).parts
    hidden = any(part.startswith((".", "_", "~$")) for part in parts)
    is_other = path.name in (SYNONYMS_FILE, STOP_WORDS_FILE, LIVE_ITEMS_FILE) or is_mark(path)
    return len(parts) <= depth and not hidden and not is_other


def _pattern(name: str) -> str:
    """`events/part-00017.parquet` -> `events/part-*.parquet`."""
    file = Path(name)
    ending = ending_of(file.name) or ""
    stem = file.name[: len(file.name) - len(ending)]
    if not ending:  # a sheet
        return name
    starred = re.sub(r"\d[\d.-]*(?:-[0-9a-f-]{8,}.*)?", "*", stem, count=0)
    starred = re.sub(r"\*.*\*", "*", starred)
    return (file.parent / (starred + file.name[len(stem) :])).as_posix()


def _joined(groups: list[FileGroup], root: Path) -> list[FileGroup]:
    """Groups with the same columns and format become one: those of a folder below `root`, in it those of like names."""
    joined: dict[tuple[str, ...], FileGroup] = {}
    for group in groups:
        first = Path(group.files[0])
        ending = ending_of(first.name) or ""
        folder = first.parent.relative_to(root).as_posix()
        key = (folder, ending, *group.sample.columns)
        if folder == ".":
            key = (*key, _begin(first.name))
        if key not in joined:
            joined[key] = group
            continue
        other = joined[key]
        files = tuple(sorted((*other.files, *group.files)))
        if folder == ".":
            joined[key] = replace(other, files=(*other.files, *group.files), further=(*other.further, group.path))
        else:
            joined[key] = FileGroup(f"{folder}/*{ending}", files, other.sample, other.remarks)
    return list(joined.values())


def _begin(name: str) -> str:
    """The first words of a file's name, which files of one table have in common: all but the last of its words."""
    words = re.split(r"[_\W]+", name.partition(".")[0].lower())
    begin = "_".join(words[:-1])
    return begin if len(begin) >= _BEGIN else name
