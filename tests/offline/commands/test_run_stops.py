"""A run that is told to stop ends in one line that says how to go on, at any moment, and goes on from there."""

import json
import shlex
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from job_process import JobProcess, job

from offline.workspace.stop import GRACE_S, how_to_go_on

OPTIONS = ["--seed", "1", "--epochs", "2", "--dim", "32", "--device", "cpu", "--max-loss", "0", "--no-baselines"]
MOMENTS = [
    ("ingest    3/4", signal.SIGTERM),
    ("split     3/4", signal.SIGINT),
    ("graph     3/4", signal.SIGTERM),
    ("train     ", signal.SIGINT),
    ("compress  1/", signal.SIGTERM),
    ("rank      2/6", signal.SIGINT),
    ("rank ", signal.SIGTERM),
    ("refit     ", signal.SIGINT),
    ("export    2/6", signal.SIGTERM),
    ("evaluate  0/", signal.SIGTERM),
    ("serve     ", signal.SIGINT),
]


def stop_when(begins: str, number: int, *words: str | Path) -> tuple[int, list[str]]:
    """Start a command, and send it a signal as soon as a line begins so; its exit code and lines."""
    process = JobProcess(*words)
    lines: list[str] = []
    sent = False
    for line in process.lines():
        lines.append(line.rstrip("\n"))
        if not sent and line.startswith(begins):
            process.send(number)
            sent = True
    assert sent, (begins, lines)
    return process.wait(), lines


@pytest.mark.slow
def test_a_run_stopped_in_every_stage_says_how_to_go_on_and_ends_as_one_that_was_not(
    shop_run: Any, tmp_path: Path
) -> None:
    out = tmp_path / "a run"  # a blank, so that the line has to quote it
    command = ["run", "--data", str(shop_run.dataset), "--out", str(out), *OPTIONS]
    for begins, number in MOMENTS:
        code, lines = stop_when(begins, number, *command)
        assert code == 128 + number, lines
        assert shlex.split(lines[-1].rpartition("to go on: ")[2]) == ["aisle-offline", *command]
        assert [line for line in lines if "aisle-offline" in line] == lines[-1:]
        assert not [line for line in lines if "Traceback" in line or "ignored in" in line], lines
        assert [path for path in out.rglob(".*") if path.name != ".lock"] == []
    code, lines = job(*command)
    assert code == 0, lines
    assert next(line for line in lines if "done before" in line).startswith("ingest")
    assert len(list((out / "bundle").glob("*/manifest.json"))) == 1
    assert json.loads(lines[-1])["bundle"] == str(out / "bundle")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("work", ["polars", "torch", "threads", "swallows"])
def test_a_library_that_computes_without_python_is_not_waited_for(tmp_path: Path, number: int, work: str) -> None:
    code = f"""
    import sys, time, threading
    from offline.workspace import stop as stopping
    stopping.GRACE_S = {GRACE_S / 5 if work == "swallows" else GRACE_S}  # waited for whole there
    from offline.workspace.stop import Stopped, at_hard_stop, end, interrupts, stops
    def polars():
        import polars as pl
        frame = pl.DataFrame({{"a": range(6000)}})
        print("begun", flush=True)
        frame.join(frame, how="cross").join(frame, how="cross").select(pl.col("a").sum()).item()
    def torch():
        import torch
        print("begun", flush=True)
        for _ in range(10**6):
            torch.ones(2000, 2000) @ torch.ones(2000, 2000)
    def threads():
        threading.Thread(target=lambda: [time.sleep(0.01) for _ in range(10**6)]).start()
        print("begun", flush=True)
        time.sleep(10**6)
    def swallows():
        while True:
            try:
                print("begun", flush=True)
                time.sleep(10**6)
            except BaseException:
                pass
    try:
        with stops("went on with this\\n"), at_hard_stop(lambda: open(sys.argv[1], "w").close()), interrupts():
            {work}()
    except Stopped as stop:
        end(stop.number, "went on with this\\n")
    """
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "cleaned")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    process.send_signal(number)
    before = time.monotonic()
    try:
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number, errors
    assert errors == "went on with this\n"
    assert time.monotonic() - before < 60
    if work == "swallows":
        assert (tmp_path / "cleaned").exists()
        assert time.monotonic() - before > GRACE_S / 5 / 2


def test_a_password_is_not_repeated() -> None:
    assert how_to_go_on(["run", "--out", "a b"]).endswith("to go on: aisle-offline run --out 'a b'\n")
    for words in (["publish", "--redis-password", "x"], ["publish", "--redis", "redis://:x@host"]):
        assert how_to_go_on(words).endswith("to go on: run the same command again\n")
