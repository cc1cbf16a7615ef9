"""Words of a text for search: folded, split, units joined to their numbers, stemmed; East Asian text in pairs.

Job and service must agree on them byte for byte: the job indexes items by these terms, the service looks them up.
"""

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from app.artifact.text.languages import ENGLISH, Languages
from app.artifact.text.simplified import simplify
from app.artifact.text.units import EAST_ASIAN_UNITS, NOT_UNITS, UNITS

EAST_ASIAN: Final = (
    r"\u3005\u3007\u3041-\u3096\u3099\u309a\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
    r"\uf900-\ufaff\uac00-\ud7af\U00020000-\U0003134f"
)
"""Letters of scripts without spaces between words, for the inside of a character class."""
_IS_EAST_ASIAN: Final = re.compile(rf"[{EAST_ASIAN}]")
_UNSPACED: Final = re.compile(
    r"[\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf\u1000-\u103f\u1050-\u109f\u1780-\u17d3]+"
)
"""Thai, Lao, Burmese and Khmer, which put no spaces between words either."""
_PART: Final = rf"[^\W_{EAST_ASIAN}]+"
_DECIMAL: Final = rf"\d++(?:[.,]\d++)++(?:[^\W\d_{EAST_ASIAN}]++)?(?![^\W_{EAST_ASIAN}])"
_LETTER: Final = rf"[^\W\d_{EAST_ASIAN}]"
_POINT: Final = rf"(?<![\w.,])\.\d++{_LETTER}*+(?![\w.,])"  # `.5 mm`
_PARTS_OF_ONE: Final = "(?:2|3|4|5|6|8|10|16|32|64)"  # denominators: `10/12` is two sizes
_BEGINS: Final = rf"(?<![^\W_{EAST_ASIAN}])(?<![^\W_{EAST_ASIAN}][/.,])"  # not within a date or a longer number
_OF_INCHES: Final = rf"{_BEGINS}(?:\d{{1,3}}[ -] ?)?\d{{1,2}}/{_PARTS_OF_ONE}{_LETTER}*+(?![\w/])"
_INITIALS: Final = (
    rf"(?<![^\W_{EAST_ASIAN}]){_LETTER}(?: ?& ?{_LETTER})+(?:['\u2019]s)*(?![^\W_{EAST_ASIAN}])"  # `h & m`
)
_TOKENS: Final = re.compile(
    rf"[{EAST_ASIAN}]+|{_OF_INCHES}|{_DECIMAL}|{_POINT}|{_INITIALS}"
    rf"|(?:(?<![\w.])\.(?={_LETTER}))?{_PART}(?:[-'\u2019/.&+\u05f3\u05f4]{_PART})*(?:(?<={_LETTER})(?:\+{{1,2}}|#)(?![\w+#]))?"
)
_FRACTION_OF: Final = re.compile(rf"(?:(\d+)[ -]+)?(\d+)/({_PARTS_OF_ONE})([^\W\d_]*)")
_BEHIND_POINT: Final = re.compile(r"\.(\d+)([^\W\d_]*)")
_SIGNS: Final = re.compile(r"^\.|(?:\+{1,2}|#)$")
_POSSESSIVE: Final = re.compile(r"(?:['\u2019]s)+$")
_INITIAL: Final = 2  # letters of each part of `at&t`
_HEBREW: Final = re.compile(r"[\u05d0-\u05ea]+(?:['\u2019\u05f3\u05f4][\u05d0-\u05ea]+)+")
_GERSHAYIM: Final = re.compile(r"(?<=[\u05d0-\u05ea])[\"\u201c\u201d](?=[\u05d0-\u05ea])")
_KATAKANA: Final = {code: code + 0x60 for code in (*range(0x3041, 0x3097), 0x309D, 0x309E)}
_PARTS: Final = re.compile(_PART)
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_MEASURE: Final = re.compile(r"(\d+(?:[.,]\d+)*)-?([^\W\d_]+)")
_THOUSANDS: Final = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_QUOTES: Final = re.compile("[\"'\u2032\u201c\u201d]")
_QUOTED: Final = re.compile(r"(?:^|(?<=[^\W\d] )|(?<=\())\"([^\"]*)\"(?!\w)")
_INCHES: Final = re.compile(r"(?<![^\W_])(?<![.,])(\d++(?:[.,]\d++)*+)\s*+(?:\u2032\u2032|''|[\"\u201d\u201c])")
_EAST_ASIAN_UNIT: Final = re.compile(
    f"(?!{'|'.join(NOT_UNITS)})({'|'.join(sorted(EAST_ASIAN_UNITS, key=len, reverse=True))})"
)
_FRACTION: Final = re.compile(r"(\d?)([\u00bc-\u00be\u215b-\u215e])")
_VOICED: Final = "\u3099\u309a"  # marks of Japanese letters that change their sound: not accents
_LONGEST_CACHED: Final = 40  # letters of a word that is cached
_LETTERS: Final = str.maketrans(
    {"ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "\u2044": "/"}
)
_HYPHENS: Final = "\u2010\u2011\u2012\u2013\u2212"
_SPACES: Final = "\u2122\u2120\u200b"  # trade mark signs, which would be read as letters, and the zero-width space
_INVISIBLE: Final = (
    0xAD,
    0x61C,
    0x640,
    0x180E,
    0xFEFF,
    *range(0x200C, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
)


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text, and its terms in the index."""

    text: str  # folded, not stemmed
    terms: tuple[str, ...]  # alternatives: an item with one of them has the word
    kind: str = "word"  # word, number, code (letters and digits, or parts joined by a hyphen), or east_asian
    parts: tuple[tuple[str, ...], ...] = ()  # of a code, the terms of each of its runs of letters and digits


@dataclass(frozen=True, slots=True)
class PlacedWord:
    """A word, and its position in the folded text."""

    word: Word
    start: int
    end: int


def fold(text: str) -> str:
    """The text without case, width, accents and traditional characters; a quotation mark after a number is an inch."""
    folded = fold_letters(text)
    if not _QUOTES.search(folded):
        return folded
    return _INCHES.sub(r"\1 inch ", _QUOTED.sub(r" \1 ", _GERSHAYIM.sub("\u05f4", folded)))


def fold_letters(text: str) -> str:
    """The text without case, width, accents and traditional characters."""
    if text.isascii():
        return text.lower()
    plain = unicodedata.normalize("NFKC", _FRACTION.sub(_fraction, text).translate(_plain_letters()))
    decomposed = unicodedata.normalize(
        "NFKD", simplify(plain).casefold() if _IS_EAST_ASIAN.search(plain) else plain.casefold()
    )
    bare = "".join(char for char in decomposed if char in _VOICED or not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare).translate(_LETTERS)


def read_words(text: str, languages: Languages = ENGLISH) -> list[Word]:
    """The words of a text in order, with their terms in each of its languages.

    A number and the unit after it are one word, and so is a fraction of an inch, which reads as a decimal number:
    `1 1/2` as 1.5. Signs that tell words apart make a further term: of `c++` beside that of `c`, of `h&m` beside `hm`.
    East Asian runs, and those of other scripts without spaces, are read in overlapping pairs of characters, which needs
    no dictionary; Hiragana is read as Katakana. Operators, control
    characters and punctuation only separate words.
    """
    folded = fold(text)
    if folded.isascii() and folded.replace(" ", "").isalpha():
        return [_latin(token, languages) for token in folded.split(" ") if token]
    return [word for word, _, _ in _words_in(folded, languages)]


def place_words(folded: str, languages: Languages = ENGLISH) -> list[PlacedWord]:
    """The words of a folded text in order, with their positions."""
    return [PlacedWord(word, start, end) for word, start, end in _words_in(folded, languages)]


def _words_in(folded: str, languages: Languages) -> list[tuple[Word, int, int]]:
    """The words of a folded text in order, and where each begins and ends."""
    placed: list[tuple[Word, int, int]] = []
    if languages.is_first_form or folded.isascii() or not _UNSPACED.search(folded):
        tokens = [match.span() for match in _TOKENS.finditer(folded)]
    else:
        tokens = _tokens_between_runs(folded)
    index = 0
    while index < len(tokens):
        start, end = tokens[index]
        token = folded[start:end]
        index += 1
        if token.isascii() and token.isalpha():  # most are, and what follows would say the same of them
            word = _latin(token, languages)
        elif (run := _unspaced_run(token, languages)) is not None:
            word = Word(run, _pairs(run), "east_asian")
        elif (decimal := _decimal_of(token)) is not None and not decimal[1]:
            number = decimal[0]
            unit, unit_end = _unit_after(folded, end, tokens[index : index + 2])
            if unit is not None:
                end = unit_end
                if end == tokens[index][1]:
                    index += 1
                else:
                    tokens[index] = (end, tokens[index][1])
            word = _number(folded[start:end], number, unit)
        elif (measure := _MEASURE.fullmatch(token)) and measure[2] in UNITS:
            word = _number(token, measure[1], UNITS[measure[2]])
        elif decimal is not None:
            word = _number(token, decimal[0], UNITS[decimal[1]])
        else:
            word = _latin(token, languages)
        placed.append((word, start, end))
    return placed


def terms_of(text: str, languages: Languages = ENGLISH) -> list[str]:
    """The terms of a text, repeats included, as an item is indexed by them."""
    return [term for word in read_words(text, languages) for term in word.terms]


def parts_of(word: str) -> list[str]:
    """The runs of letters and digits of a folded word: `wh` and `1000xm3` of `wh-1000xm3`."""
    return _PARTS.findall(word)


def is_east_asian(folded: str) -> bool:
    """Whether a folded text begins with a Chinese, Japanese or Korean letter."""
    return _IS_EAST_ASIAN.match(folded) is not None


def is_unspaced(folded: str) -> bool:
    """Whether a folded text begins with a letter of a script that has no spaces between words."""
    return is_east_asian(folded) or _UNSPACED.match(folded) is not None


def stem(word: str) -> str:
    """A word without its English ending, as a key of what is the same in all languages."""
    return ENGLISH.stems(word)[0]


def _unspaced_run(token: str, languages: Languages) -> str | None:
    """A token of a script without spaces between words, as it is read in pairs; None for another."""
    if _IS_EAST_ASIAN.match(token):
        return token if languages.is_first_form else token.translate(_KATAKANA)
    return token if not languages.is_first_form and _UNSPACED.match(token) else None


def _unit_after(folded: str, end: int, following: Sequence[tuple[int, int]]) -> tuple[str | None, int]:
    """The unit that follows a number which ends at `end`, and where it ends."""
    if not following:
        return None, end
    start, stop = following[0]
    if folded[end:start].strip(" \t\n-"):
        return None, end
    next_text = folded[start:stop]
    if _IS_EAST_ASIAN.match(next_text):
        match = _EAST_ASIAN_UNIT.match(next_text)
        if match is None or (start > end and match.end() < len(next_text)):  # `17 米其林`: another word
            return None, end
        return EAST_ASIAN_UNITS[match[1]], start + match.end()
    if next_text == "in" and len(following) > 1 and _NUMBER.fullmatch(folded[slice(*following[1])]):
        return None, end  # `3 in 1`
    return UNITS.get(next_text), stop


def _number(text: str, number: str, unit: str | None) -> Word:
    plain = number.replace(",", "") if _THOUSANDS.fullmatch(number) else number.replace(",", ".")
    if unit is None:
        return Word(text, (plain,), "number")
    if plain.count(".") == 1:
        plain = plain.rstrip("0").rstrip(".")
    return Word(text, (plain + unit, plain), "number")


def _decimal_of(token: str) -> tuple[str, str] | None:
    """A number, a fraction as a decimal one, and the unit that a fraction or a number with its point first ends in.

    None for what is neither, such as `4/4`, and where the letters behind it are no unit.
    """
    unit = ""
    if _NUMBER.fullmatch(token):
        number = token
    elif (fraction := _FRACTION_OF.fullmatch(token)) is not None:
        whole, above, below, unit = int(fraction[1] or 0), int(fraction[2]), int(fraction[3]), fraction[4]
        if not 0 < above < below:
            return None
        number = f"{whole + above / below:.4f}".rstrip("0")
    elif (behind := _BEHIND_POINT.fullmatch(token)) is not None:
        number, unit = f"0.{behind[1]}", behind[2]
    else:
        return None
    return (number, unit) if not unit or unit in UNITS else None


def _latin(token: str, languages: Languages) -> Word:
    return _cached_latin(token, languages) if len(token) <= _LONGEST_CACHED else _read_latin(token, languages)


def _read_latin(token: str, languages: Languages) -> Word:
    bare = _POSSESSIVE.sub("", token)
    parts = parts_of(bare)
    if not languages.is_first_form and _HEBREW.fullmatch(bare):  # a geresh is part of a letter
        bare = "".join(parts)
        parts = [bare]
    part_terms = tuple(languages.stems(part) for part in parts)
    terms = [term for of_part in part_terms for term in of_part]
    if len(parts) > 1:
        terms += languages.stems("".join(parts))
    is_signed = _SIGNS.search(bare) is not None
    is_joined = all(char == "&" or char.isspace() or char.isalnum() for char in bare)  # by nothing else: no `h/h&1`
    if "&" in bare and is_joined and all(len(part) <= _INITIAL for part in parts):
        bare = "&".join(parts)
        terms = ["".join(parts), bare]  # its letters alone say nothing
    elif is_signed:
        terms.append(bare if len(parts) == 1 else re.sub(r"[^\w+#]", "", bare))
    is_code = len(parts) > 1 or is_signed or any(char.isdigit() for char in bare)
    distinct = tuple(dict.fromkeys(terms))
    return Word(bare, distinct, "code", part_terms) if is_code else Word(bare, distinct)


_cached_latin = lru_cache(maxsize=65_536)(_read_latin)


def _tokens_between_runs(folded: str) -> list[tuple[int, int]]:
    """Where the runs of scripts without spaces begin and end, and the tokens between them."""
    tokens: list[tuple[int, int]] = []
    place = 0
    for run in _UNSPACED.finditer(folded):
        tokens += [match.span() for match in _TOKENS.finditer(folded, place, run.start())]
        tokens.append(run.span())
        place = run.end()
    return tokens + [match.span() for match in _TOKENS.finditer(folded, place)]


def _pairs(run: str) -> tuple[str, ...]:
    return (run,) if len(run) == 1 else tuple(run[start : start + 2] for start in range(len(run) - 1))


def _fraction(match: re.Match[str]) -> str:
    """`5½` as 5.5, `½` alone as 1/2."""
    if match[1]:
        return f"{match[1]}{unicodedata.numeric(match[2])}".replace("0.", ".", 1)
    return f" {unicodedata.normalize('NFKC', match[2])}"


@cache
def _plain_letters() -> dict[int, str | None]:
    table: dict[int, str | None] = dict.fromkeys(_INVISIBLE)
    table |= dict.fromkeys(map(ord, _HYPHENS), "-") | dict.fromkeys(map(ord, _SPACES), " ")
    table |= dict.fromkeys(range(0xD800, 0xE000), " ")  # surrogates, which are invalid alone
    digits = ((code, unicodedata.decimal(chr(code), None)) for code in range(0x80, sys.maxunicode + 1))
    return table | {code: str(digit) for code, digit in digits if digit is not None}
