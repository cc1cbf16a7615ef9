"""Queries and judgments of a graded search: test material, which goes from ingest to split to evaluation only."""

import shutil
from pathlib import Path

import polars as pl

GRADED_FILES = ("queries.parquet", "judgments.parquet")


def write_graded(out: Path, queries: pl.DataFrame, judgments: pl.DataFrame) -> None:
    """Write the graded tables beside the parts of a split."""
    for name, table in zip(GRADED_FILES, (queries, judgments), strict=True):
        table.write_parquet(out / name)


def copy_graded(ingested: Path, out: Path) -> None:
    """Put the graded tables beside the parts of a split; nothing for a set without any."""
    for name in GRADED_FILES:
        if (ingested / name).exists():
            shutil.copyfile(ingested / name, out / name)
