"""`synonyms.txt` and `stop_words.txt`: what a shop says that words of a query mean.

Synonyms are in the form that search engines share: `sofa, couch, settee` are each for each, `tv => television` is one
way. A line that begins with `#`, and what follows a `#` between spaces, is a comment. A backslash takes the meaning off
the comma, the backslash or the arrow behind it.
"""

import glob
import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.artifact.text.synonym_table import (
    MOST_IN_ALL,
    MOST_PHRASES,
    MOST_RULES,
    MOST_STOP_WORDS,
    MOST_WORDS,
    SynonymRule,
    SynonymTable,
)
from app.artifact.text.words import read_words
from offline.dataset.spec import DatasetSpec
from offline.errors import DatasetError, Mistake

SYNONYMS_FILE: Final = "synonyms.txt"
STOP_WORDS_FILE: Final = "stop_words.txt"
_USUAL: Final = {"synonyms": SYNONYMS_FILE, "stop_words": STOP_WORDS_FILE}
_LONGEST_LINE: Final = 10_000  # characters
_LONGEST_PHRASE: Final = 200
_MOST_BYTES: Final = 16 * 2**20
_MOST_SHOWN: Final = 20  # mistakes
_COMMENT: Final = re.compile(r"(?:^|\s)#(?:\s.*)?$|^#.*$")
_TOKENS: Final = re.compile(r"\\.|=>|,|[^\\,=]+|.", re.DOTALL)


@dataclass(frozen=True)
class _Line:
    text: str
    location: str


def synonym_files(spec: DatasetSpec) -> tuple[Path, ...]:
    """The files of synonyms and of stop words that a data set names, or that lie beside it by their usual names."""
    return tuple(path for key in ("synonyms", "stop_words") for path, _ in _files(spec, key))


def read_synonyms(spec: DatasetSpec) -> SynonymTable:
    """The synonyms and stop words of a data set, perhaps none.

    Raises:
        DatasetError: a file is missing or no text, or a line says nothing; the message names the file and the line.
    """
    mistakes: list[Mistake] = []
    rules = _rules_of([line for path, place in _files(spec, "synonyms") for line in _lines(path, place)], mistakes)
    stop_words = _words_of(
        [line for path, place in _files(spec, "stop_words") for line in _lines(path, place)], mistakes
    )
    if mistakes:
        further = len(mistakes) - _MOST_SHOWN
        raise DatasetError(
            *mistakes[:_MOST_SHOWN], *([f"and {further} lines more are wrong in this way"] if further > 0 else [])
        )
    return SynonymTable(rules=rules, stop_words=stop_words)


def usual_names(spec: DatasetSpec) -> dict[str, str]:
    """The files of the usual names that lie beside a data set, by their keys in `[search]`."""
    return {key: name for key, name in _USUAL.items() if (spec.root / name).is_file()}


def synonyms_key(spec: DatasetSpec) -> list[str]:
    """What a bundle depends on: a hash of all the files; empty without any."""
    files = [path for path in synonym_files(spec) if path.is_file()]
    if not files:
        return []
    return [hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()[:16]]


def _files(spec: DatasetSpec, key: str) -> Iterator[tuple[Path, str]]:
    """The files of one kind, and where `dataset.toml` names them."""
    names: Sequence[str] | None = getattr(spec.search, key)
    if names is None:
        if (usual := spec.root / _USUAL[key]).is_file():
            yield usual, str(usual)
        return
    for name in names:
        place = spec.toml.location("search", key)
        pattern = str(Path(glob.escape(str(spec.root))) / name)
        for path in sorted(glob.glob(pattern)) or [str(spec.root / name)]:  # noqa: PTH207 - the name may be absolute
            yield Path(path), place


def _lines(path: Path, place: str) -> list[_Line]:
    """The lines that say something.

    Raises:
        DatasetError: the file cannot be read.
    """
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DatasetError(Mistake(place, f"at most {_MOST_BYTES:,} bytes in {path}", "more", "shorten it"))
        content = path.read_bytes()
    except OSError as error:
        reason = error.strerror or str(error)
        raise DatasetError(Mistake(place, f"a file {path}", reason, "correct the name, or leave it out")) from None
    lines = []
    for number, raw in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        location = f"{path}, line {number}"
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            raise DatasetError(Mistake(location, "text in UTF-8", repr(raw[:40]), "save it as UTF-8")) from None
        if "\0" in text:
            raise DatasetError(Mistake(location, "text in UTF-8", "zero bytes", "save it as UTF-8"))
        if text := _COMMENT.sub("", text).strip():
            lines.append(_Line(text, location))
    return lines


