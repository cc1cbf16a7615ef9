"""Lessons: a student comes nearer to its targets, the same one by the same lessons, stopped or not."""

from pathlib import Path

import numpy as np
import pytest
import torch

from offline.student import teach as teaching
from offline.student.batches import Tokens, batches_of
from offline.student.lessons import Curriculum, Lessons
from offline.student.network import Student
from offline.student.projection import units
from offline.student.shape import Shape
from offline.student.teach import Course, Taught, seconds_a_step, teach
from offline.workspace.progress import silent

CPU = torch.device("cpu")
SHAPE = Shape(40, 32, 0, 16, 2, 32, 1, 8, 1e-12, "gelu", "mean")


class Killed(BaseException):
    """The process ends here."""


def curriculum() -> Curriculum:
    """Texts whose vector is the mean of vectors of their tokens."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(SHAPE.tokens, SHAPE.width)).astype(np.float32)

    def lessons(count: int, longest: int) -> Lessons:
        texts = [rng.integers(SHAPE.tokens, size=rng.integers(1, longest + 1)).tolist() for _ in range(count)]
        targets = np.array([table[text].mean(axis=0) for text in texts])
        return Lessons(Tokens.of(texts), units(targets))

    queries, documents = lessons(400, 5), lessons(60, 20)
    return Curriculum(queries, 40, documents, documents.targets, 7)


def student() -> Student:
    torch.manual_seed(2)
    return Student(SHAPE)


def taught(path: Path | None, course: Course, *, kill_at: int | None = None) -> tuple[Student, Taught]:
    def progress(done: int, _total: int, _what: str) -> None:
        if kill_at is not None and done >= kill_at:
            raise Killed

    pupil = student()
    return pupil, teach(pupil, curriculum(), course, path, device=CPU, progress=progress, what="teaching")


def test_a_student_comes_nearer_to_its_targets() -> None:
    _, state = taught(None, Course(240, 3e-3))
    cosines = [entry["cosine"] for entry in state.history]
    assert cosines[-1] > cosines[0] + 0.2, cosines


def test_a_stopped_course_ends_with_the_student_of_one_that_was_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(teaching, "_CHECKPOINT_EVERY_S", 0.0)
    course = Course(40)
    whole, _ = taught(None, course)
    with pytest.raises(Killed):
        taught(tmp_path / "checkpoint", course, kill_at=500)
    resumed, state = taught(tmp_path / "checkpoint", course)
    assert state.step == 40
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_short_course_is_not_ended_by_what_a_few_steps_bring() -> None:
    _, state = taught(None, Course(60, 1e-7))  # of which nothing is learned
    assert state.step == 60


def test_a_busy_machine_makes_the_same_student_later() -> None:
    clock = iter(range(0, 10**9, 10_000))
    pupil, other = student(), student()
    course = Course(30)
    state = teach(pupil, curriculum(), course, None, device=CPU, progress=silent, what="", now=lambda: next(clock))
    idle = teach(other, curriculum(), course, None, device=CPU, progress=silent, what="")
    assert state.step == idle.step
    for name, value in pupil.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


def test_how_long_a_step_takes_is_told_before() -> None:
    assert 0 < seconds_a_step(SHAPE, CPU) < 10


def test_every_text_is_in_one_batch_of_its_length() -> None:
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, 9, 100)
    rows = np.arange(0, 100, 2)
    for order in (None, np.random.default_rng(1)):
        batches = list(batches_of(lengths, rows, 16, order))
        assert sorted(np.concatenate(batches)) == rows.tolist()
        assert all(len(set(lengths[batch])) == 1 for batch in batches)
        assert all(len(batch) == 1 or lengths[batch].sum() <= 16 for batch in batches)
