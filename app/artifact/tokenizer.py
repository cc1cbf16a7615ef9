"""Text to n-grams to hash buckets: any word of any script falls somewhere, so that unseen words work."""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final
from zlib import crc32

TEXT_BUCKETS: Final = 16_384  # a power of two
_GRAM: Final = 4
_CJK: Final = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uac00-\ud7af"
_RUNS: Final = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}]+")
_IS_CJK: Final = re.compile(rf"[{_CJK}]")


def words(text: str) -> list[str]:
    """Runs of letters and digits, case-folded, width and accents removed; East Asian runs stay whole."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    bare = "".join(char for char in folded if not unicodedata.combining(char))
    return _RUNS.findall(unicodedata.normalize("NFC", bare))


def ngrams(text: str) -> Iterator[str]:
    """Words, neighbouring pairs, and characters in fours inside word marks; East Asian text in ones and twos."""
    previous = ""
    for word in words(text):
        if _IS_CJK.match(word):
            yield from word
            yield from (word[place : place + 2] for place in range(len(word) - 1))
            previous = ""
            continue
        yield word
        if previous:
            yield f"{previous} {word}"
        previous = word
        marked = f"<{word}>"
        if len(marked) > _GRAM:
            yield from (marked[place : place + _GRAM] for place in range(len(marked) - _GRAM + 1))


def buckets(text: str) -> list[int]:
    """The hash bucket of every n-gram, repeats included, each in `0..TEXT_BUCKETS - 1`."""
    return [crc32(gram.encode()) & (TEXT_BUCKETS - 1) for gram in ngrams(text)]
