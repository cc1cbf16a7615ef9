"""The lexicon of a bundle: what dictionaries of the catalogue's languages say of its words.

Snowball takes endings off by rules; what they miss (`чехлы` of `чехол`) is in a dictionary, and so are the parts of
compounds and the words that are nearly one of the catalogue's and mean something else.
"""

import re
import sys
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Final

from simplemma.strategies.dictionaries.dictionary_factory import SUPPORTED_LANGUAGES, DefaultDictionaryFactory

from app.artifact.text.languages import Languages, languages_of
from app.artifact.text.lexicon import Lexicon, WordLists
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.words import fold_letters

JOINING: Final = frozenset(("af", "da", "de", "et", "fi", "fo", "fy", "hu", "is", "lb", "nl", "no", "sv"))
"""Languages that write compounds as one word."""
_DICTIONARIES: Final = {"no": "nb", "hr": "hbs", "sr": "hbs", "bs": "hbs"}
_SHORTEST: Final = 3  # letters
_SHORTEST_NOUN: Final = 2  # letters of a part, where both parts are words of the catalogue: `Öl`, `Filter`
_SHORT_NOUNS: Final[Mapping[str, frozenset[str]]] = {
    **dict.fromkeys(("da", "no", "sv"), frozenset(("el", "is", "ol", "te"))),
    **dict.fromkeys(("de", "nl"), frozenset(("ei", "ol", "pc", "tv", "ui"))),
}
"""First parts of many compounds that have two letters only: `Elcykel`, `Eisalat`."""
_SHORTEST_ALONE: Final = 4  # letters of a word of the catalogue, and of what stands before it and is in no dictionary
_SHORTEST_COMPOUND: Final = 6
_LONGEST: Final = 32
_LINKS: Final = ("", "s", "n", "en", "er", "es", "e", "ns", "ens")  # letters between the parts of a compound
_LEFT_OUT: Final = ("e", "en", "a")  # endings that the first part may have lost: `Woll-`, `Wasch-`
_MOST_FORMS: Final = 8  # words that a text is a form of
_OTHERS_OF: Final = 2  # languages whose words are compared with the catalogue's
_WORD: Final = re.compile(r"[^\W\d_]+")


def make_lexicon(
    languages: Languages, words: Sequence[str], plain: Collection[str], words_of: Mapping[str, Collection[str]]
) -> Lexicon:
    """The lexicon of a vocabulary.

    Args:
        languages: of the catalogue, the most frequent first.
        words: of the vocabulary, ascending.
        plain: those that are no codes.
        words_of: by code of a language, the words of the items that are of it.
    """
    of_languages = tuple((code, frozenset(of_code)) for code, of_code in sorted(words_of.items()))
    return _make_lexicon(languages, tuple(words), frozenset(plain), of_languages)


@lru_cache(maxsize=1)  # a run makes a bundle more than once, and large dictionaries take seconds each
def _make_lexicon(
    languages: Languages,
    words: tuple[str, ...],
    plain: frozenset[str],
    of_languages: tuple[tuple[str, frozenset[str]], ...],
) -> Lexicon:
    words_of = dict(of_languages)
    places = {word: place for place, word in enumerate(words) if word in plain and _WORD.fullmatch(word)}
    forms: dict[str, list[int]] = defaultdict(list)
    ends: dict[str, list[int]] = defaultdict(list)
    begins: dict[str, list[int]] = defaultdict(list)
    others: set[str] = set()
    for rank, code in enumerate(languages.codes):
        dictionary = _english() if code == "en" else _dictionary(code)
        if code != "en":
            _add_forms(forms, dictionary, places, languages)
        if code in JOINING:
            compounds = {word: places[word] for word in sorted(words_of.get(code, ())) if word in places}
            _add_parts(ends, begins, compounds, dictionary, places, code)
        if rank < _OTHERS_OF:
            others |= _others(dictionary, places)
    return Lexicon(
        languages=languages,
        is_joining=not JOINING.isdisjoint(languages.codes),
        forms=WordLists.of({form: of_form[:_MOST_FORMS] for form, of_form in forms.items()}),
        ends=WordLists.of(ends),
        begins=WordLists.of(begins),
        others=SortedTexts.of(sorted(others - forms.keys(), key=str.encode)),
    )


def _add_forms(
    forms: dict[str, list[int]], dictionary: Sequence[tuple[str, str]], places: Mapping[str, int], languages: Languages
) -> None:
    """Add the forms of words that their stems do not tell."""
    words_of_lemma: dict[str, set[str]] = defaultdict(set)
    for form, lemma in dictionary:
        if form in places:
            words_of_lemma[lemma].add(form)
        if lemma in places:
            words_of_lemma[lemma].add(lemma)
    stems = languages.stems
    for form, lemma in dictionary:
        for word in sorted(words_of_lemma.get(lemma, ())):
            if form != word and places[word] not in forms.get(form, ()) and set(stems(form)).isdisjoint(stems(word)):
                forms[form].append(places[word])


