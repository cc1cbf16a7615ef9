"""The job from its front door: `aisle-offline` in a process of its own."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_process import completed_job, job
from safetensors import safe_open

from app.artifact.bundle_store import current

HEADLINE = [
    "version",
    "measured_as",
    "dataset",
    "metrics",
    "baselines",
    "verdict",
    "report",
    "page",
    "bundle",
    "seconds",
]
ENTRY = ["-c", "from offline.cli import cli; cli()"]
COMMAND = [sys.executable, *ENTRY]


def offline(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=200, check=False)


@pytest.mark.slow
def test_killed_run_goes_on_from_its_checkpoint(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    arguments = [
        "run",
        "--data",
        shop,
        "--out",
        out,
        "--epochs",
        "3",
        "--dim",
        "32",
        "--no-baselines",
        "--max-loss",
        "0",
    ]
    checkpoint = out / "train" / "checkpoint.safetensors"
    process = subprocess.Popen([*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while not checkpoint.exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with safe_open(checkpoint, framework="pt") as file:
        before = json.loads(file.metadata()["state"])
    finished = completed_job(*arguments)
    assert finished.returncode == 0, finished.stderr
    epochs = json.loads((out / "train" / "history.json").read_text())["epochs"]
    assert epochs[: len(before["history"])] == before["history"]
    assert "ingest    done before" in finished.stderr
    document = json.loads((out / "report.json").read_text())
    assert {"dataset", "reports", "baselines", "bundle", "timings"} <= document.keys()
    assert {"ingest", "split", "graph", "train", "export"} <= set(document["timings"]["stages"])
    assert str(out / "report.html") in finished.stderr.replace("\n", "")
    page = (out / "report.html").read_text("utf-8")
    made = json.loads(completed_job("report", "--out", out).stdout)
    assert made["page"] == str(out / "report.html")
    assert made["verdict"] in ("publish", "look closer", "do not publish")
    assert made["reasons"][0].split(":")[0] in page
    (step,) = [found["next_step"] for found in made["findings"] if "never compared" in found["sentence"]]
    assert step == "Run again without --no-baselines: what was done before is kept."
    assert step in page
    assert step in " ".join(finished.stderr.split())
    headline = json.loads(finished.stdout.splitlines()[-1])
    assert finished.stdout.count("\n") == 1
    assert list(headline) == HEADLINE
    assert headline["verdict"] == made["verdict"]
    assert (headline["version"], headline["measured_as"]) == (current(out / "bundle"), document["bundle"]["version"])
    first = document["reports"][0]
    metric, value = next(iter(first["metrics"].items()))
    assert headline["metrics"][first["protocol"]][metric] == {"value": value, "ci95": first["ci95"][metric]}
    record = json.loads((out / "run.json").read_text())
    assert headline["seconds"] == pytest.approx(sum(entry["seconds"] for entry in record.values()), abs=0.1)
    assert all(Path(headline[name]).exists() for name in ("report", "page", "bundle"))
    again = completed_job("evaluate", "--bundle", out / "measured", "--data", shop, "--no-baselines")
    assert json.loads(again.stdout.splitlines()[-1])["reports"][0]["metrics"] == document["reports"][0]["metrics"]


@pytest.mark.parametrize("command", ["run", "train", "cold-items"])
def test_wrong_data_is_one_line_and_no_traceback_and_nothing_waits_for_torch(tmp_path: Path, command: str) -> None:
    words = [
        sys.executable,
        "-X",
        "importtime",
        *ENTRY,
        command,
        "--data",
        str(tmp_path / "no"),
        "--out",
        str(tmp_path),
    ]
    refused = subprocess.run(words, capture_output=True, text=True, timeout=200, check=False)
    assert refused.returncode == 1
    *imports, said = refused.stderr.splitlines()
    assert said.startswith("aisle-offline: ")
    assert "dataset.toml" in said
    names = {line.rpartition("|")[2].strip() for line in imports if line.startswith("import time:")}
    assert "offline.dataset.spec" in names
    assert not names & {"torch", "pandas", "sklearn"}
    assert len(imports) == sum(line.startswith("import time:") for line in imports)


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "ingest",
        "split",
        "graph",
        "train",
        "compress",
        "rank",
        "refit",
        "export",
        "evaluate",
        "report",
        "synthesize",
        "publish",
        "collect",
        "schedule",
        "cold-items",
    ],
)
def test_every_command_has_help(command: str) -> None:
    code, lines = job(command, "--help")
    assert code == 0
    assert "--help" in "\n".join(lines)
