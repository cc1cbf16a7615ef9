"""The columns of items that the ranker's features read, from the network, the catalogue and what was counted."""

from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOURS
from app.artifact.names import PADDING_ROW
from app.artifact.quantise import quantise_rows
from app.artifact.rank_tables import RankTables
from offline.dataset.absent import absent_rows
from offline.dataset.histories import Histories
from offline.export.content_vectors import ContentVectors
from offline.export.item_tables import ItemTable
from offline.export.popularity import popularity, user_counts
from offline.graph.build import co_occurrence_table

NEIGHBOURS = 32


def rank_tables(
    items: pl.DataFrame,
    histories: Histories,
    graph: Path,
    table: ItemTable,
    contents: ContentVectors,
    count_scales: NDArray[np.float32] | None = None,
) -> RankTables:
    """The tables of a bundle.

    Args:
        items: the split's item table, by row from 1.
        histories: what may be counted.
        graph: folder of the graph that was built of the same events.
        table: the item vectors, filler rows included.
        contents: where text and attributes alone place the items.
        count_scales: `[3]` that the counts by behaviour are multiplied by; None is 1.
    """
    rows = len(table.scales)
    neighbours, weights = _neighbours(co_occurrence_table(graph), rows)
    content, content_scales = quantise_rows(contents.units)
    return RankTables(
        vectors=table.vectors.astype(np.int8, copy=False),
        scales=table.scales,
        score_scales=table.score_scales,
        content=content,
        content_scales=content_scales,
        neighbours=neighbours,
        neighbour_weights=weights,
        counts=_counts(histories, rows) * (np.float32(1.0) if count_scales is None else count_scales),
        popularity=popularity(histories, rows),
        codes=np.stack([_codes(items[name], rows) for name in ("category", "brand")], axis=1),
        log_price=_log_prices(items["price"], rows),
        absent=absent_rows(items),
    )


def _neighbours(pairs: pl.DataFrame, rows: int) -> tuple[NDArray[np.int32], NDArray[np.float16]]:
    """The strongest `NEIGHBOURS` sources of every target, and their weights, `[rows, NEIGHBOURS]` each."""
    pairs = pairs.sort(["target", "weight", "source"], descending=[False, True, False])
    target = pairs["target"].to_numpy()
    place = np.arange(len(target)) - np.searchsorted(target, target)
    kept = place < NEIGHBOURS
    neighbours = np.full((rows, NEIGHBOURS), PADDING_ROW, dtype=np.int32)
    weights = np.zeros((rows, NEIGHBOURS), dtype=np.float16)
    neighbours[target[kept], place[kept]] = pairs["source"].to_numpy()[kept]
    weights[target[kept], place[kept]] = pairs["weight"].to_numpy()[kept]
    return neighbours, weights


def _counts(histories: Histories, rows: int) -> NDArray[np.float32]:
    """The users of each item and behaviour, `[rows, 3]`."""
    return np.stack([user_counts(histories, rows, behaviour) for behaviour in BEHAVIOURS.values()], axis=1)


def _codes(texts: pl.Series, rows: int) -> NDArray[np.int32]:
    """A number from 1 for every different text, 0 where it is missing."""
    ranked = texts.cast(pl.String).rank("dense").fill_null(0).to_numpy()
    codes = np.zeros(rows, dtype=np.int32)
    codes[1 : len(ranked) + 1] = ranked
    return codes


def _log_prices(prices: pl.Series, rows: int) -> NDArray[np.float32]:
    """Natural logs of 1 + price, NaN where it is missing."""
    log_prices = np.full(rows, np.nan, dtype=np.float32)
    log_prices[1 : len(prices) + 1] = np.log1p(prices.cast(pl.Float64).fill_null(float("nan")).to_numpy())
    return log_prices
