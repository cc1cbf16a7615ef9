"""Small folders as people bring them: what `init` and `check` say of each, and what ingest makes of it."""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from offline.cli import app
from offline.dataset.spec import load_spec
from offline.ingest.ingest import ingest

ITEMS = (
    "sku,name,category,maker,price\nk1,Blue kettle,Kitchen > Kettles,Ora,40.00\nk2,Red pan,Kitchen > Pans,Pim,25.50\n"
)
ITEMS += "k3,White plate,Table > Plates,Quo,7.00\n"
LOG = [("ann", "k1", "view"), ("bob", "k2", "cart"), ("ann", "k3", "purchase"), ("bob", "k1", "view")]


def events(*more: str, log: list[tuple[str, str, str]] = LOG, header: str = "user_id,sku,event_type,timestamp") -> str:
    rows = [f"{user},{item},{word},2026-03-01T09:{number:02d}:00Z" for number, (user, item, word) in enumerate(log)]
    return "\n".join([header, *rows, *more]) + "\n"


EVENTS = events()
GOLD = "sku,name,price\nk1,Blue kettle,{}\nk2,Red pan,{}\nk3,White plate,{}\n"


@dataclass(frozen=True)
class Newcomer:
    """What somebody brings: files by name; and what is right.

    `toml` stands in place of `init`. `roles`: of the tables as `init` writes them. `read`: rows of a table that ingest
    keeps. `values`: of the items, by column. `says`: parts of what the findings say, each with its level.
    """

    files: Mapping[str, str | bytes]
    read: Mapping[str, int] = field(default_factory=dict)
    values: Mapping[str, list[Any]] = field(default_factory=dict)
    says: tuple[tuple[str, str], ...] = ()
    roles: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    init_says: tuple[str, ...] = ()
    toml: str | None = None
    exits: int = 0


WRITTEN = (
    'name = "shop"\n[events]\npath = "log.csv"\nitem = "sku"\n[items]\npath = "goods.csv"\nid = "sku"\ntitle = "name"\n'
)
WHOLE = {"events": 4, "items": 3}
GOODS = {"id": "sku", "title": "name", "category": "category", "brand": "maker", "price": "price"}
BAD_ROW = ITEMS.replace("Red pan", "Red pan, deep")

