"""Edits between two words: how one was mistyped as the other, and whether that is a slip at all or another word.

A letter left out, put in twice, or exchanged with the one beside it is a slip. Another letter in its place makes as
often another word, above all at the beginning and in short words: `nike` is no slip of `bike`, `sofa` none of `soft`.
"""

from dataclasses import dataclass
from typing import Final, Literal

EditKind = Literal["swapped", "doubled", "missing", "extra", "replaced", "several"]

_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_VOWELS: Final = frozenset("aeiouy")
_NEAR_KEYS: Final = frozenset(
    pair
    for row, keys in enumerate(_ROWS)
    for place, key in enumerate(keys)
    for near_row, near_place in ((row, place + 1), (row + 1, place - 1), (row + 1, place))
    if near_row < len(_ROWS) and 0 <= near_place < len(_ROWS[near_row])
    for near in (_ROWS[near_row][near_place],)
    for pair in ((key, near), (near, key))
)
_PREFIXES: Final = frozenset("ei")  # letters that make another word of one: ebook, iphone
_LIKELIHOOD: Final[dict[EditKind, float]] = {
    "swapped": 0.0,
    "doubled": 0.0,
    "missing": 0.0,
    "extra": -1.6,
    "replaced": -1.6,
    "several": -1.6,
}
"""Logarithms, halved as those of the frequencies are: a letter too many or another one is one of 26."""
_NEVER: Final = 99  # letters, more than a word has
_FIRST: Final = -0.7  # of an edit of the first letter
_AT_HAND: Final = 0.8  # of a key beside the right one, and of one vowel for another


@dataclass(frozen=True, slots=True)
class Edit:
    """How a word was typed in place of another."""

    kind: EditKind
    letters: int  # of the word that was meant
    is_first: bool  # whether the first letter is another
    is_last: bool  # whether only the last one is
    is_at_hand: bool  # the key beside the right one, or one vowel for another

    @property
    def likelihood(self) -> float:
        """How likely such a mistake is, as a logarithm."""
        return _LIKELIHOOD[self.kind] + _FIRST * (self.is_first and self.kind != "swapped") + _AT_HAND * self.is_at_hand

    @property
    def keeps_letters(self) -> bool:
        """Whether all letters that were typed are in the meant word."""
        return self.kind in {"swapped", "doubled", "missing"}

    def is_slip(self, is_frequent: bool, is_supported: bool) -> bool:
        """Whether it is a mistake of typing, and not another word.

        Args:
            is_frequent: many items have the meant word.
            is_supported: items have the meant word beside the others of the query.
        """
        match self.kind:
            case "swapped" | "doubled":
                plain, frequent, supported = 4, 4, 3
            case "missing" if self.is_first:
                plain, frequent, supported = 7, 7, 6
            case "extra" if self.is_first:
                plain, frequent, supported = 7, 6, 5
            case "missing" | "extra":
                plain, frequent, supported = 5, 4, 3
            case "replaced" if self.is_first:
                plain, frequent, supported = (6, 5, 5) if self.is_at_hand else (7, 6, 5)
            case "replaced" if self.is_last:
                plain, frequent, supported = 6, 5, (4 if self.is_at_hand else 5)
            case "replaced":
                plain, frequent, supported = (5 if self.is_at_hand else 6), 5, 4
            case _:
                plain, frequent, supported = (_NEVER, _NEVER, 7) if self.is_first else (7, 7, 7)
        return self.letters >= min(plain, frequent if is_frequent else plain, supported if is_supported else plain)


def edit_of(typed: str, meant: str) -> Edit:
    """The edit that makes one word of another."""
    start = _common(typed, meant)
    left, right = typed[start:], meant[start:]
    end = _common(left[::-1], right[::-1])
    left, right = left[: len(left) - end], right[: len(right) - end]
    kind: EditKind = "several"
    is_at_hand = False
    if len(left) == len(right) == 2 and left == right[::-1]:
        kind = "swapped"
    elif len(left) + len(right) == 1:
        letter, longer = left + right, typed if left else meant
        neighbours = longer[max(0, start - 1) : start] + longer[start + 1 : start + 2]
        kind = "doubled" if letter in neighbours else "extra" if left else "missing"
        is_at_hand = kind == "extra" and any((letter, other) in _NEAR_KEYS for other in neighbours)
        if kind == "extra" and not start and letter in _PREFIXES:
            kind = "several"
    elif len(left) == len(right) == 1:
        kind = "replaced"
        is_at_hand = (left, right) in _NEAR_KEYS or (left in _VOWELS and right in _VOWELS)
    return Edit(kind, len(meant), start == 0 and kind != "doubled", end == 0, is_at_hand)


def _common(first: str, second: str) -> int:
    """How many letters two words begin with alike."""
    shortest = min(len(first), len(second))
    return next((place for place in range(shortest) if first[place] != second[place]), shortest)
