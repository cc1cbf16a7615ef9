"""The protocol: from the parts of a split, who is scored, what was known of them, and what is held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.behaviours import PURCHASE
from app.artifact.names import PADDING_ROW
from offline.dataset.split_meta import read_split_meta
from offline.errors import DatasetError, RunFolderError

MASKS = ("seen", "purchased", "none")

KNOWN_PARTS = {"valid": ("train",), "test": ("train", "valid")}
"""What may train or be counted when a part is scored; its histories hold context rows besides."""


@dataclass(frozen=True)
class RowLists:
    """Lists of item rows, one a case: list `i` is `rows[offsets[i]:offsets[i + 1]]`."""

    offsets: NDArray[np.int64]  # [n + 1]
    rows: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lengths(self) -> NDArray[np.int64]:
        """`[n]`."""
        return np.diff(self.offsets)

    def lines(self) -> NDArray[np.int64]:
        """The list that each row belongs to, as long as `rows`."""
        return np.repeat(np.arange(len(self)), self.lengths())

    def of(self, line: int) -> NDArray[np.int32]:
        """One list."""
        return self.rows[self.offsets[line] : self.offsets[line + 1]]


@dataclass(frozen=True)
class Cases:
    """`n` scored users. Rows are those of the split; 0 among the targets is an item outside the vocabulary."""

    part: str
    user_ids: list[str]  # [n]
    now: NDArray[np.float64]  # [n] unix seconds, NaN without a clock
    history: RowLists  # oldest first, without events on unknown items
    history_types: NDArray[np.uint8]  # beside `history.rows`
    history_times: NDArray[np.float64]  # beside `history.rows`, unix seconds, NaN when unknown
    context: NDArray[np.int64]  # [n] how many of a history's newest events are context
    targets: RowLists  # distinct items; each 0 is another one

    def __len__(self) -> int:
        return len(self.user_ids)

    def mask(self, protocol: str) -> RowLists:
        """The item rows that `protocol` (seen, purchased or none) hides from the ranking, distinct and ascending.

        Raises:
            DatasetError: there is no such protocol.
        """
        if protocol not in MASKS:
            raise DatasetError(f"expected a mask of {', '.join(MASKS)}, got {protocol!r}: correct [evaluation] mask")
        lines, rows = self.history.lines(), self.history.rows
        if protocol != "seen":
            is_hidden = (self.history_types == PURCHASE) if protocol == "purchased" else np.zeros(len(rows), dtype=bool)
            lines, rows = lines[is_hidden], rows[is_hidden]
        span = int(rows.max(initial=0)) + 1
        keys = np.unique(lines * span + rows)
        return RowLists(offsets_of(keys // span, len(self)), (keys % span).astype(np.int32))


def validates(split: Path) -> bool:
    """Whether the split in the folder `split` scores anybody in its valid part."""
    return bool(_read(split, "valid").get_column("target").any())


def load_cases(split: Path, part: str, limit: int | None = None, seed: int = 0) -> Cases:
    """The cases of `part`, ordered by user; with `limit`, a draw of at most so many users.

    A history is what the service would know: train and context rows, for test valid rows too, never one that
    comes after the first target. `now` is the time of the first target, else the cut, else the user's newest
    known event.

    Raises:
        DatasetError: `part` is neither valid nor test, or nobody is scored in it.
        RunFolderError: `split` is not the folder of a split.
    """
    meta = read_split_meta(split)
    if part not in KNOWN_PARTS:
        raise DatasetError(f"expected the part valid or test, got {part!r}: choose one")
    targets = _read(split, part).filter("target").sort("user", "order")
    users = targets.get_column("user").unique().sort()
    if not len(users):
        raise DatasetError(f"expected targets in the part {part} of {split}, got none: split again")
    if limit is not None and limit < len(users):
        sample = np.random.default_rng(seed).choice(len(users), size=limit, replace=False)
        users = users.gather(np.sort(sample))
        targets = targets.join(users.to_frame(), on="user", how="semi", maintain_order="left")
    first = targets.group_by("user", maintain_order=True).agg(
        pl.col("order").min().alias("first"), pl.col("time").min().alias("at")
    )
    history = (
        pl.concat([_read(split, name).with_columns(from_=pl.lit(name)) for name in (*KNOWN_PARTS[part], "context")])
        .join(first, on="user", how="inner")
        .filter((pl.col("order") < pl.col("first")) & (pl.col("item") != PADDING_ROW))
        .sort("user", pl.col("from_") == "context", "order")
    )
    numbers = users.to_numpy()
    lines = np.searchsorted(numbers, history.get_column("user").to_numpy())
    times = history.get_column("time").fill_null(float("nan")).to_numpy().astype(np.float64)
    return Cases(
        part=part,
        user_ids=user_ids_of(split, users),
        now=newest_known(first.get_column("at"), meta.test_cut if part == "test" else meta.train_cut, lines, times),
        history=RowLists(offsets_of(lines, len(numbers)), history.get_column("item").to_numpy().astype(np.int32)),
        history_types=history.get_column("type").to_numpy().astype(np.uint8),
        history_times=times,
        context=np.bincount(lines[(history.get_column("from_") == "context").to_numpy()], minlength=len(numbers)),
        targets=RowLists(
            offsets_of(np.searchsorted(numbers, targets.get_column("user").to_numpy()), len(numbers)),
            targets.get_column("item").to_numpy().astype(np.int32),
        ),
    )


def known_events(split: Path, part: str) -> pl.DataFrame:
    """The events that may be counted when `part` is scored: user, item, order; sorted, no context, no unknown item."""
    parts = [_read(split, name) for name in KNOWN_PARTS[part]]
    return pl.concat(parts).filter(pl.col("item") != PADDING_ROW).sort("user", "order").select("user", "item", "order")


def event_counts(split: Path, part: str, n_items: int) -> NDArray[np.int64]:
    """How many of `known_events` each item row has, `[n_items + 1]`; 0 for row 0."""
    return np.bincount(known_events(split, part).get_column("item").to_numpy(), minlength=n_items + 1)


def _read(split: Path, part: str) -> pl.DataFrame:
    try:
        return pl.read_parquet(split / f"{part}.parquet").drop("query")
    except FileNotFoundError:
        raise RunFolderError(f"{split}: expected a split with {part}.parquet, got none: split again") from None


def user_ids_of(split: Path, users: pl.Series) -> list[str]:
    """The ids of user numbers."""
    table = pl.read_parquet(split / "users.parquet")
    ids: list[str] = users.to_frame().join(table, on="user", how="left", maintain_order="left")["user_id"].to_list()
    return ids


def newest_known(
    target_times: pl.Series, cut: float | None, lines: NDArray[np.int64], times: NDArray[np.float64]
) -> NDArray[np.float64]:
    """The time of each case: its own `at`, else the cut, else that of the newest event of its history."""
    known = target_times.fill_null(float("nan")).to_numpy().astype(np.float64)
    if cut is not None:
        return np.where(np.isnan(known), cut, known)
    newest = np.full(len(known), -np.inf)
    timed = ~np.isnan(times)
    np.maximum.at(newest, lines[timed], times[timed])
    return np.where(np.isnan(known), np.where(np.isinf(newest), np.nan, newest), known)


def offsets_of(lines: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Offsets of `count` lists from the ascending line of every entry."""
    return np.searchsorted(lines, np.arange(count + 1)).astype(np.int64)
