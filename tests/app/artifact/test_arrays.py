"""Arrays of a bundle, read from their files."""

import ast
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.artifact.arrays import load_array


def test_of_threads_that_read_at_once_one_alone_evaluates_a_head(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluate, inside, most = ast.literal_eval, [0], [0]

    def counted(text: Any) -> Any:
        inside[0] += 1
        most.append(inside[0])
        time.sleep(0.002)  # others take their turn
        value = evaluate(text)
        inside[0] -= 1
        return value

    monkeypatch.setattr(ast, "literal_eval", counted)
    path = tmp_path / "array.npy"
    np.save(path, np.arange(3))
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: load_array(path).tolist(), range(20))) == [[0, 1, 2]] * 20
    assert len(most) > 20
    assert max(most) == 1


def test_a_mapped_array_is_the_one_that_is_read(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(3))
    assert load_array(path, mmap_mode="r").tolist() == load_array(path).tolist() == [0, 1, 2]
