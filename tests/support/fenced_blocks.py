"""What a guide shows: its fenced blocks of a language, and the curl calls of a text."""

import re
from pathlib import Path

_BLOCK = re.compile(r"^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks_of(path: Path) -> list[tuple[str, str]]:
    """Language and code of every fenced block that names a language, in their order."""
    return [(found["language"], found["code"]) for found in _BLOCK.finditer(path.read_text("utf-8"))]


def curl_calls_of(path: Path, host: str) -> list[str]:
    """Every command of a code block, fenced or indented, that begins with curl and names `host`, whole."""
    calls: list[str] = []
    lines = iter(path.read_text("utf-8").splitlines())
    for line in lines:
        if not re.match(r"( {4})?curl ", line):
            continue
        call = line.strip()
        while call.count("'") % 2:  # a quoted body goes on in the next line
            call += "\n" + next(lines)
        if host in call:
            calls.append(call)
    return calls
