"""The one seam at which errors of the file system become ours, each with what to do about it."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from offline.errors import StorageError

_AGAIN: Final = "and run the same command again: what was done before is kept"
_ADVICE: Final = {
    errno.ENOSPC: f"make room there, {_AGAIN}",
    errno.EDQUOT: f"make room there or raise the quota, {_AGAIN}",
    errno.EFBIG: f"raise the limit on the size of a file (ulimit -f), {_AGAIN}",
    errno.EACCES: f"correct its permissions, {_AGAIN}",
    errno.EPERM: f"correct its permissions, {_AGAIN}",
    errno.EROFS: "name a folder on a file system that can be written",
    errno.EMFILE: f"raise the limit on open files (ulimit -n), {_AGAIN}",
    errno.ENFILE: f"raise the system's limit on open files, {_AGAIN}",
    errno.EPIPE: "whoever read the output has gone",
    errno.EIO: f"check the disk, {_AGAIN}",
    errno.ENOENT: f"somebody removed it: delete the folder that it stood in, {_AGAIN}",
    errno.ENAMETOOLONG: "name a folder with a shorter path",
}
_IN_TEXT: Final = re.compile(r"\(os error (\d+)\)")
"""How libraries written in Rust tell of the system's error."""
_SHORT_WRITE: Final = re.compile(r"\d+ requested and \d+ written")
"""What numpy says when a disk takes a part of an array."""


@contextmanager
def storage_errors(where: Path | None = None) -> Iterator[None]:
    """Raise what the file system refuses as `StorageError`; `where` is named when the error names no file.

    Raises:
        StorageError: a file cannot be written or read; names it, the reason and what to do.
    """
    try:
        yield
    except OSError as error:
        raise storage_error(error, where) from error


def storage_error(error: Exception, where: Path | None = None) -> StorageError:
    """`error`, an `OSError` or a library's error around one, as ours."""
    number = errno_of(error)
    named = getattr(error, "filename", None) or where
    place = f"{named}: " if named else ""
    if number is None:
        reason = "not everything could be written" if _SHORT_WRITE.search(str(error)) else str(error)
        return StorageError(f"{place}{reason}: {_ADVICE[errno.ENOSPC]}")
    advice = _ADVICE.get(number, f"see to it, {_AGAIN}")
    return StorageError(f"{place}{os.strerror(number).lower()}: {advice}")


def errno_of(error: Exception) -> int | None:
    """The system's number of an error, from the exception or, where a library hides it, from its text."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    match = _IN_TEXT.search(str(error))
    return None if match is None else int(match[1])
