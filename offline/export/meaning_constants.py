"""What is far for a text encoder, learned of the catalogue alone: of spans of its own titles.

Whoever types words of a title means what has them. So the items that have them are as near as items get, up to a gap
that hardly a span goes past; and they are like the nearest ones. A query that goes past it means something else than
its words say, and one that is no nearer to anything than letters in no order means nothing. Items that have the words
and are of the kind of the item that a span was taken from are all right: as far as they are for three spans in four,
only words tell items apart. Items without the words are found as far from the nearest one as they are of that kind at
least as often as those that have the words: a student that is little like its teacher reaches less far, or nowhere.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.rank_tables import read_rank_tables
from app.artifact.search_spec import MeaningConstants
from app.artifact.text.meaning_arrays import NO_KIND
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.lexical import match
from app.engine.text.lexical_index import LexicalIndex, read_lexical
from app.engine.text.meaning_match import (
    KIND_REACH,
    LIKE,
    gains_of_items,
    gap_of_likeness,
    gap_of_words,
    kind_gains,
    likeness,
    share_of_names,
    special_words,
)
from app.engine.text.meaning_table import MeaningTable, read_meaning_table
from app.engine.text.spelling import Spelling
from app.engine.text.text_encoder import TextEncoder, read_text_encoder
from offline.export.meaning_floor import learn_floor

_WITHIN: Final = 0.98
"""The share of spans whose gaps are within the one that is learned."""
_ALIKE: Final = 0.9
"""The same of likeness: a tenth of the spans, such as `USB` and `original`, say less than what they were taken from."""
_AS_RIGHT: Final = 0.75
"""The share of spans whose right items, half of them, are as near as those that only words tell apart."""
_MEANS_LITTLE: Final = 0.05
"""The share of spans whose nearest item is further than that of a query that means anything."""
_MEANS_NOTHING: Final = 0.9
"""The same of spans whose letters are shuffled."""
_SPANS: Final = 600
_MOST_OF_TITLE: Final = 24
_LEAST_SPANS: Final = 50
_ANY: Final = 2.0  # the furthest that vectors are from each other
_DECIMALS: Final = 4
_REACHES: Final = np.array([0.05, 0.1, 0.15, 0.2, 0.25, 0.3])
"""Distances from the nearest item, as shares of the spread; up to each of them it is asked how many items are right."""


def learn_meaning_constants(folder: Path, items: pl.DataFrame, vocabulary: Vocabulary) -> MeaningConstants | None:
    """The constants for the bundle that is made in `folder`, whose words and text encoder are written already.

    Args:
        folder: of the bundle.
        items: the split's item table, by row from 1.
        vocabulary: of the same catalogue.

    Returns:
        None for a bundle without a text encoder or without words, and where too few titles are there to tell.
    """
    if not (folder / names.ENCODER).exists():
        return None
    tables = read_rank_tables(folder)
    rows = len(tables.scales)
    lexical = read_lexical(folder, rows, tables.codes[:, 1])
    if lexical is None:
        return None
    encoder = read_text_encoder(folder)
    table = read_meaning_table(folder, encoder.width, rows)
    reader = _SpanReader(encoder, table, lexical, Spelling(vocabulary, lexical.main.rows_of))
    spans = _naming_spans(items, encoder, table)
    read = [span for text, row in spans if (span := reader.read(text, row)) is not None]
    if len(read) < _LEAST_SPANS:
        return None

    def cosines_of(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([table.cosines(vector) for vector in encoder.vectors_of(texts)])

    nothing = cosines_of([_shuffled(text, row) for text, row in spans])
    of_nothing = float(np.quantile(nothing.max(axis=1), _MEANS_NOTHING))
    spread = float(np.mean([span.spread for span in read]))
    furthest = furthest_right(
        np.array([span.right_by_words for span in read]), np.array([span.right_by_reach for span in read])
    )
    return MeaningConstants(
        spread=round(spread, _DECIMALS),
        gap=round(float(np.quantile([span.gap for span in read], _WITHIN)), _DECIMALS),
        like_gap=round(max(0.0, float(np.quantile([span.like_gap for span in read], _ALIKE))), _DECIMALS),
        alike=as_right([span.alike for span in read]),
        alike_best=as_right([span.alike_best for span in read]),
        least_best=round(max(float(np.quantile([span.best for span in read], _MEANS_LITTLE)), of_nothing), _DECIMALS),
        reach=None if furthest is None else round(float(_REACHES[furthest]) * spread, _DECIMALS),
        floor=learn_floor(cosines_of, lexical, items, vocabulary),
    )


def _shuffled(text: str, seed: int) -> str:
    """A text with the letters of each word in no order, in small letters."""
    rng = np.random.default_rng(seed)
    return " ".join("".join(rng.permutation(list(word.lower()))) for word in text.split())


def furthest_right(by_words: NDArray[np.float64], by_reach: NDArray[np.float64]) -> int | None:
    """The furthest reach within which items are right as often as those with the words; None where they are nowhere.

    Args:
        by_words: `[spans]`, the share of right ones among other items with the words; NaN where there are none.
        by_reach: `[spans, reaches]`, the same among those without the words up to each reach.
    """
    aim = _mean(by_words)
    right = [reach for reach, shares in enumerate(by_reach.T) if _mean(shares) >= aim]
    return max(right, default=None)


def as_right(distances: Sequence[float]) -> float:
    """The distance within which items are as right as any: any distance where too few spans tell, since nothing says
    that meaning orders items better than words do.

    Args:
        distances: of the right items of each span; NaN of one that has none beside the item that it was taken from.
    """
    known = np.array([distance for distance in distances if not np.isnan(distance)])
    distance = float(np.quantile(known, _AS_RIGHT)) if len(known) >= _LEAST_SPANS else _ANY
    return max(0.0, round(distance, _DECIMALS))


def _mean(shares: NDArray[np.float64]) -> float:
    """Of those that are known; 0 for none."""
    known = shares[~np.isnan(shares)]
    return float(known.mean()) if len(known) else 0.0


def _naming_spans(items: pl.DataFrame, encoder: TextEncoder, table: MeaningTable) -> list[tuple[str, int]]:
    """Of some titles the one or two words, without brands and numbers, that name best what kind of item it is; and the
    row of the item."""
    rng = np.random.default_rng(0)
    known = items.filter(pl.col("title").is_not_null())
    sample = known[rng.permutation(known.height)[:_SPANS].tolist()].select("title", "brand", "row")
    spans = []
    for title, brand, row in sample.iter_rows():
        kind = int(table.arrays.item_kinds[row])
        brands = set((brand or "").casefold().split())
        words = [word for word in title.split() if word.isalpha() and len(word) > 1 and word.casefold() not in brands]
        texts = list(dict.fromkeys([*words, *(f"{word} {after}" for word, after in pairwise(words))]))[:_MOST_OF_TITLE]
        if kind == NO_KIND or not texts:
            continue
        near = np.stack([table.kind_cosines(vector) for vector in encoder.vectors_of(texts)])
        spans.append((texts[int((near[:, kind] - near.mean(axis=1) / 2).argmax())], int(row)))
    return spans


@dataclass(frozen=True)
class _Span:
    """What is learned of one span."""

    best: float  # the cosine of the nearest item
    spread: float  # how much nearer it is than items are on average
    gap: float
    like_gap: float
    alike: float  # how much nearer the nearest item is than other items of that kind that have the words; or NaN
    alike_best: float  # how much less than like the nearest ones those are; or NaN
    right_by_words: float  # the share of other items with the words that are of the kind of its item
    right_by_reach: NDArray[np.float64]  # [reaches], the same of items without them


@dataclass(frozen=True)
class _SpanReader:
    encoder: TextEncoder
    table: MeaningTable
    lexical: LexicalIndex
    spelling: Spelling

    def read(self, text: str, row: int) -> _Span | None:
        """What is learned of a span of the title of an item; None for one that names nothing."""
        reading = self.spelling.read(text)
        vector = self.encoder.vectors_of([text])[0]
        if not vector.any() or not share_of_names(reading.words, special_words(reading.words, self.lexical.brands)):
            return None
        table, is_item = self.table, self.table.arrays.scales > 0
        of_words = match(self.lexical, reading.words, reading.terms, is_item)
        hits = np.flatnonzero(of_words.hits)
        if not len(hits):
            return None
        cosines = table.cosines(vector)
        of_best, best_rows = table.best(cosines, LIKE, is_item)
        best, spread = float(of_best[0]), float(of_best[0] - cosines[is_item].mean())
        gains = gains_of_items(kind_gains(table, vector, spread), table.arrays.item_kinds)
        like = likeness(table, of_best, best_rows, spread)
        is_right = table.arrays.item_kinds == table.arrays.item_kinds[row]
        others = hits[hits != row]
        same = others[is_right[others]]
        without = is_item & ~of_words.hits & (gains >= -KIND_REACH * spread)
        distances = (best - cosines[without]) / spread
        within = distances[:, None] <= _REACHES
        counts = within.sum(axis=0)
        right = within[is_right[without]].sum(axis=0)
        return _Span(
            best=best,
            spread=spread,
            gap=gap_of_words(cosines, best, hits),
            like_gap=gap_of_likeness(table, like, best_rows, of_words, hits),
            alike=float(np.median(best - cosines[same])) if len(same) else np.nan,
            alike_best=float(np.median(1.0 - table.cosines_with(like, same))) if len(same) else np.nan,
            right_by_words=float(is_right[others].mean()) if len(others) else np.nan,
            right_by_reach=np.where(counts > 0, right / np.maximum(counts, 1), np.nan),
        )
