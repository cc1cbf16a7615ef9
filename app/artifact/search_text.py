"""Text as a search sees it: folded, split into words, units joined to their numbers, stemmed; East Asian in pairs.

Job and service must agree on it byte for byte: the job indexes items by these terms, the service asks by them.
"""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

import Stemmer
from opencc import OpenCC

_CJK: Final = r"\u3005\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_IS_CJK: Final = re.compile(rf"[{_CJK}]")
_PART: Final = rf"[^\W_{_CJK}]+"
_TOKENS: Final = re.compile(rf"[{_CJK}]+|\d+(?:[.,]\d+)+(?![^\W_])|{_PART}(?:[-'\u2019/.&+]{_PART})*")
_PARTS: Final = re.compile(_PART)
_INCHES: Final = re.compile(r"(?<=\d)\s*(?:\u2032\u2032|''|[\"\u2033\u201d\u201c])")
_NUMBER: Final = re.compile(r"\d+(?:[.,]\d+)*")
_MEASURE: Final = re.compile(r"(\d+(?:[.,]\d+)*)([^\W\d_]+)")
_VOICED: Final = "\u3099\u309a"  # marks that make another sound of a Japanese letter, no accents
_UNITS: Final = {
    "inch": "inch", "inches": "inch", "in": "inch", "zoll": "inch", "mm": "mm", "cm": "cm", "m": "m", "km": "km",
    "ft": "ft", "feet": "ft", "foot": "ft", "g": "g", "kg": "kg", "oz": "oz", "lb": "lb", "lbs": "lb", "ml": "ml",
    "l": "l", "litre": "l", "litres": "l", "liter": "l", "liters": "l", "w": "w", "watt": "w", "watts": "w", "v": "v",
    "volt": "v", "volts": "v", "mah": "mah", "hz": "hz", "khz": "khz", "mhz": "mhz", "ghz": "ghz", "kb": "kb",
    "mb": "mb", "gb": "gb", "tb": "tb", "mp": "mp", "pc": "pc", "pcs": "pc", "寸": "inch", "英寸": "inch", "吋": "inch",
    "インチ": "inch", "厘米": "cm", "毫米": "mm", "米": "m", "公斤": "kg", "克": "g", "升": "l", "毫升": "ml",
}  # fmt: skip
"""How a unit behind a number is written in the index, by how people write it."""


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a text, and the terms that it stands for in the index."""

    text: str  # folded, not stemmed
    terms: tuple[str, ...]  # all of them; an item that has one of them has the word
    kind: str = "word"  # word, number, code (letters and digits, or parts joined by a hyphen), or east_asian


def fold(text: str) -> str:
    """Case, width, accents and traditional characters taken away; a quotation mark behind a number is an inch."""
    if text.isascii():
        return _INCHES.sub(" inch ", text.lower())
    simplified = _simplifier().convert(unicodedata.normalize("NFKC", text)) if _IS_CJK.search(text) else text
    decomposed = unicodedata.normalize("NFKD", _INCHES.sub(" inch ", simplified)).casefold()
    bare = "".join(char for char in decomposed if char in _VOICED or not unicodedata.combining(char))
    return unicodedata.normalize("NFC", bare)


def read_words(text: str) -> list[Word]:
    """The words of a text in order.

    A number and the unit behind it are one word. East Asian runs are read in overlapping pairs of characters, which
    needs no dictionary. Nothing else counts: operators, control characters and punctuation part words, no more.
    """
    found: list[Word] = []
    tokens = _TOKENS.findall(fold(text))
    place = 0
    while place < len(tokens):
        token = tokens[place]
        place += 1
        following = tokens[place] if place < len(tokens) else ""
        if _IS_CJK.match(token):
            found.append(Word(token, _pairs(token), "east_asian"))
        elif _NUMBER.fullmatch(token):
            unit = _UNITS.get(following)
            place += unit is not None
            found.append(_number(token, unit, f"{token} {following}" if unit else token))
        elif (measure := _MEASURE.fullmatch(token)) and measure[2] in _UNITS:
            found.append(_number(measure[1], _UNITS[measure[2]], token))
        else:
            found.append(_latin(token))
    return found


def terms_of(text: str) -> list[str]:
    """The terms of a text, repeats included, as an item is indexed by them."""
    return [term for word in read_words(text) for term in word.terms]


@lru_cache(maxsize=65_536)
def stem(word: str) -> str:
    """A word without its ending: Porter's second English algorithm, which leaves most words of other tongues alone."""
    return str(_stemmer().stemWord(word))


def _number(number: str, unit: str | None, text: str) -> Word:
    plain = number.replace(",", ".")
    return Word(text, (plain,) if unit is None else (plain + unit, plain), "number")


@lru_cache(maxsize=65_536)
def _latin(token: str) -> Word:
    parts = _PARTS.findall(token)
    terms = [stem(part) for part in parts]
    if len(parts) > 1:
        terms.append(stem("".join(parts)))
    coded = len(parts) > 1 or any(char.isdigit() for char in token)
    return Word(token, tuple(dict.fromkeys(terms)), "code" if coded else "word")


def _pairs(run: str) -> tuple[str, ...]:
    return (run,) if len(run) == 1 else tuple(run[place : place + 2] for place in range(len(run) - 1))


@cache
def _simplifier() -> OpenCC:
    return OpenCC("t2s")


@cache
def _stemmer() -> Stemmer.Stemmer:
    return Stemmer.Stemmer("english")
