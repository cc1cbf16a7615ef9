"""Queries and judgments of a graded search: test material, which goes from ingest to split to evaluation only."""

import shutil
from pathlib import Path

GRADED_FILES = ("queries.parquet", "judgments.parquet")


def copy_graded(ingested: Path, out: Path) -> None:
    """Put the graded tables beside the parts of a split; nothing for a set without any."""
    for name in GRADED_FILES:
        if (ingested / name).exists():
            shutil.copyfile(ingested / name, out / name)
