"""The verdict: each rule by itself, and never another one than the gate's."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.manifest import Manifest
from offline.errors import PublishRefused
from offline.evaluation.causality import NOT_CAUSAL
from offline.evaluation.document import EvaluationDocument
from offline.publishing.gate import pass_gate
from offline.report.findings import Decision, Evidence, Weight
from offline.report.verdict import verdict_of


def lift(low: float, high: float) -> dict[str, Any]:
    return {"hr@10": {"difference": (low + high) / 2, "ci95": [low, high]}}


def document(value: float = 0.2, beside: float = 0.1, **report: Any) -> dict[str, Any]:
    """The evaluation of a bundle that is better than everything else."""
    lifts = {f"lift_over_{name}": lift(0.05, 0.15) for name in ("popularity", "item_knn")}
    figures = {"metrics": {"hr@10": value}, "ci95": {"hr@10": [value - 0.01, value + 0.01]}}
    return {
        "dataset": {"name": "shop"},
        "bundle": {"version": "v1"},
        "reports": [{"protocol": "seen", "n": 900, "targets": 900, **figures, **lifts, **report}],
        "baselines": {name: {"seen": {"hr@10": beside}} for name in ("popularity", "item_knn")},
        "variants": {},
        "slices": {},
        "notes": [],
    }


def cold(low: float, high: float) -> dict[str, Any]:
    baselines = {"popularity": {"hr@10": 0.1, "lift": lift(low, high)}}
    return {"slices": {"seen": [{"slice": "users with 0-1 events", "n": 9, "baselines": baselines}]}}


def rows(table: str, **counts: Any) -> dict[str, Any]:
    """Counts of an ingest without a flaw, and those of one table changed."""
    fine = {"read": 1_000, "kept": 1_000, "duplicates": 0, "rejected": 0}
    summary = {name: dict(fine) for name in ("events", "items")} | {"users": {"read": 0, "rejected": 0}}
    summary[table] |= counts
    return summary


def variant(name: str, value: float, overlap: float = 0.99, *, chosen: bool = False) -> dict[str, Any]:
    return {"variant": name, "metric": "ndcg@10", "value": value, "overlap_at_10": overlap, "chosen": chosen}


def history(*values: float) -> list[tuple[str, dict[str, Any]]]:
    epochs = [{"epoch": place, "loss": 1.0, "value": value} for place, value in enumerate(values, start=1)]
    return [("network", {"metric": "ndcg@10", "epochs": epochs})]


GOOD = Evidence(
    EvaluationDocument.of(document()),
    rows("events"),
    [variant("fp32", 0.1), variant("int8", 0.0999, chosen=True)],
    [],
    "v1",
)


def changed_evidence(changed: dict[str, Any]) -> Evidence:
    """The good evidence with some parts changed; an evaluation is given as JSON."""
    if "document" in changed:
        changed = changed | {"document": EvaluationDocument.of(changed["document"])}
    return replace(GOOD, **changed)


def search(**names: float) -> dict[str, Any]:
    """The evaluation of searches with an hr@10 of .6; baselines that know the user reach .01, others what is given."""
    changed = document(value=0.6, beside=0.01)
    baselines = {name: {"seen": {"hr@10": value}} for name, value in names.items()}
    return changed | {"dataset": {"name": "shop", "task": "search"}, "baselines": changed["baselines"] | baselines}


WORSE = document(protocol="none", lift_over_popularity=lift(-0.2, -0.1))["reports"][0]


def test_a_bundle_with_nothing_against_it_is_to_be_published() -> None:
    verdict = verdict_of(GOOD)
    assert verdict.decision is Decision.PUBLISH
    assert {found.weight for found in verdict.findings} == {Weight.GOOD}
    said = " ".join(verdict.sentences())
    assert "beats popularity: hr@10 0.2000, a difference of +0.1000 (95 % interval +0.0500 to +0.1500)" in said
    assert "beats item-kNN" in said
    assert "Of 1,000 rows of events 0 were bad" in said
    assert "Compression costs 0.1 %" in said


@pytest.mark.parametrize(
    ("changed", "weight", "sentence"),
    [
        ({"document": document(lift_over_popularity=lift(-0.2, -0.1))}, Weight.BAD, "is below that of popularity"),
        (
            {"document": document(lift_over_popularity=lift(-0.1, 0.1))},
            Weight.LOOK,
            "not surely better than popularity",
        ),
        (
            {"document": document() | {"reports": [{"metrics": {}}], "baselines": {}}},
            Weight.LOOK,
            "never compared with popularity",
        ),
        ({"document": document(lift_over_item_knn=lift(-0.2, -0.1))}, Weight.BAD, "is below that of item-kNN"),
        ({"document": document(lift_over_item_knn=lift(-0.1, 0.1))}, Weight.LOOK, "not surely better than item-kNN"),
        (
            {"document": document(lift_over_vector=lift(-0.2, -0.1)) | {"variants": {"vector": {}}}},
            Weight.BAD,
            "is below that of the same bundle without its ranker",
        ),
        (
            {"document": document(lift_over_vector=lift(-0.1, 0.1)) | {"variants": {"vector": {}}}},
            Weight.NOTE,
            "not surely better than the bundle without its ranker",
        ),
        (
            {"document": document() | {"reports": [*document()["reports"], WORSE]}},
            Weight.LOOK,
            "With nothing hidden it is below popularity in hr@10",
        ),
        (
            {
                "document": document(
                    lift_over_item_knn=lift(0.05, 0.15) | {"mrr": {"difference": -1, "ci95": [-2, -0.1]}}
                )
            },
            Weight.LOOK,
            "With seen items hidden it is below item-kNN in mrr",
        ),
        ({"document": search(query_counts=0.1)}, Weight.LOOK, "5 times what any baseline that knows the query"),
        ({"document": document(without_history=90)}, Weight.NOTE, "10.0 % of the scored users (90 of 900) have no"),
        ({"document": document(lift_over_item_knn=lift(-0.004, 0.1))}, Weight.NOTE, "at worst it is 2.6 % behind"),
        ({"document": document(n=50)}, Weight.LOOK, "Only 50 users"),
        ({"document": document(targets_on_unknown_items=300)}, Weight.LOOK, "33.3 % of the targets are on items"),
        ({"document": document() | {"notes": ["mind this"]}}, Weight.NOTE, "Mind this."),
        ({"document": document(value=0.95, beside=0.9)}, Weight.LOOK, "too good to be true"),
        ({"document": document(value=0.6)}, Weight.LOOK, "more than 5 times what any baseline reaches"),
        ({"document": document() | cold(-0.2, -0.1)}, Weight.LOOK, "0-1 events are served worse than by popularity"),
        ({"summary": rows("events", rejected=20)}, Weight.LOOK, "2.0 % of the rows of events were bad"),
        ({"summary": rows("items", rejected=20)}, Weight.LOOK, "2.0 % of the rows of items were bad"),
        ({"summary": rows("events", duplicates=300)}, Weight.NOTE, "30.0 % of the rows of events say what another"),
        ({"summary": rows("events", on_items_absent_from_catalogue=100)}, Weight.LOOK, "10.0 % of the events are on"),
        ({"summary": rows("events", heavy_users={"bot": 90})}, Weight.LOOK, "9.0 % of the events are of one user, who"),
        ({"compression": [variant("fp32", 0.1), variant("int4", 0.09, chosen=True)]}, Weight.LOOK, "costs 10.0 %"),
        ({"compression": [variant("fp32", 0.1), variant("x", 0.1, 0.8, chosen=True)]}, Weight.GOOD, "costs 0 %"),
        ({"compression": [{"part": "item vectors", "overlap_at_10": 0.91}]}, Weight.LOOK, "Only 91.0 %"),
        ({"curves": history(0.1, 0.2)}, Weight.NOTE, "still rising in the last of 2 epochs"),
        ({"curves": history(0.0)}, Weight.LOOK, "learned nothing"),
        ({"document": document() | {"behaviours": {"cart": {"ece": 0.2}}}}, Weight.NOTE, "P(cart) is off by 20.0 %"),
        ({"version": "v2"}, Weight.LOOK, "The figures are of v1, but the current bundle is v2"),
        ({"version": None}, Weight.LOOK, "no bundle to publish"),
    ],
)
def test_each_rule_finds_what_it_is_for(changed: dict[str, Any], weight: Weight, sentence: str) -> None:
    verdict = verdict_of(changed_evidence(changed))
    found = [finding.weight for finding in verdict.findings if sentence in finding.sentence]
    assert found == [weight], verdict.sentences()
    assert all(finding.next_step for finding in verdict.against()), verdict.against()
    decisions = {Weight.BAD: Decision.REFUSE, Weight.LOOK: Decision.LOOK}
    assert verdict.decision is decisions.get(weight, Decision.PUBLISH)


@pytest.mark.parametrize(
    "changed",
    [
        {"document": document() | cold(-0.1, 0.1)},
        {"document": document(value=0.04, beside=0.001)},
        {"document": search(query_counts=0.2)},
        {"document": document(value=0.6, beside=0.11, ci95={"hr@10": [0.5, 0.7]})},
        {"document": search()},
        {"curves": history(0.1, 0.2, 0.15)},
        {"curves": history(0.1, 0.1001)},
        {"curves": history(0.3)},
        {"curves": [("network", history(-2.0, -1.0)[0][1] | {"metric": "negative loss"})]},
        {"summary": None, "compression": []},
        {"summary": rows("events", rejected=9, duplicates=150)},
        {"summary": rows("events", on_items_absent_from_catalogue=1_000) | {"items": {"read": 0, "kept": 0}}},
    ],
)
def test_what_is_usual_is_not_held_against_a_bundle(changed: dict[str, Any]) -> None:
    verdict = verdict_of(changed_evidence(changed))
    assert verdict.decision is Decision.PUBLISH
    assert {found.weight for found in verdict.findings} == {Weight.GOOD}


ends = st.floats(-0.3, 0.3)


@given(pair=st.tuples(ends, ends), knn=st.tuples(ends, ends), vector=st.tuples(ends, ends), users=st.integers(1, 500))
def test_the_gate_refuses_what_the_verdict_refuses_and_nothing_else(
    pair: tuple[float, float], knn: tuple[float, float], vector: tuple[float, float], users: int
) -> None:
    lifts = {"popularity": pair, "item_knn": knn, "vector": vector}
    lifts_over = {f"lift_over_{name}": lift(*sorted(ends)) for name, ends in lifts.items()}
    metrics = document(n=users, **lifts_over) | {"variants": {"vector": {}}}
    manifest = Manifest.model_construct(version="v1", metrics=metrics)
    try:
        pass_gate(manifest, None, "", datetime.now(UTC))
        refused = False
    except PublishRefused:
        refused = True
    assert (verdict_of(changed_evidence({"document": metrics})).decision is Decision.REFUSE) == refused


@pytest.mark.parametrize(
    ("changed", "step"),
    [
        (document(n=50), "about 4 times as much, so that 200 users are scored"),
        (document(lift_over_popularity=lift(-0.05, 0.15)), "about 3,600 scored users, now 900, would tell"),
        (document(lift_over_popularity=lift(-0.1, 0.1)), "More of this log will hardly tell them apart"),
        (document(lift_over_popularity=lift(-0.2, -0.1)), "Keep the version that is served"),
    ],
)
def test_what_speaks_against_publishing_says_what_to_do_with_figures(changed: dict[str, Any], step: str) -> None:
    against = verdict_of(changed_evidence({"document": changed})).against()
    assert any(step in finding.next_step for finding in against), against


@pytest.mark.parametrize(
    ("more", "step"),
    [
        ({}, "after 2 of at most 10 epochs: leave --budget out, or give --budget 10m."),
        ({"cut_short": "training stopped"}, "after 2 of at most 10 epochs: leave --budget out, or give --budget 10m."),
        ({"cut_short": None}, "Hand over more days of log"),
        ({"settings": {"epochs": 2, "patience": 3}}, "Train longer: --epochs 4."),
    ],
)
def test_a_training_that_was_cut_short_is_to_go_on(more: dict[str, Any], step: str) -> None:
    curves = history(0.1, 0.2)
    curves[0][1].update({"settings": {"epochs": 10, "patience": 3}} | more)
    for epoch in curves[0][1]["epochs"]:
        epoch["seconds"] = 30.0 * epoch["epoch"]
    near = document(lift_over_item_knn_window=lift(-0.2, -0.1))
    near["baselines"] |= {"item_knn_window": {"seen": {"hr@10": 0.3}}}
    (found,) = verdict_of(replace(changed_evidence({"document": near}), curves=curves)).against()
    assert step in found.next_step


def test_near_events_on_a_cut_that_is_not_by_time_ask_for_one() -> None:
    changed = document(lift_over_item_knn=lift(-0.2, -0.1)) | {"notes": [NOT_CAUSAL]}
    (found,) = verdict_of(changed_evidence({"document": changed})).against()
    assert "--split time:0.8" in found.next_step


def test_where_hardly_anybody_is_scored_one_reason_says_so() -> None:
    few = document(n=11, lift_over_popularity=lift(0.0, 0.3), lift_over_item_knn=lift(-0.1, 0.3))
    verdict = verdict_of(changed_evidence({"document": few}))
    assert verdict.decision is Decision.LOOK
    (found,) = verdict.against()
    assert "Only 11 users" in found.sentence
    notes = [note.sentence for note in verdict.findings if note.weight is Weight.NOTE]
    assert [note.split(":")[0] for note in notes] == [
        "It is not surely better than popularity",
        "It is not surely better than item-kNN",
    ]
