"""Words that hold a word which the catalogue has not by itself: of `lampe`, Stehlampe and Lampenschirm."""

import re
from typing import Final

import numpy as np

from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.known_words import KnownWords

SHORTEST: Final = 4
"""Letters of a word that may be part of another: shorter ones stand in others by chance."""
_SHORTEST_APART: Final = 6  # letters, in languages that write compounds as several words
_END: Final = 1.0
_BEGIN: Final = 0.5  # of the share of a first part: a lamp shade is no lamp
_SHORTEST_REST: Final = 3  # letters of what a word is joined with
_SHORTEST_UNSPACED: Final = 2  # characters, in scripts that put no spaces between words
_UNSPACED: Final = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")  # Thai, Lao, Burmese, Khmer
_ENDINGS: Final = ("", "e", "n", "s", "en", "er", "es", "ern", "nen")  # of plurals and cases, where words are joined
_MOST: Final = 512  # words that hold a part


class WordParts:
    """Looks for known words that begin or end with another word.

    Args:
        known: of the catalogue and its logged queries.
        of_bundle: the words of the bundle as one text, if they have been put together.
    """

    def __init__(self, known: KnownWords, of_bundle: "BundleText | None" = None) -> None:
        self._known = known
        self._vocabulary = known.vocabulary
        self._lexicon = known.vocabulary.lexicon
        self._of_bundle = of_bundle or BundleText(known.vocabulary)

    def with_words(self, known: KnownWords) -> "WordParts":
        """Those of other words beside the same bundle's."""
        return WordParts(known, self._of_bundle)

    def is_part(self, text: str) -> bool:
        """Whether a word is known as the last part of compounds."""
        return any(
            self._known.is_alive(place)
            for term in self._lexicon.languages.stems(text)
            for place in self._lexicon.ends.get(term)
        )

    def hold(self, text: str) -> bool:
        """Whether any word holds `text` as it stands, its ending and all."""
        return bool(self._compounds_of(text)) or bool(self._shares((text,)))

    def holding(self, text: str) -> list[tuple[str, float]]:
        """The words that hold `text`, and the share of their letters that it is, the largest first.

        A plural or case ending of `text` need not be there: `lampen` is in Stehlampe. In scripts without spaces it may
        stand anywhere, else at the beginning or the end.
        """
        shares = self._shares(_without_endings(text))
        return sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST]

    def holding_terms(self, text: str, *, is_known: bool) -> list[tuple[str, float]]:
        """The terms of the words that hold `text`, each once, and how much of them it is.

        Args:
            text: a folded word.
            is_known: whether the catalogue has it by itself, too: then only the compounds of its language hold it.
        """
        shares = self._compounds_of(text)
        if not is_known:
            shares = self._shares(_without_endings(text), is_compound_part=bool(shares)) | shares
        terms: dict[str, float] = {}
        for word, share in sorted(shares.items(), key=lambda pair: (-pair[1], pair[0]))[:_MOST]:
            for term in self._lexicon.languages.stems(word):
                terms.setdefault(term, share)
        return list(terms.items())

    def _compounds_of(self, text: str) -> dict[str, float]:
        """The compounds that a word is a part of, and how much of them it is: the last part is the kind."""
        shares: dict[str, float] = {}
        for lists, most in ((self._lexicon.begins, _BEGIN), (self._lexicon.ends, _END)):
            for term in self._lexicon.languages.stems(text):
                for place in filter(self._known.is_alive, lists.get(term)):
                    word = self._vocabulary.words[place]
                    shares[word] = most * min(1.0, len(text) / len(word))
        return shares

    def may_be_part(self, text: str) -> bool:
        """Whether a word that is not in the catalogue just so may be joined with another: one that it has in another
        form or as a part, in languages that join words.
        """
        if not self._lexicon.is_joining or len(text) < SHORTEST:
            return False
        stems = self._lexicon.languages.stems(text)
        return any(map(self._known.has_term, stems)) or bool(self._compounds_of(text))

    def compound_terms(self, text: str) -> list[str]:
        """The terms of the compounds that a word is a part of, each once."""
        stems = self._lexicon.languages.stems
        return list(dict.fromkeys(term for word in self._compounds_of(text) for term in stems(word)))

    def _shares(self, parts: tuple[str, ...], *, is_compound_part: bool = False) -> dict[str, float]:
        """The words that hold one of `parts`, and the share of their letters that it is.

        Args:
            parts: a word, with and without endings.
            is_compound_part: whether a dictionary knows compounds of it: what else begins so is another word, as
                automatic is none of `auto`.
        """
        shares: dict[str, float] = {}
        for part in parts:
            is_unspaced = _UNSPACED.search(part) is not None
            shortest = SHORTEST if self._lexicon.is_joining else _SHORTEST_APART
            if len(part) < (_SHORTEST_UNSPACED if is_unspaced else shortest):
                continue
            for word in self._containing(part):
                at_edge = word.startswith(part) or word.endswith(part)
                begins = word.startswith(part) and not is_unspaced
                if begins and is_compound_part and self._vocabulary.words.find(word) >= 0:
                    continue
                if is_unspaced or (at_edge and len(word) - len(part) >= _SHORTEST_REST):
                    most = _BEGIN if begins else _END
                    shares[word] = max(shares.get(word, 0.0), most * len(part) / len(word))
        return shares

    def _containing(self, part: str) -> list[str]:
        places = filter(self._known.is_alive, self._of_bundle.containing(part))
        return [*(self._vocabulary.words[place] for place in places), *self._known.further_containing(part)]


def _without_endings(text: str) -> tuple[str, ...]:
    """A word, and what it is without the endings that it may lose inside of another, each once."""
    endings = ("",) if _UNSPACED.search(text) else _ENDINGS
    return tuple(dict.fromkeys(text.removesuffix(ending) for ending in endings))


class BundleText:
    """The words of a bundle as one text, but for codes.

    Args:
        vocabulary: of the bundle.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        words = vocabulary.words.column.all()
        self._places = np.flatnonzero(~vocabulary.codes)
        kept = [words[place] for place in self._places.tolist()]
        self._text = "\n" + "\n".join(kept) + "\n"
        self._starts = np.cumsum([1, *(len(word) + 1 for word in kept)])

    def containing(self, part: str) -> list[int]:
        """The places of the words that hold a text."""
        places: list[int] = []
        position = self._text.find(part)
        while position >= 0:
            index = int(np.searchsorted(self._starts, position, side="right")) - 1
            places.append(int(self._places[index]))
            position = self._text.find(part, int(self._starts[index + 1]))
        return places
