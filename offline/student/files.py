"""What the stage `distil` leaves: the student as the service reads it, and as a later run goes on from."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from offline.errors import RunFolderError
from offline.student.shape import Shape
from offline.workspace.atomic import atomic_file, write_json

GRAPH_FILE: Final = "encoder.onnx"
TOKENIZER_FILE: Final = "tokenizer.json"
STUDENT_FILE: Final = "student.json"
"""The last one that is written."""
WEIGHTS_FILE: Final = "student.safetensors"
CHECKPOINT: Final = "checkpoint.safetensors"
QUERIES: Final = "queries"
STUDENT: Final = "student"
"""Folders of the stage: the vectors of queries, and what they became."""
_ARRAYS_FILE: Final = "arrays.safetensors"
_TOKENS: Final = "numbers"  # of the tokens whose vectors were learned


@dataclass(frozen=True)
class StudentFiles:
    """A finished student in its folder."""

    folder: Path
    document: dict[str, Any]

    @property
    def shape(self) -> Shape:
        """Of the network, with the tokens that it learned."""
        return Shape(**self.document["shape"])

    @property
    def kind_names(self) -> list[str]:
        """Of the kinds, in their order."""
        return [str(name) for name in self.document["kind_names"]]

    @property
    def figures(self) -> dict[str, Any]:
        """What was measured of it."""
        return dict(self.document["figures"])

    @property
    def is_used(self) -> bool:
        """Whether it is like enough to its teacher for the bundle to have it."""
        return bool(self.document["figures"].get("is_used", True))

    def arrays(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The projection `[teacher's width, width]`, and the centres of the kinds `[kinds, teacher's width]`.

        Raises:
            RunFolderError: the file is damaged.
        """
        tensors = _load(self.folder / _ARRAYS_FILE)
        return tensors["projection"].numpy(), tensors["centres"].numpy()

    def weights(self) -> tuple[dict[str, Tensor], NDArray[np.int64]]:
        """The network's weights, and the numbers of the tokens that its table has.

        Raises:
            RunFolderError: the file is damaged.
        """
        tensors = _load(self.folder / WEIGHTS_FILE)
        numbers = tensors.pop(_TOKENS).numpy()
        return tensors, numbers


def read_student(folder: Path) -> StudentFiles | None:
    """The student in a folder of the stage; None where there is none.

    Raises:
        RunFolderError: its description is damaged.
    """
    path = folder / STUDENT / STUDENT_FILE
    try:
        return StudentFiles(path.parent, json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunFolderError(
            f"{path}: expected the description of a student, got what cannot be read: delete {folder}, and run the "
            "same command again"
        ) from error


def write_weights(folder: Path, weights: dict[str, Tensor], numbers: NDArray[np.int64]) -> None:
    """Write the network's weights, and which tokens its table has."""
    _save(folder / WEIGHTS_FILE, weights | {_TOKENS: torch.from_numpy(numbers)})


def write_arrays(folder: Path, projection: NDArray[np.float32], centres: NDArray[np.float32]) -> None:
    """Write the projection and the centres of the kinds."""
    _save(folder / _ARRAYS_FILE, {"projection": torch.from_numpy(projection), "centres": torch.from_numpy(centres)})


def write_description(
    folder: Path,
    *,
    key: str,
    base: str,
    shape: Shape,
    spec: dict[str, Any],
    kind_names: Sequence[str],
    figures: dict[str, Any],
    golden: Sequence[str],
) -> None:
    """Write what is said of the student; with it the student is finished.

    Args:
        key: of what it was made of.
        base: of what a student to come has to share to go on from it.
        shape: of the network.
        spec: of the bundle's encoder.
        kind_names: of the kinds.
        figures: what was measured.
        golden: texts whose vectors a service has to get, too.
    """
    document = {"key": key, "base": base, "shape": shape.json(), "spec": spec, "kind_names": list(kind_names)}
    write_json(folder / STUDENT_FILE, document | {"figures": figures, "golden": list(golden)})


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    with atomic_file(path) as temporary:
        save_file({name: value.detach().contiguous().cpu() for name, value in tensors.items()}, temporary)


def _load(path: Path) -> dict[str, Tensor]:
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"{path}: cannot be read ({error}): delete {path.parent}, and run the same command again"
        ) from error
