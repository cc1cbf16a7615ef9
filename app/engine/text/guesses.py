"""A guess at a word that says nothing: what it may be a slip of, where no item has it.

Spelling corrects no short word where another letter makes as often another word (`app/engine/text/edits.py`): a shop
may lack what was asked for. A text encoder tells both apart: `nike` is a word to it, and `fssd` one to nobody.
"""

from collections.abc import Sequence
from math import log
from typing import Final

from app.artifact.text.words import Word
from app.engine.text.edits import edit_of
from app.engine.text.spelling import Spelling
from app.engine.text.text_encoder import TextEncoder

_SHORTEST: Final = 4  # letters
_MANY: Final = 10.0  # items that have what is guessed
_MOST: Final = 4  # guesses


def guesses_at(words: Sequence[Word], spelling: Spelling, encoder: TextEncoder) -> list[str]:
    """The words of many items within one edit of the only one of a query, which no item has, the likeliest first.

    There are none for one that a dictionary knows, or the encoder as a whole.
    """
    if len(words) != 1 or words[0].kind != "word" or len(words[0].text) < _SHORTEST:
        return []
    word = words[0].text
    if spelling.is_other_word(word) or encoder.knows(word):
        return []
    likely = [
        (-0.5 * log(neighbour.weight) - edit_of(word, neighbour.text).likelihood, neighbour.text)
        for neighbour in spelling.neighbours(word)
        if neighbour.distance == 1 and neighbour.weight >= _MANY
    ]
    return [text for _, text in sorted(likely)[:_MOST]]
