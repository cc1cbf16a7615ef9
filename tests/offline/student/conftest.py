"""A small teacher, written once."""

from pathlib import Path

import pytest
from small_teacher import write_teacher


@pytest.fixture(scope="session")
def small_teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_teacher(tmp_path_factory.mktemp("teacher") / "small")
