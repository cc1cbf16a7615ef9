"""The page of a run: every section with its figures, nothing fetched from elsewhere, whatever it is given escaped."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.artifact import names
from app.artifact.bundle_store import resolve
from offline.errors import RunFolderError
from offline.evaluation.evaluate import evaluate
from offline.report.distributions import SPANS, distributions_of
from offline.report.gather import gather
from offline.report.render import SECTIONS, remake_report
from offline.workspace.run_folder import RunFolder

ANCHORS = [
    "figures",
    "served",
    "live",
    "data",
    "graph",
    "learning",
    "candidates",
    "slices",
    "behaviours",
    "compression",
    "cold-items",
    "exposure",
    "synonyms",
    "making",
]
HOSTILE = "<script>alert(1)</script><img src=x> $\\frac$ & \"'"


class Page(HTMLParser):
    """Elements opened and closed, ids, attributes and texts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.labels: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        if tag not in ("meta", "br"):
            self.open.append(tag)
        self.ids += [value for name, value in attrs if name == "id" and value]
        self.links += [value for name, value in attrs if name == "href" and value]
        self.labels += (given.get("aria-labelledby") or "").split()

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in ("meta", "br"):
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def evaluated(shop_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shop's run, with its evaluation."""
    path = tmp_path_factory.mktemp("evaluated") / "run"
    shutil.copytree(shop_run.run, path)
    (path / "report.json").write_text(json.dumps(evaluate(path / "measured", path / "split")))
    remake_report(RunFolder(path))
    return path


@pytest.fixture(scope="module")
def whole(evaluated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with all that a run may hold besides, under names that mean harm; its page is written."""
    path = tmp_path_factory.mktemp("whole") / "run"
    shutil.copytree(evaluated, path)
    document = json.loads((path / "report.json").read_text())
    document["dataset"]["name"] = HOSTILE
    (report,) = document["reports"]
    document["variants"] = {"vector": {"seen": document["baselines"]["popularity"]["seen"]}}
    report["lift_over_vector"] = report["lift_over_popularity"]
    document["candidates"] = {
        "seen": {"recall": {"retrieval": 0.61, "history": 0.1, HOSTILE: 0.2, "union": 0.72}, "width": 412.3}
    }
    document["feature_groups"] = [
        {"group": HOSTILE, "metric": "ndcg@10", "with": 0.3, "without": 0.2, "difference": 0.1}
    ]
    bins = [{"predicted": 0.1, "observed": 0.2, "count": 10}, {"predicted": 0.4, "observed": 0.3, "count": 5}]
    document["behaviours"] = {
        "cart": {"n": 50, "positives": 5, "auc": 0.8123, "accuracy": 0.9, "ece": 0.1, "reliability": bins}
    }
    document["cold_items"] = {
        "how": HOSTILE,
        "items": 40,
        "targets": 30,
        "hr@10": 0.0613,
        "ci95": [0.03, 0.09],
        "seen_in_training_hr@10": 0.14,
    }
    document["notes"] = [HOSTILE]
    clicked = {"people": 7, "pairs": 2, "likeness": 0.81, "items": [HOSTILE], "queries": [[HOSTILE, "sofa"]]}
    document["synonyms"] = [
        {"line": f"{HOSTILE}, sofa", "evidence": "clicks", **clicked},
        {"line": "davenport => sofa", "evidence": "rewordings", "people": 5, "found_nothing": 4, "queries": []},
    ]
    (path / "report.json").write_text(json.dumps(document))
    manifest = resolve(path / "measured") / names.MANIFEST
    variant = {"p50_ms": 1.5, "p99_ms": 2.5, "metric": "ndcg@10", "overlap_at_10": 0.99, "note": HOSTILE}
    compression = [
        variant | {"variant": "fp32", "megabytes": 12.3, "value": 0.3, "chosen": False},
        variant | {"variant": HOSTILE, "megabytes": 3.21, "value": 0.29, "chosen": True},
    ]
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"compression": compression}))
    serving = json.loads((path / "serving.json").read_text())
    shift = {"measured": 1.5, "served": 1.75, "distance": 0.3125}
    predicted = {"observed": 0.2, "measured": 0.21, "served": 0.32, "measured_ece": 0.011, "served_ece": 0.123}
    drift = {
        "requests": 498,
        "without_news": True,
        "scores": [{"name": HOSTILE, **shift}],
        "cases": 77,
        "calibration": [{"behaviour": HOSTILE, **predicted}],
        "overlap_at_10": 0.654,
        "queries": 199,
        "query_overlap_at_10": 0.876,
        "excesses": [HOSTILE],
    }
    news = {"new_events": 12_345, "context_events": 678, "new_users": 91, "new_items": 23}
    grown = {"how": "whole", "reason": None, "drift": drift, "count_scales": {"view": 0.8125}, **news}
    (path / "serving.json").write_text(json.dumps(serving | grown))
    summary = json.loads((path / "ingest" / "summary.json").read_text())
    summary["events"]["reasons"][HOSTILE] = 3
    summary["items"]["missing_title"] = 7
    (path / "ingest" / "summary.json").write_text(json.dumps(summary))
    (path / "rank").mkdir(exist_ok=True)
    curve = {
        "metric": HOSTILE,
        "epochs": [{"epoch": 1, "loss": 1.0, "value": 0.1}, {"epoch": 2, "loss": 0.9, "value": 0.2}],
    }
    (path / "rank" / "history.json").write_text(json.dumps(curve))
    (path / "refit" / "train").mkdir(parents=True, exist_ok=True)
    blind = {"metric": "negative loss", "epochs": [{"epoch": 1, "loss": 1.0, "value": -1.0}]}
    (path / "refit" / "train" / "history.json").write_text(json.dumps(blind))
    (path / "live.json").write_text(json.dumps(live_document()))
    remake_report(RunFolder(path))
    return path


def live_document() -> dict[str, Any]:
    """Two versions of hostile names, of which the second did better."""
    rates = {"ctr": 0.1234, "cart_rate": 0.05, "conversion": 0.01, "mrr": 0.0765}
    version = {"answers": 1_234, "clusters": 321, "answers_with_click": 152, "people": 320, "shown_items": 9_999}
    version |= {
        "from": 1e9,
        "to": 2e9,
        "clicks": 200,
        "metrics": rates,
        "ci95": {metric: [0.001, 0.2] for metric in rates},
    }
    lead = {"difference": 0.0321, "ci95": [0.01, 0.05], "said": "ahead"}
    return {
        "window_s": 1_800.0,
        "answers": 2_468,
        "events": {"attributed": 400, "too_late": 3, "other_item": 2, "unknown_request": 1},
        "versions": [version | {"version": HOSTILE}, version | {"version": "m2"}],
        "comparisons": [
            {"version": "m2", "than": HOSTILE, "together_s": 0.0, "differences": dict.fromkeys(rates, lead)}
        ],
        "warnings": [f"{HOSTILE}: too few to tell"],
        "by_rank": [{"rank": 1, "shown": 100, "clicked": 9}, {"rank": 2, "shown": 100, "clicked": 0}],
    }


def page_of(path: Path) -> str:
    remake_report(RunFolder(path))
    return (path / "report.html").read_text("utf-8")


def section(page: str, anchor: str) -> str:
    return page[page.index(f'<section id="{anchor}">') :].partition("</section>")[0]


@pytest.mark.parametrize("run", ["evaluated", "whole"])
def test_the_page_is_whole_and_needs_nothing_from_elsewhere(run: str, request: pytest.FixtureRequest) -> None:
    page = (request.getfixturevalue(run) / "report.html").read_text("utf-8")
    parsed = Page(page)
    assert not parsed.open
    assert len(parsed.ids) == len(set(parsed.ids))
    assert set(parsed.labels) <= set(parsed.ids)
    assert {link.removeprefix("#") for link in parsed.links} <= set(parsed.ids)
    assert [name for name in parsed.ids if name in ANCHORS] == ANCHORS
    assert len(SECTIONS) == len(ANCHORS)
    assert page.index('id="verdict"') < page.index("<nav")
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(parsed.tags)
    assert not re.search(r"https?:|<script|@import|\bon\w+=\"", page)
    assert not re.findall(r"url\((?!data:)", page)
    assert " src=" not in page.replace("&lt;img src=x&gt;", "")
    drawn = parsed.tags.count("svg")
    assert parsed.tags.count("desc") == parsed.tags.count("figcaption") == page.count('role="img"') == drawn > 5


def test_every_section_shows_its_figures(whole: Path) -> None:
    page = (whole / "report.html").read_text("utf-8")
    document = json.loads((whole / "report.json").read_text())
    (report,) = document["reports"]
    figures = section(page, "figures")
    assert all(
        f"{value:.4f}" in figures for value in (*report["metrics"].values(), *report["more"]["metrics"].values())
    )
    assert "the bundle without its ranker" in figures
    served = section(page, "served")
    shown = ("12,345", "678", "91", "23", "498", "65.4", "199", "87.6", "0.3125", "0.8125", "0.123", "77")
    assert all(said in served for said in (*shown, "Past its threshold"))
    live = section(page, "live")
    for said in ("1,234", "0.1234", "+0.0321", "+0.0100 to +0.0500", "leads", "too few to tell", "same time", "98.5"):
        assert said in live
    assert live.count("<svg") == 2
    summary, meta = (json.loads((whole / name).read_text()) for name in ("ingest/summary.json", "split/meta.json"))
    data = section(page, "data")
    assert all(f"{counts['events']:,}" in data for counts in meta["counts"].values())
    assert all(reason in data for reason in summary["events"]["reasons"] if reason != HOSTILE)
    assert f"{summary['events']['read']:,}" in data
    assert "missing" in data
    edges = json.loads((whole / "graph" / "graph.json").read_text())["edges"]
    assert all(f"{number:,}" in section(page, "graph") for number in edges.values())
    assert section(page, "learning").count("<svg") == 2  # an epoch is no curve
    assert "The refitted network was trained without validation (epochs: 1)." in section(page, "learning")
    assert "412.3" in section(page, "candidates")
    assert all(part["slice"] in section(page, "slices") for part in document["slices"]["seen"])
    assert "0.8123" in section(page, "behaviours")
    assert "3.21" in section(page, "compression")
    assert section(page, "compression").count("<svg") == 2
    assert "0.0613 (0.0300 to 0.0900)" in section(page, "cold-items")
    assert f"{report['more']['gini@10']:.4f}" in section(page, "exposure")
    record = json.loads((whole / "run.json").read_text())
    assert all(stage in section(page, "making") for stage in record)
    assert f"aisle-offline publish --bundle {whole / 'bundle'}" in section(page, "making")


def test_hostile_names_stay_text(whole: Path) -> None:
    page = (whole / "report.html").read_text("utf-8")
    assert "<script" not in page
    assert "<img" not in page
    for anchor in ("served", "live", "data", "learning", "candidates", "compression", "cold-items"):
        assert "&lt;script&gt;" in section(page, anchor), anchor
    assert "$\\frac$" in section(page, "candidates")


def test_what_a_run_lacks_is_said_in_one_line(evaluated: Path, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(evaluated, plain)
    document = json.loads((plain / "report.json").read_text())
    for key in ("candidates", "feature_groups", "behaviours", "cold_items"):
        document.pop(key, None)
    (plain / "report.json").write_text(json.dumps(document))
    manifest = resolve(plain / "measured") / names.MANIFEST
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"compression": []}))
    page = page_of(plain)
    for anchor, said in (
        ("live", "was not collected from answers"),
        ("candidates", "has no ranker"),
        ("behaviours", "predicts no behaviours"),
        ("compression", "no other variant was tried"),
        ("cold-items", "No items were withheld"),
    ):
        assert said in section(page, anchor)
        assert "<table" not in section(page, anchor)
    bare = tmp_path / "bare"
    bare.mkdir()
    document = json.loads((evaluated / "report.json").read_text())
    for key in ("slices", "variants"):
        del document[key]
    for entry in (*document["reports"], *(by_mask["seen"] for by_mask in document["baselines"].values())):
        del entry["more"]
    (bare / "report.json").write_text(json.dumps(document))
    (bare / ".lock").touch()
    page = page_of(bare)
    assert "There is no bundle to publish" in section(page.replace(' class="verdict look-closer"', ""), "verdict")
    for anchor in ("data", "graph", "learning", "slices", "exposure"):
        assert "<table" not in section(page, anchor)
        assert "<p>" in section(page, anchor)


def test_a_search_that_is_judged_by_queries_has_its_page(evaluated: Path, tmp_path: Path) -> None:
    shutil.copytree(evaluated, tmp_path / "run")
    path = tmp_path / "run" / "report.json"
    document = json.loads(path.read_text())
    lift = {"difference": 0.1, "ci95": [0.05, 0.15]}
    report = {
        "protocol": "none",
        "n": 321,
        "targets": 900,
        "metrics": {"ndcg@10": 0.5},
        "ci95": {"ndcg@10": [0.4, 0.6]},
    }
    document["dataset"]["task"] = "graded_search"
    document |= {"reports": [report | {"lift_over_tf_idf": {"ndcg@10": lift}}], "slices": {}, "notes": []}
    document["baselines"] = {"tf_idf": {"none": {"ndcg@10": 0.4, "ci95": {"ndcg@10": [0.3, 0.5]}}}}
    path.write_text(json.dumps(document))
    page = page_of(tmp_path / "run")
    assert "321 test queries with 900 targets; nothing is hidden" in page
    assert "It beats tf-idf: ndcg@10 0.5000" in page
    assert "popularity" not in section(page.replace(" look-closer", "").replace(" publish", ""), "figures")


def test_there_is_no_page_of_what_was_not_evaluated(tmp_path: Path, evaluated: Path) -> None:
    with pytest.raises(RunFolderError, match="expected an evaluated run"):
        remake_report(RunFolder(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()
    shutil.copytree(evaluated, tmp_path / "run")
    (tmp_path / "run" / "report.json").write_text("{")
    with pytest.raises(RunFolderError, match="expected JSON"):
        remake_report(RunFolder(tmp_path / "run"))


def test_distributions_are_what_loops_count(evaluated: Path) -> None:
    events = pl.read_parquet(evaluated / "ingest" / "events.parquet")
    spread = distributions_of(evaluated / "ingest")
    assert spread is not None
    for column, histogram in (("user_id", spread.users), ("item_id", spread.items)):
        times: dict[str, int] = {}
        for name in events[column]:
            times[name] = times.get(name, 0) + 1
        lengths = list(times.values())
        assert histogram.tolist() == [[length, lengths.count(length)] for length in sorted(set(lengths))]
    assert spread.over_time is not None
    first, last = events["time"].min(), events["time"].max()
    assert (spread.over_time.first, spread.over_time.last) == (first, last)
    place = np.minimum((events["time"].to_numpy() - first) / ((last - first) / SPANS), SPANS - 1).astype(int)
    for code, behaviour in enumerate(("view", "cart", "purchase"), start=1):
        of = place[events["type"].to_numpy() == code]
        assert spread.over_time.counts[behaviour].tolist() == [int((of == span).sum()) for span in range(SPANS)]
        assert spread.by_behaviour[behaviour] == len(of)


def test_without_a_clock_there_is_no_plot_over_time(evaluated: Path, tmp_path: Path) -> None:
    shutil.copytree(evaluated, tmp_path / "run")
    path = tmp_path / "run" / "ingest" / "events.parquet"
    pl.read_parquet(path).with_columns(time=pl.lit(None, pl.Float64)).write_parquet(path)
    facts = gather(RunFolder(tmp_path / "run"))
    assert facts.distributions is not None
    assert facts.distributions.over_time is None
    assert 'id="over-time-title"' not in page_of(tmp_path / "run")
    path.unlink()
    assert gather(RunFolder(tmp_path / "run")).distributions is None
