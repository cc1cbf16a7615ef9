"""The lessons of a student: tokens of texts with the teacher's vectors, and the order in which they are taught."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from offline.student.batches import Tokens, batches_of

BATCH_TOKENS: Final = 1_024
LENGTHS: Final = 8
"""Lengths that queries have, about; texts of a batch are of one length."""
_DOCUMENTS: Final = 5  # one batch of so many is of whole texts of items
_FEWEST: Final = 8  # texts of a batch, where more of its length are to come in another round
_LETTERS: Final = 2  # of a token at least, about
_SPECIAL: Final = 2  # tokens of each text beside those of its words


def tokens_about(texts: Sequence[str]) -> int:
    """How many tokens texts have at most, about, before they are read."""
    return sum(len(text) // _LETTERS + _SPECIAL for text in texts)


def steps_about(tokens: int) -> int:
    """How many steps it takes to see queries of so many tokens once, with whole texts between them."""
    return -(-tokens // BATCH_TOKENS) * _DOCUMENTS // (_DOCUMENTS - 1) + 1


@dataclass(frozen=True)
class Lessons:
    """Texts of one sort, and what the teacher makes of each."""

    tokens: Tokens
    targets: NDArray[np.float32]  # [texts, width] of length 1

    def batch(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Tokens `[rows, tokens]` of texts of one length, and their targets `[rows, width]`."""
        return self.tokens.batch(rows), torch.from_numpy(self.targets[rows])

    def rounds(self, rows: NDArray[np.int64], seed: int, number: int) -> list[NDArray[np.int64]]:
        """The batches of one round, in an order that hangs on the seed and the number of the round alone."""
        rng = np.random.default_rng([seed, number])
        batches = list(batches_of(self.tokens.lengths, rows, BATCH_TOKENS, rng))
        lengths = self.tokens.lengths
        full = {int(lengths[batch[0]]) for batch in batches if len(batch) >= _FEWEST}
        return [batch for batch in batches if len(batch) >= _FEWEST or int(lengths[batch[0]]) not in full]


@dataclass(frozen=True)
class Curriculum:
    """What a student is taught."""

    queries: Lessons
    held: int  # the last so many queries are held out
    documents: Lessons
    items: NDArray[np.float32]  # [items, width] of length 1, that texts are to be as near to as the teacher has them
    seed: int

    def steps_a_round(self) -> int:
        """About how many steps it takes to see every query once."""
        learned = self.queries.tokens.lengths[: len(self.queries.targets) - self.held]
        return steps_about(int(learned.sum()))

    def steps(self) -> Iterator[tuple[Lessons, NDArray[np.int64]]]:
        """The batches of all steps, without an end: rounds of the queries with whole texts between them."""
        queries, documents = self._endless(self.queries, self.held, 1), self._endless(self.documents, 0, 2)
        step = 0
        while True:
            step += 1
            some = documents if step % _DOCUMENTS == 0 else queries
            batch = next(some, None)
            if batch is not None:
                yield batch

    def held_rows(self) -> NDArray[np.int64]:
        """The queries that nothing is learned from."""
        count = len(self.queries.targets)
        return np.arange(count - self.held, count)

    def _endless(self, lessons: Lessons, held: int, sort: int) -> Iterator[tuple[Lessons, NDArray[np.int64]]]:
        rows = np.arange(len(lessons.targets) - held)
        number = 0
        while len(rows):
            for batch in lessons.rounds(rows, self.seed * 2 + sort, number):
                yield lessons, batch
            number += 1
