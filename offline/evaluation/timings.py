"""What a bundle took to make: seconds and memory by stage, versions, seeds, and what the budget cut short."""

from typing import Any

from app.artifact.manifest import Manifest
from offline.workspace.budget import SHARES


def timings_of(record: dict[str, Any], manifest: Manifest, budget_s: float | None = None) -> dict[str, Any]:
    """`stages`, each with `seconds` and `peak_memory_mb` (the process up to its end), `versions`, `seed`, `revision`.

    With a budget also `budget`: its seconds, what the stages that it bounds took together, and `cut_short`, the
    sentences on what it left undone by stage.

    Args:
        record: of the run folder, by stage; only stages that are done are in it.
        manifest: of the bundle.
        budget_s: of the run.
    """
    fields = ("seconds", "peak_memory_mb")
    timings = {
        "stages": {stage: {name: entry[name] for name in fields} for stage, entry in record.items()},
        "versions": manifest.packages,
        "seed": manifest.seed,
        "revision": manifest.git_revision,
    }
    if budget_s is not None:
        bounded = {stage: record[stage] for stage in SHARES if stage in record}
        timings["budget"] = {
            "seconds": budget_s,
            "used_s": round(sum(entry["seconds"] for entry in bounded.values()), 2),
            "cut_short": {stage: cut_short(entry["results"]) for stage, entry in bounded.items()},
        }
    return timings


def cut_results(*sentences: str | None) -> dict[str, list[str]]:
    """What the results of a stage hold of what the budget left undone; empty where nothing."""
    kept = [sentence for sentence in sentences if sentence]
    return {"cut_short": kept} if kept else {}


def cut_short(results: dict[str, Any]) -> list[str]:
    """The inverse: the sentences in the results of a stage."""
    kept: list[str] = results.get("cut_short", [])
    return kept
