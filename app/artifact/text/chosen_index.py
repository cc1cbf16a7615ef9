"""What was chosen after each logged query: items and how many people, and the queries that read much alike."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers, check_offsets, check_range, check_texts, require
from app.artifact.arrays import load_array
from app.artifact.hashing import places_of, stable_hash
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.words import read_words

MOST_SHORTENED: Final = 8
"""Words of a query that is looked for with one word less; longer ones rarely come twice."""

QUERIES: Final = "queries"  # a text column
OFFSETS: Final = "offsets.npy"  # int64 [queries + 1]
ROWS: Final = "rows.npy"  # int32 [chosen]
COUNTS: Final = "counts.npy"  # float32 [chosen]
BAGS: Final = "bags.npy"  # uint64 [bags]
BAG_QUERIES: Final = "bag_queries.npy"  # int32 [bags]
SHORTER: Final = "shorter.npy"  # uint64 [shorter]
SHORTER_QUERIES: Final = "shorter_queries.npy"  # int32 [shorter]


@dataclass(frozen=True)
class ChosenIndex:
    """Queries by their keys (see `key_of`), what was chosen after each, and two ways to queries that are near.

    Of equal hashes, the query after which more people chose stands first.
    """

    queries: SortedTexts
    offsets: NDArray[np.int64]  # [queries + 1] of the items of each query
    rows: NDArray[np.int32]  # [chosen] items of a query, ascending
    counts: NDArray[np.float32]  # [chosen] people, each the less the longer ago
    bags: NDArray[np.uint64]  # [queries] ascending hashes of their words in any order
    bag_queries: NDArray[np.int32]  # [queries] whose
    shorter: NDArray[np.uint64]  # [shorter] ascending hashes of the words of a query without one of them
    shorter_queries: NDArray[np.int32]  # [shorter] whose

    def items_of(self, query: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The rows that were chosen after a query, ascending, and by how many people."""
        part = slice(int(self.offsets[query]), int(self.offsets[query + 1]))
        return self.rows[part], self.counts[part]

    def with_bag(self, hashed: int) -> NDArray[np.int32]:
        """The queries with these words and no others."""
        return self.bag_queries[places_of(self.bags, hashed)]

    def with_one_more(self, hashed: int) -> NDArray[np.int32]:
        """The queries with these words and one more."""
        return self.shorter_queries[places_of(self.shorter, hashed)]

    def write(self, folder: Path) -> None:
        """Write the index to the bundle in `folder`."""
        below = folder / names.CHOSEN
        self.queries.write(below / QUERIES)
        for name, array in self._arrays().items():
            np.save(below / name, array)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {
            OFFSETS: self.offsets,
            ROWS: self.rows,
            COUNTS: self.counts,
            BAGS: self.bags,
            BAG_QUERIES: self.bag_queries,
            SHORTER: self.shorter,
            SHORTER_QUERIES: self.shorter_queries,
        }


def read_chosen(folder: Path) -> ChosenIndex:
    """The index of the bundle in `folder`, mapped into memory.

    Raises:
        OSError: a file is missing.
        ValueError: it is no array.
    """
    below = folder / names.CHOSEN
    arrays = [
        np.asarray(load_array(below / name, mmap_mode="r"))
        for name in (OFFSETS, ROWS, COUNTS, BAGS, BAG_QUERIES, SHORTER, SHORTER_QUERIES)
    ]
    return ChosenIndex(SortedTexts.read(below / QUERIES), *arrays)


def check_chosen(folder: Path, index: ChosenIndex, items: int) -> None:
    """Check what a bundle in `folder` says was chosen, out of so many items.

    Raises:
        BundleCorrupt: a file does not fit the others.
    """
    below, queries = folder / names.CHOSEN, len(index.queries)
    check_texts(below / QUERIES, index.queries.column)
    texts = [text.encode() for text in index.queries.column.all()]
    ascends = all(before < after for before, after in pairwise([b"", *texts]))
    require(ascends, below / QUERIES, "different texts in order", "others")
    chosen = len(index.rows)
    check_array(below / OFFSETS, index.offsets, np.int64, queries + 1)
    check_offsets(below / OFFSETS, index.offsets, chosen)
    check_array(below / ROWS, index.rows, np.int32, chosen)
    check_range(below / ROWS, index.rows, 1, items, "rows of items")
    begins = np.zeros(chosen + 1, dtype=np.bool_)
    begins[index.offsets] = True
    rises = bool((begins[1:-1] | (np.diff(index.rows) > 0)).all())
    require(rises, below / ROWS, "ascending rows of each query", "others")
    check_array(below / COUNTS, index.counts, np.float32, chosen)
    check_numbers(below / COUNTS, index.counts)
    for hashes_name, hashes, queries_name, of_hashes in (
        (BAGS, index.bags, BAG_QUERIES, index.bag_queries),
        (SHORTER, index.shorter, SHORTER_QUERIES, index.shorter_queries),
    ):
        check_array(below / hashes_name, hashes, np.uint64, None)
        require(bool((hashes[1:] >= hashes[:-1]).all()), below / hashes_name, "ascending hashes", "others")
        check_array(below / queries_name, of_hashes, np.int32, len(hashes))
        check_range(below / queries_name, of_hashes, 0, queries - 1, "queries")


@dataclass(frozen=True)
class QueryKey:
    """How a query reads: the same for all that say the same words in the same order."""

    text: str  # the stems of its words, one space between words; empty without a word
    stems: tuple[str, ...]  # of its distinct words, ascending

    @property
    def bag(self) -> int:
        """The hash of its words in any order."""
        return _hash(self.stems)

    def shortened(self) -> list[int]:
        """The hash of its words without each of them; none for one word, and for many."""
        if not 1 < len(self.stems) <= MOST_SHORTENED:
            return []
        return [_hash([*self.stems[:place], *self.stems[place + 1 :]]) for place in range(len(self.stems))]


def key_of(text: str) -> QueryKey:
    """The key of a query with corrected spelling."""
    stems = ["/".join(word.terms) for word in read_words(text)]
    return QueryKey(" ".join(stems), tuple(sorted(set(stems))))


def _hash(stems: Sequence[str]) -> int:
    return stable_hash("\n".join(stems))
