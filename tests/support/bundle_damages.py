"""Damages of a bundle, each with checksums that fit: what a wrong export, another writer or a mended file may leave."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.manifest import list_files

Array = NDArray[Any]


@dataclass(frozen=True)
class Damage:
    """One damage, to a copy of a bundle."""

    name: str
    apply: Callable[[Path], None]


def damaged(bundle: Path, folder: Path, damage: Damage) -> Path:
    """A copy of a bundle (its files by hard links) with a damage that its checksums know of."""
    shutil.copytree(bundle, folder, copy_function=os.link)
    damage.apply(folder)
    files = {name: entry.model_dump() for name, entry in list_files(folder).items()}
    document = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    if "files" in document:
        document["files"] = files
    _write(folder / names.MANIFEST, json.dumps(document).encode())
    return folder


def all_damages(bundle: Path) -> Iterator[Damage]:
    """Of every array, every JSON file, every field of the manifest, and the graphs."""
    for path in sorted(bundle.rglob("*.npy")):
        yield from _of_array(path.relative_to(bundle), np.load(path))
    for path in sorted(bundle.rglob("*.json")):
        name = path.relative_to(bundle)
        for place, value in _places(json.loads(path.read_text("utf-8"))):
            if place[:1] == ("files",) or (place[:1] == ("metrics",) and len(place) > 1):
                continue
            for number, other in enumerate(_others(value)):
                yield Damage(f"{name}:{'.'.join(map(str, place))}:{number}", _set(name, place, other))
    graphs = [names.RETRIEVE_GRAPH, names.RANK_GRAPH, names.PLACE_GRAPH, names.ENCODER_GRAPH]
    graphs = [graph for graph in graphs if (bundle / graph).exists()]
    for graph, other in zip(graphs, (*graphs[1:], graphs[0]), strict=True):
        yield Damage(f"{graph}:other", _copied(other, graph))
        yield Damage(f"{graph}:cut", _cut(graph))


def _of_array(name: Path, array: Array) -> Iterator[Damage]:
    changes: dict[str, Callable[[Array], Array]] = {
        "short": lambda a: a[:-1],
        "empty": lambda a: a[:0],
        "long": lambda a: np.concatenate([a, a[:1]]),
        "deep": lambda a: a[:, None],
        "objects": lambda a: a.astype("S8"),
        "wide": lambda a: a.astype(np.float64 if a.dtype.kind != "f" or a.dtype.itemsize != 8 else np.float32),
    }
    if array.ndim > 1:
        changes["narrow"] = lambda a: a[:, :-1]
    if array.size and array.dtype.kind in "iu":
        changes |= {"most": _filled(np.iinfo(array.dtype).max), "least": _filled(np.iinfo(array.dtype).min)}
        changes["last most"] = _last(np.iinfo(array.dtype).max)
        if array.dtype.kind == "i":
            changes["minus"] = _last(-1)
    if array.size and array.dtype.kind == "f":
        changes |= {"nan": _filled(np.nan), "one nan": _last(np.nan), "infinite": _last(np.inf), "minus": _filled(-1)}
    if array.size:
        changes["backwards"] = lambda a: a[::-1].copy()
        changes["zeros"] = np.zeros_like
    for kind, change in changes.items():
        yield Damage(f"{name}:{kind}", _changed(name, change))
    yield Damage(f"{name}:cut", _cut(str(name)))


def _filled(value: float) -> Callable[[Array], Array]:
    return lambda array: np.full_like(array, value)


def _last(value: float) -> Callable[[Array], Array]:
    def change(array: Array) -> Array:
        array = array.copy()
        array.flat[-1] = value
        return array

    return change


def _changed(name: Path, change: Callable[[Array], Array]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        array = np.load(folder / name)
        (folder / name).unlink()
        np.save(folder / name, change(array))

    return apply


def _cut(name: str) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = (folder / name).read_bytes()
        _write(folder / name, content[: len(content) // 2])

    return apply


def _copied(source: str, target: str) -> Callable[[Path], None]:
    return lambda folder: _write(folder / target, (folder / source).read_bytes())


def _write(path: Path, content: bytes) -> None:
    path.unlink()  # it may be a link to the file of the original
    path.write_bytes(content)


def _places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """The places of a document with their values; of a list or an object the first few alone."""
    if at:
        yield at, document
    if isinstance(document, dict):
        for key in [*document][:40]:
            yield from _places(document[key], (*at, key))
    if isinstance(document, list) and document and len(at) < 4:
        yield from _places(document[0], (*at, 0))


def _others(value: Any) -> Iterator[Any]:
    """Values that stand there wrongly: another type, nothing, more, less."""
    yield None
    match value:
        case bool():
            yield not value
        case int():
            yield from (0, -1, value + 1, 10**12, "x", 1.5)
        case float():
            yield from (0.0, -1.0, 1e300, float("nan"), "x")
        case str():
            yield from ("", "x", "../x", 7)
        case list():
            yield from ([], [*value, *value[:1]], {})
        case dict():
            yield from ({}, [], {"x": "y"})


def _set(name: Path, place: tuple[Any, ...], value: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        document = json.loads((folder / name).read_text("utf-8"))
        inner = document
        for key in place[:-1]:
            inner = inner[key]
        inner[place[-1]] = value
        _write(folder / name, json.dumps(document).encode())

    return apply
