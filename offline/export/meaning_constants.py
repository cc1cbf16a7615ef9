"""What is far for a text encoder, learned of the catalogue alone: of spans of its own titles.

Whoever types words of a title means what has them. So the items that have them are as near as items get, up to a gap
that hardly a span goes past; and so are their kinds. A query that goes past it means something else than its words say.
"""

from collections.abc import Sequence
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
from app.engine.text.meaning_match import gap_of_kinds, gap_of_words, kind_gains, share_of_names
from app.engine.text.meaning_table import MeaningTable, read_meaning_table
from app.engine.text.spelling import Spelling
from app.engine.text.text_encoder import TextEncoder, read_text_encoder
from offline.export.meaning_floor import learn_floor

_WITHIN: Final = 0.98
"""The share of spans whose gaps are within those that are learned."""
_MEANS_LITTLE: Final = 0.05
"""The share of spans whose nearest item is further than that of a query that means anything."""
_SPANS: Final = 600
_MOST_OF_TITLE: Final = 24
_LEAST_SPANS: Final = 50
_DECIMALS: Final = 4


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
    gaps = _gaps(_naming_spans(items, encoder, table), lexical, encoder, table, vocabulary)
    if len(gaps) < _LEAST_SPANS:
        return None

    def cosines_of(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([table.cosines(vector) for vector in encoder.vectors_of(texts)])

    best, spread, of_words, of_kinds = gaps.T
    return MeaningConstants(
        spread=round(float(spread.mean()), _DECIMALS),
        gap=round(float(np.quantile(of_words, _WITHIN)), _DECIMALS),
        kind_gap=round(float(np.quantile(of_kinds, _WITHIN)), _DECIMALS),
        least_best=round(float(np.quantile(best, _MEANS_LITTLE)), _DECIMALS),
        floor=learn_floor(cosines_of, lexical, items, vocabulary),
    )


def _naming_spans(items: pl.DataFrame, encoder: TextEncoder, table: MeaningTable) -> list[str]:
    """Of some titles the one or two words, without brands and numbers, that name best what kind of item it is."""
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
        likeness = np.stack([table.kind_cosines(vector) for vector in encoder.vectors_of(texts)])
        spans.append(texts[int((likeness[:, kind] - likeness.mean(axis=1) / 2).argmax())])
    return spans


def _gaps(
    spans: Sequence[str],
    lexical: LexicalIndex,
    encoder: TextEncoder,
    table: MeaningTable,
    vocabulary: Vocabulary,
) -> NDArray[np.float64]:
    """`[spans, 4]` of those that name something: the cosine of the nearest item, how much nearer it is than items are
    on average, and the gaps of words and of kinds."""
    spelling = Spelling(vocabulary, lexical.main.rows_of)
    is_item = table.arrays.scales > 0
    gaps = []
    for text in spans:
        reading = spelling.read(text)
        vector = encoder.vectors_of([text])[0]
        if not vector.any() or not share_of_names(reading.words, lexical.brands):
            continue
        of_words = match(lexical, reading.words, reading.terms, is_item)
        hits = np.flatnonzero(of_words.hits)
        if not len(hits):
            continue
        cosines = table.cosines(vector)
        best, spread = float(cosines[is_item].max()), float(cosines[is_item].max() - cosines[is_item].mean())
        gains = kind_gains(table, vector, spread)
        gaps.append((best, spread, gap_of_words(cosines, best, hits), gap_of_kinds(table, gains, of_words, hits)))
    return np.array(gaps, dtype=np.float64).reshape(-1, 4)
