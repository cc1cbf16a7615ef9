"""Cases of the task `search`: a user and a query, and the items that followed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from offline.dataset.logged_queries import normalised_query, query_events
from offline.dataset.spec_types import Mask
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.errors import DatasetError
from offline.evaluation.protocol import KNOWN_PARTS, Cases, RowLists, newest_known, offsets_of, user_ids_of


@dataclass(frozen=True)
class SearchCases:
    """`n` pairs of a user and a query."""

    cases: Cases  # [n] a line a pair; a user may have several
    queries: list[str]  # [n] as they were typed
    number: NDArray[np.int64]  # [n] the same for queries that read the same
    new: NDArray[np.bool_]  # [n] whether nothing that may be learned from has the query

    def __len__(self) -> int:
        return len(self.queries)


def load_search_cases(split: Path, part: str, limit: int | None = None, seed: int = 0) -> SearchCases:
    """The cases of `part`, ordered by user, then query; with `limit`, a draw of at most so many.

    Of another task, what followed a query in that part is a target, whether or not the task asks for it.

    What is known of a user is as in `load_cases`: nothing that comes after the first target of the case.

    Raises:
        DatasetError: `part` is neither valid nor test, or it has no target that a query led to.
        RunFolderError: `split` is not the folder of a split.
    """
    meta = read_split_meta(split)
    if part not in KNOWN_PARTS:
        raise DatasetError(f"expected the part valid or test, got {part!r}: choose one")
    targets = _searched_targets(split, part)
    pairs = _pairs(targets, limit, seed)
    target_rows = (
        targets.join(pairs.select("user", "key", "line"), on=["user", "key"])
        .unique(["line", "item", "order"])
        .sort("line", "order")
        .unique(["line", "item"], keep="first", maintain_order=True)
    )
    history = _known_before(split, part, pairs)
    pair_of_event = history.get_column("line").to_numpy()
    times = history.get_column("time").fill_null(float("nan")).to_numpy().astype(np.float64)
    cut = meta.test_cut if part == "test" else meta.train_cut
    count = pairs.height
    learned = query_events(split, KNOWN_PARTS[part]).get_column("query").unique()
    return SearchCases(
        cases=Cases(
            part=part,
            user_ids=user_ids_of(split, pairs.get_column("user")),
            now=newest_known(pairs.get_column("at"), cut, pair_of_event, times),
            history=RowLists(offsets_of(pair_of_event, count), history.get_column("item").to_numpy().astype(np.int32)),
            history_types=history.get_column("type").to_numpy().astype(np.uint8),
            history_times=times,
            context=np.bincount(pair_of_event[(history.get_column("from_") == "context").to_numpy()], minlength=count),
            targets=RowLists(
                offsets_of(target_rows.get_column("line").to_numpy(), count),
                target_rows.get_column("item").to_numpy().astype(np.int32),
            ),
        ),
        queries=pairs.get_column("query").to_list(),
        number=pairs.get_column("number").to_numpy(),
        new=~pairs.get_column("key").is_in(learned.implode()).to_numpy(),
    )


def searched_mask(meta: SplitMeta) -> Mask:
    """What is hidden from a search; where the task is another one nothing: who searches may look for what they know."""
    return meta.mask[0] if meta.task == "search" else "none"


def _searched_targets(split: Path, part: str) -> pl.DataFrame:
    """The targets that a query led to, each with the `key` that is equal for queries that read the same."""
    is_asked_for = pl.col("target") if read_split_meta(split).task == "search" else pl.lit(value=True)
    targets = pl.read_parquet(split / f"{part}.parquet").filter(is_asked_for & pl.col("query").is_not_null())
    queries = targets.get_column("query").unique().sort()
    keys = pl.Series([normalised_query(query) for query in queries], dtype=pl.String)
    targets = targets.join(pl.DataFrame({"query": queries, "key": keys}), on="query", how="left")
    if targets.is_empty():
        raise DatasetError(f"expected targets that a query led to in the part {part} of {split}, got none")
    return targets.sort("user", "key", "order")


def _pairs(targets: pl.DataFrame, limit: int | None, seed: int) -> pl.DataFrame:
    """A row for each pair of a user and a query, numbered by `line`, with the order and time of its first target."""
    pairs = (
        targets.group_by("user", "key", maintain_order=True)
        .agg(
            pl.col("query").first(),
            pl.col("order").min().alias("first"),
            pl.col("time").min().alias("at"),
        )
        .with_columns(number=pl.col("key").rank("dense").cast(pl.Int64) - 1)
    )
    if limit is not None and limit < pairs.height:
        sample = np.random.default_rng(seed).choice(pairs.height, size=limit, replace=False)
        pairs = pairs[np.sort(sample)]
    return pairs.with_row_index("line").with_columns(pl.col("line").cast(pl.Int64))


def _known_before(split: Path, part: str, pairs: pl.DataFrame) -> pl.DataFrame:
    """The events that the service would know of each pair's user before its first target, by `line`, oldest first."""
    parts = [
        pl.read_parquet(split / f"{name}.parquet").drop("query").with_columns(from_=pl.lit(name))
        for name in (*KNOWN_PARTS[part], "context")
    ]
    return (
        pl.concat(parts)
        .filter(pl.col("item") != PADDING_ROW)
        .join(pairs.select("user", "line", "first"), on="user", how="inner")
        .filter(pl.col("order") < pl.col("first"))
        .sort("line", pl.col("from_") == "context", "order")
    )
