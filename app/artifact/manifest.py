"""The manifest of a bundle: its contents, its origin, and the checksum of every file."""

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, PositiveInt, ValidationError

from app.artifact.names import MANIFEST, READABLE_SCHEMAS, SCHEMA_VERSION
from app.artifact.parts import first_numbers_of
from app.errors import BundleCorrupt, BundleSchema


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


def _seconds(time: str) -> float:
    read = datetime.fromisoformat(time)
    return (read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp()


def _checked_time(time: str) -> str:
    _seconds(time)
    return time


class Manifest(BaseModel):
    """`manifest.json`. A file may have further keys, of a later writer: `read_manifest` passes over them."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: int
    version: str
    dataset: str
    created_at: Annotated[str, AfterValidator(_checked_time)]  # ISO 8601, UTC
    cut: float | None  # unix seconds of the newest event that the bundle knows; None without a clock
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
    sample_users: list[str]  # a few ids with history, for the demo page
    catalogue_columns: dict[str, str]  # column -> "text" | "number" | "json"
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
    """
    path = folder / MANIFEST
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise BundleCorrupt(
            f"no bundle at {folder}: expected a file {MANIFEST} ({error.strerror}): make one with `aisle-offline run`"
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


def verify_files(folder: Path, manifest: Manifest) -> None:
    """Compare every file with its checksum.

    Raises:
        BundleCorrupt: names the first file that is missing or different.
    """
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise BundleCorrupt(f"{path}: listed in the manifest but missing: copy or export the bundle again")
        if path.stat().st_size != entry.bytes or sha256_of(path) != entry.sha256:
            raise BundleCorrupt(f"{path}: checksum differs from the manifest's: copy or export the bundle again")


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
