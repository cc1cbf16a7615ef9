"""The stage `embed`, by `aisle-offline` and by itself: what is embedded, what is reused, and what a kill leaves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from job_process import job_here
from telling_display import Telling

from offline.errors import RunFolderError
from offline.job import Options, run
from offline.teacher import embed
from offline.teacher.embed import embed_items, teacher_vectors
from offline.teacher.encoder import Teacher
from offline.teacher.folder import read_teacher_folder
from offline.teacher.store import VECTORS_FILE, TextVectors, known_vectors, no_vectors, write_vectors
from offline.teacher.texts import FURTHER, item_texts, text_hashes
from offline.workspace.progress import silent
from offline.workspace.run_folder import RunFolder

CPU = torch.device("cpu")


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def data(tmp_path: Path, small_teacher: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    write_shop(folder, ["Trail shoe", "Sofa", "", "Lamp", "Sofa"])
    (folder / "dataset.toml").write_text(
        f'name = "s"\n[items]\npath = "items.csv"\n[text]\nteacher = {json.dumps(str(small_teacher))}\n'
    )
    return folder


def write_shop(folder: Path, titles: list[str]) -> None:
    rows = [f"i{number},{title}" for number, title in enumerate(titles)]
    (folder / "items.csv").write_text("\n".join(["item_id,title", *rows]) + "\n")


def embedded(run: Path, data: Path, *words: str | Path, stage: str = "ingest") -> dict[str, Any]:
    """The results of the stage, as the last line of its command has them, after ingest."""
    for name in (stage, "embed") if stage else ("embed",):
        code, lines = job_here(name, "--data", data, "--out", run, *(words if name == "embed" else ()))
        assert code == 0, lines
    results: dict[str, Any] = json.loads(lines[-1])
    return results


def test_every_text_is_embedded_once_and_only_changed_ones_again(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    first = embedded(out, data)
    assert (first["texts"], first["embedded"]) == (3, 3)
    items = pl.read_parquet(out / "ingest" / "items.parquet")
    vectors = teacher_vectors(out / "embed", items)
    assert vectors.shape == (6, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), [0, 1, 1, 0, 1, 1], atol=1e-6)
    np.testing.assert_array_equal(vectors[2], vectors[5])
    write_shop(data, ["Trail shoe", "Sofa", "Chair", "Lamp", "Sofa"])
    second = embedded(out, data)
    assert (second["texts"], second["embedded"]) == (4, 1)
    again = teacher_vectors(out / "embed", pl.read_parquet(out / "ingest" / "items.parquet"))
    np.testing.assert_array_equal(again[[0, 1, 2, 4, 5]], vectors[[0, 1, 2, 4, 5]])
    third = embedded(out, data)
    assert (third["embedded"], third["texts_per_s"]) == (0, None)
    assert [path.name for path in (out / "embed").iterdir()] == [VECTORS_FILE]


def test_a_run_takes_the_vectors_of_the_run_it_begins_with(data: Path, tmp_path: Path) -> None:
    earlier, later = RunFolder(tmp_path / "1"), RunFolder(tmp_path / "2")
    said: list[str] = []
    quiet_run(data, earlier, Options(device="cpu"), said)
    assert any("3 texts to embed, about 5 s on top of the budget" in line for line in said)
    write_shop(data, ["Trail shoe", "Sofa", "Chair"])
    results = quiet_run(data, later, Options(device="cpu", warm_from=earlier.path), said)
    assert (results["texts"], results["embedded"]) == (3, 1)
    assert any("1 texts to embed (2 are embedded already)" in line for line in said)
    assert quiet_run(data, later, Options(device="cpu", warm_from=earlier.path), said) == {}  # done before


def quiet_run(data: Path, folder: RunFolder, options: Options, said: list[str]) -> dict[str, Any]:
    return run(data, folder, options, Telling(said), upto="embed")


def test_without_a_teacher_nothing_is_written(data: Path, tmp_path: Path) -> None:
    (data / "dataset.toml").write_text('name = "s"\n[items]\npath = "items.csv"\n')
    assert embedded(tmp_path / "run", data) == {"teacher": None}
    assert not (tmp_path / "run" / "embed").exists()


def test_the_command_line_goes_before_the_file(data: Path, tmp_path: Path, teacher_copy: Callable[[], Path]) -> None:
    other = teacher_copy()
    assert embedded(tmp_path / "run", data, "--teacher", other)["teacher"] == str(other)


def test_a_killed_stage_goes_on_where_it_was(small_teacher: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(embed, "PIECE", 16)
    teacher, out = read_teacher_folder(small_teacher), tmp_path / "embed"
    items = catalogue([f"item {number} {'x' * (number % 9)}" for number in range(100)])

    def killing(done: int, total: int, what: str) -> None:
        if done > 60:
            raise Killed

    with pytest.raises(Killed):
        embed_items(items, teacher, out, device=CPU, say=lambda _: None, progress=killing)
    assert not (out / VECTORS_FILE).exists()
    with pytest.raises(RunFolderError, match="run the same command again"):
        teacher_vectors(out, items)
    pieces = sorted((out / "pieces").glob("*.safetensors"))
    (out / "pieces" / ".000099.safetensors.1.partial").write_bytes(b"half")
    pieces[-1].write_bytes(pieces[-1].read_bytes()[:40])  # damaged by something else
    saved = sum(len(part.hashes) for part in known_vectors(out, teacher.fingerprint()))
    assert 16 <= saved < 100
    done = embed_items(items, teacher, out, device=CPU, say=lambda _: None, progress=silent)
    assert (done.texts, done.embedded) == (100, 100 - saved)
    assert [path.name for path in out.iterdir()] == [VECTORS_FILE]
    whole = teacher_vectors(out, items)
    exact = Teacher(teacher, CPU).encode(item_texts(items), "document")
    np.testing.assert_allclose(whole[1:], exact, atol=2e-3)  # of half precision


def test_vectors_of_another_teacher_are_not_taken(
    small_teacher: Path, tmp_path: Path, teacher_copy: Callable[[], Path]
) -> None:
    items = catalogue(["Sofa", "Lamp"])
    embed_with(read_teacher_folder(small_teacher), items, tmp_path / "1")
    other = read_teacher_folder(teacher_copy(), document_prefix="passage: ")
    done = embed_with(other, items, tmp_path / "2", tmp_path / "1")
    assert done.embedded == 2
    assert embed_with(other, items, tmp_path / "1").embedded == 2


def embed_with(teacher: Any, items: pl.DataFrame, out: Path, *earlier: Path) -> embed.Embedded:
    return embed_items(items, teacher, out, earlier=earlier, device=CPU, say=lambda _: None, progress=silent)


def catalogue(titles: list[str]) -> pl.DataFrame:
    empty = pl.lit(None, dtype=pl.String)
    return pl.DataFrame({"title": titles}).with_columns(brand=empty, category=empty, text=empty)


def test_a_text_begins_with_the_title_and_has_the_start_of_the_rest() -> None:
    items = pl.DataFrame(
        {
            "title": ["Sofa ", None],
            "brand": ["Own", None],
            "category": [None, None],
            "text": ["a\n b" + "c" * 999, None],
        },
        schema_overrides={"category": pl.String},
    )
    assert item_texts(items) == ["Sofa Own a b" + "c" * (FURTHER - 4), ""]


def test_a_catalogue_without_words_has_zeros(small_teacher: Path, tmp_path: Path) -> None:
    items = catalogue(["", ""])
    assert embed_with(read_teacher_folder(small_teacher), items, tmp_path / "embed").texts == 0
    assert not teacher_vectors(tmp_path / "embed", items).any()


def test_the_store_finds_what_it_has(tmp_path: Path) -> None:
    hashes = text_hashes(["b", "a", "c", "a"])
    vectors = np.eye(4, dtype=np.float16)
    stored = TextVectors.of(hashes, vectors)
    assert len(stored.hashes) == 3
    np.testing.assert_array_equal(stored.vectors[stored.places(hashes[:3])], vectors[:3])
    assert stored.places(text_hashes(["d", ""])).tolist() == [-1, -1]
    assert no_vectors(4).places(hashes).tolist() == [-1] * 4
    write_vectors(tmp_path / VECTORS_FILE, stored, "one")
    assert list(known_vectors(tmp_path, "another")) == []
    (again,) = known_vectors(tmp_path, "one")
    np.testing.assert_array_equal(again.hashes, stored.hashes)
