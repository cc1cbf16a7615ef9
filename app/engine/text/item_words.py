"""The words of one item as the indexes of words take them: worked out once, kept, and put into tiers."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.hashing import stable_hash
from app.artifact.item_document import ItemDocument, attribute_text
from app.artifact.method_cache import cache_of_method
from app.artifact.text.code_columns import is_code_name, is_like_code
from app.artifact.text.codes import CodeTable, code_key
from app.artifact.text.titles import title_hash
from app.artifact.text.vocabulary import entries_of, joined_names
from app.artifact.text.words import Word, is_unspaced, read_words
from app.engine.text.item_terms import MOST_TIMES, PlacedTerms, at_most, main_terms, name_terms, terms_of_words
from app.engine.text.live_suggest import Completion
from app.engine.text.postings import TermCounts, term_hash
from app.engine.text.spelling import Spelling
from app.engine.text.term_texts import is_model

_KEPT: Final = 8_192  # texts that have been read: brands, categories and attributes repeat
_PLACES_KEPT: Final = 65_536  # words of which the place in the vocabulary is kept

Names = frozenset[tuple[str, str]]
"""Names that are two words."""


@dataclass(frozen=True, slots=True)
class NewWord:
    """A word that the vocabulary of the bundle does not have."""

    text: str
    is_code: bool  # letters and digits, or parts with something between
    is_named: bool  # whether title, brand or category have it
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class WordEntries:
    """What an item has for the vocabulary."""

    places: NDArray[np.int32]  # [words] in the vocabulary of the bundle, of the words that it knows
    is_named: NDArray[np.bool_]  # [words] whether title, brand or category have it
    joined: NDArray[np.int32]  # the places of names that the item has as two words alone
    new: tuple[NewWord, ...]  # words that the bundle does not know

    @property
    def size(self) -> int:
        """How many words the bundle knows of it."""
        return len(self.places) + len(self.joined)


@dataclass(frozen=True, slots=True, eq=False)
class ItemWords:
    """The words of one item."""

    main: TermCounts
    title: TermCounts
    attributes: TermCounts
    name_terms: NDArray[np.uint64]  # [entries] the terms of the title, and behind a gap those of the brand
    name_places: NDArray[np.uint8]  # [entries]
    title_hash: int  # 0 for none
    brand_hash: int  # of `brand_hash`, 0 for none
    codes: tuple[str, ...]  # as `code_key` writes them
    models: tuple[str, ...]  # terms with letters and digits
    unspaced: tuple[str, ...]  # terms of scripts without spaces
    entries: WordEntries
    completions: tuple[Completion, ...]  # for the search box


@dataclass(frozen=True, slots=True)
class _Text:
    """A text that has been read."""

    words: tuple[Word, ...]
    placed: PlacedTerms
    entries: Mapping[str, bool]  # for the vocabulary, and whether each is a code alone

    @property
    def terms(self) -> list[str]:
        return [term for term, _ in self.placed]


class ItemReader:
    """Reads items, by the vocabulary and the languages of a bundle.

    Args:
        spelling: of the bundle.
        code_names: the attributes that the bundle knows, and whether what they hold are codes.
    """

    def __init__(self, spelling: Spelling, code_names: Mapping[str, bool] | None = None) -> None:
        self._spelling = spelling
        self._languages = spelling.languages
        self._code_names = code_names or {}
        self._read_again = cache_of_method(self._read, _KEPT)
        self._read_entries_again = cache_of_method(self._read_entries, _KEPT)
        self._place_of = lru_cache(maxsize=_PLACES_KEPT)(spelling.known.vocabulary.words.find)

    def read(
        self,
        item_id: str,
        document: ItemDocument,
        further_codes: Iterable[str] = (),
        completions: tuple[Completion, ...] = (),
    ) -> ItemWords:
        """The words of an item.

        Args:
            item_id: of the item, which is one of its codes.
            document: the item as it is now.
            further_codes: as `code_key` writes them, which the document does not have.
            completions: what it gives to the suggestions.
        """
        joined = _joined_names_of(document)
        title, brand, category, text = self._texts(document, joined)
        attributes = [self._read_again(attribute_text(pair), joined) for pair in document.attributes]
        main = main_terms([part.terms for part in (title, brand, category, text)])
        in_attributes = [term for part in attributes for term in part.terms]
        terms = dict.fromkeys([*main, *in_attributes])
        name = name_terms(title.placed, brand.placed)
        codes = dict.fromkeys([code_key(item_id), *further_codes, *self.attribute_codes(document)])
        return ItemWords(
            main=_counts(main),
            title=_counts(at_most(title.terms, MOST_TIMES["title"])),
            attributes=_counts(in_attributes),
            name_terms=np.fromiter((term_hash(term) for term, _ in name), dtype=np.uint64, count=len(name)),
            name_places=np.fromiter((place for _, place in name), dtype=np.uint8, count=len(name)),
            title_hash=title_hash(title.words),
            brand_hash=brand_hash(tuple(word.text for word in brand.words)),
            codes=tuple(filter(None, codes)),
            models=tuple(filter(is_model, terms)),
            unspaced=tuple(term for term in terms if not term.isascii() and is_unspaced(term)),
            entries=self._entries((title, brand, category), (text, *attributes), joined),
            completions=completions,
        )

    def entries_of(self, document: ItemDocument) -> WordEntries:
        """What an item has for the vocabulary, and nothing else of it."""
        shared = [self._read_entries_again(text or "") for text in (document.brand, document.category)]
        attributes = [self._read_entries_again(attribute_text(pair)) for pair in document.attributes]
        names = [self._read_entries(document.title or ""), *shared]
        further = [self._read_entries(document.description or ""), *attributes]
        return self._entries(names, further, _joined_names_of(document))

    def attribute_codes(self, document: ItemDocument) -> Iterable[str]:
        """The codes among the attributes of an item, as `code_key` writes them."""
        for pair in document.attributes:
            name, separator, value = pair.partition("=")
            if not separator or not is_code_name(name):
                continue
            is_code = self._code_names.get(name)
            if is_like_code(value) if is_code is None else is_code:
                yield code_key(value)

    def _texts(self, document: ItemDocument, joined: Names) -> tuple[_Text, _Text, _Text, _Text]:
        return (
            self._read(document.title or "", joined),
            self._read_again(document.brand or "", joined),
            self._read_again(document.category or "", joined),
            self._read(document.description or "", joined),
        )

    def _read(self, text: str, joined: Names) -> _Text:
        if not text:
            return _NOTHING
        words = tuple(read_words(text, self._languages))
        placed = terms_of_words(words, self._spelling)
        if joined:
            placed = (*placed, *self._further_joined(words, joined))
        return _Text(words, placed, _entries_in(words))

    def _read_entries(self, text: str) -> _Text:
        """As `_read`, but for terms."""
        words = tuple(read_words(text, self._languages))
        return _Text(words, (), _entries_in(words))

    def _further_joined(self, words: Sequence[Word], joined: Names) -> Iterable[tuple[str, int]]:
        """The terms of names of two words which no item of the bundle has as one."""
        for place, (left, right) in enumerate(pairwise(words)):
            if (left.text, right.text) in joined and not self._spelling.compound_terms((left, right)):
                yield from ((term, place) for term in self._languages.stems(left.text + right.text))

    def _entries(self, names: Sequence[_Text], texts: Sequence[_Text], joined: Names) -> WordEntries:
        is_code: dict[str, bool] = {}
        for part in (*names, *texts):
            for entry, is_code_there in part.entries.items():
                is_code[entry] = is_code.get(entry, True) and is_code_there
        named = {entry for part in names for entry in part.entries}
        in_one = [first + second for first, second in joined if first + second not in is_code]
        places = {entry: self._place_of(entry) for entry in (*is_code, *in_one)}
        known = [entry for entry in is_code if places[entry] >= 0]
        new = [entry for entry, place in places.items() if place < 0]
        return WordEntries(
            places=np.fromiter((places[entry] for entry in known), dtype=np.int32, count=len(known)),
            is_named=np.fromiter((entry in named for entry in known), dtype=np.bool_, count=len(known)),
            joined=np.array([places[entry] for entry in in_one if places[entry] >= 0], dtype=np.int32),
            new=tuple(
                NewWord(entry, is_code.get(entry, False), entry in named, self._languages.stems(entry)) for entry in new
            ),
        )


_NOTHING: Final = _Text((), (), {})


def _entries_in(words: Sequence[Word]) -> dict[str, bool]:
    entries: dict[str, bool] = {}
    for word in words:
        if word.kind == "word" and word.text in entries:  # what stands there says as much, or that it is no code
            entries[word.text] = False
            continue
        for entry, is_code in entries_of(word):
            entries[entry] = entries.get(entry, True) and is_code
    return entries


def brand_hash(words: tuple[str, ...]) -> int:
    """The hash of a brand by its words; 0 for none."""
    return stable_hash("\n".join(words)) if words else 0


def code_names_of(codes: CodeTable | None, documents: Iterable[tuple[int, ItemDocument]]) -> dict[str, bool]:
    """The attributes of a bundle that are called like codes, and whether what they hold are codes of its items.

    Args:
        codes: of the bundle, if it has any.
        documents: items of the bundle with their rows; some are enough.
    """
    by_name: dict[str, Counter[bool]] = {}
    for row, document in documents:
        for pair in document.attributes:
            name, separator, value = pair.partition("=")
            if separator and is_code_name(name) and (key := code_key(value)):
                has_code = codes is not None and row in codes.rows_with(key)
                by_name.setdefault(name, Counter())[has_code] += 1
    return {name: counts[True] > counts[False] for name, counts in by_name.items()}


def _joined_names_of(document: ItemDocument) -> Names:
    return frozenset(joined_names(document.title or "", document.brand or ""))


def _counts(terms: Sequence[str]) -> TermCounts:
    return TermCounts.of(Counter(terms), len(terms))
