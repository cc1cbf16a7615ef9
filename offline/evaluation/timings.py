"""What a bundle took to make: seconds and memory by stage, versions, seeds."""

from typing import Any

from app.artifact.manifest import Manifest


def timings_of(record: dict[str, Any], manifest: Manifest) -> dict[str, Any]:
    """`stages`, each with `seconds` and `peak_memory_mb` (the process up to its end), `versions`, `seed`, `revision`.

    Args:
        record: of the run folder, by stage; only stages that are done are in it.
        manifest: of the bundle.
    """
    fields = ("seconds", "peak_memory_mb")
    return {
        "stages": {stage: {name: entry[name] for name in fields} for stage, entry in record.items()},
        "versions": manifest.packages,
        "seed": manifest.seed,
        "revision": manifest.git_revision,
    }
