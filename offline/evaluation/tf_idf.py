"""What a learned text tower has to beat: the cosine of n-gram tf-idf vectors, without any training."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from app.artifact.columns import offsets_of
from app.artifact.hashing import stable_hashes
from app.artifact.text.ngrams import buckets

BUCKETS = 2**20
"""So many that hardly two n-grams share one."""
_COLUMNS = ("title", "brand", "category", "text")


def tf_idf_ranking(items: pl.DataFrame, queries: Sequence[str], depth: int) -> NDArray[np.int64]:
    """The best `depth` rows for each query, best first, filled up with 0 where fewer share an n-gram with it.

    All fields of an item are one text: title, brand, category, further text, values of attributes. Weights are
    sublinear counts times idf (Manning et al., "Introduction to Information Retrieval", 2008, 6.4.1); ties are broken
    by a fixed hash of the id.

    Args:
        items: the split's item table.
        queries: `[n]`.
        depth: rows a query.
    """
    items = items.sort("row")
    scores = tf_idf_scores(items, queries)
    hashes = stable_hashes(items["item_id"].to_list())
    ranking = np.zeros((len(queries), depth), dtype=np.int64)
    for line in range(len(queries)):
        here = slice(scores.indptr[line], scores.indptr[line + 1])
        columns, values = scores.indices[here], scores.data[here]
        best = columns[np.lexsort((hashes[columns], -values))][:depth]
        ranking[line, : len(best)] = 1 + best
    return ranking


def tf_idf_scores(items: pl.DataFrame, queries: Sequence[str]) -> Any:
    """The cosine of each query with each item, where they share an n-gram: sparse float64 `[queries, items]`.

    Args:
        items: the split's item table, ordered by row.
        queries: `[queries]`.
    """
    counted = _counts([" ".join(_texts(*values)) for values in items.select(*_COLUMNS, "attributes").iter_rows()])
    idf = np.log((1 + counted.shape[0]) / (1 + np.bincount(counted.indices, minlength=BUCKETS))) + 1
    return (_unit(_counts(queries), idf) @ _unit(counted, idf).T).tocsr()


def _texts(*values: Any) -> list[str]:
    *texts, attributes = values
    return [text or "" for text in texts] + [pair.partition("=")[2] for pair in attributes or ()]


def _counts(texts: Sequence[str]) -> Any:
    """How often each text holds each n-gram: sparse float64 `[texts, BUCKETS]`."""
    counts = [Counter(buckets(text, BUCKETS)) for text in texts]
    offsets = offsets_of([len(count) for count in counts])
    columns = np.fromiter((bucket for count in counts for bucket in sorted(count)), np.int64, int(offsets[-1]))
    numbers = np.fromiter((count[key] for count in counts for key in sorted(count)), np.float64, int(offsets[-1]))
    return sparse.csr_array((numbers, columns, offsets), shape=(len(texts), BUCKETS))


def _unit(counts: Any, idf: NDArray[np.float64]) -> Any:
    """Rows of length 1; rows of zeros stay."""
    data = (1 + np.log(counts.data)) * idf[counts.indices]
    lines = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    lengths = np.sqrt(np.bincount(lines, weights=data**2, minlength=counts.shape[0]))
    return sparse.csr_array((data / np.maximum(lengths[lines], 1e-12), counts.indices, counts.indptr), counts.shape)
