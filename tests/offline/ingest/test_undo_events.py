"""What takes an event back: returns, words that undo, words and ratings that are no events."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.dataset.spec import load_spec
from offline.ingest import clean_events as module
from offline.ingest.ingest import ingest
from offline.ingest.undo_events import PAIR, UNDO, match_undos
from offline.onboarding.check import Checked, check

START = 1_700_000_000
NOW = 1_900_000_000.0


def made(folder: Path, rows: list[dict[str, Any]], more: str = "", head: str = "") -> Path:
    """A log of these rows; `head` stands in `[events]`, `more` behind it."""
    folder.mkdir(exist_ok=True)
    pl.DataFrame(rows, infer_schema_length=None).write_csv(folder / "log.csv")
    (folder / "dataset.toml").write_text(f'name = "till"\n[events]\npath = "log.csv"\n{head}{more}')
    return folder


def read(folder: Path) -> tuple[list[tuple[str, str, int]], dict[str, Any]]:
    """The user, item and type of each event, and the counts of the summary."""
    ingest(load_spec(folder), folder / "out")
    events = pl.read_parquet(folder / "out" / "events.parquet")
    counts = json.loads((folder / "out" / "summary.json").read_text())["events"]
    return list(events.select("user_id", "item_id", "type").iter_rows()), counts


def said(checked: Checked, level: str = "note") -> list[str]:
    return [finding.found for finding in checked.findings if finding.level == level]


def bought(user: str, item: str, at: int, quantity: int = 1) -> dict[str, Any]:
    return {"user_id": user, "item_id": item, "event_type": "purchase", "timestamp": START + at, "quantity": quantity}


def test_what_came_back_takes_its_purchase_with_it(tmp_path: Path) -> None:
    rows = [
        bought("a", "cup", 1),
        bought("a", "cup", 2, 3),
        bought("a", "cup", 3, -3),  # the second one
        bought("b", "cup", 4),  # another's
        bought("b", "jug", 5),
        bought("b", "cup", 6, -1),
        bought("c", "jug", 7, -2),  # bought before the log begins
        bought("c", "jug", 8),
        {**bought("d", "cup", 9), "event_type": "view"},
        bought("d", "cup", 10),
        bought("d", "cup", 11, -1),  # the purchase, not the look
        bought("e", "jug", 12, 0),
    ]
    folder = made(tmp_path / "s", rows)
    events, counts = read(folder)
    assert events == [("a", "cup", 3), ("b", "jug", 3), ("c", "jug", 3), ("d", "cup", 1), ("e", "jug", 3)]
    assert {name: counts[name] for name in ("read", "kept", "rejected", "undone", "undo_without_event")} == {
        "read": 12,
        "kept": 5,
        "rejected": 0,
        "undone": 3,
        "undo_without_event": 1,
    }
    checked = check(folder, NOW)
    assert (checked.errors, [f.column for f in checked.findings if "taken back" in f.found]) == (0, ["quantity"])
    assert any("3 events taken back" in line and "1 return" in line for line in said(checked))
    (zero,) = (finding for finding in checked.findings if "quantity of 0" in finding.found)
    assert (zero.level, zero.count, zero.column) == ("warning", 1, "quantity")


def test_a_return_of_the_same_day_is_behind_its_purchase_wherever_its_row_stands(tmp_path: Path) -> None:
    rows = [bought("a", "cup", 0, -1), bought("a", "cup", 0), bought("a", "jug", 0)]
    assert read(made(tmp_path / "s", rows))[0] == [("a", "jug", 3)]
    without_time = [{name: value for name, value in row.items() if name != "timestamp"} for row in rows]
    assert read(made(tmp_path / "t", without_time))[0] == [("a", "jug", 3)]


def test_a_return_whose_price_is_negative_too_is_not_bad(tmp_path: Path) -> None:
    rows = [{**bought("a", "cup", 1), "price": 5}, {**bought("a", "cup", 2, -1), "price": -5}, bought("a", "jug", 3)]
    events, counts = read(made(tmp_path / "s", rows))
    assert (events, counts["rejected"]) == ([("a", "jug", 3)], 0)


def test_words_undo_and_words_say_nothing(tmp_path: Path) -> None:
    words = ["cart", "cart", "remove", "cart", "remove", "remove", "note", "view", "note"]
    rows = [
        {"user_id": "a" if n < 8 else "", "item_id": "cup", "event_type": word, "timestamp": START + n}
        for n, word in enumerate(words)
    ]
    rows[4]["item_id"] = "jug"  # has nothing to take back
    folder = made(tmp_path / "s", rows, '[events.types]\nremove = {undoes = "cart"}\nnote = "ignore"\n')
    events, counts = read(folder)
    assert events == [("a", "cup", 2), ("a", "cup", 1)]
    assert (counts["undone"], counts["undo_without_event"], counts["ignored"]) == (2, 1, 2)
    assert counts["reasons"] == {}
    assert any("2 rows" in line and "ignore" in line for line in said(check(folder, NOW)))


def test_a_constant_says_what_every_row_is(tmp_path: Path) -> None:
    rows = [{**bought("a", "cup", 1), "event_type": "whatever"}, {**bought("a", "jug", 2), "event_type": ""}]
    events, counts = read(made(tmp_path / "s", rows, head='type = {constant = "purchase"}\n'))
    assert events == [("a", "cup", 3), ("a", "jug", 3)]
    assert counts["rejected"] == 0


@pytest.mark.parametrize(
    ("stars", "head", "kept", "said_of"),
    [
        ([1, 2, 3, 4, 5], "", ["i3", "i4"], "1 to 5: 4 and more"),
        ([0, 3, 8, 10, 0], "rating_implicit = [0]\n", ["i0", "i2", "i3", "i4"], "3 to 10: 8 and more"),
        ([1, 2, 3, 4, 5], "rating_from = 2.5\n", ["i2", "i3", "i4"], "2.5 and more"),
        (["2,5", "4,5", "", "5,0", "0,5"], "", ["i1", "i2", "i3"], "0.5 to 5: 4.5 and more"),
        ([5, 5, 5, 5, 5], "", ["i0", "i1", "i2", "i3", "i4"], None),
        ([-1, 1, -1, 1, 1], "", ["i1", "i3", "i4"], "-1 to 1: 1 and more"),
    ],
)
def test_low_ratings_are_no_events(
    tmp_path: Path, stars: list[Any], head: str, kept: list[str], said_of: str | None
) -> None:
    rows = [{"user_id": "a", "item_id": f"i{n}", "stars": star} for n, star in enumerate(stars)]
    folder = made(tmp_path / "s", rows, head=f'rating = "stars"\n{head}')
    events, counts = read(folder)
    assert sorted(item for _, item, _ in events) == kept
    assert counts["disliked"] == 5 - len(kept)
    notes = [line for line in said(check(folder, NOW)) if "and more" in line]
    assert len(notes) == (said_of is not None)
    assert said_of is None or said_of in notes[0]


def test_a_rating_that_is_no_number_is_set_aside(tmp_path: Path) -> None:
    rows = [{"user_id": "a", "item_id": f"i{n}", "stars": star} for n, star in enumerate(["4", "good", "5"])]
    folder = made(tmp_path / "s", rows, head='rating = "stars"\n')
    errors = [finding for finding in check(folder, NOW).findings if finding.column == "stars"]
    assert any(finding.found == "'good'" for finding in errors)


@given(st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("xy"), st.integers(1, 2), st.booleans()), max_size=40))
def test_undos_are_matched_as_by_a_stack_of_each_user_item_and_type(rows: list[tuple[str, str, int, bool]]) -> None:
    table = pl.DataFrame(rows, {"user": pl.String, "item": pl.String, "type": pl.UInt8, UNDO: pl.Boolean}, orient="row")
    stacks: dict[tuple[str, str, int], list[int]] = {}
    partner: dict[int, int] = {}
    lone = set()
    for number, (*kind, undo) in enumerate(rows):
        stack = stacks.setdefault(tuple(kind), [])  # type: ignore[arg-type]
        if not undo:
            stack.append(number)
        elif stack:
            partner[number] = stack[-1]
            partner[stack.pop()] = number
        else:
            lone.add(number)
    matched = match_undos(table.with_columns(number=pl.int_range(pl.len())))
    assert matched["number"].to_list() == [number for number in range(len(rows)) if number not in lone]
    pairs = matched.drop_nulls(PAIR).group_by(PAIR).agg("number")["number"].to_list()
    assert sorted(map(sorted, pairs)) == sorted(sorted(pair) for pair in partner.items() if pair[0] < pair[1])


def test_undos_are_matched_across_batches_and_ranges_of_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [bought(f"u{n % 7}", f"i{n % 3}", n, -1 if n % 5 == 4 else 1) for n in range(120)]
    folder = made(tmp_path / "s", rows)
    whole, counts = read(folder)
    undone = pl.read_parquet(folder / "out" / "undone.parquet")
    monkeypatch.setattr(module, "BATCH_ROWS", 9)
    monkeypatch.setattr(module, "RANGE_EVENTS", 30)
    parts, counted = read(folder)
    assert (parts, counted["undone"]) == (whole, counts["undone"])
    assert pl.read_parquet(folder / "out" / "undone.parquet").equals(undone)
    assert (undone.group_by(PAIR).len()["len"] == 2).all()
    assert counts["undone"] > 5
