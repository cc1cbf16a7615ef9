"""`check` says everything that is wrong with a data set's files, and refuses just what ingest refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import polars as pl
import pytest
from typer.testing import CliRunner

from offline.cli import app
from offline.dataset.spec import load_spec
from offline.errors import DatasetError, Mistake
from offline.ingest.ingest import ingest
from offline.ingest.rejects import Reason
from offline.onboarding.check import Checked, check
from offline.onboarding.findings import Finding, findings_of_error, findings_of_rejected

NOW = 1_700_100_000.0
TOML = 'name = "shop"\n[events]\npath = "events.csv"\n'
HEADER = "user_id,item_id,event_type,timestamp,price\n"
GOOD = [f"u{n % 7},i{n % 11},view,{1_700_000_000 + n},1" for n in range(100)]


def shop(folder: Path, rows: list[str], toml: str = TOML, header: str = HEADER, **files: str) -> Path:
    (folder / "events.csv").write_text(header + "\n".join(rows) + "\n")
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    (folder / "dataset.toml").write_text(toml)
    return folder


def said(checked: Checked, expected: str) -> Finding:
    (finding,) = (each for each in checked.findings if expected in each.expected)
    return finding


def test_a_clean_log_has_no_findings(tmp_path: Path) -> None:
    assert check(shop(tmp_path, GOOD), NOW) == Checked((), {"events": 100})


def test_every_bad_row_is_named_with_its_line_column_and_value(tmp_path: Path) -> None:
    bad = [
        '"",i1,view,1700000000,1',
        'u1,"two\nlines",view,1700000000,1',
        "u1,i1,glance,1700000000,1",
        "u1,i1,view,yesterday,1",
        "u1,i1,view,1700000000,-2",
    ]
    checked = check(shop(tmp_path, GOOD + bad), NOW)
    rows = [each for each in checked.findings if each.row]
    assert [(each.line, each.column, each.found) for each in rows] == [
        (102, "user_id", "nothing"),
        (105, "event_type", "'glance'"),
        (106, "timestamp", "'yesterday'"),
        (107, "price", "'-2'"),
    ]
    assert all(each.file == str(tmp_path / "events.csv") for each in rows)
    assert [each.row for each in rows] == [101, 103, 104, 105]
    assert checked.errors == 0


@pytest.mark.parametrize("bad", [5, 6])
def test_it_refuses_what_ingest_refuses(tmp_path: Path, bad: int) -> None:
    folder = shop(tmp_path, [*GOOD[bad:], *(["u1,i1,addtocart,1700000000,1"] * bad)])
    checked = check(folder, NOW, most=2)
    refused = False
    try:
        ingest(load_spec(folder), tmp_path / "out")
    except DatasetError:
        refused = True
    assert refused == (bad > 5) == (checked.errors > 0)
    assert len([each for each in checked.findings if each.row]) == 2
    assert said(checked, "a line in [events.types]").advice == 'write "addtocart" = "cart"'


def test_a_word_that_nobody_knows_has_no_line_that_maps_it(tmp_path: Path) -> None:
    checked = check(shop(tmp_path, [*GOOD, "u1,i1,glance,1700000000,1"]), NOW)
    assert {each.advice for each in checked.findings} == {"map the word in [events.types]"}


def test_all_mistakes_are_said_not_only_the_first(tmp_path: Path) -> None:
    toml = TOML.replace("events.csv", "events.csv").replace("[events]", "[events]\nuser = 'who'\nquery = 'asked'")
    toml += '[items]\npath = "items.csv"\n[users]\npath = "nowhere.csv"\n'
    folder = shop(tmp_path, GOOD, toml, items="item_id,title\n,Shoe\n")
    found = [(each.table, each.expected) for each in check(folder, NOW).findings if each.level == "error"]
    assert [table for table, _ in found] == ["events", "events", "users", "items", "items"]
    assert [text for table, text in found if table == "events"] == [
        f"a column {name!r} in {folder / 'events.csv'}" for name in ("who", "asked")
    ]


def test_mistakes_in_the_toml_are_findings_too(tmp_path: Path) -> None:
    checked = check(shop(tmp_path, GOOD, TOML + "usr = 'a'\n[evaluation]\ntask = 'x'\n"), NOW)
    assert [each.file.split(", ")[1:] for each in checked.findings if each.file] == [
        ["line 4", "events.usr"],
        ["line 6", "evaluation.task"],
    ]


def test_what_ingest_accepts_but_is_odd_is_a_warning(tmp_path: Path) -> None:
    toml = TOML + '[items]\npath = "items.csv"\n[users]\npath = "users.csv"\n'
    rows = [*GOOD, GOOD[0], "u1,gone,view,1800000000,1", "u2,i1,view,0,1", "u3,i1,view,,1", "u3,i2,view,1700000001,x"]
    items = "item_id,title,brand\n" + "".join(f"i{n},{'' if n == 3 else 'A shoe'},B\n" for n in range(11))
    checked = check(shop(tmp_path, rows, toml, items=items, users="user_id,segment\nu1,a\nidle,b\n"), NOW)
    assert checked.errors == 0
    assert said(checked, "rows that differ").count == 1
    assert said(checked, "items of the catalogue").count == 1
    assert said(checked, "times up to now").count == 1
    assert said(checked, "times of this shop").count == 1
    assert said(checked, "a time").count == 1
    assert said(checked, "a number").count == 1
    assert said(checked, "a title").count == 1
    assert said(checked, "users of [events]").count == 1


def test_times_that_are_all_equal_and_users_with_one_event_are_told(tmp_path: Path) -> None:
    checked = check(shop(tmp_path, [f"u{n},i{n % 3},view,1700000000,1" for n in range(50)]), NOW)
    assert said(checked, "times that differ").count == 50
    assert said(checked, "users with several events").count == 50


def test_a_column_that_looks_as_if_it_were_meant_is_named(tmp_path: Path) -> None:
    checked = check(shop(tmp_path, GOOD, header="user_id,item_id,event_type,happened,price\n"), NOW)
    assert said(checked, "a column for time").advice == 'write time = "happened" below [events]'


def test_a_file_that_breaks_off_is_a_finding(tmp_path: Path) -> None:
    folder = shop(tmp_path, GOOD, TOML.replace(".csv", ".parquet"))
    (folder / "events.csv").unlink()
    pl.DataFrame({"user_id": ["a"], "item_id": ["b"]}).write_parquet(folder / "events.parquet")
    whole = (folder / "events.parquet").read_bytes()
    (folder / "events.parquet").write_bytes(whole[: len(whole) // 2])
    (finding,) = check(folder, NOW).findings
    assert (finding.level, finding.table) == ("error", "events")
    assert "events.parquet" in finding.expected


def test_rows_of_json_lines_are_lines_that_are_not_blank(tmp_path: Path) -> None:
    rows = [json.dumps({"user_id": f"u{n % 3}", "item_id": "i"}) for n in range(40)]
    rows[5] = "\n" + json.dumps({"user_id": "", "item_id": "i"})
    (tmp_path / "events.jsonl").write_text("\n".join(rows))
    (tmp_path / "dataset.toml").write_text(TOML.replace(".csv", ".jsonl"))
    (finding,) = (each for each in check(tmp_path, NOW).findings if each.row)
    assert (finding.row, finding.line) == (6, 7)


def test_the_commands_end_with_json_and_an_exit_code(
    tmp_path: Path, offline: Callable[..., CompletedProcess[str]]
) -> None:
    rows = [f"u{n % 7},i{n % 11},addtocart,{1_700_000_000 + n},1" for n in range(100)]
    (tmp_path / "log.csv").write_text(HEADER + "\n".join(rows) + "\n")
    begun = offline("init", tmp_path)
    assert begun.returncode == 0, begun.stderr
    assert json.loads(begun.stdout.splitlines()[-1])["event_types"] == {"addtocart": "cart"}
    assert "next: aisle-offline check" in begun.stderr.replace("\n", " ")
    fine = offline("check", tmp_path)
    assert (fine.returncode, json.loads(fine.stdout.splitlines()[-1])["errors"]) == (0, 0)
    toml = tmp_path / "dataset.toml"
    toml.write_text(
        toml.read_text().replace("[events.types]", "[events.types]\nx = 'view'\n#").replace("addtocart", "y")
    )
    wrong = offline("check", tmp_path)
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout.splitlines()[-1])["errors"] > 1


def test_every_reason_of_a_bad_row_has_an_expectation_and_an_advice() -> None:
    rejected = pl.DataFrame(
        {"file": "events.csv", "row": range(1, 1 + len(Reason)), "reason": list(map(str, Reason)), "record": "{}"}
    )
    findings = findings_of_rejected("events", rejected, {}, max_rows=1, level="warning")
    assert len(findings) == len(Reason)
    assert all(finding.expected and finding.advice for finding in findings)


def test_the_text_of_an_error_is_made_from_its_mistakes() -> None:
    mistakes = (Mistake("a.toml, line 2", "a file", "none", "add it"), Mistake("b", "x: y", ", got z", "do: it"))
    error = DatasetError(*mistakes)
    assert error.message == "a.toml, line 2: expected a file, got none: add it\nb: expected x: y, got , got z: do: it"
    findings = findings_of_error("events", error)
    assert [(each.file, each.expected, each.found, each.advice) for each in findings] == [
        ("a.toml, line 2", "a file", "none", "add it"),
        ("b", "x: y", ", got z", "do: it"),
    ]
    (finding,) = findings_of_error("events", DatasetError("no room"))
    assert (finding.expected, finding.found) == ("a readable data set", "no room")


def test_a_bad_row_with_lists_and_objects_is_set_aside_as_it_is(tmp_path: Path) -> None:
    good = [{"item_id": f"p{n}", "title": "A shoe", "tags": ["a", "b"], "size": {"eu": [n]}} for n in range(30)]
    bad = {"item_id": None, "title": "No shoe", "tags": ["c"], "size": {"eu": [1]}, "seen": "2024-01-01"}
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*good, bad]))
    toml = 'name = "s"\n[items]\npath = "items.jsonl"\nattributes = ["tags", "size"]\n'
    (tmp_path / "dataset.toml").write_text(toml)
    (finding,) = (each for each in check(tmp_path, NOW).findings if each.row)
    assert (finding.line, finding.found) == (31, "nothing")
    ingest(load_spec(tmp_path), tmp_path / "out")
    record = json.loads(pl.read_parquet(tmp_path / "out" / "rejected.parquet").item(0, "record"))
    assert (record["attributes.tags"], record["attributes.size"]) == (["c"], {"eu": [1]})


def test_kinds_are_counted_as_they_are_shown_and_long_values_by_their_length(tmp_path: Path) -> None:
    rows = [*GOOD, *(f",i{n},view,{1_700_000_000 + n},1" for n in range(3)), f"u1,{'x' * 300},view,1700000000,1"]
    done = CliRunner().invoke(app, ["check", str(shop(tmp_path, rows))])
    document = json.loads(done.stdout.splitlines()[-1])
    assert (done.exit_code, document["errors"], document["warnings"]) == (0, 0, 4)
    assert "3 rows of this kind: lines 102, 103, 104" in done.stderr
    assert "0 errors, 2 warnings." in done.stderr
    assert f"'{'x' * 40}'... (300 characters)" in " ".join(done.stderr.split())
    assert "x" * 41 not in done.stdout + done.stderr


def test_a_note_has_the_article_of_its_noun(tmp_path: Path) -> None:
    rows = [row.replace(",i", ",").replace(",view", ".0,view").replace("u", "") for row in GOOD]
    notes = [each.expected for each in check(shop(tmp_path, rows), NOW).findings if each.level == "note"]
    assert notes == ["an item"]
