"""The scores of a search's candidates where nothing is weighed but words, meaning, taste and popularity."""

import ctypes
from collections.abc import Mapping
from ctypes import byref, c_float, c_int64, c_void_p
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import FEATURES, GROUPS, CandidateList, retrieval_scores
from app.artifact.rank_features import POPULARITY as RANKER_POPULARITY
from app.artifact.rank_tables import RankTables
from app.artifact.search_features import (
    CHOSEN,
    LEXICAL_FEATURES,
    MEANING_FEATURES,
    TASTE,
    TextColumns,
    search_features,
    weighted_sum,
)
from app.artifact.search_features import cosines_of as numpy_cosines_of
from app.engine.kernels.features import KernelTables, popularity_columns
from app.engine.kernels.library import Library, address, contiguous, library
from app.engine.kernels.words import RowColumns

_VALUES: Final = (*LEXICAL_FEATURES, "semantic", "semantic_where_words_fail", CHOSEN, TASTE, *GROUPS["popularity"])
"""The values of `source/scores.c`, in its order."""
_PLACE_OF: Final = {name: place for place, name in enumerate(_VALUES)}
_LARGEST_DIM: Final = 1_024  # up to which sums of products of 127 and less are whole in float32, in any order


class _Query(ctypes.Structure):
    _fields_ = (
        *((name, c_void_p) for name in ("word_rows", "word_columns", "share", "in_order", "chosen", "text", "user")),
        ("words", c_int64),
        ("missing", c_float),
    )


@dataclass(frozen=True, eq=False)
class Weights:
    """What is weighed, in the order of the sum."""

    by_name: Mapping[str, float]
    places: NDArray[np.int64]
    factors: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class SearchTerms:
    """What is known of one search, and of `n` candidates beside the tables."""

    words: RowColumns
    titles: tuple[NDArray[np.float32], NDArray[np.float32]] | None  # [n] each, `TITLE_FEATURES`
    chosen: NDArray[np.float32] | None  # [n]
    text: NDArray[np.float32]  # [dim] of length 1, or zeros
    user: NDArray[np.float32] | None  # [dim], None for an unknown user
    best_coverage: float


def plain_weights(weights: Mapping[str, float]) -> Weights | None:
    """The weights as `scores_of_search` reads them; None where they weigh anything else."""
    return _plain_weights(tuple(weights.items()))


@lru_cache(maxsize=32)
def _plain_weights(weights: tuple[tuple[str, float], ...]) -> Weights | None:
    weighed = {name: weight for name, weight in weights if weight and name not in MEANING_FEATURES}
    if not weighed.keys() <= _PLACE_OF.keys():
        return None
    return Weights(
        weighed,
        np.array([_PLACE_OF[name] for name in weighed], dtype=np.int64),
        np.array(list(weighed.values()), dtype=np.float32),
    )


def scores_of_search(
    tables: RankTables, terms: SearchTerms, rows: NDArray[np.int64], weights: Weights
) -> NDArray[np.float32]:
    """The scores `[n]` of the ascending candidates `rows`, to the last bit those of `search_features` and its sum.

    Raises:
        IndexError: a row is none of the tables'.
    """
    compiled = library()
    if compiled is None or tables.vectors.shape[1] > _LARGEST_DIM:
        return numpy_scores_of_search(tables, terms, rows, weights)
    return _compiled_scores(compiled, tables, terms, rows, weights)


def _compiled_scores(
    compiled: Library, tables: RankTables, terms: SearchTerms, rows: NDArray[np.int64], weights: Weights
) -> NDArray[np.float32]:
    kernel_tables, rows = KernelTables.of(tables), contiguous(rows, np.int64)
    structure, count = kernel_tables.structure, len(rows)
    columns = (*(terms.titles or (None, None)), terms.chosen)
    vectors = (terms.text, terms.user)
    arrays = [None if values is None else contiguous(values, np.float32) for values in (*columns, *vectors)]
    query = _Query(
        address(terms.words.rows),
        address(terms.words.columns),
        *(None if values is None else address(values) for values in arrays),
        len(terms.words.rows),
        np.float32(1.0) - np.float32(terms.best_coverage),
    )
    scores, unknown = np.empty(count, dtype=np.float32), np.empty(count, dtype=np.int64)
    weighed = address(weights.places), address(weights.factors), len(weights.places)
    arguments = address(rows), count, *weighed, address(scores), address(unknown)
    while missing := compiled.scores_of_search(byref(structure), byref(query), *arguments):
        if missing < 0:
            raise IndexError(f"expected rows below {structure.rows}, got another")
        kernel_tables.learn(tables, unknown[:missing])
    return scores


def numpy_scores_of_search(
    tables: RankTables, terms: SearchTerms, rows: NDArray[np.int64], weights: Weights
) -> NDArray[np.float32]:
    """As `scores_of_search`, by NumPy."""
    count = len(rows)
    candidates = CandidateList(
        np.zeros(count, np.int64), rows, np.zeros(count, np.uint8), np.array([0, count], dtype=np.int64)
    )
    nothing: NDArray[Any] = np.zeros(count, dtype=np.float32)
    ranker_features = np.zeros((count, len(FEATURES)), dtype=np.float32)
    if terms.user is not None:
        ranker_features[:, FEATURES.index(TASTE)] = retrieval_scores(tables, candidates, terms.user[None])
        ranker_features[:, RANKER_POPULARITY] = popularity_columns(tables, rows).T
    text = TextColumns(
        lexical=np.concatenate([terms.words.numpy_columns(rows), np.stack(terms.titles or (nothing, nothing))]),
        chosen=nothing if terms.chosen is None else terms.chosen,
        cosines=numpy_cosines_of(tables, candidates, terms.text[None]),
        best_coverage=np.array([terms.best_coverage], dtype=np.float32),
        meaning=np.zeros((len(MEANING_FEATURES), count), dtype=np.float32),
    )
    known = np.array([terms.user is not None])
    return weighted_sum(search_features(tables, candidates, text, known, ranker_features), dict(weights.by_name))
