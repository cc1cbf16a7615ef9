"""What orders the results of a search: how words and meaning match, and all that the ranker knows of an item."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import FEATURES, GROUPS, CandidateList, popularity_features, quantised_queries
from app.artifact.rank_tables import RankTables

TEXT_FEATURES: Final = (
    "lexical",
    "title",
    "attributes",
    "coverage",
    "exact",
    "semantic",
    "semantic_where_words_fail",
)
"""Of query and item: the fields of `TextMatch`, the cosine of their vectors, and that cosine times the share of the
query's words that no item has."""
TASTE: Final = "score"
"""The one feature of retrieval's that counts: how the user's own vector, without the query, scores the item."""
_OTHERS: Final = tuple(name for name in FEATURES if name not in GROUPS["retrieval"])
SEARCH_FEATURES: Final = (*TEXT_FEATURES, TASTE, *_OTHERS)
_FROM_RANKER: Final = [FEATURES.index(name) for name in (TASTE, *_OTHERS)]
_POPULARITY: Final = SEARCH_FEATURES.index(GROUPS["popularity"][0])
POPULARITY: Final = slice(_POPULARITY, _POPULARITY + len(GROUPS["popularity"]))
"""Where the features of popularity stand."""


@dataclass(frozen=True)
class TextColumns:
    """What is known of every candidate's words, `[candidates]` each, and the vectors of the queries."""

    lexical: NDArray[np.float32]
    title: NDArray[np.float32]
    attributes: NDArray[np.float32]
    coverage: NDArray[np.float32]
    exact: NDArray[np.float32]
    best_coverage: NDArray[np.float32]  # [batch] of the whole catalogue
    vectors: NDArray[np.float32]  # [batch, dim] of length 1, or zeros


def search_features(
    tables: RankTables,
    candidates: CandidateList,
    text: TextColumns,
    known: NDArray[np.bool_],
    ranked: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Features `[SEARCH_FEATURES, candidates]`, a row a feature.

    Args:
        tables: of the items.
        candidates: of the batch.
        text: of the same candidates.
        known: `[batch]`, whether something is known of who asks. For nobody, words, meaning and popularity are all
            there is; the rest is 0.
        ranked: the ranker's features of the candidates of those who are known, `[their candidates, FEATURES]`.
    """
    rows = np.zeros((len(SEARCH_FEATURES), len(candidates)), dtype=np.float32)
    if not len(candidates):
        return rows
    cosines = _cosines(tables, candidates, text.vectors)
    missing = np.float32(1.0) - text.best_coverage
    found = (text.lexical, text.title, text.attributes, text.coverage, text.exact, cosines)
    for place, column in enumerate((*found, cosines * missing[candidates.lines])):
        rows[place] = column
    theirs = known[candidates.lines]
    if len(ranked):
        rows[len(TEXT_FEATURES) :, theirs] = ranked[:, _FROM_RANKER].T
    if not theirs.all():
        of_items = popularity_features(tables, candidates.rows[~theirs])
        for place, column in enumerate(of_items):
            rows[_POPULARITY + place, ~theirs] = column
    return rows


def weighted_sum(features: NDArray[np.float32], weights: dict[str, float]) -> NDArray[np.float32]:
    """Scores `[candidates]`, summed feature by feature: the same whatever stands in other columns."""
    total = np.zeros(features.shape[1], dtype=np.float32)
    for name, weight in weights.items():
        total += np.float32(weight) * features[SEARCH_FEATURES.index(name)]
    return total


def _cosines(tables: RankTables, candidates: CandidateList, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of queries and items, `[candidates]`: of whole numbers, so that float32 sums are exact."""
    whole, units = quantised_queries(vectors)
    products = np.empty(len(candidates), dtype=np.float32)
    of_items = tables.vectors[candidates.rows].astype(np.float32)
    for line in range(len(vectors)):
        part = slice(int(candidates.offsets[line]), int(candidates.offsets[line + 1]))
        products[part] = of_items[part] @ whole[line]
    found: NDArray[np.float32] = products * units[candidates.lines] * tables.scales[candidates.rows]
    return found