CASES: Mapping[str, Newcomer] = {
    "a comma too many, by a written toml": Newcomer(
        {"log.csv": EVENTS, "goods.csv": BAD_ROW}, toml=WRITTEN, exits=1,
        says=(("error", "goods.csv, line 3: 6 cells instead of 5"),),
    ),
    "a comma too many, by init": Newcomer(
        {"log.csv": EVENTS, "goods.csv": BAD_ROW}, exits=1, roles={"items": GOODS},
        says=(("error", "goods.csv, line 3: 6 cells instead of 5"),),
    ),
    "letters of Windows": Newcomer(
        {"log.csv": EVENTS, "goods.csv": ITEMS.replace("Blue kettle", "Blauer Kessel für Käse").encode("cp1252")},
        WHOLE, {"title": ["Blauer Kessel für Käse", "Red pan", "White plate"]}, roles={"items": GOODS},
        init_says=("goods.csv; encoded in Windows-1252",),
    ),
    "one bad row among many": Newcomer(
        {"log.csv": events("ann,k1,view,2026-03-05T09:00:00Z,left", log=LOG * 10), "goods.csv": ITEMS},
        {"events": 40, "items": 3}, says=(("warning", "log.csv, line 42: 5 cells instead of 4"),),
    ),
    "prices in objects": Newcomer(
        {"log.csv": EVENTS, "goods.jsonl": "".join(
            json.dumps({"sku": f"k{n}", "name": f"Good {n}", "price": {"amount": 3.5 + n, "currency": "EUR"}}) + "\n"
            for n in (1, 2, 3)
        )},
        WHOLE, {"price": [4.5, 5.5, 6.5], "currency": ["EUR"] * 3},
        says=(("note", "the number in each object; in EUR"),),
    ),
    "semicolons and decimal commas": Newcomer(
        {"log.csv": EVENTS.replace(",", ";"), "goods.csv": ITEMS.replace(",", ";").replace(".", ",")},
        WHOLE, {"price": [40.0, 25.5, 7.0]}, roles={"items": GOODS}, init_says=("log.csv; separated by semicolons",),
        says=(("note", "numbers with a decimal comma, such as '40,00'"),),
    ),
    "a catalogue that a written toml leaves out": Newcomer(
        {"log.csv": EVENTS, "goods.csv": ITEMS.replace(",", ";")}, {"events": 4},
        toml='name = "shop"\n[events]\npath = "log.csv"\nitem = "sku"\n',
        says=(("warning", "goods.csv: not named there"),),
    ),
    "tabs": Newcomer(
        {"log.csv": EVENTS, "goods.tsv": ITEMS.replace(",", "\t")}, WHOLE, {"brand": ["Ora", "Pim", "Quo"]},
        roles={"items": GOODS | {"path": "goods.tsv"}},
    ),
    "signs of currencies": Newcomer(
        {"log.csv": EVENTS, "goods.csv": GOLD.format('"2.499,00 €"', '"€19,90"', "7.00 EUR")},
        WHOLE, {"price": [2499.0, 19.9, 7.0], "currency": ["EUR"] * 3}, roles={"items": {"price": "price"}},
    ),
    "ids as fractions": Newcomer(
        {"log.csv": events(log=[(user, f"{item[1]}.0", word) for user, item, word in LOG]),
         "goods.csv": ITEMS.replace("\nk", "\n")},
        WHOLE, {"item_id": ["1", "2", "3"]}, says=(("note", ".0 at the end of every id is left out"),),
    ),
    "several ids in a cell": Newcomer(
        {"log.csv": events("ann,k2|k3,view,2026-03-06T09:00:00Z"), "goods.csv": ITEMS}, {"events": 6, "items": 3},
        roles={"events": {"separators": {"sku": "|"}}},
    ),
    "several ids in a cell, by a written toml": Newcomer(
        {"log.csv": events("ann,k2|k3,view,2026-03-06T09:00:00Z"), "goods.csv": ITEMS}, {"events": 5, "items": 3},
        toml=WRITTEN, says=(("warning", "'k2|k3', where several ids are joined by '|'"),),
    ),
    "an id that no call takes": Newcomer(
        {"log.csv": EVENTS, "goods.csv": ITEMS + f"{'z' * 300},Long,Table,Quo,1.00\n"}, exits=1,
        says=(("error", "goods.csv, line 5"), ("error", "(300 characters)"), ("error", "at most 256 characters")),
    ),
    "words for nothing": Newcomer(
        {"log.csv": EVENTS, "goods.csv": ITEMS.replace("Ora", "NULL").replace("Pim", "N/A")}, WHOLE,
        {"brand": [None, None, "Quo"]}, says=(("warning", "2 of 3 items without one"),),
    ),
    "users called nobody": Newcomer(
        {"log.csv": events("NULL,k1,view,2026-03-06", "(not set),k2,view,2026-03-07"), "goods.csv": ITEMS}, WHOLE,
        says=(("warning", "log.csv, line 6: 'NULL'"), ("warning", "log.csv, line 7: '(not set)'")),
    ),
    "dates of two countries": Newcomer(
        {"log.csv": "user_id,sku,event_type,timestamp\nann,k1,view,03/01/2026 10:00 AM\n"
         "ann,k2,view,03/13/2026 1:00 PM\n"
         "bob,k1,view,01.03.2026 10:00\nbob,k3,view,13.03.2026 13:00\n", "goods.csv": ITEMS}, WHOLE,
        says=(("note", "the day first, such as '13.03.2026 13:00', and the month first"),),
    ),
    "a return": Newcomer(
        {"log.csv": events(header="user_id,sku,event_type,timestamp,quantity").replace("Z\n", "Z,1\n")
         + "ann,k3,purchase,2026-03-06T09:00:00Z,-1\n", "goods.csv": ITEMS}, {"events": 3, "items": 3},
        roles={"events": {"quantity": "quantity"}}, says=(("note", "1 event taken back"),),
    ),
    "categories in JSON": Newcomer(
        {"log.csv": EVENTS, "goods.csv": 'sku,name,category\nk1,Kettle,"[""Kitchen"",""Kettles""]"\n'
         'k2,Pan,"[""Kitchen"",""Pans""]"\nk3,Plate,"[""Table""]"\n'}, WHOLE,
        {"category": ["Kitchen > Kettles", "Kitchen > Pans", "Table"]},
    ),
    "one brand in several cases": Newcomer(
        {"log.csv": EVENTS, "goods.csv": ITEMS.replace("Pim", "ORA").replace("Quo", "ora")}, WHOLE,
        says=(("warning", "'ORA' and 'Ora' and 'ora', which differ in their case alone"),),
    ),
    "items within events": Newcomer(
        {"log.jsonl": "".join(
            json.dumps({
                "event_date": "20260301", "event_timestamp": 1_772_000_000_000_000 + n, "event_name": "view_item",
                "user_pseudo_id": f"{n % 3}.7", "items": [{"item_id": f"k{1 + n % 3}", "price": 4}],
            }) + "\n" for n in range(9)
        ), "goods.csv": ITEMS}, {"events": 9, "items": 3},
        roles={"events": {"unnest": "items", "item": "items.item_id", "visitor": "user_pseudo_id"}},
    ),
    "a shop's export of products": Newcomer(
        {"log.csv": EVENTS.replace("k", "lamp-").replace("sku", "Lineitem sku"), "products_export.csv":
         "Handle,Title,Body (HTML),Vendor,Type,Tags,Published,Option1 Name,Option1 Value,Variant SKU,Variant Price\n"
         'lamp,Moon lamp,<p>Soft</p>,Lumo,Lamps,"warm, small",true,Size,S,lamp-1,10\nlamp,,,,,,,,M,lamp-2,12\n'
         'sun,Sun lamp,,Lumo,Lamps,warm,true,Size,L,lamp-3,20\n'}, {"events": 4, "items": 2},
        {"item_id": ["lamp", "sun"], "title": ["Moon lamp", "Sun lamp"], "price": [10.0, 20.0]},
        roles={"items": {"id": "Variant SKU", "variant_of": "Handle", "separators": {"Tags": ", "}}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_what_a_newcomer_brings_is_read_or_said(tmp_path: Path, name: str) -> None:
    case, run = CASES[name], CliRunner()
    for file, content in case.files.items():
        (tmp_path / file).write_bytes(content if isinstance(content, bytes) else content.encode())
    if case.toml is None:
        done = run.invoke(app, ["init", str(tmp_path)])
        assert (done.exit_code, "Traceback" in done.output) == (0, False)
        said = " ".join(done.stderr.split())
        assert [part for part in case.init_says if part not in said] == []
    else:
        (tmp_path / "dataset.toml").write_text(case.toml)
    written = tomllib.loads((tmp_path / "dataset.toml").read_text("utf-8"))
    for table, roles in case.roles.items():
        assert {role: written[table].get(role) for role in roles} == dict(roles)

    checked = run.invoke(app, ["check", str(tmp_path)])
    document = json.loads(checked.stdout.splitlines()[-1])
    assert (checked.exit_code, document["errors"] > 0) == (case.exits, case.exits == 1), checked.stderr
    assert max(len(line) for line in checked.stderr.splitlines() if str(tmp_path) not in line) <= 80
    told: dict[str, list[str]] = {"error": [], "warning": [], "note": []}
    for finding in document["findings"]:
        told[finding["level"]].append(
            f"{finding['expected']} {finding['found']} {place_of(finding)}: {finding['found']}"
        )
    for level, part in case.says:
        assert any(part in line for line in told[level]), (part, told)
    if case.exits:
        return

    ingest(load_spec(tmp_path), tmp_path / "out", max_bad_share=1.0)
    tables = {table: pl.read_parquet(tmp_path / "out" / f"{table}.parquet") for table in ("events", "items")}
    assert {table: tables[table].height for table in case.read} == dict(case.read)
    items = tables["items"].sort("item_id")
    assert {column: items[column].to_list() for column in case.values} == dict(case.values)


def place_of(finding: Mapping[str, Any]) -> str:
    """The file and line of a finding, by the file's name."""
    name = Path(finding["file"] or "").name
    return f"{name}, line {finding['line']}" if finding["line"] is not None else name
