"""A catalogue without any events: the job runs, typed text finds items, and nothing of the test is learned from."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import redis
import torch
from made_up_catalogue import write_catalogue

from app.artifact.redis_keys import Keys
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from offline.dataset.split_meta import read_split_meta
from offline.errors import TrainingError
from offline.evaluation.ranked import rank_texts
from offline.evaluation.tf_idf import tf_idf_ranking
from offline.graph.build import item_graph, read_graph
from offline.publishing.publish import publish
from offline.training.contrastive import _Run, train_on_catalogue
from offline.training.settings import choose_settings
from offline.training.text_augmentation import ItemFields
from offline.training.trained import load_trained
from offline.workspace.budget import Allowance
from offline.workspace.progress import TrainProgress

SHORT: dict[str, Any] = {"seed": 1, "device": "cpu", "overrides": {"epochs": 1, "dim": 16, "batch": 64}}
LEARN = """
import json, sys
from pathlib import Path
from offline.job import STAGE_NAMES, Options, run_stage
from offline.workspace.run_folder import RunFolder
class Quiet:
    begin = say = stage = skipped = work = training = lambda *_: None
for stage in STAGE_NAMES[: STAGE_NAMES.index("train") + 1]:
    run_stage(stage, Path(sys.argv[1]), RunFolder(Path(sys.argv[2])), Options(**json.loads(sys.argv[3])), Quiet())
"""


def digest(run: Path) -> str:
    return hashlib.sha256((run / "train" / "best.safetensors").read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def snapshot(catalogue_run: Any) -> Snapshot:
    return load_snapshot(catalogue_run.bundle)


@pytest.fixture(scope="module")
def items(catalogue_run: Any) -> pl.DataFrame:
    return pl.read_parquet(catalogue_run.split / "items.parquet").sort("row")


@pytest.fixture(scope="module")
def train(catalogue_run: Any) -> Callable[..., Any]:
    """Trains on the catalogue's split into a folder."""
    meta = read_split_meta(catalogue_run.split)
    settings = choose_settings(meta, 1, {"epochs": 3, "dim": 16, "batch": 64})

    def train_into(out: Path, **options: Any) -> Any:
        table = pl.read_parquet(catalogue_run.split / "items.parquet")
        graph = item_graph(read_graph(catalogue_run.graph))
        return train_on_catalogue(table, graph, out, settings, device=torch.device("cpu"), **options)

    return train_into


def test_the_report_has_the_shape_of_every_task_with_tf_idf_beside(catalogue_run: Any) -> None:
    document = json.loads((catalogue_run.run / "report.json").read_text())
    (report,) = document["reports"]
    assert list(report["metrics"]) == list(report["ci95"]) == ["ndcg@10", "mrr@200", "recall@10"]
    assert (report["n"], report["queries_without_relevant_items"], report["targets"]) == (6, 1, 72)
    assert document["synonyms"] == []  # there is no log
    assert document["baselines"]["tf_idf"]["none"].keys() == {"ndcg@10", "mrr@200", "recall@10", "ci95"}
    assert report["lift_over_tf_idf"]["mrr@200"].keys() == {"difference", "ci95"}
    assert report["metrics"]["ndcg@10"] > 0.8


def test_the_report_tells_words_from_meaning_and_what_typing_mistakes_cost(catalogue_run: Any) -> None:
    document = json.loads((catalogue_run.run / "report.json").read_text())
    assert document["variants"].keys() == {"lexical", "semantic"}
    assert document["reports"][0]["lift_over_lexical"]["ndcg@10"].keys() == {"difference", "ci95"}
    assert document["typos"].keys() == {"bundle", "lexical", "semantic"}
    for name, typed in document["typos"].items():
        clean = document["variants"][name]["none"] if name != "bundle" else document["reports"][0]["metrics"]
        share = typed["metrics"]["ndcg@10"] / clean["ndcg@10"]
        assert typed["share_of_clean"]["ndcg@10"] == pytest.approx(share)
    assert document["typos"]["bundle"]["share_of_clean"]["ndcg@10"] > 0.8
    page = (catalogue_run.run / "report.html").read_text()
    assert "The same queries with one typing mistake each" in page
    assert "words alone" in page


def test_a_title_finds_its_own_item(snapshot: Snapshot, items: pl.DataFrame) -> None:
    ranked = rank_texts(snapshot, items["title"].to_list())
    rows = [snapshot.items.row_of(item_id) for item_id in items["item_id"]]
    assert (ranked[:, :3] == np.array(rows)[:, None]).any(axis=1).mean() > 0.9


def share_of_kind(ranked: np.ndarray, kinds: list[str], categories: list[str]) -> float:
    """Of the best 10, those in the category that each query means; `categories` by row, from 0."""
    right = [[wanted in categories[row] for row in line] for wanted, line in zip(kinds, ranked[:, :10], strict=True)]
    return float(np.mean(right))


@pytest.fixture(scope="module")
def categories(snapshot: Snapshot) -> list[str]:
    """By row of the bundle, which are those of its split."""
    return ["", *(str(snapshot.catalogue.texts["category"][row]) for row in range(1, 73))]


def test_words_with_typing_mistakes_lead_to_their_kind_of_item(snapshot: Snapshot, categories: list[str]) -> None:
    asked = {"laptp": "Laptop", "headphnes": "Headphones", "printr": "Printer", "moniter": "Monitor", "routr": "Router"}
    assert share_of_kind(rank_texts(snapshot, list(asked)), list(asked.values()), categories) > 0.8


