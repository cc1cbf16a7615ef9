"""Words that the teacher knows: shoppers use many that no title has, and what they mean is what a teacher is for.

A word is a token that stands for itself. Of these the half that the teacher finds nearest to the catalogue is learned,
each alone and before a word or two of the catalogue.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from offline.student.targets import QueryVectors
from offline.student.texts import Drawn
from offline.teacher.encoder import read_tokenizer
from offline.teacher.folder import TeacherFolder
from offline.workspace.progress import Progress

MOST_WORDS: Final = 12_000
"""The first of a vocabulary; those of most are by frequency, or nearly so."""
_LEAST_LETTERS: Final = 3
_SHARE: Final = 0.5
_SHORT: Final = 2  # words
_AT_ONCE: Final = 1_024
_MOST_ITEMS: Final = 20_000


def words_of(teacher: TeacherFolder) -> list[str]:
    """The words that are one token each, in the order of the vocabulary."""
    tokenizer = read_tokenizer(teacher)
    texts = dict.fromkeys(tokenizer.decode([number]).strip() for number in range(tokenizer.get_vocab_size()))
    candidates = [text for text in texts if text.isalpha() and len(text) >= _LEAST_LETTERS]
    words: list[str] = []
    for begin in range(0, len(candidates), _AT_ONCE):
        some = candidates[begin : begin + _AT_ONCE]
        encoded = tokenizer.encode_batch(some, add_special_tokens=False)
        words += [word for word, encoding in zip(some, encoded, strict=True) if len(encoding.ids) == 1]
        if len(words) >= MOST_WORDS:
            break
    return words[:MOST_WORDS]


def near_words(
    words: Sequence[str], targets: QueryVectors, items: NDArray[np.float32], progress: Progress
) -> list[str]:
    """The half of the words that is nearest to the catalogue, in their order.

    Args:
        words: each once.
        targets: the teacher's vectors.
        items: `[items, width]` of the catalogue by the same teacher, of length 1.
        progress: called as words are embedded.
    """
    if not words:
        return []
    vectors = targets.of(words, progress, "embedding words")
    every = max(1, len(items) // _MOST_ITEMS)
    best = np.concatenate(
        [(vectors[begin : begin + _AT_ONCE] @ items[::every].T).max(axis=1) for begin in range(0, len(words), _AT_ONCE)]
    )
    least = np.quantile(best, _SHARE)
    return [word for word, cosine in zip(words, best, strict=True) if cosine >= least]


def with_known_words(drawn: Drawn, words: Sequence[str], seed: int) -> Drawn:
    """The same queries and those of words: each alone, and one for each before a short text of the catalogue.

    Args:
        drawn: of the catalogue and the log.
        words: that are known.
        seed: draws the pairs.
    """
    rng = np.random.default_rng([seed, 61])
    learned = dict.fromkeys(drawn.meant[: drawn.learned])
    short = [text.lower() for text in learned if len(text.split()) <= _SHORT and text.replace(" ", "").isalpha()]
    pairs = [f"{word} {short[int(rng.integers(len(short)))]}" for word in words] if short else []
    known = set(drawn.meant)
    added = [text for text in dict.fromkeys([*words, *pairs]) if text not in known]
    return Drawn([*added, *drawn.shown], [*added, *drawn.meant], drawn.held)
