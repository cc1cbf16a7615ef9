"""Online figures: from files to CTR, conversion and MRR by version, by the same rules as the service's metrics."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from collected import event, merge, shown
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from app.artifact.stream_records import EventRecord, ImpressionRecord
from app.serving.attribution import OnlineTracker
from app.telemetry.online import OnlineMetrics
from offline.collecting.collect import Collected
from offline.errors import InputError, RunFolderError, StorageError
from offline.online_metrics.attribution import attribute
from offline.online_metrics.figures import evaluate_online
from offline.report.live_page import online_page, write_online_page

HALF_HOUR_S = 1_800.0
VERSIONS = ("m1", "m2")


def answer(request_id: str, items: str, at: float, version: str = "m1", user: str | None = "u") -> ImpressionRecord:
    return shown(request_id, user, at).model_copy(update={"item_ids": list(items), "model_version": version})


@pytest.fixture
def logs(send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path) -> Path:
    """Two versions; a click at the third rank and its purchase, and a cart out of a list."""
    send(
        answer("r1", "abcd", 1_000.0),
        answer("r2", "abcd", 1_010.0, user=None),
        answer("r3", "ef", 2_000.0, version="m2"),
        event("1", "v1", 1_020.0, item_id="c", request_id="r1", position=3),
        merge("v1", "u", 1_030.0),
        event("2", "u", 1_040.0, item_id="c", type="purchase"),
        event("3", "u", 2_001.0, item_id="e", type="cart", request_id="r3"),
        event("4", "u", 1_041.0, item_id="c", request_id="nobody-knows"),
        event("5", "u", 1_042.0, item_id="z", request_id="r1"),
        event("6", "u", 9_000.0, item_id="d", request_id="r1"),
    )
    run(tmp_path / "logs")
    return tmp_path / "logs"


def test_figures_of_each_version_from_what_was_collected(logs: Path) -> None:
    document = evaluate_online(logs, HALF_HOUR_S)
    first, second = document["versions"]
    assert (first["version"], first["answers"], first["people"], first["shown_items"]) == ("m1", 2, 1, 8)
    assert first["metrics"] == {"ctr": 0.5, "cart_rate": 0.0, "conversion": 0.5, "mrr": pytest.approx(1 / 6, abs=1e-6)}
    assert second["metrics"] == {"ctr": 1.0, "cart_rate": 1.0, "conversion": 0.0, "mrr": 1.0}
    assert document["events"] == {"attributed": 2, "too_late": 1, "other_item": 1, "unknown_request": 1}
    assert document["by_rank"][2] == {"rank": 3, "shown": 2, "clicked": 1}
    for version in document["versions"]:
        for metric, (low, high) in version["ci95"].items():
            assert low <= version["metrics"][metric] <= high
    longer = evaluate_online(logs, 24 * 3_600)
    assert (longer["events"]["too_late"], longer["versions"][0]["clicks"]) == (0, 2)


def test_searches_that_found_nothing_are_counted_by_version(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    empty = {"query": "davenport", "total": 0, "matched_by": "nothing", "item_ids": []}
    send(
        shown("r1", query="sofa", total=2, matched_by="words"),
        shown("r2", query="sofa", total=20, matched_by="words", first_position=11),
        shown("r3", **empty),
        shown("r4", None, **empty),
        shown("r5"),
    )
    run(tmp_path / "logs")
    document = evaluate_online(tmp_path / "logs", HALF_HOUR_S)
    (version,) = document["versions"]
    assert (version["searches"], version["searches_without_items"], version["answers"]) == (3, 2, 3)
    page = online_page(document, "shop")
    assert "% that found nothing" in page
    assert "66.7" in page


def test_an_event_on_a_variant_is_one_on_the_item_that_was_shown(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(
        answer("r1", "abcd", 1_000.0),
        event("1", "u", 1_020.0, item_id="c-small", request_id="r1"),
        event("2", "u", 1_040.0, item_id="c-large", type="purchase"),
        event("3", "u", 1_050.0, item_id="z-small", request_id="r1"),
    )
    logs = tmp_path / "logs"
    run(logs)
    assert evaluate_online(logs, HALF_HOUR_S)["events"]["other_item"] == 2
    (logs / "goods.csv").write_text("sku,product\nc-small,c\nc-large,c\nz-small,z\n", "utf-8")
    with (logs / "dataset.toml").open("a", encoding="utf-8") as toml:
        toml.write('\n[items]\npath = "goods.csv"\nid = "sku"\nvariant_of = "product"\n')
    document = evaluate_online(logs, HALF_HOUR_S)
    assert document["events"] == {"attributed": 1, "too_late": 0, "other_item": 1, "unknown_request": 0}
    assert document["versions"][0]["metrics"]["conversion"] == 1.0


def many_answers(number: int, clicked: Callable[[int], bool]) -> list[Any]:
    """Answers of two versions by turns to 121 people who see both, and who clicked."""
    records: list[Any] = []
    for place in range(number):
        user, name = f"u{place % 121}", f"r{place}"
        at = 1_000.0 + place
        records.append(answer(name, "abcd", at, version=VERSIONS[place % 2], user=user))
        if clicked(place):
            records.append(event(f"e{place}", user, at + 1, item_id="a", request_id=name))
    return records


def test_the_last_version_is_compared_with_those_before_it(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(*many_answers(600, lambda place: place % 2 == 1 and place % 3 > 0))
    run(tmp_path / "logs")
    document = evaluate_online(tmp_path / "logs", HALF_HOUR_S)
    (comparison,) = document["comparisons"]
    assert (comparison["version"], comparison["than"], comparison["together_s"]) == ("m2", "m1", 597.0)
    found = comparison["differences"]["ctr"]
    assert found["difference"] == pytest.approx(2 / 3, abs=1e-6)
    low, high = found["ci95"]
    assert 0.5 < low < found["difference"] < high < 0.8
    assert found["said"] == "ahead"
    assert comparison["differences"]["conversion"] == {"difference": 0.0, "ci95": [0.0, 0.0], "said": "open"}
    (warning,) = document["warnings"]
    assert warning.startswith("m1: 300 answers to 121 people, 0 with a click: too few to tell; wait for 100 people")


def test_enough_people_and_clicks_are_no_warning(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    records = [
        each
        for place in range(120)
        for each in (
            answer(f"r{place}", "ab", 100.0 + place, user=f"u{place}"),
            event(f"e{place}", f"u{place}", 101.0 + place, item_id="b", request_id=f"r{place}"),
        )
    ]
    send(*records)
    run(tmp_path / "logs")
    document = evaluate_online(tmp_path / "logs", HALF_HOUR_S)
    assert (document["warnings"], document["comparisons"]) == ([], [])


def test_the_page_says_it_with_plots_and_escapes_names(logs: Path, tmp_path: Path) -> None:
    hostile = "<script>alert(1)</script>"
    document = evaluate_online(logs, HALF_HOUR_S)
    document["versions"][-1]["version"] = document["comparisons"][0]["version"] = hostile
    write_online_page(document, logs, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "<script" not in page
    assert "CTR 100.0\u00a0%" in page
    assert page.count("<svg") == 2
    assert "too few to tell" in page
    assert "CTR of &lt;script&gt;" in page
    assert not re.search(r"https?:|@import|url\(", page)
    empty = document | {"answers": 0, "versions": [], "comparisons": [], "warnings": [], "by_rank": []}
    assert "No answer with items was shown." in online_page(empty, "shop")
    with pytest.raises(StorageError, match="somewhere"):
        write_online_page(document, logs, tmp_path / "somewhere" / "page.html")


def test_only_the_newest_answers_count_when_asked(logs: Path) -> None:
    assert [each["version"] for each in evaluate_online(logs, HALF_HOUR_S, last_s=60.0)["versions"]] == ["m2"]


def test_the_command_ends_with_the_figures_as_json(
    logs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from offline.commands.live import online

    online(logs, window="30m")
    output = capsys.readouterr()
    assert json.loads(output.out.splitlines()[-1]) == evaluate_online(logs, HALF_HOUR_S)
    assert "conversion" in output.err
    assert "m2 less each one before it" in output.err
    assert "m2" in (logs / "online.html").read_text("utf-8")
    online(logs, window="30m", report=tmp_path / "elsewhere.html")
    assert (tmp_path / "elsewhere.html").read_text("utf-8") == (logs / "online.html").read_text("utf-8")
    with pytest.raises(InputError, match="expected a duration"):
        online(logs, window="soon")


def test_a_folder_without_answers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="collect first"):
        evaluate_online(tmp_path, HALF_HOUR_S)


# The service counts as things happen, within its memory; the job joins tables. Each is the oracle of the other.

_ITEMS = st.lists(st.sampled_from("abcde"), min_size=1, max_size=4, unique=True)
_SHOW = st.tuples(st.just("show"), st.sampled_from(["r1", "r2", "r3"]), _ITEMS, st.sampled_from(VERSIONS))
_TELL = st.tuples(
    st.just("tell"),
    st.sampled_from(["r1", "r2", "r3", None]),
    st.sampled_from("abcde"),
    st.sampled_from(["view", "cart", "purchase"]),
    st.integers(1, 2),
)


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.one_of(_SHOW, _TELL), max_size=40), window_s=st.integers(1, 20))
def test_service_and_job_agree(steps: list[Any], window_s: int) -> None:
    registry = CollectorRegistry()
    tracker = OnlineTracker(OnlineMetrics(registry), window_s, 1e9)
    answers, events = [], []
    for now, step in enumerate(steps):
        if step[0] == "show":
            _, name, items, version = step
            if sum(each[0] == name for each in answers) == 8:  # the service follows no more of one name
                continue
            tracker.record_answer(name, version, items, 1, float(now))
            answers.append((name, None, version, float(now), items, 1))
        else:
            _, name, item, kind, person = step
            if name is not None and not any(name == each[0] and item in each[4] for each in answers):
                continue  # nobody clicks on what was not shown yet
            event = EventRecord(event_id=str(now), type=kind, item_id=item, time=float(now), request_id=name)
            tracker.record_event(event, person, float(now))
            events.append((str(person), item, kind, float(now), name))
    shown_table = pl.DataFrame(
        answers,
        schema={
            "request_id": pl.String,
            "person": pl.String,
            "version": pl.String,
            "at": pl.Float64,
            "items": pl.List(pl.String),
            "first_rank": pl.Int64,
        },
        orient="row",
    ).with_row_index("answer")
    event_table = pl.DataFrame(
        events,
        schema={"user": pl.String, "item": pl.String, "type": pl.String, "at": pl.Float64, "request_id": pl.String},
        orient="row",
    )
    found = attribute(shown_table, event_table, window_s).of_answers.join(
        shown_table.select("answer", "version"), on="answer"
    )

    def counted(name: str, **labels: str) -> float:
        return registry.get_sample_value(f"aisle_online_{name}_total", labels) or 0.0

    for version in VERSIONS:
        own = found.filter(version=version)
        for kind, rows in {
            "click": own,
            "cart": own.filter(type="cart"),
            "purchase": own.filter(type="purchase"),
        }.items():
            assert counted("items", version=version, type=kind) == rows.unique(["answer", "item"]).height
            assert counted("answers_with", version=version, type=kind) == rows.get_column("answer").n_unique()
        best = own.group_by("answer").agg(pl.col("rank").min()).get_column("rank")
        assert counted("reciprocal_rank", version=version) == pytest.approx((1 / best).sum())
