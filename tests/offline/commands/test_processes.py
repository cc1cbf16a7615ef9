"""`--processes`: refusals in one line, and a run of two processes that is killed, stopped and gone on with."""

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from job_process import JobProcess, completed_job, job
from safetensors.torch import load_file

from offline.commands.processes import LOST, cause_of


@pytest.mark.parametrize(
    ("codes", "cause"),
    [
        ({0: LOST, 1: -signal.SIGKILL}, (1, -signal.SIGKILL)),
        ({1: -signal.SIGKILL, 0: 128 + signal.SIGTERM}, (1, -signal.SIGKILL)),
        ({1: -signal.SIGTERM, 0: LOST}, (1, -signal.SIGTERM)),
        ({0: 1, 1: -signal.SIGTERM}, (0, 1)),
        ({1: 1, 0: LOST}, (1, 1)),
        ({0: 128 + signal.SIGTERM, 1: LOST}, (0, 128 + signal.SIGTERM)),
        ({0: LOST, 1: LOST}, (0, LOST)),
    ],
)
def test_what_ended_the_others_is_told_from_those_that_it_ended(codes: dict[int, int], cause: tuple[int, int]) -> None:
    assert cause_of(codes) == cause


@pytest.mark.parametrize("stage", ["run", "train"])
def test_more_processes_than_the_machine_has_cores_are_refused_in_one_line(
    shop: Path, tmp_path: Path, stage: str
) -> None:
    code, lines = job(stage, "--data", shop, "--out", tmp_path, "--device", "cpu", "--processes", "100000")
    assert (code, len(lines)) == (1, 1)
    assert lines[0].startswith("aisle-offline: expected --processes up to ")
    assert lines[0].endswith("the cores of this machine, got 100000: give fewer")


@pytest.mark.parametrize("given", ["0", "-1", "two"])
def test_a_number_of_processes_that_is_none_is_refused(shop: Path, tmp_path: Path, given: str) -> None:
    done = completed_job("train", "--data", shop, "--out", tmp_path, "--processes", given)
    assert done.returncode == 2
    assert "--processes" in done.stderr
    assert "Traceback" not in done.stderr


def test_torchrun_says_how_many_processes_there_are(shop: Path, tmp_path: Path) -> None:
    started = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    done = completed_job("train", "--data", shop, "--out", tmp_path, "--processes", "2", **started)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "expected no --processes where torchrun has started the processes, got 2" in done.stderr


def processes_of(launcher: int) -> dict[int, int]:
    """Process ids by rank."""
    ranks = {}
    for child in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split():
        for variable in Path(f"/proc/{child}/environ").read_text().split("\0"):
            name, _, value = variable.partition("=")
            if name == "RANK":
                ranks[int(value)] = int(child)
    return ranks


def end_in_the_middle(victim: int | None, number: int, *words: str | Path) -> tuple[int, list[str]]:
    """Exit code and complaints of a command, when one of its processes gets a signal in its second epoch.

    Args:
        victim: its rank; None for the command itself.
        number: of the signal.
        words: of the command line.
    """
    process = JobProcess(*words)
    launcher = int(process._process.pid or 0)
    said, ranks = [], {}
    for line in process.lines():  # until none of them can write a line any more
        if " epoch 2 of" in line and not ranks:
            ranks = processes_of(launcher)
            os.kill(launcher if victim is None else ranks[victim], number)
        if not line.startswith("train  "):
            said.append(line.rstrip("\n"))
    assert sorted(ranks) == [0, 1]
    return process.wait(), said


@pytest.mark.slow
def test_two_processes_that_are_killed_or_stopped_say_so_in_a_line_and_go_on(shop_run: Any, tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("whole", "parts")]
    for folder in folders:
        shutil.copytree(shop_run.run, folder)
        shutil.rmtree(folder / "train")
    options = ["--seed", "1", "--dim", "32", "--epochs", "5", "--device", "cpu", "--processes", "2"]
    whole, parts = (["train", "--data", shop_run.dataset, "--out", folder, *options] for folder in folders)
    assert job(*whole)[0] == 0
    again = f"to go on: aisle-offline train --data {shop_run.dataset} --out {folders[1]} {' '.join(options)}"

    code, said = end_in_the_middle(1, signal.SIGKILL, *parts)
    lost = "nothing is lost but the steps since the last checkpoint"
    short = "was killed by SIGKILL, as a system short of memory does, and the others were ended with it"
    assert (code, said) == (1, [f"aisle-offline: process 2 of 2 {short}; {lost}; {again}"])
    code, said = end_in_the_middle(None, signal.SIGINT, *parts)
    assert (code, said) == (130, [f"aisle-offline: stopped, nothing is lost but the step at hand; {again}"])
    code, said = end_in_the_middle(None, signal.SIGKILL, *parts)
    assert (code, said) == (-signal.SIGKILL, [])

    code, lines = job(*parts)
    assert code == 0, lines
    records = [json.loads((folder / "train" / "history.json").read_text()) for folder in folders]
    figures = [[(entry["step"], entry["value"]) for entry in record["epochs"]] for record in records]
    assert figures[0] == figures[1]
    assert [record["processes"] for record in records] == [2, 2]
    left, right = (load_file(folder / "train" / "best.safetensors") for folder in folders)
    assert all((right[name] == value).all() for name, value in left.items())
