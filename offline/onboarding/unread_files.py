"""Files beside a `dataset.toml` that may be tables, and that it does not name."""

from pathlib import Path

from offline.dataset.reading import find_files
from offline.dataset.spec import DatasetSpec
from offline.dataset.synonyms import synonym_files
from offline.errors import DatasetError
from offline.onboarding.files import table_files
from offline.onboarding.findings import Finding
from offline.tables.flaws import TableError
from offline.tables.formats import VAGUE
from offline.tables.sources import container_of
from offline.tables.tables import head_of

_LOOK_INTO = 1 << 26  # bytes: larger ones are no notes


def unread_files(spec: DatasetSpec) -> list[Finding]:
    """A warning for each file in the folder of `spec` itself that may be a table and is not read."""
    read = _read_files(spec)
    names, unreadable = table_files(spec.root, depth=1)
    unread = [name for name in names if spec.root / name not in read and _may_be_table(spec.root / name)]
    findings = [
        Finding(
            "warning",
            "dataset.toml",
            "all tables of the folder in dataset.toml",
            "not named there, and not read",
            "name it under [events], [items] or [users], or write dataset.toml anew by init --force",
            file=str(spec.root / name),
        )
        for name in unread
    ]
    boxes = {container_of(str(path))[0].name for path in read}
    return findings + [
        Finding("warning", "dataset.toml", "files that can be read", line, "leave it out of the folder, or repair it")
        for line in unreadable
        if line.split(":")[0] not in boxes
    ]


def _read_files(spec: DatasetSpec) -> set[Path]:
    paths = [path for table in (spec.events, spec.items, spec.users) if table is not None for path in table.all_names]
    if spec.evaluation.task == "graded_search":
        paths += [spec.evaluation.queries, spec.evaluation.judgments]
    files: set[Path] = set(synonym_files(spec))
    for path in paths:
        try:
            files |= {Path(file) for file in find_files(spec.root, (path,), "")}
        except DatasetError:
            files.add(spec.root / path)
    return files


def _may_be_table(path: Path) -> bool:
    """Whether a file is a table by its ending or, where that does not tell, by what stands in it."""
    if not path.name.lower().endswith(VAGUE) or container_of(str(path))[0].stat().st_size > _LOOK_INTO:
        return True
    try:
        sample = head_of(str(path), 10)
    except TableError:
        return False
    return sample.width > 1 and sample.height > 0
