"""Golden answers: requests that travel in the bundle, and what the network's bundle answers to them."""

from pathlib import Path

import numpy as np

from app.artifact import names
from app.artifact.manifest import Manifest
from app.artifact.user_state import UserStates
from app.engine.loading import GOLDEN_DEPTH, check_golden, golden_answers, golden_sets, open_snapshot, write_warmup
from offline.export.fidelity import Fidelity, measure_fidelity
from offline.export.warmup import warmup_requests
from offline.training.trained import Trained

FIDELITY_REQUESTS = 1_000
GOLDEN_REQUESTS = 64


def write_golden(folder: Path, manifest: Manifest, trained: Trained, states: UserStates) -> Fidelity:
    """Compare the bundle in `folder` with its network, then write its warm-up requests and their golden answers.

    Raises:
        GoldenMismatch: the bundle does not answer like the network.
    """
    rng = np.random.default_rng(trained.settings.seed)
    shapes = manifest.shapes
    snapshot = open_snapshot(folder, manifest, threads=0)
    rows = shapes.items + 1
    fidelity = measure_fidelity(
        trained, snapshot, warmup_requests(states, rows, shapes.window, manifest.cut, FIDELITY_REQUESTS, rng)
    )
    batch = warmup_requests(states, rows, shapes.window, manifest.cut, GOLDEN_REQUESTS, rng)
    write_warmup(folder, batch)
    (folder / names.GOLDEN_ROWS).parent.mkdir(parents=True, exist_ok=True)
    for golden in golden_sets(snapshot):
        answers = golden_answers(snapshot, batch, golden.stages)
        np.save(folder / golden.rows, answers.rows[:, :GOLDEN_DEPTH].astype(np.int32))
        np.save(folder / golden.scores, answers.scores[:, :GOLDEN_DEPTH])
    check_golden(snapshot)
    return fidelity
