"""Anonymous sessions from end to end: context is read at test time, trains nothing, and may be answered again."""

import numpy as np
import polars as pl
import pytest

from app.artifact.user_state import read_user_states
from offline.evaluation.evaluate import evaluate
from offline.evaluation.protocol import load_cases
from offline.job import STAGE_NAMES, Display, Options, run_stage
from offline.workspace.run_folder import RunFolder

ITEMS, SESSIONS, TESTED = 40, 150, 60
TOML = """name = "sessions"
[events]
path = "events.parquet"
[evaluation]
task = "next_item"
mask = ["none"]
metrics = ["hr@3", "mrr@3"]
"""


def walk(rng: np.random.Generator, length: int) -> list[int]:
    """Along a ring, now and then back to the item before."""
    items = [int(rng.integers(ITEMS))]
    for _ in range(length - 1):
        items.append(items[-2] if len(items) > 2 and rng.random() < 0.3 else (items[-1] + 1) % ITEMS)
    return items


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, quiet: Display) -> RunFolder:
    rng = np.random.default_rng(0)
    rows = []
    for session in range(SESSIONS):
        for place, item in enumerate(walk(rng, 6)):
            rows.append((f"s{session}", f"i{item}", "view", place, "train"))
    for session in range(TESTED):
        *given, wanted = walk(rng, 5)
        rows += [(f"t{session}", f"i{item}", "view", place, "context") for place, item in enumerate(given)]
        rows.append((f"t{session}", f"i{wanted}", "view", len(given), "test"))
    names = ["user_id", "item_id", "event_type", "position", "split"]
    data = tmp_path_factory.mktemp("sessions")
    pl.DataFrame(rows, schema=names, orient="row").write_parquet(data / "events.parquet")
    (data / "dataset.toml").write_text(TOML)
    folder = RunFolder(data / "run")
    options = Options(device="cpu", overrides={"epochs": 2, "dim": 32}, max_loss=0.0, baselines=False)
    for stage in STAGE_NAMES[: STAGE_NAMES.index("export") + 1]:
        run_stage(stage, data, folder, options, quiet)
    return folder


def test_sessions_that_no_training_saw_are_answered_from_their_context(trained: RunFolder) -> None:
    document = evaluate(trained.measured, trained.split, baselines=False)
    report = document["reports"][0]
    assert (report["n"], report["protocol"]) == (TESTED, "none")
    assert report["metrics"]["hr@3"] > 0.5


def test_tested_sessions_have_no_state_in_the_bundle_and_no_edge_in_the_graph(trained: RunFolder) -> None:
    document = evaluate(trained.measured, trained.split, baselines=False)
    assert document["bundle"]["users_with_stored_state"] == 0
    version = document["bundle"]["version"]
    assert len(read_user_states(trained.measured / version).hashes) == SESSIONS
    for graph in (trained.graph, trained.refit / "graph"):
        users = pl.read_parquet(graph / "user__view__item.parquet")["source"]
        assert users.n_unique() == SESSIONS


def test_the_next_item_may_be_one_of_the_session_itself(trained: RunFolder) -> None:
    cases = load_cases(trained.split, "test")
    again = [cases.targets.of(line)[0] in cases.history.of(line) for line in range(len(cases))]
    assert 0.1 < np.mean(again) < 0.9
    assert not len(cases.mask("none").rows)
