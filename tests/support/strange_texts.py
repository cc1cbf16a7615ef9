"""Texts that nobody means and some will send: for searches that must bear anything."""

from collections.abc import Sequence

import numpy as np

MOST = 512  # characters

_PIECES = (
    *"+-&|!(){}[]^\"~*?:\\/'<>=@#$%,;._`",
    "AND", "OR", "NOT", "title:", "..", "--", "/*", "%00", "\x00", "\n", "\r\n", "\t", "\x1b[31m", "\x7f", "\x85",
    "'; DROP TABLE items;--", "<script>alert(1)</script>", "${jndi:ldap://x}", "{{7*7}}", "$(reboot)", "%s%n",
    "\\u0000",
    "\u202e", "\u200b", "\u200d", "\ufeff", "\u0301", "\u3099", "\ufffd", "\ufdfa", "\ufdfd",
    "👩‍👩‍👧‍👦", "🏳️‍🌈", "🇩🇪", "☃", "𝔘𝔫𝔦", "ﬁ", "ẞ", "İ", "ı", "ǅ", "½", "Ⅷ", "㍿", "①",
    "שלום", "مرحبا", "नमस्ते", "สวัสดี", "한국어", "ひらがな", "カタカナ", "ｶﾞ", "漢字", "汉字", "發", "鑑", "𠮷",
    "17\"", "17 in", "4K",
    "1e309", "-0", "NaN", "null", "undefined", "true", "[]", "{}", " ", "  ",
)  # fmt: skip


def strange_texts(count: int, seed: int, known: Sequence[str]) -> list[str]:
    """Texts of 0 to 512 characters: pieces that break parsers, any code points, and words that the catalogue knows.

    Args:
        count: how many.
        seed: the same texts for the same seed.
        known: words to mix in, as they are, cut off, doubled or with their letters in any order.
    """
    rng = np.random.default_rng([seed, 31])
    return [_text(rng, known)[:MOST] for _ in range(count)]


def _text(rng: np.random.Generator, known: Sequence[str]) -> str:
    parts = [_part(rng, known) for _ in range(int(rng.geometric(0.25)))]
    text = rng.choice(["", " ", " "]).join(parts)
    return text * int(rng.integers(1, 60)) if rng.random() < 0.05 else text


def _part(rng: np.random.Generator, known: Sequence[str]) -> str:
    kind = rng.integers(5)
    if kind == 0:
        return _PIECES[int(rng.integers(len(_PIECES)))]
    if kind == 1:  # any code point that UTF-8 can write
        points = rng.integers(0x110000, size=int(rng.integers(1, 9)))
        return "".join(chr(point) for point in points if not 0xD800 <= point < 0xE000)
    word = known[int(rng.integers(len(known)))]
    if kind == 2:
        return word[: int(rng.integers(1, len(word) + 1))]
    if kind == 3:
        return "".join(rng.permutation(list(word)).tolist())
    return word
