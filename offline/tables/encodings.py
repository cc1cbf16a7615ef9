"""The encoding of a text file: by its first bytes, by whether it is UTF-8 throughout, else by what its letters say."""

import codecs
import re
from dataclasses import dataclass

from charset_normalizer import from_bytes

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_WESTERN = ("cp1252", "mac_roman", "cp850")
_OTHERS = [
    *("cp1251", "koi8_r", "cp866", "cp1250", "cp1253", "cp1254", "cp1255", "cp1256", "cp874"),
    *("cp932", "euc_jp", "gb18030", "big5", "cp949"),
]
_ODD = re.compile(
    r"[a-zà-öø-ÿ][ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖØÙÚÛÜÝÞŠŒŽŸ](?=[a-zà-öø-ÿ ]|$)"  # a capital inside a word
    r"|[^\x00-\x7f]{4}"  # words of such letters alone: another script
    r"|(?<=[A-Za-z])[‚„†‡ˆ‰‹›•˜¤¦§¨©¬¯±²³¶¸¹¼¾¢£¥÷×](?=[A-Za-z])"  # signs inside a word
    r"|[\x80-\x9f\udc80-\udcff]"
)
_NAMES = {
    "utf-8": "UTF-8",
    "utf-8-sig": "UTF-8",
    "utf-16": "UTF-16",
    "utf-16-le": "UTF-16",
    "utf-16-be": "UTF-16",
    "utf-32": "UTF-32",
    "cp1252": "Windows-1252",
    "mac_roman": "Mac Roman",
}


@dataclass
class EncodingVotes:
    """What is known of a file that might be UTF-8: its lines with other letters than ASCII's, good and bad."""

    good: int = 0
    bad: int = 0
    sample: bytes = b""  # of bad lines

    def add(self, lines: bytes) -> None:
        """Count whole lines of the file."""
        if lines.isascii():
            return
        try:
            lines.decode()
        except UnicodeDecodeError:
            for line in lines.splitlines():
                self._add_line(line)
        else:
            self.good += 1

    def _add_line(self, line: bytes) -> None:
        if line.isascii():
            return
        try:
            line.decode()
        except UnicodeDecodeError:
            self.bad += 1
            if len(self.sample) < 65_536:
                self.sample += line[:4096] + b"\n"
        else:
            self.good += 1

    @property
    def encoding(self) -> str:
        """UTF-8, where no more lines are none than are; else the likeliest of one byte a letter, or an Asian one."""
        return "utf-8" if self.bad <= self.good else eight_bit(self.sample)


def marked(begin: bytes) -> str | None:
    """The encoding that the first bytes of a file, 64 or more, tell: a mark, or the zeros of UTF-16; else None."""
    for mark, name in _MARKS:
        if begin.startswith(mark):
            return name
    even, odd = begin[0::2].count(0), begin[1::2].count(0)
    half = len(begin) // 2
    if half >= 4 and odd > 0.4 * half and even < 0.1 * half:
        return "utf-16-le"
    if half >= 4 and even > 0.4 * half and odd < 0.1 * half:
        return "utf-16-be"
    return None


def eight_bit(sample: bytes) -> str:
    """The encoding of `sample`, lines that are not UTF-8: Windows-1252 where its letters make words in it."""
    for western in _WESTERN:
        text = sample.decode(western, errors="surrogateescape")
        strange = sum(not letter.isascii() for letter in text)
        if len(_ODD.findall(text)) <= 0.05 * strange:
            return western
    best = from_bytes(sample, threshold=0.5, cp_isolation=_OTHERS, enable_fallback=False).best()
    return _WESTERN[0] if best is None or best.encoding.startswith(("utf", "ascii")) else best.encoding


def encoding_name(encoding: str) -> str:
    """The name of an encoding as people write it."""
    return _NAMES.get(encoding, encoding.replace("_", "-"))
