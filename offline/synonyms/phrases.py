"""What is different in two queries: the phrases that may stand for each other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from rapidfuzz.distance import OSA

from app.artifact.text.words import Word, read_words

MOST_WORDS: Final = 3  # of a phrase
_SHORTEST: Final = 4  # letters of a word that others hold by no chance
_LONG: Final = 8  # letters of a word that two typos leave known
_EAST_ASIAN: Final = "east_asian"


@dataclass(frozen=True, order=True)
class Phrases:
    """A phrase of one query, and what stands in its place in another."""

    first: str
    second: str

    @property
    def ordered(self) -> "Phrases":
        """The same whichever query comes first."""
        return self if self.first <= self.second else Phrases(self.second, self.first)


def differing_phrases(first: str, second: str) -> Phrases | None:
    """The phrases in which two queries differ; None where one only says more, is misspelled, or is another number."""
    firsts, seconds = read_words(first), read_words(second)
    common = {_key(word) for word in firsts} & {_key(word) for word in seconds}
    sides = [_rest(words, common) for words in (firsts, seconds)]
    if any(not side or len(side) > MOST_WORDS for side in sides):
        return None
    if any(word.kind in ("number", "code") for side in sides for word in side):
        return None
    texts = [" ".join(word.text for word in side) for side in sides]
    if all(len(side) == 1 and side[0].kind == _EAST_ASIAN for side in sides):
        texts = _without_ends(*texts)
    if not all(texts) or _is_one_word(*texts):
        return None
    return Phrases(*texts)


def line_of(phrases: Phrases, *, is_one_way: bool) -> str:
    """The line of `synonyms.txt`."""
    return f"{phrases.first} => {phrases.second}" if is_one_way else f"{phrases.first}, {phrases.second}"


def _rest(words: Sequence[Word], common: set[str]) -> list[Word]:
    """The words that the other query lacks; none where they do not stand together."""
    places = [place for place, word in enumerate(words) if _key(word) not in common]
    if not places or places[-1] - places[0] >= len(places):
        return []
    return [words[place] for place in places]


def _key(word: Word) -> str:
    return word.text if word.kind == _EAST_ASIAN else word.terms[0]


def _without_ends(first: str, second: str) -> list[str]:
    """Two runs without the characters that both begin or end with."""
    begin = 0
    while begin < min(len(first), len(second)) and first[begin] == second[begin]:
        begin += 1
    end = 0
    while end < min(len(first), len(second)) - begin and first[-1 - end] == second[-1 - end]:
        end += 1
    return [text[begin : len(text) - end] for text in (first, second)]


def _is_one_word(first: str, second: str) -> bool:
    """Whether two phrases are one with a typo, with a space, or with something before or behind it."""
    shorter, longer = sorted((first.replace(" ", ""), second.replace(" ", "")), key=len)
    if shorter == longer or (len(shorter) >= _SHORTEST and shorter in longer):
        return True
    edits = 2 if len(longer) >= _LONG else 1
    return len(shorter) > 2 and OSA.distance(shorter, longer, score_cutoff=edits) <= edits
