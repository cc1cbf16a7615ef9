"""A budget from the front door: what it bounds, what is said of it, and that every stage leaves something to serve."""

import json
from pathlib import Path

from job_process import completed_job, job

from offline.workspace.budget import SHARES


def test_a_budget_that_cannot_be_kept_to_is_said_and_leaves_a_bundle(shop: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = completed_job("run", "--data", shop, "--out", out, "--budget", "1s", "--dim", "32", "--no-baselines")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith(
        "train, compress, rank and refit take 1 s together; the other stages come on top, about "
    )
    assert "a budget of 1 s can hardly be kept to: one pass of each of the four takes about " in done.stderr
    assert done.stderr.count("can hardly be kept to") == 1
    assert "train     cut short: training stopped after " in done.stderr
    assert "the budget was 1 s, it took " in done.stderr
    record = json.loads((out / "run.json").read_text())
    assert [stage for stage, entry in record.items() if "allowance_s" in entry] == list(SHARES)
    budget = json.loads((out / "report.json").read_text())["timings"]["budget"]
    assert budget["seconds"] == 1.0
    assert list(budget["cut_short"]) == list(SHARES)
    assert budget["cut_short"]["train"] == record["train"]["results"]["cut_short"]
    page = (out / "report.html").read_text("utf-8")
    assert "The budget was 1.0 s for train, compress, rank and refit together, which took " in page
    assert budget["cut_short"]["train"][0] in page
    assert not (out / "spent.json").exists()


def test_commands_that_run_the_job_take_the_same_options() -> None:
    shared = ["--budget", "--without", "--no-refit", "--max-loss", "--weight-bits", "--epochs", "--max-bad-share"]
    for command in ("run", "schedule", "cold-items"):
        code, lines = job(command, "--help")
        text = "\n".join(lines)
        assert code == 0
        assert all(option in text for option in shared), command
    assert "--no-baselines" in "\n".join(job("schedule", "--help")[1])
