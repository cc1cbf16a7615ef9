"""The table of n-gram vectors that turns a request's text into a query vector."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.quantise import quantise_rows
from app.engine.text.text_query import read_text_query, write_golden_texts
from offline.training.item_bags import bucket_idf
from offline.training.trained import Trained

GOLDEN_TEXTS = 16


def write_text_table(
    folder: Path,
    trained: Trained,
    items: pl.DataFrame,
    queries: Sequence[str] = (),
    idf: NDArray[np.float32] | None = None,
) -> None:
    """Write table and golden texts to the bundle in `folder`; nothing for a network that reads no text.

    Golden texts are titles, or logged queries where there are none.

    Args:
        items: the split's item table.
        queries: logged ones.
        idf: of the text buckets `[buckets]`; by default that of the network's graph.
    """
    table = trained.network.items.text
    if table is None:
        return
    idf = bucket_idf(trained.graph) if idf is None else idf
    narrow = trained.network.narrow
    with torch.no_grad():  # where item vectors were cut, texts meet them in the same directions
        placed = (table if narrow is None else narrow(table)).cpu().numpy()
    used = np.where(idf[:, None] > 0, placed, np.float32(0))
    vectors, scales = quantise_rows(used)
    (folder / names.TEXT_VECTORS).parent.mkdir(parents=True, exist_ok=True)
    np.save(folder / names.TEXT_VECTORS, vectors)
    np.save(folder / names.TEXT_SCALES, scales)
    np.save(folder / names.TEXT_IDF, idf)
    text_query = read_text_query(folder)
    assert text_query is not None  # noqa: S101 - just written
    titles = items.sort("row")["title"].drop_nulls().head(GOLDEN_TEXTS).to_list()
    write_golden_texts(folder, titles or list(queries[:GOLDEN_TEXTS]), text_query)