def _rules_of(lines: Sequence[_Line], mistakes: list[Mistake]) -> tuple[SynonymRule, ...]:
    rules: list[SynonymRule] = []
    alternatives: dict[str, int] = defaultdict(int)
    phrases_in_all = 0
    for line in lines:
        if len(rules) == MOST_RULES:
            mistakes.append(Mistake(line.location, f"at most {MOST_RULES:,} lines", "more", "leave out rare ones"))
            break
        rule = _rule_of(line, mistakes)
        if rule is None:
            continue
        rules.append(rule)
        phrases_in_all += len({*rule.phrases, *rule.means})
        if phrases_in_all > MOST_IN_ALL:
            expected = f"at most {MOST_IN_ALL:,} phrases in all lines"
            mistakes.append(Mistake(line.location, expected, "more", "leave out rare ones"))
            break
        for phrase in rule.phrases:
            alternatives[phrase] += len(rule.means) - (phrase in rule.means)
            if alternatives[phrase] >= MOST_PHRASES:
                expected = f"at most {MOST_PHRASES - 1} alternatives of {phrase!r} in all lines"
                mistakes.append(Mistake(line.location, expected, str(alternatives[phrase]), "leave out rare ones"))
    return tuple(rules)


def _rule_of(line: _Line, mistakes: list[Mistake]) -> SynonymRule | None:
    sides = _sides(line.text)
    shown = repr(line.text[:80])
    if len(line.text) > _LONGEST_LINE:
        advice = "write several lines, each with the words that mean the same"
        mistakes.append(Mistake(line.location, f"at most {_LONGEST_LINE:,} characters", str(len(line.text)), advice))
    elif len(sides) > 2:
        mistakes.append(Mistake(line.location, "one => in a line", shown, "write a line for each arrow"))
    elif len(sides) == 1 and len(sides[0]) == 1:
        advice = "write the words that mean the same with commas between, or x => y for one way"
        mistakes.append(Mistake(line.location, "two words or more, as in sofa, couch", shown, advice))
    elif any(len(side) > MOST_PHRASES for side in sides):
        mistakes.append(Mistake(line.location, f"at most {MOST_PHRASES} phrases a side", shown, "leave out rare ones"))
    elif (mistake := next(filter(None, (_mistake_of(phrase) for side in sides for phrase in side)), None)) is not None:
        mistakes.append(Mistake(line.location, *mistake))
    else:
        phrases, means = (tuple(dict.fromkeys(side)) for side in (sides[0], sides[-1]))
        return SynonymRule(phrases=phrases, means=means)
    return None


def _mistake_of(phrase: str) -> tuple[str, str, str] | None:
    """What was expected of a phrase, what it is, and what to do; None where it is right."""
    if not phrase:
        return "words on both sides of each comma and of =>", "nothing", "fill it in, or remove the comma or the arrow"
    words = read_words(phrase)
    if not words:
        return "letters or figures", repr(phrase[:80]), "write words, or remove it"
    if len(words) > MOST_WORDS or len(phrase) > _LONGEST_PHRASE:
        expected = f"phrases of at most {MOST_WORDS} words and {_LONGEST_PHRASE} letters"
        return expected, repr(phrase[:80]), "shorten it, or put commas between phrases"
    return None


def _sides(text: str) -> list[list[str]]:
    """The phrases of a line: on both sides of the arrow, where it has one."""
    sides: list[list[str]] = [[""]]
    for token in _TOKENS.findall(text):
        if token == "=>":  # noqa: S105 - no password
            sides.append([""])
        elif token == ",":  # noqa: S105
            sides[-1].append("")
        else:
            sides[-1][-1] += token[1:] if token[0] == "\\" else token
    return [[" ".join(phrase.split()) for phrase in side] for side in sides]


def _words_of(lines: Sequence[_Line], mistakes: list[Mistake]) -> tuple[str, ...]:
    stop_words: dict[str, None] = {}
    for line in lines:
        if len(line.text) > _LONGEST_PHRASE or len(read_words(line.text)) != 1:
            expected = "one word a line"
            mistakes.append(Mistake(line.location, expected, repr(line.text[:80]), "write each word on its own line"))
            continue
        stop_words[line.text] = None
        if len(stop_words) > MOST_STOP_WORDS:
            mistakes.append(Mistake(line.location, f"at most {MOST_STOP_WORDS:,} stop words", "more", "leave some out"))
            break
    return tuple(stop_words)
