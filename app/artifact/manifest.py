"""The manifest of a bundle: its contents, its origin, and the checksum of every file."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from app.artifact.bundle_store import name_refusal, read_regular
from app.artifact.names import MANIFEST, READABLE_SCHEMAS, SCHEMA_VERSION
from app.artifact.parts import first_numbers_of
from app.errors import BundleCorrupt, BundleSchema, BundleUnreadable

_READERS: Final = 2  # threads that read a bundle's files: to hash a gigabyte takes a core a second
LARGEST_MANIFEST: Final = 16 * 2**20
"""Bytes of a manifest that is read: what is larger is none, and would take the memory of those who are answered."""
EARLIEST_S: Final = -62_135_596_800.0
"""The year 1 in unix seconds."""
LATEST_S: Final = 253_000_000_000.0
"""The year 9987 in unix seconds: what comes a while later can be written, too."""


class FileEntry(BaseModel):
    """Size in bytes and SHA-256 of one file."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    bytes: int
    sha256: str


class Shapes(BaseModel):
    """The dimensions that arrays of the bundle share."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    items: int  # real items; rows 1..items
    rows: int  # columns of the item matrix: the padding row, the items, and filler up to whole blocks
    dim: int
    window: int  # events that the session encoder reads
    users: int
    absent: int = 0  # of the items: those that the catalogue lacks, which teach and are never answered

    @property
    def answerable(self) -> int:
        """How many items may be answered."""
        return self.items - self.absent


def _seconds(time: str) -> float:
    read = datetime.fromisoformat(time)
    return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()


def _checked_time(time: str) -> str:
    _seconds(time)
    return time


def _checked_name(version: str) -> str:
    refusal = name_refusal(version)
    if refusal is not None:
        raise ValueError(refusal)
    return version


def _checked_columns(columns: dict[str, str]) -> dict[str, str]:
    for name, kind in columns.items():
        if not _COLUMN.fullmatch(name) or kind not in _KINDS:
            raise ValueError(f"expected the name of a column and one of {', '.join(_KINDS)}, got {name!r}: {kind!r}")
    return columns


_COLUMN: Final = re.compile(r"\w[\w.-]{0,99}")
_KINDS: Final = ("text", "number", "json")


class Manifest(BaseModel):
    """`manifest.json`. A file may have further keys, of a later writer: `read_manifest` passes over them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: int
    version: Annotated[str, AfterValidator(_checked_name)]
    dataset: str
    created_at: Annotated[str, AfterValidator(_checked_time)]  # ISO 8601, UTC
    cut: (
        Annotated[float, Field(ge=EARLIEST_S, le=LATEST_S)] | None
    )  # unix seconds of the newest event that the bundle knows; None without a clock
    behaviours: list[str]
    event_types: dict[str, str] = {}  # the shop's own word for an event -> view, cart or purchase
    shapes: Shapes
    weight_bits: int
    data_fingerprint: str
    git_revision: str | None
    seed: int
    split: str  # how the data was cut: column, time:F, last or random; with the seed, what was held out
    packages: dict[str, str]  # versions of what made it
    parts: dict[str, PositiveInt]  # optional part -> number of its form, see `app.artifact.parts`
    measured_as: str | None = None  # the version that `metrics` were measured on; None where it is this one
    catalogue_sequence: int | None = None  # of the last change of the catalogue that the bundle has; None without any
    catalogue_epoch: str | None = None  # of the live catalogue that counts so
    sample_users: list[str]  # a few ids of users with history, for the demo page
    sample_visitors: list[str] = []  # the same of visitors, whose ids are of another kind
    catalogue_columns: Annotated[dict[str, str], AfterValidator(_checked_columns)]  # column -> text, number or json
    metrics: dict[str, Any]
    compression: list[dict[str, Any]]
    files: dict[str, FileEntry]

    @property
    def created_s(self) -> float:
        """`created_at` in unix seconds."""
        return _seconds(self.created_at)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, as hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def list_files(folder: Path) -> dict[str, FileEntry]:
    """Every file below `folder` except the manifest, by its relative path."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST)
    return {
        path.relative_to(folder).as_posix(): FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path))
        for path in paths
    }


def read_manifest(folder: Path) -> Manifest:
    """Read and check the manifest itself. That of an earlier schema gets its parts by the files it lists.

    Raises:
        BundleCorrupt: it is missing or not a manifest.
        BundleSchema: it has another schema version.
        BundleUnreadable: this machine cannot read it.
    """
    path = folder / MANIFEST
    try:
        content = read_regular(path, most=LARGEST_MANIFEST + 1)
        if len(content) > LARGEST_MANIFEST:
            raise BundleCorrupt(
                f"{path}: not a manifest (larger than {LARGEST_MANIFEST} bytes): export the bundle again"
            )
        text = content.decode()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise BundleCorrupt(
            f"no bundle at {folder}: expected a file {MANIFEST} ({error.strerror}): make one with `aisle-offline run`"
        ) from error
    except OSError as error:
        raise BundleUnreadable(
            f"{path}: cannot be read ({error.strerror}): let the user that this runs as read it"
        ) from error
    except UnicodeDecodeError as error:
        raise BundleCorrupt(f"{path}: not a manifest ({error}): export the bundle again") from error
    try:
        version = _Head.model_validate_json(text).schema_version
        if version not in READABLE_SCHEMAS:
            raise BundleSchema(_refusal_of(path, version))
        return Manifest.model_validate(_known_keys(json.loads(text), version))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise BundleCorrupt(f"{path}: not a manifest ({place}: {first['msg']}): export the bundle again") from error
    except (ValueError, OverflowError, RecursionError) as error:  # numbers and nesting that JSON may have
        raise BundleCorrupt(f"{path}: not a manifest ({error}): export the bundle again") from error


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its checksum, and see that there is nothing else.

    Raises:
        BundleCorrupt: names the first file that is missing or different, or that the manifest does not list.
        BundleUnreadable: this machine cannot read a file.
    """
    try:
        sizes = _sizes_below(folder, folder)
        for name in sizes:
            if name not in manifest.files and name != MANIFEST:
                raise BundleCorrupt(f"{folder / name}: not listed in the manifest: take it out of the bundle")
        with ThreadPoolExecutor(_READERS, "verify") as readers:
            try:
                for damage in readers.map(partial(_damage_of, folder, sizes), manifest.files.items()):
                    if damage is not None:
                        raise BundleCorrupt(damage)
            finally:
                readers.shutdown(cancel_futures=True)
    except OSError as error:
        where = folder if error.filename is None else os.fsdecode(error.filename)
        raise BundleUnreadable(
            f"{where}: cannot be read ({error.strerror or error}): let the user that this runs as read it, and see "
            "that the disk is well"
        ) from error


