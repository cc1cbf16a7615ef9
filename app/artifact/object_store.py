"""Object stores (S3, Google Cloud Storage, Azure, files over HTTP) by one library, `obstore`.

It is imported where such a store is named, and takes credentials from the standard variables of each provider. What it
says of an error may repeat addresses and credentials, so that only the kind of an error is passed on, in a word.
"""

import hashlib
import importlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from app.errors import AisleError, ObjectStoreError, RuntimeMissing

SCHEMES: Final = ("s3", "gs", "az", "http", "https")
EXPECTED: Final = "s3://BUCKET/PATH, gs://BUCKET/PATH, az://CONTAINER/PATH or https://HOST/PATH"
CHUNK: Final = 4 * 2**20
"""Bytes of an object that are in memory at a time."""
_RETRIES: Final = 2
_CONNECT_S: Final = 5.0


@dataclass(frozen=True)
class ObjectAddress:
    """The address of a store of bundles among objects: a bucket and what the names there begin with."""

    url: str

    def __str__(self) -> str:
        """The address as it may be shown: without a user, a password or a query."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"

    __repr__ = __str__

    @property
    def is_writable(self) -> bool:
        """Whether objects can be written there and listed; files over HTTP can only be read."""
        return urlsplit(self.url).scheme not in {"http", "https"}


def object_address(text: str) -> ObjectAddress | None:
    """The address that a text is; `None` where it has no scheme, and so names a folder.

    Raises:
        ValueError: it has another scheme, or no bucket or host.
    """
    scheme, separator, rest = text.partition("://")
    if not separator:
        return None
    if scheme not in SCHEMES or not rest.partition("/")[0].strip("@"):
        raise ValueError(f"expected a folder, or {EXPECTED}")
    return ObjectAddress(text.rstrip("/"))


@dataclass(frozen=True)
class ObjectState:
    """What a list says of an object: bytes, when it changed in unix seconds, and a tag of its content."""

    size: int
    changed: float
    tag: str


@dataclass(frozen=True)
class ObjectLimits:
    """How long an object store is waited for, in seconds."""

    request_s: float = 10.0  # a small request, and silence while an object arrives or leaves
    transfer_s: float = 900.0  # one object


class ObjectStore:
    """The objects below an address. Every call waits; calls may come from several threads.

    Args:
        address: of the store.
        limits: of its requests.

    Raises:
        RuntimeMissing: the library is not installed.
        ObjectStoreError: its settings are incomplete.
    """

    def __init__(self, address: ObjectAddress, limits: ObjectLimits | None = None) -> None:
        try:
            self._library: Any = importlib.import_module("obstore")
            open_store = importlib.import_module("obstore.store").from_url
        except ImportError as error:
            raise RuntimeMissing(
                f"{address}: stores of objects need the package obstore: install 'aisle[objects]'"
            ) from error
        self.address = address
        limits = limits or ObjectLimits()
        seconds = timedelta(seconds=limits.request_s)
        client = {"connect_timeout": min(seconds, timedelta(seconds=_CONNECT_S)), "allow_http": _allows_http(address)}
        retries = {"max_retries": _RETRIES, "retry_timeout": seconds}
        transfer = client | {"timeout": timedelta(seconds=limits.transfer_s), "read_timeout": seconds}
        with self._errors_of(""):
            self._small = open_store(address.url, client_options=client | {"timeout": seconds}, retry_config=retries)
            self._large = open_store(address.url, client_options=transfer, retry_config=retries)

    def read(self, name: str, most: int) -> bytes:
        """The content of a small object, of which at most `most` + 1 bytes are read.

        Raises:
            ObjectStoreError: there is none, or it cannot be read.
        """
        content = bytearray()
        with self._errors_of(name):
            for chunk in self._library.get(self._small, name).stream(min_chunk_size=min(most + 1, CHUNK)):
                content += bytes(chunk)
                if len(content) > most:
                    break
        return bytes(content[: most + 1])

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of an object in chunks of some megabytes.

        Raises:
            ObjectStoreError: there is none, or it cannot be read.
        """
        with self._errors_of(name):
            for chunk in self._library.get(self._large, name).stream(min_chunk_size=CHUNK):
                yield bytes(chunk)

    def sha256_of(self, name: str, tell: Callable[[int], None] | None = None) -> str:
        """SHA-256 of an object that is read for it, as hexadecimal; `tell` receives the bytes of each chunk.

        Raises:
            ObjectStoreError: there is none, or it cannot be read.
        """
        digest = hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
            if tell is not None:
                tell(len(chunk))
        return digest.hexdigest()

    def put(self, name: str, content: bytes | Path) -> None:
        """Write an object, of bytes or of a file; it is there whole or not at all.

        Raises:
            ObjectStoreError: it cannot be written.
        """
        self._refuse_reading_only(name)
        with self._errors_of(name):
            self._library.put(self._small if isinstance(content, bytes) else self._large, name, content)

    def copy(self, source: str, name: str) -> None:
        """Let the store itself write an object as a copy of another.

        Raises:
            ObjectStoreError: it cannot.
        """
        self._refuse_reading_only(name)
        with self._errors_of(name):
            self._library.copy(self._large, source, name)

    def remove(self, names: list[str]) -> None:
        """Remove objects; one that is not there is no error.

        Raises:
            ObjectStoreError: they cannot be removed.
        """
        if not names:
            return
        self._refuse_reading_only(names[0])
        with self._errors_of(names[0]):
            self._library.delete(self._small, names)

    def sizes_below(self, folder: str) -> dict[str, int]:
        """Bytes of every object below a folder, by its name relative to that.

        Raises:
            ObjectStoreError: they cannot be listed.
        """
        self._refuse_reading_only(folder)
        with self._errors_of(folder):
            return {
                str(entry["path"]).removeprefix(f"{folder}/"): int(entry["size"])
                for part in self._library.list(self._small, f"{folder}/")
                for entry in part
            }

    def states(self) -> dict[str, ObjectState]:
        """Every object below the address, by its name relative to that.

        Raises:
            ObjectStoreError: they cannot be listed.
        """
        self._refuse_reading_only("")
        with self._errors_of(""):
            return {
                str(entry["path"]): ObjectState(
                    int(entry["size"]),
                    entry["last_modified"].timestamp(),
                    str(entry["e_tag"] or entry["last_modified"]),
                )
                for part in self._library.list(self._small)
                for entry in part
            }

    def folders(self) -> list[str]:
        """The names of the folders right below the address, ascending.

        Raises:
            ObjectStoreError: they cannot be listed.
        """
        self._refuse_reading_only("")
        with self._errors_of(""):
            names = self._library.list_with_delimiter(self._small)["common_prefixes"]
        return sorted(str(name).rstrip("/").rpartition("/")[2] for name in names)

    def shown(self, name: str) -> str:
        """The address of an object, as it may be shown."""
        return f"{self.address}/{name}" if name else str(self.address)

    def _refuse_reading_only(self, name: str) -> None:
        if not self.address.is_writable:
            raise ObjectStoreError(self.shown(name), "unsupported")

    def _errors_of(self, name: str) -> "_Errors":
        return _Errors(self.shown(name))


class _Errors:
    """Lets what the library raises leave as an `ObjectStoreError`, without its text."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None or not isinstance(error, Exception) or isinstance(error, AisleError):
            return
        raise ObjectStoreError(self._shown, _kind_of(error)) from None


def _kind_of(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "missing"
    name, text = type(error).__name__, str(error)
    if name in {"PermissionDeniedError", "UnauthenticatedError"}:
        return "denied"
    if name == "NotSupportedError":
        return "unsupported"
    if any(word in text for word in _MISSING):
        return "missing"
    return "timeout" if any(word in text for word in _TIMEOUTS) else "failed"


_MISSING: Final = ("NoSuchBucket", "ContainerNotFound")  # which a list says of a bucket without a kind of its own
_TIMEOUTS: Final = ("TimedOut", "timed out", "Timeout")


def _allows_http(address: ObjectAddress) -> bool:
    """Whether the store is reached without TLS: its own address says so, or the standard variable of its endpoint."""
    endpoints = (os.environ.get(name, "") for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT"))
    return address.url.startswith("http://") or any(endpoint.startswith("http://") for endpoint in endpoints)
