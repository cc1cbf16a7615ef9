"""A small teacher, written once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from small_teacher import write_teacher


@pytest.fixture(scope="session")
def small_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teacher") / "small")


@pytest.fixture
def teacher_copy(small_teacher: Path, tmp_path: Path) -> Callable[[], Path]:
    return lambda: Path(shutil.copytree(small_teacher, tmp_path / "copy"))
