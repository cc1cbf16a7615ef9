"""What a teacher reads of an item: title, brand and category first, then the start of its further texts."""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

FURTHER: Final = 300
"""Characters of the further texts. More dilute a vector, and take time in proportion."""
_LONGEST: Final = 1_000  # characters in all


def item_texts(items: pl.DataFrame) -> list[str]:
    """One text for each row of an item table, ingested or split; empty where it has no words."""
    parts = ("title", "brand", "category")
    texts = items.select(
        pl.concat_str(
            [*(pl.col(name).cast(pl.String) for name in parts), pl.col("text").cast(pl.String).str.slice(0, FURTHER)],
            separator=" ",
            ignore_nulls=True,
        )
        .str.replace_all(r"\s+", " ")
        .str.strip_chars()
        .str.slice(0, _LONGEST)
    )
    return [text or "" for text in texts.to_series().to_list()]


def text_hashes(texts: Sequence[str]) -> NDArray[np.uint64]:
    """A hash of each text, `[texts]`: of ten million texts two share one with a chance of three in a million."""
    digests = b"".join(hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)
