"""What a search has to beat: what followed the same words in the log, and the words of the items, without training."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from offline.dataset.absent import absent_rows_of
from offline.dataset.logged_queries import normalised_query, query_events
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.baselines import popular_rows
from offline.evaluation.document import ITEM_KNN, QUERY_AND_USER, QUERY_COUNTS, TF_IDF
from offline.evaluation.masked_ranking import Rankings, ranked_by_scores
from offline.evaluation.metrics import DEPTH
from offline.evaluation.protocol import KNOWN_PARTS, known_events
from offline.evaluation.search_cases import SearchCases
from offline.evaluation.tf_idf import tf_idf_scores
from offline.workspace.progress import Progress

_FUSION: Final = 60.0


def query_rankings(
    split: Path,
    pairs: SearchCases,
    protocols: Sequence[str],
    of_user: dict[str, Rankings],
    progress: Progress | None = None,
) -> dict[str, Rankings]:
    """Baselines that know the query: counts of the log, words of the items where they have any, and both of query and
    user, the counts joined with item-kNN.

    All count what may be learned from alone: train, for test train and valid.

    Args:
        split: folder of the split.
        pairs: who asks for what.
        protocols: what is hidden.
        of_user: the rankings that know the user, by name.
        progress: called with every block of cases.

    Raises:
        DatasetError: a protocol has no meaning.
    """
    meta = read_split_meta(split)
    absent = absent_rows_of(split)
    popular = popular_rows(known_events(split, pairs.cases.part), meta.n_items, absent)
    masks = {protocol: pairs.cases.mask(protocol) for protocol in protocols}
    texts, query_of_case = _distinct_queries(pairs)
    rankings = {
        QUERY_COUNTS: ranked_by_scores(
            query_of_case,
            _count_scores(query_events(split, KNOWN_PARTS[pairs.cases.part]), texts, meta.n_items + 1),
            popular,
            masks,
            DEPTH,
            progress,
            "ranking by counts of queries",
            absent,
        )
    }
    words = _word_scores(split, texts)
    if words.nnz:
        rankings[TF_IDF] = ranked_by_scores(query_of_case, words, popular, masks, DEPTH, progress, "ranking by tf-idf")
    if ITEM_KNN in of_user:
        rankings[QUERY_AND_USER] = {
            protocol: _joined(rankings[QUERY_COUNTS][protocol], of_user[ITEM_KNN][protocol]) for protocol in protocols
        }
    return rankings


def _distinct_queries(pairs: SearchCases) -> tuple[list[str], Any]:
    """The distinct queries as they are normalised, and which of them each case asks: sparse `[n, texts]`."""
    texts, place = np.unique([normalised_query(text) for text in pairs.queries], return_inverse=True)
    ones = np.ones(len(pairs), dtype=np.float32)
    return texts.tolist(), sparse.csr_array((ones, (np.arange(len(pairs)), place)), shape=(len(pairs), len(texts)))


def _count_scores(events: pl.DataFrame, texts: Sequence[str], size: int) -> Any:
    """How often each item followed each query; behind that, and for queries that nobody typed, by their words.

    A word tells the share of each item in what followed the queries that hold it; rare words tell more (idf over
    queries). The mean over the words is below 1, and so below one event that followed the very query.

    Returns:
        Sparse float32 `[texts, size]`.
    """
    followed = events.filter(pl.col("item") != PADDING_ROW)
    logged = followed.get_column("query").unique().sort()
    query_index = np.searchsorted(logged.to_numpy(), followed.get_column("query").to_numpy())
    ones = np.ones(followed.height)
    counts = sparse.csr_array((ones, (query_index, followed.get_column("item").to_numpy())), shape=(len(logged), size))
    of_logged = [text.split() for text in logged]
    vocabulary = {word: index for index, word in enumerate(sorted({word for words in of_logged for word in words}))}
    held = _word_matrix(of_logged, vocabulary)  # [queries of the log, words]
    by_word = (held.T @ counts).tocsr()
    totals = np.maximum(by_word.sum(axis=1), 1.0)
    idf = np.log1p(len(logged) / np.maximum(held.sum(axis=0), 1.0))
    asked_words = _word_matrix([text.split() for text in texts], vocabulary) @ sparse.diags_array(idf)
    norm = np.maximum(asked_words.sum(axis=1), 1e-12) * 1.001
    backed = sparse.diags_array(1.0 / norm) @ asked_words @ sparse.diags_array(1.0 / totals) @ by_word
    place = {query: index for index, query in enumerate(logged)}
    known = [(line, place[text]) for line, text in enumerate(texts) if text in place]
    lines, queries = (np.array(side, dtype=np.int64) for side in (zip(*known, strict=True) if known else ((), ())))
    exact = sparse.csr_array((np.ones(len(lines)), (lines, queries)), shape=(len(texts), len(logged))) @ counts
    return (exact + backed).tocsr().astype(np.float32)


def _word_matrix(texts: Sequence[Sequence[str]], vocabulary: dict[str, int]) -> Any:
    """Which words of the vocabulary each text holds: sparse float64 `[texts, words]` of ones."""
    rows = [sorted({vocabulary[word] for word in words if word in vocabulary}) for words in texts]
    offsets = offsets_of([len(row) for row in rows])
    columns = np.array([index for row in rows for index in row], dtype=np.int64)
    return sparse.csr_array((np.ones(len(columns)), columns, offsets), shape=(len(texts), len(vocabulary)))


def _word_scores(split: Path, texts: Sequence[str]) -> Any:
    """The cosine of tf-idf of each query and item, by row of the split: sparse float32 `[texts, items + 1]`."""
    scores = tf_idf_scores(pl.read_parquet(split / "items.parquet").sort("row"), texts)
    shifted = sparse.csr_array((len(texts), 1))
    return sparse.hstack([shifted, scores], format="csr").astype(np.float32)


def _joined(ours: NDArray[np.int32], theirs: NDArray[np.int32]) -> NDArray[np.int32]:
    """Two rankings as one by the sum of reciprocal ranks (Cormack et al., SIGIR 2009), `[n, depth]`."""
    depth = ours.shape[1]
    weights = 1.0 / (_FUSION + np.arange(1, depth + 1))
    joined = np.zeros_like(ours)
    for line, pair in enumerate(zip(ours, theirs, strict=True)):
        rows, place = np.unique(np.concatenate(pair), return_inverse=True)
        scores = np.bincount(place, weights=np.tile(weights, 2))
        scores[rows == PADDING_ROW] = 0.0
        best = np.lexsort((rows, -scores))[:depth]
        best = best[scores[best] > 0]
        joined[line, : len(best)] = rows[best]
    return joined
