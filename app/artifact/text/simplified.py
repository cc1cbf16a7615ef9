"""Traditional Chinese characters as simplified ones, each for itself, so that a part of a text reads as in the whole.

OpenCC's own conversion looks at phrases; pairs of characters cut from a text would then differ from the text's.
"""

from functools import cache
from typing import Final

from opencc import OpenCC

_IDEOGRAPHS: Final = ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x31350))


def simplify(text: str) -> str:
    """The text with every traditional character replaced; all others stay."""
    return text.translate(_table())


@cache
def _table() -> dict[int, str]:
    characters = [chr(code) for first, last in _IDEOGRAPHS for code in range(first, last)]
    simple = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    table = {ord(before): after for before, after in zip(characters, simple, strict=True) if before != after}
    return table | {ord("吋"): "寸", ord("呎"): "尺"}  # English measures; OpenCC leaves them
