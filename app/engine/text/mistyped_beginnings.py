"""Words by their first letters, to find those that go on from a beginning with one typo."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.known_words import KnownWords

_MOST_CORRECTIONS: Final = 5  # words that a mistyped one may be
_SHORTEST_MISTYPED: Final = 3  # letters
_LETTERS: Final = 12  # of a word's beginning that are compared


class MistypedBeginnings:
    """Looks for known words that begin with another but for a typo.

    Args:
        known: the words.
        of_bundle: the beginnings of the bundle's words, if they have been put together.
    """

    def __init__(self, known: KnownWords, of_bundle: "BundleBeginnings | None" = None) -> None:
        self._known = known
        self._of_bundle = of_bundle or BundleBeginnings(known.vocabulary)

    def with_words(self, known: KnownWords) -> "MistypedBeginnings":
        """Those of other words beside the same bundle's."""
        return MistypedBeginnings(known, self._of_bundle)

    def corrections_of(self, word: str, *, last: bool) -> list[str]:
        """The most frequent words that begin with `word` but for one typo; where it is not the last word of a text, of
        about its length only."""
        if len(word) < _SHORTEST_MISTYPED:
            return []
        known, beginning = self._known, word[:_LETTERS]
        weights = known.name_weights()
        places = self._of_bundle.places
        matches = places[begins_but_for_one(self._of_bundle.letters, beginning)] if len(places) else places
        matches = matches[weights[matches] > 0]
        if not last:
            lengths = known.vocabulary.lengths[matches].astype(np.int64)
            matches = matches[np.abs(lengths - len(word)) <= 1]
        best = matches[np.lexsort((matches, -weights[matches]))][:_MOST_CORRECTIONS].tolist()
        words = [(int(weights[place]), known.vocabulary.words[place]) for place in best]
        further = known.further_names()
        texts = list(further)
        if texts:
            near = np.flatnonzero(begins_but_for_one(first_letters(texts), beginning)).tolist()
            is_near = (text for text in (texts[number] for number in near) if last or abs(len(text) - len(word)) <= 1)
            words += [(further[text], text) for text in is_near]
        words.sort(key=lambda pair: (-pair[0], pair[1]))
        return [text for _, text in words[:_MOST_CORRECTIONS]]


class BundleBeginnings:
    """The first letters of a bundle's words, but for codes.

    Args:
        vocabulary: of the bundle.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        words = vocabulary.words.column.all()
        self.places = np.flatnonzero(~vocabulary.codes)
        self.letters = first_letters([words[place] for place in self.places.tolist()])


def first_letters(words: list[str]) -> NDArray[np.uint32]:
    """`[letters, words]` code points, 0 behind the end of a word."""
    width = _LETTERS + 1
    texts = np.array([word[:width] for word in words], dtype=f"<U{width}")
    return np.ascontiguousarray(texts.view(np.uint32).reshape(len(words), width).T)


def begins_but_for_one(letters: NDArray[np.uint32], prefix: str) -> NDArray[np.bool_]:
    """`[words]`, whether a word has a beginning at most one edit (OSA) away from `prefix`.

    Args:
        letters: `[n + 1 or more, words]` code points by position, 0 past the end of a word.
        prefix: of `n` letters.
    """
    code_points = np.frombuffer(prefix.encode("utf-32-le"), dtype="<u4")
    size = len(code_points)
    rest = _agree_from(letters[:size], code_points)  # [size + 1, words] the letters from a position on are equal
    rest_less = _agree_from(letters[: size - 1], code_points[1:])  # .. without one letter of the prefix
    rest_more = _agree_from(letters[1 : size + 1], code_points)  # .. with one letter more
    begins: NDArray[np.bool_] = rest[0].copy()
    equal_so_far: NDArray[np.bool_] = np.ones(letters.shape[1], dtype=np.bool_)
    for position, code_point in enumerate(code_points):
        begins |= equal_so_far & (rest[position + 1] | rest_less[position] | rest_more[position])
        if position + 1 < size:
            following = code_points[position + 1]
            swapped = (letters[position] == following) & (letters[position + 1] == code_point)
            begins |= equal_so_far & swapped & rest[position + 2]
        equal_so_far = equal_so_far & (letters[position] == code_point)
    return begins


def _agree_from(letters: NDArray[np.uint32], code_points: NDArray[np.uint32]) -> NDArray[np.bool_]:
    """`[positions + 1, words]`, whether all letters from a position on are equal; the last row is true."""
    agree = np.ones((len(code_points) + 1, letters.shape[1]), dtype=np.bool_)
    np.equal(letters, code_points[:, None], out=agree[:-1])
    for position in range(len(code_points) - 2, -1, -1):
        agree[position] &= agree[position + 1]
    return agree
