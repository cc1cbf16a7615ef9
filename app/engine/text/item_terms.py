"""The terms by which an item is indexed: the same for a row of a bundle and for a live item."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from app.artifact.method_cache import cache_of_method
from app.artifact.text.languages import Languages
from app.artifact.text.titles import PLACES
from app.artifact.text.words import Word, read_words
from app.engine.text.spelling import Spelling

K1: Final = 1.2
B: Final = 0.75
"""The parameters of BM25: Robertson et al., "Okapi at TREC-3" (1995)."""
MOST_TIMES: Final = {"title": 1, "brand": 1, "category": 1, "text": 2}
"""The texts of an item that are its main field, one after another, and how many times a word of each counts."""
AGAIN: Final = ""
"""In place of a term beyond that: as long, and nobody asks for it."""
_KEPT: Final = 100_000  # texts that have been read: brands, categories and attributes repeat

PlacedTerms = tuple[tuple[str, int], ...]
"""Terms, each with the place of its word in a text."""


class TermsOf:
    """The terms of texts, repeats included; what is two words elsewhere is both, and so is what is one word.

    Args:
        spelling: by the catalogue's vocabulary, which says what is joined elsewhere.
        kept: texts of which the terms are kept in memory.
    """

    def __init__(self, spelling: Spelling, kept: int = _KEPT) -> None:
        self._spelling = spelling
        self._of = cache_of_method(self._read, kept)

    def __call__(self, text: str, languages: Languages) -> tuple[str, ...]:
        """The terms of a text of an item that is of these languages."""
        return tuple(term for term, _ in self.placed(text, languages))

    def placed(self, text: str, languages: Languages) -> PlacedTerms:
        """The terms, each with the place of its word in the text."""
        return self._of(text, languages)

    def name(self, title: str, brand: str, languages: Languages) -> PlacedTerms:
        """The terms of a title, and behind a gap those of the brand (see `name_terms`)."""
        return name_terms(self.placed(title, languages), self.placed(brand, languages))

    def _read(self, text: str, languages: Languages) -> PlacedTerms:
        return terms_of_words(read_words(text, languages), self._spelling)


def terms_of_words(words: Sequence[Word], spelling: Spelling) -> PlacedTerms:
    """The terms of the words of a text, and behind them those of what is joined or apart elsewhere."""
    plain = [(term, place) for place, word in enumerate(words) for term in word.terms]
    joined = [(term, place) for place, term in spelling.compounds(words)]
    parts = [(term, place) for place, term in spelling.parts(words)]
    return (*plain, *joined, *parts)


def name_terms(in_title: PlacedTerms, in_brand: PlacedTerms) -> PlacedTerms:
    """The terms of a title, and behind a gap those of the brand; of as many places as are told apart."""
    behind = max((place for _, place in in_title), default=-1) + 2
    entries = (*in_title, *((term, behind + place) for term, place in in_brand))
    return tuple((term, place) for term, place in entries if place <= PLACES)


def at_most(terms: Iterable[str], times: int) -> list[str]:
    """The terms, each so many times at most, and something as long in place of the others: a text that repeats a word
    says no more by it, and is no shorter.
    """
    terms = list(terms)
    if len(set(terms)) == len(terms):
        return terms
    counts: Counter[str] = Counter()
    kept = []
    for term in terms:
        counts[term] += 1
        kept.append(term if counts[term] <= times else AGAIN)
    return kept


def main_terms(texts: Sequence[Sequence[str]]) -> list[str]:
    """The terms of the main field: of an item's texts as `MOST_TIMES` names them, each read into its terms."""
    return [term for terms, most in zip(texts, MOST_TIMES.values(), strict=True) for term in at_most(terms, most)]
