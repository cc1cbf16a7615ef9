"""Erased people: nothing that they did before is in the states of a new bundle."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.erasures import ERASURES, read_erasures
from offline.dataset.people import person_hashes
from offline.errors import DatasetError

ERASURES_FILE: Final = "erasures.parquet"
"""In a collected data set: `id` of the entry, `user_hash` (hexadecimal digits), `time` (unix seconds)."""


def known_erasures(*folders: Path) -> dict[int, float]:
    """The unix seconds of the newest erasure of each person, by hash, from all lists in some folders.

    Args:
        folders: data sets that were collected, and stores of bundles.

    Raises:
        DatasetError: a list cannot be read.
    """
    erased: dict[int, float] = {}
    for folder in folders:
        for person, time in {**_read_list(folder), **_read_collected(folder)}.items():
            erased[person] = max(time, erased.get(person, -np.inf))
    return erased


def digest_of(erased: Mapping[int, float]) -> str:
    """A text that is another for other erasures; empty without any."""
    return hashlib.sha256(repr(sorted(erased.items())).encode()).hexdigest()[:16] if erased else ""


def erased_until(texts: Sequence[str], erased: Mapping[int, float]) -> NDArray[np.float64]:
    """The unix seconds up to which what each person did is erased, `[n]`; minus infinity for all others."""
    return np.array([erased.get(person, -np.inf) for person in person_hashes(texts).tolist()], dtype=np.float64)


def _read_list(folder: Path) -> dict[int, float]:
    try:
        return read_erasures(folder)
    except OSError as error:
        raise DatasetError(
            f"{folder / ERASURES}: cannot be read ({error.strerror}): correct its permissions"
        ) from error


def _read_collected(folder: Path) -> dict[int, float]:
    path = folder / ERASURES_FILE
    if not path.is_file():
        return {}
    try:
        newest = pl.read_parquet(path, glob=False).group_by("user_hash").agg(pl.col("time").max())
        return {int(person, 16): float(time) for person, time in newest.select("user_hash", "time").iter_rows()}
    except (pl.exceptions.PolarsError, OSError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DatasetError(f"{path}: expected the erasures that collect writes, got {reason}: collect again") from error
