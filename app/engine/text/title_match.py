"""How the words of a query stand in the titles of some items: how many of them, and whether side by side in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.words import Word
from app.engine.kernels.titles import QueryTerms
from app.engine.text.catalogue_titles import CatalogueTitles
from app.engine.text.synonyms import AlternativeMatch

_MOST_WORDS: Final = 32
"""Words of a query that are looked at, a bit each."""


@dataclass(frozen=True, eq=False)
class TitleMatch:
    """The terms of a query by the words that they belong to, for the titles of a catalogue."""

    titles: CatalogueTitles
    terms: tuple[QueryTerms, ...]  # as the titles name them
    weights: NDArray[np.float32]  # [words] how rare each is; they sum to 1

    def features(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of the items in `rows`: the share of the query's words that title and brand have, rare words weighing more;
        and the share of its pairs of neighbouring words that stand side by side in the title, in this order.

        The words of a model number that is written apart stand side by side in it: `zx 200m4` in `ZX-200M4`.
        """
        features = self.titles.features(rows, self.terms, self.weights)
        return features.share, features.in_order


def read_title_match(
    titles: CatalogueTitles,
    words: Sequence[Word],
    weights: Sequence[float],
    alternatives: Sequence[AlternativeMatch] = (),
) -> TitleMatch:
    """The words of a query as the terms of titles.

    Args:
        titles: of the catalogue.
        words: of the query, after spelling.
        weights: of each word, how rare it is.
        alternatives: to words of the query; those of one word stand in a title as the words that they stand for.
    """
    bits: dict[str, int] = {}
    terms = [(term, place) for place, word in enumerate(words) for term in word.terms]
    for match in alternatives:
        if len(match.alternative.words) == 1:
            places = range(match.alternative.start, match.alternative.end)
            terms += [(term, place) for place in places for term in match.alternative.words[0].terms]
    for term, place in terms:
        if place < _MOST_WORDS:
            bits[term] = bits.get(term, 0) | 1 << place
    total = max(sum(weights[:_MOST_WORDS]), 1e-9)
    return TitleMatch(
        titles=titles,
        terms=titles.terms_of(bits),
        weights=np.array([weight / total for weight in weights[:_MOST_WORDS]], dtype=np.float32),
    )
