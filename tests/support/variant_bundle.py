"""A bundle that knows variants of its items, columns for display, and the currency of prices."""

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.display_columns import write_display
from app.artifact.manifest import list_files
from app.artifact.variants import write_variants


def with_variants(
    bundle: Path,
    folder: Path,
    variants: Mapping[str, int],
    display: Mapping[str, Sequence[Any]],
    currency: Sequence[str | None],
) -> Path:
    """A copy of a bundle with these.

    `variants`: the row of each id; `display`: a value a row from row 1, `None` for no value; `currency`: a code a row.
    """
    shutil.copytree(bundle, folder, copy_function=os.link)
    for name in (names.VARIANTS, names.DISPLAY):
        shutil.rmtree(folder / name, ignore_errors=True)
    write_variants(folder, list(variants), list(variants.values()))
    columns = {
        name: [None, *(None if value is None else json.dumps(value) for value in values)]
        for name, values in display.items()
    }
    write_display(folder, columns)
    TextColumn.of([None, *currency]).write(folder / names.CATALOGUE / "currency")
    document = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    document["catalogue_columns"]["currency"] = "text"
    document["files"] = {name: entry.model_dump() for name, entry in list_files(folder).items()}
    (folder / names.MANIFEST).unlink()  # a link to the original's
    (folder / names.MANIFEST).write_text(json.dumps(document), "utf-8")
    return folder
