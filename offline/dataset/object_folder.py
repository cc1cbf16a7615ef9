"""A data set in a store of objects: a folder of this machine has what lies below the address, and is read instead."""

import hashlib
import json
import os
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from app.artifact.object_store import ObjectAddress, ObjectLimits, ObjectState, ObjectStore, object_address
from offline.errors import InputError, StorageError
from offline.workspace.atomic import atomic_file, write_json
from offline.workspace.lock import exclusive_lock

_LIMITS: Final = ObjectLimits(request_s=60.0, transfer_s=3_600.0)
_LEFT_FREE: Final = 64 * 2**20  # bytes of the disk
_STATES: Final = ".objects.json"
_LOCK: Final = ".lock"


def data_place(text: str) -> Path:
    """What `--data` names: a path as it is; of an address of objects the folder that now has what lies there.

    An object whose size and tag are those of the last time is not fetched again; what is no longer there goes. A file
    has the time at which its object changed. `dataset.toml` itself may be named.

    Raises:
        InputError: no address of a store that can be listed, nothing lies there, or names that are no files.
        ObjectStoreError: the store does not answer, or refuses.
        RuntimeMissing: the library is not installed.
        StorageError: the disk has no room for it.
    """
    address = _address(text)
    if address is None:
        return Path(text)
    folder_address, file = address, ""
    if address.url.endswith(".toml"):
        url, _, file = address.url.rpartition("/")
        folder_address = ObjectAddress(url)
    folder = _folder_of(folder_address)
    store = ObjectStore(folder_address, _LIMITS)
    with exclusive_lock(folder / _LOCK, f"{folder_address}: another command fetches it: wait until it has"):
        _fetch(store, folder)
    return folder / file


def put_back(text: str, name: str, path: Path) -> str | None:
    """Write a file that was made of what lies at an address there too; its address, or `None` of a folder.

    Raises:
        ObjectStoreError: it cannot be written.
    """
    address = _address(text)
    if address is None:
        return None
    store = ObjectStore(address, _LIMITS)
    store.put(name, path)
    return store.shown(name)


def _address(text: str) -> ObjectAddress | None:
    try:
        address = object_address(text)
    except ValueError as error:
        raise InputError(f"the data set: {error}: correct the address") from None
    if address is not None and not address.is_writable:
        raise InputError(f"{address}: files over HTTP cannot be listed: name them in a dataset.toml of your own")
    return address


def _folder_of(address: ObjectAddress) -> Path:
    """The folder of this machine that stands for the address."""
    try:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:  # a container's user often has no home
        raise InputError(f"{address}: this user has no home to keep it in: set XDG_CACHE_HOME to a folder") from None
    name = f"{PurePosixPath(str(address)).name}-{hashlib.sha256(str(address).encode()).hexdigest()[:16]}"
    folder = caches / "aisle" / "data" / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _fetch(store: ObjectStore, folder: Path) -> None:
    states = _files_of(store.states(), store.address)
    known: dict[str, Any] = {}
    if (folder / _STATES).is_file():
        known = json.loads((folder / _STATES).read_text("utf-8"))
    present = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in present.keys() - states.keys() - {_STATES, _LOCK}:
        present[name].unlink()
    missing = {
        name: state
        for name, state in states.items()
        if name not in present or present[name].stat().st_size != state.size or known.get(name) != state.tag
    }
    _check_room(sum(state.size for state in missing.values()), folder, store.address)
    if missing:
        size = sum(state.size for state in missing.values()) / 1e6
        sys.stderr.write(
            f"fetching {len(missing):,} of {len(states):,} objects ({size:,.1f} MB) from {store.address}\n"
        )
    for name, state in missing.items():
        _fetch_object(store, name, state, folder / name)
    write_json(folder / _STATES, {name: state.tag for name, state in states.items()})


def _fetch_object(store: ObjectStore, name: str, state: ObjectState, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as partial:
        with partial.open("wb") as file:
            for chunk in store.chunks(name):
                file.write(chunk)
        if (size := partial.stat().st_size) != state.size:
            raise InputError(f"{store.shown(name)}: expected {state.size:,} bytes, got {size:,}: it changes, try again")
        os.utime(partial, (state.changed, state.changed))


def _files_of(states: Mapping[str, ObjectState], address: ObjectAddress) -> dict[str, ObjectState]:
    """The objects that are files: not the marks of folders, and nothing whose name leads out of the folder."""
    folders = {str(parent) for name in states for parent in PurePosixPath(name).parents}
    files = {name: state for name, state in states.items() if state.size or name not in folders}
    for name in files:
        if name in folders or name.startswith("/") or {"", ".", ".."} & set(name.split("/")):
            raise InputError(f"{address}: {name[:200]!r} cannot be the name of a file: rename that object")
    if not files:
        raise InputError(f"{address}: expected a shop's files, got no object below that address: correct it")
    return files


def _check_room(needed: int, folder: Path, address: ObjectAddress) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _LEFT_FREE > free:
        raise StorageError(
            f"{address}: expected room for {needed / 1e6:,.0f} MB in {folder}, got {free / 1e6:,.0f} MB: free some, or "
            "set XDG_CACHE_HOME to a folder of a larger disk"
        )
