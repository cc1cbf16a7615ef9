"""What a stage says when a file of its run folder cannot be read or written: one line that names the file."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from safetensors import SafetensorError, safe_open

from offline.errors import RunFolderError
from offline.workspace.run_folder import RunFolder
from offline.workspace.storage_errors import errno_of, storage_error

_FOREIGN: Final = (pl.exceptions.PolarsError, SafetensorError, EOFError, ValueError)  # JSON and numpy raise the last


@contextmanager
def run_folder_errors(folder: RunFolder, outputs: Sequence[Path]) -> Iterator[None]:
    """Raise a library's error about a damaged file of `outputs` as an `AisleError`; other errors pass unchanged.

    Args:
        folder: the run folder.
        outputs: folders and files that the stages write, in the order of the stages.

    Raises:
        StorageError: the file system refused.
        RunFolderError: an earlier stage's file is damaged.
    """
    try:
        yield
    except _FOREIGN as error:
        if errno_of(error) is not None:
            raise storage_error(error, folder.path) from error
        damage = _first_damage(outputs)
        if damage is None:
            raise
        path, delete = damage
        raise RunFolderError(
            f"{path}: cannot be read, it is damaged: delete {delete}, and run the same command again, which makes it "
            "anew"
        ) from error


def _first_damage(outputs: Sequence[Path]) -> tuple[Path, Path] | None:
    """The first file that cannot be read, and the output to delete for it."""
    for output in outputs:
        for path in [output] if output.is_file() else sorted(output.rglob("*")):
            if _is_damaged(path):
                return path, output
    return None


def _is_damaged(path: Path) -> bool:
    read = _READERS.get(path.suffix)
    if read is None or not path.is_file():
        return False
    try:
        read(path)
    except (OSError, *_FOREIGN):
        return True
    return False


def _tensors(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 - not a mapping
            file.get_tensor(name)


_READERS: Final[dict[str, Callable[[Path], object]]] = {
    ".parquet": pl.read_parquet,
    ".json": lambda path: json.loads(path.read_text("utf-8")),
    ".safetensors": _tensors,
    ".npy": np.load,
}
