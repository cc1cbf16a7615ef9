"""Names of the code are nouns and verbs of the field; participles and prepositions that say nothing are refused."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("app", "model", "offline")
WRITTEN = {
    ("app/artifact/published_model.py", "at"),
    ("app/artifact/text/vocabulary.py", "searched"),
    ("offline/dataset/split_meta.py", "searched"),
    ("offline/onboarding/findings.py", "found"),
}
"""Fields that files and records are named by."""
BANNED = frozenset(
    [
        "arranged",
        "asked",
        "at",
        "beside",
        "each",
        "found",
        "listed",
        "put_together",
        "searched",
        "settled",
        "shaped",
        "told",
        "wanted",
        "wished",
    ]
)


def names_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of all that a module defines: functions, classes, parameters, variables and attributes."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield node.lineno, name
            case ast.alias(asname=str(name)):
                yield 0, name


def banned_in(source: str) -> list[tuple[int, str]]:
    return [(line, name) for line, name in names_in(ast.parse(source)) if name.strip("_") in BANNED]


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_name_is_a_banned_word(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    banned = [
        f"{path}:{line}: {name}"
        for file in files
        for path in [file.relative_to(ROOT).as_posix()]
        for line, name in banned_in(file.read_text("utf-8"))
        if (path, name) not in WRITTEN
    ]
    assert not banned, "expected a noun or a verb of the field, got\n" + "\n".join(banned)


@pytest.mark.parametrize(
    "source",
    [
        "def found(): ...",
        "async def _told(): ...",
        "def f(asked): ...",
        "def f(*, wanted=1): ...",
        "def f(**each): ...",
        "beside = 1",
        "at: int = 1",
        "for listed in (): ...",
        "a = [each for each in ()]",
        "with f() as found: ...",
        "a, *found = b",
        "if (found := f()): ...",
        "self.found = 1",
        "class A:\n    found: int",
        "lambda each: 1",
        "import json as told",
        "match a:\n    case [*found]: ...",
        "match a:\n    case str() as found: ...",
        "class shaped: ...",
    ],
)
def test_a_banned_word_is_found_wherever_a_name_is_given(source: str) -> None:
    assert banned_in(source)


def test_names_that_only_contain_a_banned_word_and_uses_of_foreign_names_pass() -> None:
    assert not banned_in("attributes = np.add.at(counts, asked_rows, founded.found, at=1)\nnot_found = settled()")
