"""Proposals of synonyms: what a log speaks for, what it seems to, and nothing held out or of one person."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from collected import event, shown

from app.artifact.stream_records import ImpressionRecord
from app.artifact.text.synonym_table import SynonymRule, SynonymTable
from offline.collecting.collect import Collected
from offline.online_metrics.logs import read_events
from offline.synonyms.clicks import click_evidence
from offline.synonyms.phrases import Phrases, differing_phrases
from offline.synonyms.proposals import propose_synonyms

Log = list[tuple[int, int, int, float, str]]
NONE = SynonymTable()
HOUR = 3_600.0


def choices(*queries: str, rows: Iterable[int] = (1, 2, 3, 4), people: int = 8, first: int = 0) -> Log:
    """Each query leads as many people, the `first` and those behind, to some of the rows."""
    items = list(rows)
    return [
        (first + person, items[(person + place) % len(items)], 0, 100.0 + person, query)
        for query in queries
        for person in range(people)
        for place in range(2)
    ]


def lines(split: Path, root: Path = Path("/nowhere"), known: SynonymTable = NONE) -> list[str]:
    return [proposal["line"] for proposal in propose_synonyms(root, split, known)]


@pytest.mark.parametrize(
    ("first", "second", "phrases"),
    [
        ("red sofa", "red couch", Phrases("sofa", "couch")),
        ("red sofas", "couch red", Phrases("sofas", "couch")),
        ("mobile phone", "smart telephone case", Phrases("mobile phone", "smart telephone case")),
        ("flat screen tv", "television", Phrases("flat screen tv", "television")),
        ("sofa", "red sofa", None),
        ("sofa", "sofas", None),
        ("sofa", "soffa", None),
        ("smart phone", "smartphone", None),
        ("lampe", "stehlampe", None),
        ("iphone 12", "iphone 13", None),
        ("wh-1000 case", "wf-1000 case", None),
        ("red leather sofa", "green couch leather", None),
        ("红色手机", "红色移动电话", Phrases("手机", "移动电话")),
        ("a b c d", "e f g h", None),
    ],
)
def test_what_two_queries_differ_in(first: str, second: str, phrases: Phrases | None) -> None:
    assert differing_phrases(first, second) == phrases


def test_queries_that_lead_to_the_same_items_are_proposed_with_their_evidence(
    write_split: Callable[..., Path], tmp_path: Path
) -> None:
    split = write_split(
        tmp_path / "split",
        train=[
            *choices("red sofa", "red couch"),
            *choices("leather sofa", "leather couch", rows=(5, 6)),
            *choices("table", rows=(7, 8)),
        ],
    )
    (proposal,) = propose_synonyms(tmp_path, split, NONE)
    assert proposal["line"] == "couch, sofa"
    assert (proposal["evidence"], proposal["people"], proposal["pairs"]) == ("clicks", 16, 2)
    assert proposal["likeness"] == pytest.approx(1.0, abs=1e-3)
    assert sorted(proposal["queries"]) == [["leather couch", "leather sofa"], ["red couch", "red sofa"]]
    assert set(proposal["items"]) <= {f"thing number {row}" for row in range(1, 7)}


def test_words_that_other_queries_part_are_not_proposed(write_split: Callable[..., Path], tmp_path: Path) -> None:
    log = choices("red sofa", "blue sofa")  # of these nobody minds the colour
    assert lines(write_split(tmp_path / "one", train=log)) == ["blue, red"]
    log += choices("red coat", rows=(5, 6)) + choices("blue coat", rows=(7, 8))
    assert lines(write_split(tmp_path / "two", train=log)) == []


def test_words_that_the_items_have_both_are_not_proposed(write_split: Callable[..., Path], tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", train=choices("modern shoes", "black shoes"))
    assert lines(split) == ["black, modern"]
    items = pl.read_parquet(split / "items.parquet").with_columns(text=pl.lit("a modern one, in Black"))
    items.write_parquet(split / "items.parquet")
    assert lines(split) == []


def test_what_the_shop_says_already_is_not_proposed(write_split: Callable[..., Path], tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", train=choices("sofa", "couch"))
    assert lines(split) == ["couch, sofa"]
    known = SynonymTable(rules=(SynonymRule(phrases=("Sofa",), means=("couch", "settee")),))
    assert lines(split, known=known) == []


def test_few_people_and_held_out_events_say_nothing(write_split: Callable[..., Path], tmp_path: Path) -> None:
    few = write_split(tmp_path / "few", train=choices("sofa", people=8) + choices("couch", people=2))
    later = write_split(tmp_path / "later", train=choices("sofa"), valid=choices("couch"), test=choices("couch"))
    assert lines(few) == lines(later) == []


def test_an_item_with_many_queries_says_less(write_split: Callable[..., Path], tmp_path: Path) -> None:
    own = choices("bread", rows=(2, 3)) + choices("lamp", rows=(4, 5))
    common = [(person, 1, 0, 50.0, query) for query in ("bread", "lamp") for person in range(4)]
    everywhere = [
        (person, 1, 0, 50.0, f"query {letter}{letter}{letter}") for letter in "abcdefghijklmnopq" for person in range(4)
    ]
    evidence = click_evidence(write_split(tmp_path / "split", train=[*own, *common, *everywhere]))
    assert Phrases("bread", "lamp") not in evidence


def search(request: str, user: str, query: str, at: float, total: int = 5) -> ImpressionRecord:
    found = "words" if total else "nothing"
    return shown(request, user, at, query=query, total=total, matched_by=found, item_ids=["p1"] if total else [])


@pytest.fixture
def logs(send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path) -> Path:
    """Two people put `davenport` otherwise; others click at once, wait too long, or do so after the cut."""
    records: list[Any] = []
    for name in ("ada", "v1"):
        records += [
            search(f"{name}-1", name, "red davenport", 100.0, total=0),
            search(f"{name}-2", name, "Red davenport ", 105.0, total=0),
            search(f"{name}-3", name, "red sofa", 160.0),
            event(f"{name}-e", name, 170.0, item_id="p1", **({"request_id": f"{name}-3"} if name == "ada" else {})),
        ]
        records[-1] = records[-1].model_copy(update={"query": "red sofa"})
    for number, (first, second, gap) in enumerate([("hob", "cooker", 2 * HOUR), ("loo", "toilet", 60.0)]):
        for name in ("bo", "cy"):
            at = 10_000.0 * (number + 1) if first == "hob" else 2e6
            records += [
                search(f"{name}-{first}", name, first, at),
                search(f"{name}-{second}", name, second, at + gap),
                event(f"{name}-{first}-e", name, at + gap + 1, request_id=f"{name}-{second}", item_id="p1"),
            ]
    for name in ("di", "ed"):
        records += [
            search(f"{name}-1", name, "pram", 300.0),
            event(f"{name}-e1", name, 310.0, request_id=f"{name}-1", item_id="p1"),
            search(f"{name}-2", name, "buggy", 320.0),
            event(f"{name}-e2", name, 330.0, request_id=f"{name}-2", item_id="p1"),
        ]
    records += [search("x-1", "ada", "my secret", 400.0, total=0), search("x-2", "ada", "hat", 410.0)]
    records += [event("x-e", "ada", 420.0, request_id="x-2", item_id="p1")]
    send(*records)
    run(tmp_path / "logs")
    return tmp_path / "logs"


def test_a_query_without_a_click_and_how_it_was_put_then_is_proposed_one_way(
    write_split: Callable[..., Path], logs: Path, tmp_path: Path
) -> None:
    split = write_split(tmp_path / "split", train=[(0, 1, 0, 5.0)], how="time:0.8", train_cut=1e6)
    (proposal,) = propose_synonyms(logs, split, NONE)
    assert proposal == {
        "line": "davenport => sofa",
        "evidence": "rewordings",
        "people": 2,
        "found_nothing": 2,
        "queries": [["red davenport", "red sofa"]],
    }
    assert read_events(logs).columns == ["user", "item", "type", "at", "request_id", "query"]


def test_without_a_cut_in_time_nothing_from_the_first_event_held_out_on_is_read(
    write_split: Callable[..., Path], logs: Path, tmp_path: Path
) -> None:
    whole = write_split(tmp_path / "whole", train=[(0, 1, 0, 5.0)])
    assert lines(whole, logs) == ["davenport => sofa", "loo => toilet"]
    early = write_split(tmp_path / "early", train=[(0, 1, 0, 5.0)], test=[(0, 2, 0, 150.0)])
    assert lines(early, logs) == []
    timeless = write_split(tmp_path / "timeless", train=[(0, 1, 0, None)])
    assert lines(timeless, logs) == []


def test_proposals_are_json(write_split: Callable[..., Path], logs: Path, tmp_path: Path) -> None:
    split = write_split(tmp_path / "split", train=choices("sofa", "couch"))
    proposals = propose_synonyms(logs, split, NONE)
    assert json.loads(json.dumps(proposals)) == proposals
    assert {proposal["evidence"] for proposal in proposals} == {"clicks", "rewordings"}
