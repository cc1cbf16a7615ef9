"""The formats of files that hold tables, told by the ending of a name."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What a file is, once it is unpacked."""

    DELIMITED = "delimited text"
    JSON = "JSON"
    JSON_LINES = "JSON lines"
    PARQUET = "Parquet"
    WORKBOOK = "a workbook"


_KINDS = {
    ".parquet": Kind.PARQUET,
    ".csv": Kind.DELIMITED,
    ".tsv": Kind.DELIMITED,
    ".dat": Kind.DELIMITED,
    ".txt": Kind.DELIMITED,
    ".tab": Kind.DELIMITED,
    ".psv": Kind.DELIMITED,
    ".data": Kind.DELIMITED,
    ".item": Kind.DELIMITED,
    ".user": Kind.DELIMITED,
    ".json": Kind.JSON,
    ".jsonl": Kind.JSON_LINES,
    ".ndjson": Kind.JSON_LINES,
    ".xlsx": Kind.WORKBOOK,
    ".xls": Kind.WORKBOOK,
    ".ods": Kind.WORKBOOK,
}
_PACKED = tuple(f"{ending}.gz" for ending, kind in _KINDS.items() if kind is not Kind.WORKBOOK)
ARCHIVE = ".zip"
FORMATS = (*_KINDS, *_PACKED, ARCHIVE)
"""Every ending of a file that is read."""
NOT_READ: Mapping[str, str] = {
    ".xml": "XML",
    ".sql": "a dump of a database",
    **dict.fromkeys((".db", ".sqlite", ".sqlite3", ".mdb", ".accdb", ".duckdb"), "a database"),
    **dict.fromkeys((".xlsm", ".xlsb", ".numbers"), "a workbook of another kind"),
    **dict.fromkeys((".avro", ".orc", ".feather", ".arrow", ".pkl", ".pickle", ".h5", ".hdf5"), "data of a program"),
    **dict.fromkeys((".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tgz", ".tar.gz"), "an archive of another kind"),
}
"""Endings of files that hold tables, too, and are not read: what they are."""
VAGUE = (".txt", ".dat", ".data", ".item", ".user", ".json")
"""Endings of files that need not be tables."""


@dataclass(frozen=True)
class Format:
    """What a name promises: `packed` is gzip."""

    kind: Kind
    packed: bool


def ending_of(name: str) -> str | None:
    """The ending of `name` that tells its format, such as `.csv.gz`; None where it is none of `FORMATS`."""
    return max((ending for ending in FORMATS if name.lower().endswith(ending)), key=len, default=None)


def other_format(name: str) -> str | None:
    """What a file is that may hold a table and is not read, by the ending of `name`; None for all others."""
    ending = max((ending for ending in NOT_READ if name.lower().endswith(ending)), key=len, default=None)
    return None if ending is None else NOT_READ[ending]


def format_of(name: str) -> Format | None:
    """The format of a file of that name; None where the ending is unknown, or an archive's."""
    ending = ending_of(name)
    if ending is None or ending == ARCHIVE:
        return None
    return Format(_KINDS[ending.removesuffix(".gz")], ending.endswith(".gz"))


def formats_text() -> str:
    """The endings in words, for messages."""
    return f"{' '.join(_KINDS)}, .gz of these, or {ARCHIVE}"
