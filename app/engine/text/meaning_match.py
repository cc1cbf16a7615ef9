"""What a query means to a text encoder: how near every item is, which kinds are meant, and whether its words say so.

Words decide where they say what is special: codes, numbers and brands. What else they name is a kind, which meaning
knows better: an item is lower the further it is from the nearest one, items of the kinds that are meant are found
without the words where they are as near as those that have them, and where the items that have the words are not what
the query means, words count less. Among items that are as near as right ones are meaning tells nothing, and words
order: of the headphones that are meant by `bluetooth headphones`, those with Bluetooth come first. What is far is
learned from the catalogue (`offline/export/meaning_constants.py`), since every encoder has cosines of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.search_spec import MeaningConstants
from app.artifact.text.words import Word
from app.engine.kernels.words import Column
from app.engine.text.hits import NearItems
from app.engine.text.lexical import LexicalMatch
from app.engine.text.lexical_index import BrandRows
from app.engine.text.meaning_table import MeaningTable
from app.engine.text.synonyms import STOP_WORD
from app.engine.text.text_encoder import TextEncoder

NEAREST: Final = 200
"""Items that are candidates by meaning."""
LIKE: Final = 20
"""The nearest items, which others are compared with."""
_BEST: Final = 10
"""Items, by words and by meaning, of which it is asked whether they are much alike."""
_LONGEST_BRAND: Final = 4  # words
_SHARPNESS: Final = 0.1  # the following are shares of the spread of cosines; of weights of near items and kinds
_SIZE: Final = 0.1  # what a kind gains by the logarithm of its size
_RAMP: Final = 0.2  # over which words come to say nothing
KIND_REACH: Final = 0.1
"""Of the kinds of the items that are found without words, from the one that is meant most."""
_FURTHEST: Final = 0.1  # the share of the items with the words, of these kinds, that are further than any without them
_LOST_OF_WORDS: Final = 0.7  # where the items that have the words are not like those that are meant
_SURER: Final = 0.1  # by how much nearer a correction is, where what was typed is garbled
_SAME: Final = 0.6
"""The cosine of two queries that mean the same."""
_MOST_KINDS: Final = 3
_LEAST_WEIGHT: Final = 0.1  # of a kind that is told


@dataclass(frozen=True)
class MeaningReader:
    """Reads what queries of a bundle, or of a view of it, mean."""

    encoder: TextEncoder
    table: MeaningTable
    constants: MeaningConstants

    def match(
        self, text: str, words: Sequence[Word], lexical: LexicalMatch, brands: BrandRows, allowed: NDArray[np.bool_]
    ) -> "MeaningMatch | None":
        """What a query means; None for one in which nothing is read.

        Args:
            text: of the query, with corrected spelling.
            words: of it.
            lexical: how they match all items.
            brands: of the catalogue, by their words.
            allowed: `[rows]`, items that may be found at all.
        """
        vector = self.encoder.vectors_of([text])[0]
        return match_meaning(self.table, self.constants, vector, words, lexical, brands, allowed)

    def is_slip(self, typed: "MeaningMatch", corrected: "MeaningMatch", *, has_words: bool = True) -> bool:
        """Whether what was typed means nothing of its own beside its correction: it is near to nothing, means the same,
        or much less; or less at all, where no item `has_words` of it.
        """
        less = _SURER * self.constants.spread if has_words else 0.0
        return (
            self.means_nothing(typed)
            or float(typed.vector @ corrected.vector) >= _SAME
            or corrected.best - typed.best >= less
        )

    def nearest_text(self, texts: Sequence[str], allowed: NDArray[np.bool_]) -> str:
        """The one of some texts that is nearest to an item, of those that are allowed, `[rows]`; the first of equal
        ones."""
        vectors = self.encoder.vectors_of(texts)
        best = [self.table.best(self.table.cosines(vector), 1, allowed)[0] for vector in vectors]
        return texts[int(np.argmax([float(cosines.max(initial=-1.0)) for cosines in best]))]

    def means_nothing(self, match: "MeaningMatch | None") -> bool:
        """Whether a query is near to nothing."""
        return match is None or match.best < self.constants.least_best

    def features(self, match: "MeaningMatch", rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """`[MEANING_FEATURES, rows]` of the rows of candidates."""
        return match.features(self.table, self.constants, rows)

    def words_say(self, match: "MeaningMatch", rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """`[rows]`, what is left of the weight of words for candidates: all of it for those that are what is meant."""
        return match.words_say_of(self.table, self.constants, rows)

    def nearest(self, match: "MeaningMatch", allowed: NDArray[np.bool_], depth: int = 0) -> NearItems:
        """The items nearest to a query, of those that are allowed, `[rows]`; as many as are candidates by meaning, and
        no fewer than a list is deep."""
        cosines, rows = self.table.best(match.cosines, max(NEAREST, depth), allowed)
        return NearItems(rows, cosines)


@dataclass(frozen=True, slots=True)
class QueryKind:
    """A kind of items that a query means."""

    name: str
    weight: float  # of those that are told, 1 in all


@dataclass(frozen=True, eq=False)
class MeaningMatch:
    """What an encoder makes of one query."""

    vector: NDArray[np.float32]  # [width] of the query, of length 1
    cosines: NDArray[np.float32]  # [rows] with all items
    best: float  # the highest of them
    like: NDArray[np.float32]  # [width] of the nearest items together, of length 1
    kind_gains: NDArray[np.float32]  # [kinds], 0 for the one that is meant most, less for others
    weight: float  # of meaning in the order: 0 where all words are codes, numbers and brands
    words_say: float  # what is left of the weight of words, 0 to 1, for items that are not what is meant
    near: NearItems  # that are found whether they have the words or not, the nearest first
    kinds: tuple[QueryKind, ...]  # that are meant, the first most

    def features(
        self, table: MeaningTable, constants: MeaningConstants, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """`[MEANING_FEATURES, rows]` of `app/artifact/search_features.py`: how much further items are than right ones
        are. The less words say, the less of that distance is left out: nothing else tells right ones apart then.

        Args:
            table: of all items.
            constants: learned of the same catalogue.
            rows: of candidates.
        """
        features = np.zeros((3, len(rows)), dtype=np.float32)
        if not self.weight:
            return features
        features[0] = self.cosines[rows] - np.float32(self.best) + np.float32(self.words_say * constants.alike)
        features[1] = table.cosines_with(self.like, rows) - np.float32(1.0 - self.words_say * constants.alike_best)
        if constants.alike:
            features[2] = np.float32(self.words_say * KIND_REACH * constants.spread)
        features[2] += gains_of_items(self.kind_gains, table.arrays.item_kinds[rows])
        return np.minimum(features, 0.0) * np.float32(self.weight / constants.spread)

    def words_say_of(
        self, table: MeaningTable, constants: MeaningConstants, rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """`[rows]`, what is left of the weight of words: all of it for items of the kinds that are meant which are as
        near as right ones are. The arguments are those of `features`.
        """
        is_meant = self.cosines[rows] > np.float32(self.best - constants.alike)
        gains = gains_of_items(self.kind_gains, table.arrays.item_kinds[rows])
        is_meant &= gains >= np.float32(-KIND_REACH * constants.spread)
        return np.where(is_meant, np.float32(1.0), np.float32(self.words_say))


def match_meaning(
    table: MeaningTable,
    constants: MeaningConstants,
    vector: NDArray[np.float32],
    words: Sequence[Word],
    lexical: LexicalMatch,
    brands: BrandRows,
    allowed: NDArray[np.bool_],
) -> MeaningMatch | None:
    """What a query with the vector `[width]` means; None for one that says nothing.

    Args:
        table: of all items.
        constants: learned of the same catalogue.
        words: of the query.
        lexical: how they match all items.
        brands: of the catalogue, by their words.
        allowed: `[rows]`, items that may be found at all.
    """
    if not vector.any():
        return None
    cosines = table.cosines(vector)
    of_best, best_rows = table.best(cosines, LIKE, allowed)
    if not len(best_rows):
        return None
    best, spread = float(of_best[0]), constants.spread
    gains = kind_gains(table, vector, spread)
    is_special = special_words(words, brands)
    share = share_of_names(words, is_special)
    hit_rows = np.flatnonzero(lexical.hits)
    like = likeness(table, of_best, best_rows, spread)
    says_nothing = _ramp(gap_of_words(cosines, best, hit_rows), constants.gap, spread)
    of_other = _ramp(gap_of_likeness(table, like, best_rows, lexical, hit_rows), constants.like_gap, spread)
    lost = _LOST_OF_WORDS * of_other
    is_meant = share > 0 and best >= constants.least_best
    return MeaningMatch(
        vector=vector,
        cosines=cosines,
        best=best,
        like=like,
        kind_gains=gains,
        weight=share * (1.0 + lost),
        words_say=1.0 - share * max(says_nothing, lost),
        near=_near(table, cosines, gains, lexical, is_special, allowed, constants, best, is_meant=is_meant),
        kinds=_kinds(table, gains, spread) if is_meant else (),
    )


def kind_gains(table: MeaningTable, vector: NDArray[np.float32], spread: float) -> NDArray[np.float32]:
    """How much nearer the kind that is meant most is than each kind, `[kinds]`, 0 or less; larger kinds are nearer."""
    if not table.kinds:
        return np.zeros(0, dtype=np.float32)
    sizes = table.arrays.kind_sizes.astype(np.float64)
    gains = table.kind_cosines(vector) + (_SIZE * spread * np.log1p(sizes)).astype(np.float32)
    of_best: NDArray[np.float32] = gains - gains.max()
    return of_best


def gains_of_items(gains: NDArray[np.float32], kinds: NDArray[np.int32]) -> NDArray[np.float32]:
    """Those of the kinds of items, `[n]`; the least of all for an item of no kind."""
    if not len(gains):
        return np.zeros(len(kinds), dtype=np.float32)
    of_items: NDArray[np.float32] = np.append(gains, gains.min())[kinds]  # -1, no kind, is the last one
    return of_items


def gap_of_words(cosines: NDArray[np.float32], best: float, hit_rows: NDArray[np.int64]) -> float:
    """How much nearer the nearest of all items is than the nearest that has the words; infinite where none has."""
    return best - float(cosines[hit_rows].max()) if len(hit_rows) else np.inf


def gap_of_likeness(
    table: MeaningTable,
    like: NDArray[np.float32],
    best_rows: NDArray[np.int64],
    lexical: LexicalMatch,
    hit_rows: NDArray[np.int64],
) -> float:
    """How much more the nearest items are `like` each other than those that have the words best are like them.

    Whether these are what is meant shows more surely so than by their kinds, which end somewhere.
    """
    if not len(hit_rows):
        return 0.0
    columns = np.zeros((int(Column.SAID), len(hit_rows)), dtype=np.float32)
    lexical.scores.write(hit_rows, columns)
    by_words = columns[Column.MAIN] + columns[Column.COVERAGE] + columns[Column.TITLE]
    first = hit_rows[np.lexsort((hit_rows, -by_words))[:_BEST]]
    return float(table.cosines_with(like, best_rows[:_BEST]).mean() - table.cosines_with(like, first).mean())


def special_words(words: Sequence[Word], brands: BrandRows) -> tuple[bool, ...]:
    """Of each word of a query, whether it is a code, a number, or one of a brand: it names no kind."""
    is_special = [word.kind in {"code", "number"} for word in words]
    names = [place for place, word in enumerate(words) if word.kind != STOP_WORD]
    texts = [words[place].text for place in names]
    for start in range(len(texts)):
        for end in range(start + 1, min(start + _LONGEST_BRAND, len(texts)) + 1):
            if brands.get(tuple(texts[start:end])) is not None:
                for place in names[start:end]:
                    is_special[place] = True
    return tuple(is_special)


def share_of_names(words: Sequence[Word], is_special: Sequence[bool]) -> float:
    """The share of the words of a query that may name a kind."""
    names = [not special for word, special in zip(words, is_special, strict=True) if word.kind != STOP_WORD]
    return sum(names) / len(names) if names else 0.0


def _ramp(gap: float, threshold: float, spread: float) -> float:
    """0 up to the threshold, 1 from a part of the spread above it."""
    return min(1.0, max(0.0, (gap - threshold) / (_RAMP * spread)))


def likeness(
    table: MeaningTable, cosines: NDArray[np.float32], rows: NDArray[np.int64], spread: float
) -> NDArray[np.float32]:
    """The mean of the nearest items, the nearest most, `[width]` of length 1."""
    weights = np.exp((cosines - cosines[0]) / np.float32(_SHARPNESS * spread)).astype(np.float32)
    mean: NDArray[np.float32] = (weights * table.arrays.scales[rows]) @ table.arrays.vectors[rows].astype(np.float32)
    return mean / np.float32(max(float(np.sqrt(mean @ mean)), 1e-12))


def _near(
    table: MeaningTable,
    cosines: NDArray[np.float32],
    gains: NDArray[np.float32],
    lexical: LexicalMatch,
    is_special: Sequence[bool],
    allowed: NDArray[np.bool_],
    constants: MeaningConstants,
    best: float,
    *,
    is_meant: bool,
) -> NearItems:
    """The items that are found whether they have the words or not: above the floor; and of the kinds that are meant
    those nearly as near as the nearest, and as nearly all that have the words. Special words they have in any case."""
    floor = np.inf if constants.floor is None else constants.floor
    reach = best - constants.reach if is_meant and constants.reach is not None else np.inf
    if best < min(floor, reach):
        return NearItems.none()
    is_near = (cosines >= min(floor, reach)) & allowed
    if reach < floor:
        of_kinds = gains_of_items(gains, table.arrays.item_kinds) >= -KIND_REACH * constants.spread
        with_words = cosines[lexical.hits & of_kinds]
        if len(with_words):
            reach = max(reach, float(np.quantile(with_words, _FURTHEST, method="lower")))
        is_near &= (of_kinds & (cosines >= reach) & _has_special(lexical, is_special)) | (cosines >= floor)
    rows = np.flatnonzero(is_near)
    rows = rows[np.lexsort((rows, -cosines[rows]))]
    return NearItems(rows, cosines[rows])


def _has_special(lexical: LexicalMatch, is_special: Sequence[bool]) -> NDArray[np.bool_]:
    """`[rows]`, the items that have all special words of a query."""
    has_all = np.ones(len(lexical.hits), dtype=np.bool_)
    for rows, special in zip(lexical.word_rows, is_special, strict=False):
        if special:
            has_word = np.zeros(len(has_all), dtype=np.bool_)
            has_word[rows] = True
            has_all &= has_word
    return has_all


def _kinds(table: MeaningTable, gains: NDArray[np.float32], spread: float) -> tuple[QueryKind, ...]:
    if not len(gains):
        return ()
    weights = np.exp(gains.astype(np.float64) / (_SHARPNESS * spread))
    weights /= weights.sum()
    chosen = [
        kind for kind in np.argsort(-weights, kind="stable")[:_MOST_KINDS].tolist() if weights[kind] >= _LEAST_WEIGHT
    ]
    total = float(weights[chosen].sum())
    names = table.arrays.kind_names
    return tuple(QueryKind(names[kind] or "", float(weights[kind]) / total) for kind in chosen)
