"""Languages of a catalogue or of one text: by their rules words lose their endings.

An item is indexed by the rules of its own language; a query is read by those of all languages of the catalogue, so that
a word of it has several terms.
"""

from collections.abc import Sequence
from functools import cache, lru_cache
from threading import local
from typing import Final

import Stemmer

from app.artifact.text.english import AMERICAN, IRREGULAR

_LONGEST_CACHED: Final = 40  # letters of a word that is cached
_NONE: Final = ""  # no algorithm: the word as it is
_FIRST: Final = "english"  # as it was read before languages were known
_ENGLISH: Final = "english, of both spellings"
_RULES: Final = {
    "ar": "arabic", "ca": "catalan", "cs": "czech", "da": "danish", "de": "german", "el": "greek", "en": _ENGLISH,
    "eo": "esperanto", "es": "spanish", "et": "estonian", "eu": "basque", "fa": "persian", "fi": "finnish",
    "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian", "hy": "armenian", "id": "indonesian",
    "it": "italian", "lt": "lithuanian", "nb": "norwegian", "ne": "nepali", "nl": "dutch", "nn": "norwegian",
    "no": "norwegian", "pl": "polish", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian",
    "sv": "swedish", "ta": "tamil", "tr": "turkish",
}  # fmt: skip
"""The Snowball algorithm of each language that has one."""
_SCRIPTS: Final = {
    "ar": "arabic", "fa": "arabic", "el": "greek", "hi": "devanagari", "ne": "devanagari", "hy": "armenian",
    "ru": "cyrillic", "ta": "tamil",
}  # fmt: skip
"""The script of the algorithms whose words are not in Latin letters; folded Serbian is read in Latin ones."""
_RANGES: Final = (
    (0x370, 0x400, "greek"),
    (0x400, 0x530, "cyrillic"),
    (0x530, 0x590, "armenian"),
    (0x600, 0x780, "arabic"),
    (0x900, 0x980, "devanagari"),
    (0xB80, 0xC00, "tamil"),
)
_VOWELS: Final = frozenset("аеиоуыэюя")


class Languages:
    """Some languages, by their ISO 639-1 codes; make them by `languages_of`, so that the same ones are one object."""

    def __init__(self, codes: tuple[str, ...], *, is_first_form: bool = False) -> None:
        self.codes: Final = codes
        self.is_first_form: Final = is_first_form  # the terms of bundles from before languages were known
        self._latin: Final = (
            (_FIRST,) if is_first_form else tuple(dict.fromkeys(_rules_of(code, "latin") for code in codes))
        )

    def stems(self, word: str) -> tuple[str, ...]:
        """A folded word without its ending in each language, equal ones once.

        Words in Latin letters of a language in other letters are read as English ones.
        """
        rules = self._latin
        if not word.isascii() and (script := _script_of(word)) != "latin":
            rules = tuple(dict.fromkeys(_rules_of(code, script) for code in self.codes))
        return _cached_stems(word, rules) if len(word) <= _LONGEST_CACHED else _stems(word, rules)


@cache
def languages_of(codes: Sequence[str]) -> Languages:
    """The languages of some codes, English where there are none; `codes` is a tuple."""
    return Languages(tuple(codes) or ("en",))


def _rules_of(code: str, script: str) -> str:
    rules = _RULES.get(code)
    if rules is not None and _SCRIPTS.get(code, "latin") == script:
        return rules
    return _ENGLISH if script == "latin" else _NONE


def _script_of(word: str) -> str:
    code = ord(word[0])
    return next((script for start, stop, script in _RANGES if start <= code < stop), "latin" if code < 0x250 else "")


def _stems(word: str, rules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_stem(word, algorithm) for algorithm in rules))


_cached_stems = lru_cache(maxsize=65_536)(_stems)


def _stem(word: str, rules: str) -> str:
    if rules == _NONE:
        return word
    if rules in {_FIRST, _ENGLISH}:
        stem = str(_STEMMERS.of("english").stemWord(IRREGULAR.get(word, word))) or word
        return stem if rules == _FIRST else _american().get(stem, stem)
    if rules == "russian" and word[-1:] == "и" and word[-2:-1] in _VOWELS:
        word = f"{word[:-1]}й"  # which folding has taken for an accent
    return str(_STEMMERS.of(rules).stemWord(word)) or word


@cache
def _american() -> dict[str, str]:
    """The American stems of British ones."""
    stemmer = _STEMMERS.of("english")
    return {stemmer.stemWord(british): stemmer.stemWord(american) for british, american in AMERICAN.items()}


class _Stemmers(local):
    """Stemmers for each thread: they may not share one."""

    def __init__(self) -> None:
        self._made: dict[str, Stemmer.Stemmer] = {}

    def of(self, rules: str) -> Stemmer.Stemmer:
        stemmer = self._made.get(rules)
        if stemmer is None:
            stemmer = self._made[rules] = Stemmer.Stemmer(rules)
        return stemmer


_STEMMERS: Final = _Stemmers()

ENGLISH: Final = languages_of(("en",))
FIRST_FORM: Final = Languages(("en",), is_first_form=True)
"""What all catalogues were read as before their languages were known."""