def _add_parts(
    ends: dict[str, list[int]],
    begins: dict[str, list[int]],
    compounds: Mapping[str, int],
    dictionary: Sequence[tuple[str, str]],
    places: Mapping[str, int],
    code: str,
) -> None:
    """Add words to the terms of the parts that they are joined of: two words that are known, with or without a link.

    Args:
        ends: of last parts, in any form of them.
        begins: of first parts.
        compounds: words of one language, and their places in the vocabulary.
        dictionary: of the language.
        places: all words of the vocabulary.
        code: of that language.
    """
    languages = languages_of((code,))
    short_nouns = _SHORT_NOUNS.get(code, frozenset())
    known = {form for form, _ in dictionary} | places.keys()
    last_parts: dict[str, set[int]] = defaultdict(set)
    for word, place in compounds.items():
        if not _SHORTEST_COMPOUND <= len(word) <= _LONGEST:
            continue
        for cut in range(_SHORTEST_NOUN, len(word) - _SHORTEST_NOUN + 1):
            first, last = word[:cut], word[cut:]
            is_short_noun = first in short_nouns and len(last) >= _SHORTEST_ALONE
            is_short = min(len(first), len(last)) < _SHORTEST and not (first in places and last in places)
            if last not in known or (is_short and not is_short_noun):
                continue
            if base := first if is_short_noun else _base_of(first, known):
                last_parts[last].add(place)
                _add(begins, languages.stems(base), {place})
            elif last in places and min(len(first), len(last)) >= _SHORTEST_ALONE:
                last_parts[last].add(place)
    of_lemma: dict[str, set[int]] = defaultdict(set)
    for last, of_last in last_parts.items():
        _add(ends, languages.stems(last), of_last)
    for form, lemma in dictionary:
        if form in last_parts:
            of_lemma[lemma] |= last_parts[form]
    for form, lemma in dictionary:
        if lemma in of_lemma:
            _add(ends, languages.stems(form), of_lemma[lemma])


def _add(lists: dict[str, list[int]], terms: Iterable[str], places: Iterable[int]) -> None:
    for term in terms:
        lists[term] = sorted({*lists[term], *places})


def _base_of(first: str, known: Collection[str]) -> str:
    """The word that the first part of a compound is; empty for no word."""
    for link in _LINKS:
        base = first.removesuffix(link)
        if first.endswith(link) and len(base) >= _SHORTEST_NOUN and base in known:
            return base
    return next((first + ending for ending in _LEFT_OUT if first + ending in known), "")


def _others(dictionary: Sequence[tuple[str, str]], places: Mapping[str, int]) -> set[str]:
    """Words of a dictionary that are within an edit of one of the vocabulary's, and none of them."""
    forms = {form for form, _ in dictionary}
    letters = sorted(set("".join(forms)))
    if len(places) * len(letters) < len(forms):
        near = {text for word in places for text in _edited(word, letters) if text in forms}
    else:
        shortened = {text for word in places for text in _shortened(word)}
        near = {form for form in forms if not shortened.isdisjoint(_shortened(form))}
    return near - places.keys()


def _shortened(word: str) -> Iterable[str]:
    """The word, and without each letter: of two words within an edit one is the same."""
    yield word
    for place in range(len(word)):
        yield word[:place] + word[place + 1 :]


def _edited(word: str, letters: Iterable[str]) -> Iterable[str]:
    """All texts within an edit of a word."""
    yield from _shortened(word)
    for place in range(len(word) + 1):
        first, last = word[:place], word[place:]
        if len(last) > 1:
            yield first + last[1] + last[0] + last[2:]
        for letter in letters:
            yield first + letter + last
            yield first + letter + last[1:]


@cache
def _english() -> list[tuple[str, str]]:
    """The dictionary that most catalogues need, and a small one."""
    return _dictionary("en")


def _dictionary(code: str) -> list[tuple[str, str]]:
    """The forms of a language and their lemmas, folded; none of a language without a dictionary."""
    name = _DICTIONARIES.get(code, code)
    if name not in SUPPORTED_LANGUAGES:
        return []
    dictionary = DefaultDictionaryFactory(cache_max_size=1).get_dictionary(name)
    forms = _fold_all(list(dictionary))
    distinct = list(dict.fromkeys(dictionary.values()))
    folded = dict(zip(distinct, _fold_all(distinct), strict=True))
    return [
        (form, lemma)
        for form, lemma in zip(forms, map(folded.__getitem__, dictionary.values()), strict=True)
        if _SHORTEST <= len(form) <= _LONGEST and form.isalpha() and lemma.isalpha()
    ]


def _fold_all(texts: Sequence[str]) -> list[str]:
    """As `fold_letters` of each text, a hundred times as fast."""
    whole = "\n".join(texts)
    if not whole.isascii():
        whole = unicodedata.normalize("NFKD", whole.casefold()).translate(_accents())
        whole = unicodedata.normalize("NFC", whole).translate(_plain_letters(whole))
    return whole.lower().split("\n")


@cache
def _accents() -> dict[int, None]:
    return dict.fromkeys(code for code in range(0x80, sys.maxunicode + 1) if unicodedata.combining(chr(code)))


def _plain_letters(text: str) -> dict[int, str]:
    """What single letters of a text are folded to."""
    return {ord(letter): fold_letters(letter) for letter in set(text) if not letter.isspace()}
