"""The small files of a teacher's folder: JSON that is read with one plain line for whatever is wrong with it."""

import json
from pathlib import Path
from typing import Any, Final

from offline.errors import TeacherError

NEEDS: Final = (
    "a folder in the layout of sentence-transformers or Hugging Face: config.json, tokenizer.json, and "
    "model.safetensors or pytorch_model.bin; modules.json and 1_Pooling/config.json where it has them"
)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in `path`; an empty one where there is no such file.

    Raises:
        TeacherError: something else stands in it.
    """
    value = _read(path, {})
    if not isinstance(value, dict):
        raise TeacherError(f"{path}: expected a JSON object, got something else: fetch the file again")
    return value


def read_modules(path: Path) -> list[dict[str, Any]] | None:
    """The entries of a `modules.json`; None where there is no such file.

    Raises:
        TeacherError: it is no list of modules.
    """
    value = _read(path, None)
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(entry, dict) and "type" in entry for entry in value):
        raise TeacherError(f"{path}: expected a JSON list of modules, got something else: fetch the file again")
    return value


def _read(path: Path, otherwise: Any) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return otherwise
    except (OSError, ValueError) as error:
        raise TeacherError(f"{path}: expected JSON, got what cannot be read: fetch the file again") from error
