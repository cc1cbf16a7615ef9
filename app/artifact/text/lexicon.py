"""What the languages of a catalogue say of its words: their other forms, their parts, and the words they are not."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.text.languages import FIRST_FORM, Languages, languages_of
from app.artifact.text.sorted_texts import SortedTexts

_LANGUAGES: Final = "languages.json"
_LISTS: Final = ("forms", "ends", "begins")


@dataclass(frozen=True)
class WordLists:
    """Words of the vocabulary by a text, such as a form of them."""

    keys: SortedTexts
    offsets: NDArray[np.int32]  # [keys + 1]
    words: NDArray[np.int32]  # places in the vocabulary

    @classmethod
    def of(cls, lists: dict[str, list[int]]) -> "WordLists":
        """Pack the words of each text."""
        keys = sorted(lists, key=str.encode)
        offsets = np.cumsum([0, *(len(lists[key]) for key in keys)])
        words = [word for key in keys for word in lists[key]]
        return cls(SortedTexts.of(keys), offsets.astype(np.int32), np.array(words, dtype=np.int32))

    def get(self, key: str) -> list[int]:
        """The words of a text; none of one that is not there."""
        place = self.keys.find(key) if len(self.keys) else -1
        return [] if place < 0 else self.words[self.offsets[place] : self.offsets[place + 1]].tolist()

    def write(self, stem: Path) -> None:
        """Write the lists to files that begin with `stem`."""
        self.keys.write(stem)
        np.save(f"{stem}_offsets.npy", self.offsets)
        np.save(f"{stem}_words.npy", self.words)

    @classmethod
    def read(cls, stem: Path, words: int) -> "WordLists":
        """The inverse of `write`.

        Args:
            stem: as it was written.
            words: of the vocabulary.

        Raises:
            OSError: a part of it is missing.
            ValueError: its arrays do not fit each other or the vocabulary.
        """
        keys = SortedTexts.read(stem)
        offsets, places = (load_array(f"{stem}_{name}.npy") for name in ("offsets", "words"))
        is_whole = offsets.dtype == places.dtype == np.int32 and offsets.shape == (len(keys) + 1,) and places.ndim == 1
        if not is_whole or offsets[0] != 0 or offsets[-1] != len(places) or (np.diff(offsets) < 0).any():
            raise ValueError(f"{stem}: expected lists of words by {len(keys)} texts, got other arrays")
        if len(places) and not 0 <= places.min() <= places.max() < words:
            raise ValueError(f"{stem}: expected places of {words} words, got others")
        return cls(keys, offsets, places)


def _no_lists() -> WordLists:
    return WordLists.of({})


def _no_pairs() -> NDArray[np.int32]:
    return np.zeros((0, 2), dtype=np.int32)


@dataclass(frozen=True)
class Lexicon:
    """What is known of the words of a vocabulary beside how often they occur.

    A bundle from before has none: its words are read as English ones, and looked for inside of others.
    """

    languages: Languages = FIRST_FORM  # of the catalogue, the most frequent first
    is_joining: bool = True  # whether any of them writes compounds as one word
    forms: WordLists = field(default_factory=_no_lists)  # of words by their forms with other terms
    ends: WordLists = field(default_factory=_no_lists)  # compounds by the terms of their last part, which is their kind
    begins: WordLists = field(default_factory=_no_lists)  # compounds by the terms of their first part
    joined: NDArray[np.int32] = field(
        default_factory=_no_pairs
    )  # [n, 2] names that are two words; letters of the first
    others: SortedTexts = field(default_factory=lambda: SortedTexts.of([]))  # real words that are nearly one of them

    def write(self, folder: Path) -> None:
        """Write it into `folder`, which is made."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _LANGUAGES).write_text(
            json.dumps({"languages": self.languages.codes, "is_joining": self.is_joining}) + "\n", "utf-8"
        )
        for name in _LISTS:
            getattr(self, name).write(folder / name)
        np.save(folder / "joined.npy", self.joined)
        self.others.write(folder / "others")

    def columns(self) -> dict[str, TextColumn]:
        """Its columns of texts, by the names of their files."""
        return {name: getattr(self, name).keys.column for name in _LISTS} | {"others": self.others.column}

    @classmethod
    def read(cls, folder: Path, words: int) -> "Lexicon":
        """That in `folder`; of a bundle from before, which has none, the one that says nothing.

        Args:
            folder: of the lexicon.
            words: of the vocabulary.

        Raises:
            OSError: a part of it is missing.
            ValueError: its files do not fit each other or the vocabulary.
        """
        if not folder.exists():
            return cls()
        document = json.loads((folder / _LANGUAGES).read_text("utf-8"))
        codes = document.get("languages") if isinstance(document, dict) else None
        if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
            raise ValueError(f"{folder / _LANGUAGES}: expected a list of languages, got {codes!r}")
        joined = load_array(folder / "joined.npy")
        if (
            joined.dtype != np.int32
            or joined.shape != (len(joined), 2)
            or (joined < 0).any()
            or (joined[:, 0] >= words).any()
        ):
            raise ValueError(f"{folder / 'joined.npy'}: expected pairs of a word and letters, got {joined.shape}")
        return cls(
            languages=languages_of(tuple(codes)),
            joined=joined,
            is_joining=bool(document.get("is_joining", True)),
            **{name: WordLists.read(folder / name, words) for name in _LISTS},
            others=SortedTexts.read(folder / "others"),
        )
