"""Ids by row and rows by id, without a list or a table of all of them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.artifact.hashing import stable_hashes
from app.engine import id_table as module
from app.engine.id_table import IdTable


def ids_of(texts: list[str]) -> IdTable:
    hashes = stable_hashes(texts)
    order = np.argsort(hashes, kind="stable")
    return IdTable(TextColumn.of(["", *texts]), hashes[order], (order + 1).astype(np.int32))


@given(st.lists(st.text(min_size=1, max_size=6), unique=True, max_size=30), st.lists(st.text(max_size=6), max_size=10))
def test_ids_and_rows_are_those_of_a_list_and_a_table(texts: list[str], others: list[str]) -> None:
    texts = [text for text in texts if text.encode(errors="ignore").decode() == text]
    others = [text for text in others if text.encode(errors="ignore").decode() == text]
    ids = ids_of(texts)
    assert list(ids) == [ids[row] for row in range(len(ids))] == ["", *texts]
    assert [ids[row - len(ids)] for row in range(len(ids))] == ["", *texts]
    assert (ids[1:], ids[-2:], ids[:9:2]) == (texts, ["", *texts][-2:], ["", *texts][:9:2])
    assert list(ids.ascending()) == sorted(texts)
    row_of = {text: row for row, text in enumerate(texts, start=1)}
    assert [ids.find(text) for text in (*texts, *others)] == [row_of.get(text, 0) for text in (*texts, *others)]


def test_two_ids_of_one_hash_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = np.array([7, 7, 9], dtype=np.uint64)
    ids = IdTable(TextColumn.of(["", "a", "b", "c"]), hashes, np.array([1, 2, 3], dtype=np.int32))
    monkeypatch.setattr(module, "stable_hash", lambda _: 7)
    assert [ids.find(text) for text in "abc"] == [1, 2, 0]