def _damage_of(folder: Path, sizes: Mapping[str, int], file: tuple[str, FileEntry]) -> str | None:
    """What is wrong with a file that the manifest lists; None where nothing is."""
    name, entry = file
    if name not in sizes:
        return f"{folder / name}: listed in the manifest but missing: copy or export the bundle again"
    if sizes[name] != entry.bytes or sha256_of(folder / name) != entry.sha256:
        return f"{folder / name}: checksum differs from the manifest's: copy or export the bundle again"
    return None


def _sizes_below(folder: Path, below: Path) -> dict[str, int]:
    """Bytes of every file in and below a folder of the bundle in `folder`, by its path relative to that.

    Raises:
        BundleCorrupt: something is neither a file nor a folder.
        OSError: a folder cannot be read.
    """
    sizes: dict[str, int] = {}
    for path in sorted(below.iterdir()):
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            sizes |= _sizes_below(folder, path)
        elif stat.S_ISREG(status.st_mode):
            if not (below == folder and _UNFINISHED.fullmatch(path.name)):
                sizes[path.relative_to(folder).as_posix()] = status.st_size
        else:
            what = "a link" if stat.S_ISLNK(status.st_mode) else "a pipe or a device"
            raise BundleCorrupt(
                f"{path}: expected a file or a folder, got {what}: copy the file itself into the bundle"
            )
    return sizes


_UNFINISHED = re.compile(
    rf"\.{re.escape(MANIFEST)}\..*\.partial"
)  # what the job moves onto the manifest when it is done


class _Head(BaseModel):
    schema_version: int


def _refusal_of(path: Path, version: int) -> str:
    readable = " and ".join(map(str, READABLE_SCHEMAS))
    remedy = "update this service, or export it again" if version > SCHEMA_VERSION else "export it again"
    return f"{path}: bundle schema {version}, this service reads {readable}: {remedy}"


def _known_keys(document: dict[str, Any], version: int) -> dict[str, Any]:
    """What `Manifest` knows of a document, with the parts of a bundle whose schema had no numbers of them."""
    known = {key: value for key, value in document.items() if key in Manifest.model_fields}
    if version < SCHEMA_VERSION:
        files = document.get("files")
        known["parts"] = first_numbers_of(files if isinstance(files, dict) else ())
    return known
