"""The vocabulary of a bundle: the words of the catalogue and its logged queries, how often, and which are joined."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.item_document import attribute_text
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.vocabulary import Vocabulary, entries_of, joined_names, letter_mask
from app.artifact.text.words import fold, place_words, read_words
from offline.export.catalogue_languages import codes_of, languages_of_catalogue
from offline.export.lexicon import make_lexicon

_NAMES: Final = ("title", "brand", "category")
_LEAST_ITEMS: Final = 2  # that write two words apart, and that join them, where both stand elsewhere, too
_LEAST_SHARE: Final = 0.01  # of the rarer word's items: two words that happen to stand side by side are no compound
_SHORTEST_PART: Final = 3  # letters
_KEPT: Final = 100_000  # texts that have been read: attributes repeat


def write_vocabulary(folder: Path, items: pl.DataFrame, queries: Iterable[tuple[str, int]] = ()) -> Vocabulary:
    """Write the vocabulary to the bundle in `folder`; it may have no word.

    Args:
        items: the split's item table.
        queries: logged ones, and how often each was asked.
    """
    vocabulary = make_vocabulary(items, queries)
    vocabulary.write(folder)
    return vocabulary


def make_vocabulary(items: pl.DataFrame, queries: Iterable[tuple[str, int]] = ()) -> Vocabulary:
    """The vocabulary of a catalogue (see `write_vocabulary`)."""
    documents: Counter[str] = Counter()
    named: Counter[str] = Counter()
    in_queries: Counter[str] = Counter()
    plain: set[str] = set()
    languages, languages_of_items = languages_of_catalogue(items)
    words_of: dict[str, set[str]] = {code: set() for code in codes_of(languages_of_items)}
    for (names_of_item, texts_of_item), of_item in zip(_texts(items), languages_of_items, strict=True):
        in_names = _entries(names_of_item, plain)
        named.update(in_names)
        in_item = in_names | _entries(texts_of_item, plain)
        documents.update(in_item)
        for code in of_item.codes:
            words_of[code] |= in_item
    for text, count in queries:
        for entry in _entries([text], plain):
            in_queries[entry] += count
    joined = _joined_names(items)
    for (first, second), count in joined.items():
        documents.setdefault(first + second, count)
        plain.add(first + second)
    all_words = sorted(documents.keys() | in_queries.keys(), key=str.encode)
    return Vocabulary(
        words=SortedTexts.of(all_words),
        terms=SortedTexts.of(sorted({term for word in all_words for term in languages.stems(word)}, key=str.encode)),
        documents=np.array([documents[word] for word in all_words], dtype=np.int32),
        named=np.array([named[word] for word in all_words], dtype=np.int32),
        searched=np.array([min(in_queries[word], 2**31 - 1) for word in all_words], dtype=np.int32),
        codes=np.array([word not in plain for word in all_words], dtype=np.bool_),
        lengths=np.array([len(word) for word in all_words], dtype=np.uint8),
        letters=np.array([letter_mask(word) for word in all_words], dtype=np.uint64),
        compounds=_compounds(items, all_words, documents),
        lexicon=replace(make_lexicon(languages, all_words, plain, words_of), joined=_places_of(joined, all_words)),
    )


def _texts(items: pl.DataFrame) -> Iterator[tuple[list[str], list[str]]]:
    """Names and further texts of each item."""
    columns = [items[name].to_list() for name in (*_NAMES, "text", "attributes")]
    for *in_names, text, attributes in zip(*columns, strict=True):
        yield (
            [text_in_name for text_in_name in in_names if text_in_name],
            [*filter(None, [text]), *map(attribute_text, attributes or [])],
        )


def _entries(texts: Sequence[str], plain: set[str]) -> set[str]:
    """What the texts have for the vocabulary; those that are no codes go to `plain`, too."""
    entries: set[str] = set()
    for text in texts:
        all_of_text, plain_of_text = _entries_of_text(text)
        entries |= all_of_text
        plain |= plain_of_text
    return entries


@lru_cache(maxsize=_KEPT)
def _entries_of_text(text: str) -> tuple[frozenset[str], frozenset[str]]:
    entries = [entry for word in read_words(text) for entry in entries_of(word)]
    return frozenset(entry for entry, _ in entries), frozenset(entry for entry, is_code in entries if not is_code)


def _compounds(items: pl.DataFrame, words: Sequence[str], documents: Counter[str]) -> NDArray[np.int32]:
    """Neighbouring words that are one word elsewhere: `[compounds, 2]` the joined word, letters of the first part."""
    apart: Counter[tuple[str, str]] = Counter()
    for names_of_item, texts_of_item in _texts(items):
        pairs = {pair for text in (*names_of_item, *texts_of_item) for pair in _neighbours(text)}
        apart.update(pair for pair in pairs if documents[pair[0] + pair[1]])
    return _places_of([pair for pair, count in apart.items() if _is_compound(pair, count, documents)], words)


def _is_compound(pair: tuple[str, str], count: int, documents: Counter[str]) -> bool:
    """Whether two words that so many items have side by side are the one that they are when joined: one of them has
    hardly another neighbour, or it is no chance by far.
    """
    rarer = min(documents[pair[0]], documents[pair[1]])
    if 2 * count > rarer:
        return True
    return documents[pair[0] + pair[1]] >= _LEAST_ITEMS and count >= max(_LEAST_ITEMS, _LEAST_SHARE * rarer)


def _joined_names(items: pl.DataFrame) -> Counter[tuple[str, str]]:
    """How many items have each name that is two words."""
    joined: Counter[tuple[str, str]] = Counter()
    for title, brand in items.select("title", "brand").iter_rows():
        joined.update(joined_names(title or "", brand or ""))
    return joined


def _places_of(pairs: Iterable[tuple[str, str]], words: Sequence[str]) -> NDArray[np.int32]:
    """`[pairs, 2]`, of two words joined: the place of the whole, and the letters of the first."""
    place_of = {word: place for place, word in enumerate(words)}
    places = sorted((place_of[first + second], len(first)) for first, second in pairs)
    return np.array(places, dtype=np.int32).reshape(-1, 2)


@lru_cache(maxsize=_KEPT)
def _neighbours(text: str) -> tuple[tuple[str, str], ...]:
    """Pairs of words of a text with nothing but a space between them."""
    folded = fold(text)
    placed = place_words(folded)
    return tuple(
        (left.word.text, right.word.text)
        for left, right in pairwise(placed)
        if left.word.kind == right.word.kind == "word"
        and min(len(left.word.text), len(right.word.text)) >= _SHORTEST_PART
        and folded[left.end : right.start].isspace()
    )
