"""Unpacking: gzip files and members of archives become plain files of the temporary folder, within bounds."""

import gzip
import zipfile
import zlib
from pathlib import Path
from typing import IO

from offline.tables.flaws import TableError
from offline.tables.formats import ending_of, format_of
from offline.tables.sources import container_of
from offline.tables.temporary import state_of, workplace

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 22
MOST_TIMES = 300
"""What is packed may unpack to so many times its size; logs of shops take about 10."""
FREE_BYTES = 256 << 20
"""So much is unpacked whatever it was packed to."""


def plain_file(file: str) -> Path:
    """The path of `file`, of a table, on disk and unpacked.

    Raises:
        TableError: it cannot be unpacked, or grows too large.
    """
    path, member = container_of(file)
    try:
        form = format_of(member or path.name)
        if member is not None and form is not None and path.suffix.lower() == ".zip":
            return _once(path, member)
        with path.open("rb") as stream:
            packed = stream.read(2) == _GZIP
        return _once(path, None) if packed else path
    except OSError as error:
        raise TableError(str(error.strerror or error).lower(), "correct the path or its permissions") from None


def _once(path: Path, member: str | None) -> Path:
    place = workplace()
    key = ("plain", *state_of(path), member or "")
    if key not in place.known:
        name = member or path.name
        out = place.new_path((ending_of(name) or "").removesuffix(".gz"))
        _unpack(path, member, out)
        place.known[key] = out
    plain: Path = place.known[key]
    return plain


def _unpack(path: Path, member: str | None, out: Path) -> None:
    name = member or path.name
    try:
        if member is None:
            with gzip.open(path) as stream:
                _copy(stream, out, path.stat().st_size, name)
            return
        with zipfile.ZipFile(path) as archive:
            info = archive.getinfo(member)
            if info.flag_bits & 1:
                raise TableError("a file with a password", "pack it without one")
            with archive.open(info) as stream:
                _copy(stream, out, path.stat().st_size, name)
        with out.open("rb") as begin:
            packed = begin.read(2) == _GZIP
        if packed:
            inner = out.with_suffix(".unpacked")
            with gzip.open(out) as stream:
                _copy(stream, inner, path.stat().st_size, name)
            inner.replace(out)
    except (EOFError, zlib.error, zipfile.BadZipFile, gzip.BadGzipFile, NotImplementedError) as error:
        out.unlink(missing_ok=True)
        breaks = isinstance(error, EOFError)
        raise TableError("a file that breaks off" if breaks else "damaged bytes", "copy or pack it again") from None


def _copy(stream: IO[bytes] | gzip.GzipFile, out: Path, packed_bytes: int, name: str) -> None:
    if packed_bytes > _CHUNK:
        workplace().progress(0, 1, f"unpacking {Path(name).name}")
    most = max(FREE_BYTES, MOST_TIMES * packed_bytes)
    size = 0
    with out.open("wb") as target:
        while chunk := stream.read(_CHUNK):
            size += len(chunk)
            if size > most:
                target.close()
                out.unlink()
                raise TableError(f"more than {most >> 20} MiB when unpacked, {MOST_TIMES} times its size", "unpack it")
            target.write(chunk)
