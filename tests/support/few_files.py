"""Versions of a few files: for tests that send and fetch them, and load none."""

import json
from pathlib import Path
from typing import Any, Final

from app.artifact import names
from app.artifact.manifest import list_files, read_manifest

FILES: Final = 20


def keep_few(folder: Path) -> None:
    """Leave the first files of a version, its vectors among them, and sign it again."""
    kept = {names.MANIFEST, names.ITEM_VECTORS, *sorted(read_manifest(folder).files)[:FILES]}
    for path in (path for path in folder.rglob("*") if path.is_file()):
        if path.relative_to(folder).as_posix() not in kept:
            path.unlink()
    sign_again(folder)


def sign_again(folder: Path) -> None:
    """Write the files that are there into the manifest."""
    edit_manifest(folder, files={name: entry.model_dump() for name, entry in list_files(folder).items()})


def edit_manifest(folder: Path, **changes: Any) -> None:
    """Change members of a version's manifest."""
    path = folder / names.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")
