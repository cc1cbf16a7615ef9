"""The tables of a folder of exports: which files belong together, and their first rows."""

import re
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from offline.dataset.reading import FILE, FORMATS, ROW, scan
from offline.errors import DatasetError

SAMPLE_ROWS = 20_000


@dataclass(frozen=True)
class FileGroup:
    """Files that are one table: `path` is what `dataset.toml` says for them, `sample` their first rows."""

    path: str
    files: tuple[str, ...]
    sample: pl.DataFrame


def file_groups(root: Path) -> tuple[list[FileGroup], list[str]]:
    """The tables in `root` and its folders, by name, and an error text for each file that cannot be read.

    Files of a folder whose names differ in digits alone, or whose columns are the same, are one table.
    """
    files_by_pattern: dict[str, list[Path]] = {}
    for file in sorted(path for path in root.rglob("*") if path.is_file() and _is_table(path, root)):
        files_by_pattern.setdefault(_pattern(file, root), []).append(file)
    groups, unreadable = [], []
    for pattern, files in files_by_pattern.items():
        names = tuple(str(file) for file in files)
        try:
            sample = scan(names[:1], str(files[0])).head(SAMPLE_ROWS).drop(ROW, FILE).collect()
        except (DatasetError, pl.exceptions.PolarsError) as error:
            unreadable.append(str(error).splitlines()[0])
            continue
        path = pattern if len(files) > 1 else files[0].relative_to(root).as_posix()
        groups.append(FileGroup(path, names, sample))
    return _joined(groups, root), unreadable


def _is_table(path: Path, root: Path) -> bool:
    parts = path.relative_to(root).parts
    return len(parts) <= 3 and not any(part.startswith((".", "_")) for part in parts) and _ending(path) is not None


def _ending(path: Path) -> str | None:
    fitting = [ending for ending in FORMATS if path.name.lower().endswith(ending)]
    return max(fitting, key=len) if fitting else None


def _pattern(file: Path, root: Path) -> str:
    """`events/part-00017.parquet` -> `events/part-*.parquet`."""
    ending = _ending(file) or ""
    stem = file.name[: len(file.name) - len(ending)]
    starred = re.sub(r"\d[\d.-]*(?:-[0-9a-f-]{8,}.*)?", "*", stem, count=0)
    starred = re.sub(r"\*.*\*", "*", starred)
    return (file.relative_to(root).parent / (starred + file.name[len(stem) :])).as_posix()


def _joined(groups: list[FileGroup], root: Path) -> list[FileGroup]:
    """Groups of one folder below `root` with the same columns and format become one."""
    joined: dict[tuple[str, ...], FileGroup] = {}
    for group in groups:
        first = Path(group.files[0])
        ending = _ending(first) or ""
        folder = first.parent.relative_to(root).as_posix()
        key = (folder, ending, *group.sample.columns) if folder != "." else (group.path,)
        if key in joined:
            path, files = f"{folder}/*{ending}", (*joined[key].files, *group.files)
            joined[key] = FileGroup(path, tuple(sorted(files)), joined[key].sample)
        else:
            joined[key] = group
    return list(joined.values())
