"""The words of a catalogue and of its logged queries: how often each occurs, and which are two words joined."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.text.lexicon import Lexicon
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.words import Word, fold, parts_of, read_words

LONGEST: Final = 32  # letters of a word of the vocabulary
_LETTERS: Final = 32  # bits of a letter mask for letters that occur, and as many for letters that occur twice
_SHORTEST_NAME: Final = 5  # letters of a name that is two words
_CAPITALS: Final = re.compile(r"(?<![^\W_])([A-Z][a-z]+)([A-Z][a-z]+)(?![^\W_])")  # `BlueOx`
_WORDS: Final = "words"
_TERMS: Final = "terms"
LEXICON: Final = "lexicon"
_ARRAYS: Final = {
    "documents": np.int32,
    "named": np.int32,
    "searched": np.int32,
    "codes": np.bool_,
    "lengths": np.uint8,
    "letters": np.uint64,
    "compounds": np.int32,
}


@dataclass(frozen=True)
class Vocabulary:
    """Words folded and not stemmed, ascending; codes without the characters between their parts."""

    words: SortedTexts  # [words]
    terms: SortedTexts  # of the words, in the lexical index
    documents: NDArray[np.int32]  # [words] items that have the word
    named: NDArray[np.int32]  # [words] of these, the ones that have it in title, brand or category
    searched: NDArray[np.int32]  # [words] how often it was searched for
    codes: NDArray[np.bool_]  # [words] whether it is a code: letters and digits, or parts with something between
    lengths: NDArray[np.uint8]  # [words] letters
    letters: NDArray[np.uint64]  # [words] of `letter_mask`
    compounds: NDArray[np.int32]  # [compounds, 2] a word that is two words joined, ascending; letters of the first
    lexicon: Lexicon = field(default_factory=Lexicon)

    @classmethod
    def empty(cls) -> "Vocabulary":
        """A vocabulary without words, by which nothing is corrected, joined or completed."""
        arrays: dict[str, NDArray[Any]] = {
            name: np.zeros((0, 2) if name == "compounds" else 0, dtype) for name, dtype in _ARRAYS.items()
        }
        return cls(words=SortedTexts.of([]), terms=SortedTexts.of([]), lexicon=Lexicon(), **arrays)

    def write(self, folder: Path) -> None:
        """Write it into the bundle in `folder`."""
        below = folder / names.VOCABULARY
        self.words.write(below / _WORDS)
        self.terms.write(below / _TERMS)
        for name in _ARRAYS:
            np.save(below / f"{name}.npy", getattr(self, name))
        self.lexicon.write(below / LEXICON)


def read_vocabulary(folder: Path) -> Vocabulary:
    """The vocabulary of the bundle in `folder`.

    Raises:
        OSError: a part of it is missing.
        ValueError: its arrays do not fit each other.
    """
    below = folder / names.VOCABULARY
    arrays = {name: load_array(below / f"{name}.npy") for name in _ARRAYS}
    words, terms = SortedTexts.read(below / _WORDS), SortedTexts.read(below / _TERMS)
    for name, array in arrays.items():
        shape = (len(array), 2) if name == "compounds" else (len(words),)
        if array.shape != shape or array.dtype != _ARRAYS[name]:
            raise ValueError(
                f"{below / name}: expected {shape} of {_ARRAYS[name].__name__}, got {array.shape} of {array.dtype}"
            )
    return Vocabulary(words=words, terms=terms, **arrays, lexicon=Lexicon.read(below / LEXICON, len(words)))


def entries_of(word: Word) -> list[tuple[str, bool]]:
    """The vocabulary entries of a word, and whether each is a code; none for numbers and East Asian words."""
    if word.kind == "word":
        entries = [(word.text, False)]
    elif word.kind == "code":
        parts = parts_of(word.text)
        entries = [("".join(parts), True), *((part, False) for part in parts if len(part) > 1 and part.isalpha())]
    else:
        entries = []
    return [(text, is_code) for text, is_code in entries if len(text) <= LONGEST]


def joined_names(title: str, brand: str) -> set[tuple[str, str]]:
    """The names of an item that are two words and one: a brand of two words, and what has a capital letter inside."""
    of_brand = tuple(word.text for word in read_words(brand) if word.kind == "word")
    pairs = {(fold(first), fold(second)) for first, second in _CAPITALS.findall(f"{brand} {title}")}
    if len(of_brand) == 2 and of_brand == tuple(fold(brand).split()):
        pairs.add((of_brand[0], of_brand[1]))
    return {pair for pair in pairs if len(pair[0] + pair[1]) >= _SHORTEST_NAME}


def letter_mask(word: str) -> int:
    """The letters of a word, and those it has twice; an edit flips at most two of the bits, one if lengths differ."""
    once = twice = 0
    for letter in word:
        code = ord(letter)
        bit = 1 << (code - 97 if 97 <= code < 123 else 26 + code % (_LETTERS - 26))
        twice |= once & bit
        once |= bit
    return once | twice << _LETTERS