def test_words_that_describe_a_few_items_find_these_alone(
    snapshot: Snapshot, items: pl.DataFrame, categories: list[str]
) -> None:
    asked = {"toner": "Printer", "folding screen": "Laptop", "lens": "Camera", "sharp pixels": "Monitor"}
    ours, simple = rank_texts(snapshot, list(asked)), tf_idf_ranking(items, list(asked), 10)
    assert share_of_kind(ours[:, :4], list(asked.values()), categories) > 0.9
    for query, line in zip(asked, ours, strict=True):
        (match,) = snapshot.search.matches([query])
        assert set(line[line > 0]) == set(np.flatnonzero(match.hits.items))
    assert (simple[0] > 0).sum() == (ours[0] > 0).sum() == 4


@pytest.fixture(scope="module")
def learned_from(quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """The digest of the weights that a short training on a data set comes to."""
    from offline.job import STAGE_NAMES, Options, run_stage
    from offline.workspace.run_folder import RunFolder

    def learn(data: Path) -> str:
        folder = RunFolder(tmp_path_factory.mktemp("run"))
        for stage in STAGE_NAMES[: STAGE_NAMES.index("train") + 1]:
            run_stage(stage, data, folder, Options(**SHORT), quiet)
        return digest(folder.path)

    return learn


@pytest.fixture(scope="module")
def weights(catalogue_run: Any, learned_from: Callable[[Path], str]) -> str:
    return learned_from(catalogue_run.dataset)


def test_no_judgment_and_no_query_of_the_test_reaches_training(
    weights: str, learned_from: Callable[[Path], str], tmp_path: Path
) -> None:
    changed = write_catalogue(tmp_path, queries=["camera", "router", "x"], relevance=3)
    assert learned_from(changed) == weights


def test_a_run_notices_that_judgments_changed(tmp_path: Path) -> None:
    from offline.dataset.spec import load_spec
    from offline.job import STAGES, Options
    from offline.stage import stage_keys

    data = write_catalogue(tmp_path)
    before = stage_keys(STAGES, load_spec(data), Options())
    assert stage_keys(STAGES, load_spec(data), Options()) == before
    pl.read_parquet(data / "judgments.parquet").head(20).write_parquet(data / "judgments.parquet")
    assert stage_keys(STAGES, load_spec(data), Options())["evaluate"] != before["evaluate"]


@pytest.mark.slow
def test_another_process_learns_the_same_to_the_last_bit(weights: str, catalogue_run: Any, tmp_path: Path) -> None:
    command = [sys.executable, "-c", LEARN, str(catalogue_run.dataset), str(tmp_path / "run"), json.dumps(SHORT)]
    for_others = os.environ | {"PYTHONHASHSEED": "77"}
    subprocess.run(command, check=True, env=for_others, timeout=100)
    assert digest(tmp_path / "run") == weights


def test_an_interrupted_training_goes_on_to_the_same_weights(train: Callable[..., Any], tmp_path: Path) -> None:
    whole = train(tmp_path / "whole")

    def stop(progress: TrainProgress) -> None:
        if progress.epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "parts", progress=stop)
    parts = train(tmp_path / "parts")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(parts.network.state_dict()[name], value), name


def test_a_spent_budget_still_leaves_a_network(train: Callable[..., Any], tmp_path: Path) -> None:
    assert len(train(tmp_path / "short", allowance=Allowance.of(0.0)).record["epochs"]) == 1


def test_training_reads_items_as_the_item_tower_does(catalogue_run: Any, items: pl.DataFrame) -> None:
    graph = item_graph(read_graph(catalogue_run.graph))
    trained = load_trained(catalogue_run.split, graph, catalogue_run.train)
    run = _Run(ItemFields(items), graph, trained.settings, torch.device("cpu"), None)
    run.network.load_state_dict(trained.network.state_dict())
    rows = np.array([3, 70, 1], dtype=np.int64)
    with torch.no_grad():
        directions = torch.nn.functional.normalize(run._items(run._text.take(rows), rows), dim=1)
        units, lengths = trained.network.item_vectors(graph, trained.known)
    torch.testing.assert_close(directions, units[rows])
    torch.testing.assert_close(lengths[rows], torch.ones(3))


def test_items_without_a_word_are_refused_in_one_line(train: Callable[..., Any], catalogue_run: Any) -> None:
    graph = item_graph(read_graph(catalogue_run.graph))
    meta = read_split_meta(catalogue_run.split)
    settings = choose_settings(meta, 1, {"dim": 16})
    bare = pl.DataFrame(
        {"row": [1, 2], "title": ["!", None], "brand": [None, ""], "category": ["-", None], "text": ["", None]},
        schema_overrides=dict.fromkeys(("title", "brand", "category", "text"), pl.String),
    ).with_columns(attributes=pl.lit([], pl.List(pl.String)))
    with pytest.raises(TrainingError, match="0 items with words: expected at least 2"):
        train_on_catalogue(bare, graph, Path("unused"), settings, device=torch.device("cpu"))


def test_a_bundle_without_users_is_published(catalogue_run: Any, client: redis.Redis, keys: Keys) -> None:
    said: list[str] = []
    published = publish(catalogue_run.bundle, client, keys, say=said.append)
    assert (published.users, published.items, published.long_vectors) == (0, 72, 0)
    assert "evaluated without popularity beside it" in said[0]
