"""What orders the results of a search: how words and meaning match, and all that the ranker knows of an item."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import (
    FEATURES,
    GROUPS,
    CandidateList,
    int8_products,
    popularity_features,
    quantised_queries,
)
from app.artifact.rank_tables import RankTables

TITLE_FEATURES: Final = ("in_name", "in_order")
"""How the words of a query stand in the title of an item, as `TitleMatch` of the engine works them out."""
LEXICAL_FEATURES: Final = ("lexical", "title", "attributes", "coverage", "exact", *TITLE_FEATURES)
"""How the words of a query match an item, as `LexicalMatch` of the engine holds them."""
CHOSEN: Final = "chosen"
"""The logarithm of how many people chose the item after the query, and after those that are much like it."""
MEANING_FEATURES: Final = ("meaning", "like_best", "kind")
"""How near an item is to what a text encoder makes of the query, in spreads of cosines, 0 or less: beside the nearest
item, to the nearest items together, and its kind beside the one that is meant."""
TEXT_FEATURES: Final = (*LEXICAL_FEATURES, "semantic", "semantic_where_words_fail", CHOSEN, *MEANING_FEATURES)
"""Of query and item: the lexical features, the cosine of their vectors, that cosine times the share of the query's
words that no item has, what was chosen, and meaning."""
TASTE: Final = "score"
"""The one feature of retrieval's that counts: how the user's own vector, without the query, scores the item."""
_OTHERS: Final = tuple(name for name in FEATURES if name not in GROUPS["retrieval"])
SEARCH_FEATURES: Final = (*TEXT_FEATURES, TASTE, *_OTHERS)
_FROM_RANKER: Final = [FEATURES.index(name) for name in (TASTE, *_OTHERS)]
_POPULARITY: Final = SEARCH_FEATURES.index(GROUPS["popularity"][0])
POPULARITY: Final = slice(_POPULARITY, _POPULARITY + len(GROUPS["popularity"]))
"""The rows of the popularity features."""


PopularityOf = Callable[[RankTables, NDArray[np.int64]], Sequence[NDArray[np.floating]] | NDArray[np.float32]]
"""What gives the group `popularity` of item rows `[n]`, a row a feature."""


@dataclass(frozen=True)
class TextColumns:
    """How well every candidate matches the words and the meaning of its query."""

    lexical: NDArray[np.float32]  # [LEXICAL_FEATURES, candidates]
    chosen: NDArray[np.float32]  # [candidates]
    cosines: NDArray[np.float32]  # [candidates] of `cosines_of`
    best_coverage: NDArray[np.float32]  # [batch] of the whole catalogue
    meaning: NDArray[np.float32]  # [MEANING_FEATURES, candidates]


def search_features(
    tables: RankTables,
    candidates: CandidateList,
    text: TextColumns,
    known: NDArray[np.bool_],
    ranker_features: NDArray[np.float32],
    popularity_of: PopularityOf = popularity_features,
) -> NDArray[np.float32]:
    """Features `[SEARCH_FEATURES, candidates]`, a row a feature.

    Args:
        text: of the same candidates.
        known: `[batch]`, whether something is known of the user. For other users words, meaning and popularity are
            all there is; the rest is 0.
        ranker_features: `[candidates of known users, FEATURES]`.
        popularity_of: gives the group `popularity` of item rows.
    """
    features = np.zeros((len(SEARCH_FEATURES), len(candidates)), dtype=np.float32)
    if not len(candidates):
        return features
    missing = np.float32(1.0) - text.best_coverage
    features[: len(LEXICAL_FEATURES)] = text.lexical
    features[len(LEXICAL_FEATURES)] = text.cosines
    features[len(LEXICAL_FEATURES) + 1] = text.cosines * missing[candidates.request_index]
    features[TEXT_FEATURES.index(CHOSEN)] = text.chosen
    features[len(TEXT_FEATURES) - len(MEANING_FEATURES) : len(TEXT_FEATURES)] = text.meaning
    if known.all():
        features[len(TEXT_FEATURES) :] = ranker_features[:, _FROM_RANKER].T
        return features
    if not known.any():
        for row, column in enumerate(popularity_of(tables, candidates.rows), start=_POPULARITY):
            features[row] = column
        return features
    is_known = known[candidates.request_index]
    if len(ranker_features):
        features[len(TEXT_FEATURES) :, is_known] = ranker_features[:, _FROM_RANKER].T
    for row, column in enumerate(popularity_of(tables, candidates.rows[~is_known]), start=_POPULARITY):
        features[row, ~is_known] = column
    return features


def weighted_sum(features: NDArray[np.float32], weights: dict[str, float]) -> NDArray[np.float32]:
    """Scores `[candidates]`, summed feature by feature: the same whatever the other columns hold."""
    total = np.zeros(features.shape[1], dtype=np.float32)
    for name, weight in weights.items():
        total += np.float32(weight) * features[SEARCH_FEATURES.index(name)]
    return total


def cosines_of(tables: RankTables, candidates: CandidateList, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of queries `[batch, dim]`, of length 1 or zeros, and items, `[candidates]`."""
    codes, units = quantised_queries(vectors)
    products = int8_products(tables.vectors, candidates, codes[:, None])[0]
    cosines: NDArray[np.float32] = products * units[candidates.request_index] * tables.scales[candidates.rows]
    return cosines
