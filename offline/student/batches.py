"""Batches of texts of one length each, with about as many tokens in every batch."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Tokens:
    """Texts as numbers of tokens, end to end."""

    ids: NDArray[np.int64]  # of all texts
    offsets: NDArray[np.int64]  # [texts + 1]

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> "Tokens":
        """The tokens of some texts."""
        lengths = np.array([len(text) for text in texts], dtype=np.int64)
        ids = np.fromiter((token for text in texts for token in text), dtype=np.int64, count=int(lengths.sum()))
        return cls(ids, np.concatenate([[0], np.cumsum(lengths)]))

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text."""
        return np.diff(self.offsets)

    def numbered(self, numbers: NDArray[np.int64]) -> "Tokens":
        """The same with other numbers: that of token `t` becomes `numbers[t]`."""
        return Tokens(numbers[self.ids], self.offsets)

    def batch(self, rows: NDArray[np.int64]) -> Tensor:
        """The tokens `[rows, tokens]` of texts of one length."""
        length = int(self.offsets[rows[0] + 1] - self.offsets[rows[0]])
        return torch.from_numpy(self.ids[self.offsets[rows][:, None] + np.arange(length)])


def batches_of(
    lengths: NDArray[np.int64], rows: NDArray[np.int64], most_tokens: int, rng: np.random.Generator | None = None
) -> Iterator[NDArray[np.int64]]:
    """Rows of one length each with at most so many tokens together, each once.

    Args:
        lengths: of all texts.
        rows: of the texts in question.
        most_tokens: of a batch.
        rng: mixes texts within a length, and the batches; None: in the order of length.
    """
    mixed = rows if rng is None else rng.permutation(rows)
    order = mixed[np.argsort(lengths[mixed], kind="stable")]
    batches = []
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        if not len(same):
            continue
        size = max(1, most_tokens // max(int(lengths[same[0]]), 1))
        batches += [same[begin : begin + size] for begin in range(0, len(same), size)]
    for number in range(len(batches)) if rng is None else rng.permutation(len(batches)):
        yield batches[int(number)]
