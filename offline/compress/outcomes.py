"""What variants came to, kept in a folder as each is measured, so that a search that was stopped goes on from there."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from offline.compress.recipe import Recipe
from offline.workspace.atomic import atomic_file, write_json

_SEARCH_FILE = "search.json"


@dataclass(frozen=True)
class Outcome:
    """How a variant ranks."""

    name: str
    recipe: Recipe | None  # None for what is measured but never served
    megabytes: float
    values: tuple[NDArray[np.float64], ...]  # the metric of every case, one array a judge
    top: NDArray[np.int64]  # [cases, OVERLAP_DEPTH] of the first judge
    make_s: float = 0.0  # seconds to make the network


class Outcomes:
    """The outcomes of one search; its folder belongs to one network and one way to judge."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def users(self) -> int | None:
        """How many cases a judge may have, if that was settled before a stop."""
        path = self.folder / _SEARCH_FILE
        return int(json.loads(path.read_text("utf-8"))["users"]) if path.exists() else None

    def settle_users(self, users: int) -> None:
        """Judge by so many cases at most, after a stop too."""
        write_json(self.folder / _SEARCH_FILE, {"users": users})

    def weights_file(self, name: str) -> Path:
        """Where the weights of a fine-tuned variant are."""
        return self.folder / f"{_file_name(name)}.safetensors"

    def read(self, name: str) -> Outcome | None:
        """The outcome of the variant, if it was measured."""
        path = self._path(name)
        if not path.exists():
            return None
        with np.load(path) as file:
            described: dict[str, Any] = json.loads(str(file["described"]))
            recipe = None if described["recipe"] is None else Recipe(**described["recipe"])
            values = tuple(file[f"values{place}"] for place in range(described["judges"]))
            return Outcome(name, recipe, described["megabytes"], values, file["top"], described["make_s"])

    def write(self, outcome: Outcome) -> None:
        """Keep an outcome."""
        described = {
            "recipe": None if outcome.recipe is None else asdict(outcome.recipe),
            "megabytes": outcome.megabytes,
            "make_s": outcome.make_s,
            "judges": len(outcome.values),
        }
        arrays = {f"values{place}": values for place, values in enumerate(outcome.values)}
        with atomic_file(self._path(outcome.name)) as temporary, temporary.open("wb") as file:
            np.savez(file, described=np.array(json.dumps(described)), top=outcome.top, **arrays)  # type: ignore[arg-type]

    def _path(self, name: str) -> Path:
        return self.folder / f"{_file_name(name)}.npz"


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name)
