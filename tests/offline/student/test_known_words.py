"""Words that a teacher knows: each one token, the nearer half of them, alone and before texts of the catalogue."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_catalogue import small_catalogue
from small_teacher import real_teacher

from offline.student import known_words
from offline.student.known_words import near_words, with_known_words, words_of
from offline.student.targets import QueryVectors
from offline.student.texts import draw_texts
from offline.teacher.folder import TeacherFolder, read_teacher_folder
from offline.workspace.progress import silent


@pytest.fixture(scope="module")
def teacher() -> TeacherFolder:
    return read_teacher_folder(real_teacher())


def test_words_are_those_of_the_vocabulary_that_are_one_token(teacher: TeacherFolder) -> None:
    words = words_of(teacher)
    assert len(words) == known_words.MOST_WORDS
    assert len(set(words)) == len(words)
    assert {"computer", "laptop", "lamp"} <= set(words)
    assert all(word.isalpha() for word in words)


def test_the_half_nearest_to_the_catalogue_is_learned(teacher: TeacherFolder, tmp_path: Path) -> None:
    words = ["furniture", "couch", "bishop", "protein"]
    targets = QueryVectors(teacher, teacher.fingerprint(), tmp_path, [], torch.device("cpu"))
    items = targets.of(["a sofa bed with a wooden frame", "a chair for the kitchen"], silent, "")
    assert near_words(words, targets, items, silent) == ["furniture", "couch"]
    assert near_words([], targets, items, silent) == []


def test_known_words_stand_alone_and_before_texts_of_the_catalogue_and_leave_what_is_held_out() -> None:
    drawn = draw_texts(small_catalogue(300), [], 0)
    more = with_known_words(drawn, ["settee", "lamp"], 0)
    assert more.held == drawn.held
    assert more.shown[-len(drawn.shown) :] == drawn.shown
    added = more.meant[: len(more.meant) - len(drawn.meant)]
    assert "settee" in added
    assert "lamp" not in added  # which the catalogue has
    assert any(text.startswith("lamp ") for text in added)
    assert len(set(added)) == len(added)
    held = drawn.meant[drawn.learned :]
    assert not set(added) & set(held)
    assert with_known_words(drawn, ["settee", "lamp"], 0) == more
    assert np.all([text == text.lower() for text in added])
