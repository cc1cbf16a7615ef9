"""A shop whose log is all searches, from log to answers: words and user together find more than either alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from search_shop import write_search_shop

from app.artifact.search_spec import PRIOR, SearchSpec
from app.engine.loading import load_snapshot
from app.engine.recommend import recommend
from app.engine.snapshot import Snapshot
from offline.evaluation.document import BUNDLE, QUERY_ALONE, EvaluationDocument
from offline.evaluation.search import search_requests
from offline.evaluation.search_cases import load_search_cases
from offline.evaluation.table import report_table
from offline.job import Options, run
from offline.report.gather import gather
from offline.report.verdict import verdict_of
from offline.workspace.run_folder import RunFolder


@pytest.fixture(scope="module")
def folder(quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    base = tmp_path_factory.mktemp("searches")
    data = write_search_shop(base / "data")
    found = RunFolder(base / "run")
    overrides = {"epochs": 25, "dim": 16, "batch": 32, "patience": 25}
    run(data, found, Options(seed=1, device="cpu", overrides=overrides, max_loss=0.0), quiet)
    return found


@pytest.fixture(scope="module")
def document(folder: RunFolder) -> Any:
    return json.loads(folder.report.read_text())


@pytest.fixture(scope="module")
def snapshot(folder: RunFolder) -> Snapshot:
    return load_snapshot(folder.measured)


def test_query_and_user_together_find_more_than_either(document: Any) -> None:
    (report,) = document["reports"]
    assert (report["n"], report["queries"], report["new_queries"]) == (300, 2, 300)
    assert list(report["metrics"]) == ["mrr@200", "hr@3", "ndcg@10"]
    alone = {name: document["variants"][name]["none"] for name in ("query_alone", "user_alone")}
    assert report["metrics"]["ndcg@10"] > 0.8
    for name, figures in alone.items():
        assert report["metrics"]["ndcg@10"] > figures["ndcg@10"] + 0.1, name
        lift = report[f"lift_over_{name}"]["ndcg@10"]
        assert lift["difference"] == pytest.approx(report["metrics"]["ndcg@10"] - figures["ndcg@10"])
        assert lift["ci95"][0] - 1e-9 <= lift["difference"] <= lift["ci95"][1] + 1e-9
    assert alone["query_alone"]["ndcg@10"] > 0.5


def test_no_colour_and_no_kind_is_proposed_as_a_synonym_of_another(folder: RunFolder, document: Any) -> None:
    assert document["synonyms"] == []
    assert "The log speaks for none." in folder.page.read_text("utf-8")


def test_baselines_that_know_the_query_stand_beside_the_search(folder: RunFolder, document: Any) -> None:
    (report,) = document["reports"]
    figures = {name: by_mask["none"] for name, by_mask in document["baselines"].items()}
    assert set(figures) == {"popularity", "item_knn", "query_counts", "query_and_user"}
    for name in ("query_counts", "query_and_user"):
        assert figures[name]["ndcg@10"] > 2 * figures["popularity"]["ndcg@10"]
        assert report[f"lift_over_{name}"]["ndcg@10"]["difference"] == pytest.approx(
            report["metrics"]["ndcg@10"] - figures[name]["ndcg@10"]
        )
    verdict = verdict_of(gather(folder).evidence())
    assert not [said for said in verdict.sentences() if "times what any baseline" in said]
    assert "counts of what followed a query" in folder.page.read_text()


def test_the_table_and_the_page_show_all_three(folder: RunFolder, document: Any) -> None:
    from rich.console import Console

    console = Console(width=200, record=True)
    console.print(report_table(EvaluationDocument.of(document)))
    printed = console.export_text()
    page = folder.page.read_text()
    for name in ("query_alone", "user_alone"):
        assert name in printed
    assert "300 searches by 2 queries, 300 of them new" in printed
    assert "query alone" in page


def test_the_order_was_learned_from_validation_queries(folder: RunFolder, snapshot: Snapshot) -> None:
    assert snapshot.search is not None
    history = json.loads((folder.rank / "search_history.json").read_text())
    assert history["lists"] > 200
    assert snapshot.search.spec.text_scale == 14.0
    if history["learned"]:
        assert history["fitted_value"] > history["prior_value"]
        assert snapshot.search.spec.learned_from > 0
        assert snapshot.search.spec.weights != PRIOR
    else:
        assert snapshot.search.spec == SearchSpec(weights=PRIOR, items_have_words=False)


def test_a_search_is_answered_alone_as_among_others(folder: RunFolder, snapshot: Snapshot) -> None:
    found = load_search_cases(folder.split, "test", limit=20)
    batch = search_requests(snapshot, folder.split, found)[0][BUNDLE]
    together = recommend(snapshot, batch, 20)
    for line in range(0, 20, 5):
        alone = recommend(snapshot, batch.take(np.array([line])), 20)
        np.testing.assert_array_equal(alone.rows[0], together.rows[line])
        np.testing.assert_array_equal(alone.scores[0], together.scores[line])


def test_where_items_have_no_words_of_their_own_the_user_says_more(folder: RunFolder, snapshot: Snapshot) -> None:
    assert snapshot.search is not None
    assert not snapshot.search.spec.items_have_words
    found = load_search_cases(folder.split, "test", limit=20)
    requests = search_requests(snapshot, folder.split, found)[0]
    together, alone = (recommend(snapshot, requests[name], 20).matched_items for name in (BUNDLE, QUERY_ALONE))
    assert together is not None
    assert alone is not None
    for of_user, of_nobody in zip(together, alone, strict=True):
        assert of_user is not None
        assert of_nobody is not None
        assert (of_user >= of_nobody).all()


def test_cases_are_pairs_of_a_user_and_a_query_and_know_only_what_came_before(folder: RunFolder) -> None:
    valid = load_search_cases(folder.split, "valid")
    pairs = list(zip(valid.cases.user_ids, valid.number.tolist(), strict=True))
    assert len(pairs) == len(set(pairs))
    assert 0 < int(valid.new.sum()) < len(valid)
    for line in range(len(valid)):
        assert not set(valid.cases.history.of(line).tolist()) & set(valid.cases.targets.of(line).tolist())


def test_a_run_can_be_evaluated_on_validation_too(folder: RunFolder) -> None:
    from offline.evaluation.evaluate import evaluate

    found = evaluate(folder.measured, folder.split, part="valid", baselines=False)
    assert found["reports"][0]["queries"] > 2
    assert Path(folder.split / "valid.parquet").exists()
