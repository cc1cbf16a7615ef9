"""What can go wrong with a run from outside: one clear line, nothing half-written, and the next run goes on."""

import fcntl
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from job_process import job

from offline.errors import RunFolderError, StorageError, TrainingError
from offline.job import Options, run
from offline.training import train as training
from offline.workspace.atomic import atomic_file
from offline.workspace.run_folder import RunFolder
from offline.workspace.storage_errors import storage_error

OPTIONS = ["--seed", "1", "--epochs", "2", "--dim", "32", "--device", "cpu", "--no-baselines"]


def complaint(lines: list[str]) -> str:
    """The one line that says what was wrong."""
    found = [line for line in lines if line.startswith("aisle-offline: ")]
    assert len(found) == 1
    assert lines[-1] == found[0]
    assert not [line for line in lines if "Traceback" in line]
    return found[0]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(("largest_file", "whole"), [(3_000, []), (150_000, ["ingest", "split", "graph"])])
def test_a_full_disk_is_one_line_and_the_next_run_goes_on(
    shop: Path, tmp_path: Path, largest_file: int, whole: list[str]
) -> None:
    out = tmp_path / "run"
    code, lines = job("run", "--data", shop, "--out", out, *OPTIONS, largest_file=largest_file)
    assert code == 1
    assert "file too large: raise the limit" in complaint(lines)
    assert sorted(path.name for path in out.iterdir() if path.is_dir() and path.name != "train") == sorted(whole)
    assert [name for name in files(out) if name.rpartition("/")[2].startswith(".") and name != ".lock"] == []
    assert not (out / "train" / "checkpoint.safetensors").exists()
    code, lines = job("graph" if whole else "ingest", "--data", shop, "--out", out)
    assert code == 0, lines


@pytest.mark.parametrize("number", [28, 122])
def test_no_room_is_told_however_a_library_says_it(number: int) -> None:
    said = [
        OSError(number, "as the system says it"),
        pl.exceptions.ComputeError(f"parquet: underlying IO error: something (os error {number})"),
    ]
    for error in said:
        assert "make room there" in storage_error(error, Path("runs/x")).message
        assert storage_error(error, Path("runs/x")).message.startswith("runs/x: ")
    assert "make room there" in storage_error(OSError("1000 requested and 24 written"), Path("runs/x")).message


def test_a_file_that_cannot_be_finished_leaves_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    path.write_text("before")

    def fill() -> None:
        with atomic_file(path) as beside:
            beside.write_text("ha")
            raise OSError(28, "full")

    with pytest.raises(OSError, match="full"):
        fill()
    assert files(tmp_path) == ["figures.json"]
    assert path.read_text() == "before"


def test_two_runs_on_one_folder_are_refused(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    with (out / ".lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, lines = job("run", "--data", shop, "--out", out)
    assert code == 1
    assert "another run is at work here; wait for it" in complaint(lines)
    assert files(out) == [".lock"]


def test_missing_columns_and_a_missing_device_are_one_line_before_any_work(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    if not torch.cuda.is_available():
        code, lines = job("run", "--data", shop, "--out", out, "--device", "cuda")
        assert code == 1
        assert "got none: use --device cpu or auto" in complaint(lines)
    renamed = tmp_path / "renamed"
    shutil.copytree(shop, renamed)
    toml = renamed / "dataset.toml"
    toml.write_text(toml.read_text().replace('user = "user_id"', 'user = "shopper"', 1))
    code, lines = job("run", "--data", renamed, "--out", out)
    assert code == 1
    assert "'shopper'" in complaint(lines)
    assert not (out / "ingest").exists()


DAMAGED = {
    "split": ("split/train.parquet", "graph", "split"),
    "meta": ("split/meta.json", "train", "split"),
    "graph": ("graph/graph.json", "train", "graph"),
    "weights": ("train/best.safetensors", "compress", "train"),
    "final weights": ("refit/final/best.safetensors", "export", "refit"),
    "checkpoint": ("train/checkpoint.safetensors", "train", "train"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_file_of_a_run_folder_is_named_with_what_to_delete(shop_run: Any, tmp_path: Path, case: str) -> None:
    name, stage, delete = DAMAGED[case]
    out = tmp_path / "run"
    shutil.copytree(shop_run.run, out)
    whole = (out / name).read_bytes()
    (out / name).write_bytes(whole[: len(whole) // 2])
    same = OPTIONS[:-1] if stage == "train" else []
    code, lines = job(stage, "--data", shop_run.dataset, "--out", out, *same)
    assert code == 1
    said = complaint(lines)
    assert f"{out / name}: cannot be read" in said
    assert f"delete {out / delete}" in said


@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_a_loss_that_is_no_number_is_one_line_and_leaves_no_broken_checkpoint(
    shop_run: Any, quiet: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    folder = RunFolder(tmp_path / "run")
    shutil.copytree(shop_run.run, folder.path)
    options = Options(seed=1, device="cpu", overrides={"epochs": 2, "dim": 32, "learning_rate": 0.004})
    loss_of, steps = training.batch_loss, 0

    def loss(tower: Any, units: Any, lengths: torch.Tensor, *rest: Any) -> torch.Tensor:
        nonlocal steps
        steps += 1
        found = loss_of(tower, units, lengths, *rest)
        if steps == 1:  # the first epoch, which leaves a checkpoint
            return found
        if what == "loss":
            return found * float("nan")
        return found + (lengths - lengths.detach()).abs().sqrt().sum()  # 0, and without a slope

    monkeypatch.setattr(training, "batch_loss", loss)
    with pytest.raises(TrainingError, match=rf"number as the {what}, got .* at step \d+ .*--learning-rate 0\.001"):
        run(shop_run.dataset, folder, options, quiet, upto="train")
    for name in folder.train.glob("*.safetensors"):
        from safetensors.torch import load_file

        assert all(torch.isfinite(value).all() for value in load_file(name).values() if value.is_floating_point())
    monkeypatch.undo()
    lower = Options(seed=1, device="cpu", overrides={"epochs": 1, "dim": 32, "learning_rate": 0.001})
    run(shop_run.dataset, folder, lower, quiet, upto="train")
    assert json.loads((folder.train / "history.json").read_text())["settings"]["learning_rate"] == 0.001


@pytest.mark.parametrize("content", ["[]", "3", "null", '{"ingest": 3}', '{"ingest": {}, "split": []}'])
def test_a_record_that_is_no_record_of_stages_is_refused_with_what_to_do(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"run\.json: expected an object .* delete it"):
        RunFolder(tmp_path).record()


def test_a_folder_that_cannot_be_made_says_why(shop: Path, quiet: Any, tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="name a folder with a shorter path"):
        run(shop, RunFolder(tmp_path / ("x" * 300)), Options(), quiet)


def test_a_stage_on_what_another_version_left_says_so_and_a_run_does_it_anew(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for stage in ("ingest", "split"):
        code, lines = job(stage, "--data", shop, "--out", out)
        assert code == 0, lines
    record = json.loads((out / "run.json").read_text("utf-8"))
    record["split"]["version"] -= 1
    (out / "run.json").write_text(json.dumps(record), "utf-8")
    code, lines = job("graph", "--data", shop, "--out", out)
    assert code == 1
    assert "expected the stage split of this version of Aisle" in complaint(lines)
    assert not (out / "graph").exists()
    code, lines = job("split", "--data", shop, "--out", out)  # the stages before it are of this version
    assert code == 0, lines
    code, lines = job("graph", "--data", shop, "--out", out)
    assert code == 0, lines
