"""`init` says the truth of exports as shops, tools and public data sets write them, without a hand's touch."""

import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import made_up_ratings as ratings
import made_up_sets as sets
import made_up_shops as shops
import made_up_trackers as trackers
import polars as pl
import pytest
from made_up_exports import Export, table
from typer.testing import CliRunner

from offline.cli import app
from offline.dataset.spec import load_spec
from offline.ingest.ingest import ingest

EXPORTS: Sequence[Callable[[], Export]] = (
    shops.shopify, shops.woocommerce, shops.magento, shops.sql_dump, shops.german, shops.prestashop, shops.bigcommerce,
    trackers.ga4, trackers.snowplow, trackers.matomo, sets.marketplace, sets.groceries, sets.long_properties,
    sets.fashion, sets.one_file, ratings.movielens, ratings.movielens_without_headers,
    ratings.movielens_100k,
    ratings.games, ratings.music, ratings.books, ratings.reviews,
)  # fmt: skip


def initialised(folder: Path, export: Export) -> dict[str, Any]:
    for name, content in export.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    done = CliRunner().invoke(app, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    return tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))


def columns_named(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(*(columns_named(inner) for key, inner in value.items() if key != "path"))
    return set().union(*map(columns_named, value)) if isinstance(value, list) else set()


@pytest.mark.slow
@pytest.mark.parametrize("make", EXPORTS)
def test_the_roles_of_known_exports_and_of_their_like(tmp_path: Path, make: Callable[[], Export]) -> None:
    export = make()
    written = initialised(tmp_path, export)
    for name in ("events", "items", "users"):
        wanted = dict(getattr(export, name))
        table = written.get(name, {})
        assert {key: table.get(key) for key in wanted} == wanted
    assert export.types == {} or export.types == written["events"].get("types")
    read = set().union(*(columns_named(written[name]) for name in ("events", "items", "users") if name in written))
    assert not read & set(export.nowhere)
    checked = CliRunner().invoke(app, ["check", str(tmp_path)])
    document = json.loads(checked.stdout.splitlines()[-1])
    assert (checked.exit_code, document["errors"]) == (0, 0), checked.stderr
    assert not [each for each in document["findings"] if each["row"] is not None and each["column"] != "CustomerID"]


def check_of(folder: Path) -> dict[str, Any]:
    done = CliRunner().invoke(app, ["check", str(folder)])
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document | {"exit": done.exit_code}


def test_what_is_not_sold_goes_with_all_its_variants(tmp_path: Path) -> None:
    initialised(tmp_path, shops.shopify())
    ingest(load_spec(tmp_path), tmp_path / "out")
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert (items.height, items.get_column("title").null_count()) == (22, 0)
    assert "example.com" not in str(pl.read_parquet(tmp_path / "out" / "events.parquet").rows())


def test_cells_with_several_ids_are_told_and_split_at_init(tmp_path: Path) -> None:
    events = "user_id,item_id,event_type,timestamp\n" + "".join(
        f"u{n % 3},{'p1|p2' if n == 4 else f'p{n % 3}'},view,{1_700_000_000 + n}\n" for n in range(9)
    )
    items = "item_id,title,brand\np0,Oak table,Aldo\np1,Pine chair,ALDO\np2,Steel lamp,Birk\n"
    written = initialised(tmp_path, Export({"events.csv": events, "items.csv": items}))
    assert written["events"]["separators"] == {"item_id": "|"}
    (tmp_path / "dataset.toml").write_text('name = "s"\n[events]\npath = "events.csv"\n[items]\npath = "items.csv"\n')
    advice = {each["expected"]: (each["found"], each["advice"]) for each in check_of(tmp_path)["findings"]}
    assert advice["one id of an item in a cell"] == (
        "'p1|p2', where several ids are joined by '|'",
        'write separators = {item_id = "|"} below [events]: a row for each id then',
    )
    assert advice["one spelling a value"][0] == "'ALDO' and 'Aldo', which differ in their case alone"


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_lists_of_ids_are_a_row_for_each_at_init(tmp_path: Path, form: str) -> None:
    baskets = [
        (f"u{n % 7}", [f"p{n % 9}", f"p{(n + 4) % 9}"][: 1 + n % 2], f"2024-05-{1 + n % 28:02d}") for n in range(60)
    ]
    if form == "csv":
        text = table(["user_id", "item_ids", "day"], [[user, json.dumps(ids), day] for user, ids, day in baskets])
    else:
        text = "".join(json.dumps({"user_id": u, "item_ids": ids, "day": day}) + "\n" for u, ids, day in baskets)
    items = table(["item_id", "title"], [[f"p{n}", f"Thing {n}"] for n in range(9)])
    written = initialised(tmp_path, Export({f"baskets.{form}": text, "items.csv": items}))
    assert written["events"]["item"] == "item_ids"
    ingest(load_spec(tmp_path), tmp_path / "out")
    events = pl.read_parquet(tmp_path / "out" / "events.parquet")
    expected = sorted((user, item) for user, ids, _ in baskets for item in ids)
    assert sorted(events.select("user_id", "item_id").rows()) == expected


def test_lines_of_orders_that_are_no_goods_are_left_out_though_they_are_many(tmp_path: Path) -> None:
    rows = [[n // 2, f"u{n % 7}", f"A{n % 30:03d}", 1, f"2024-05-{1 + n % 28:02d}"] for n in range(90)]
    fees = ["POST", "Versand", "DOT", "C2", "Bank Charges"]
    rows += [[n, f"u{n % 7}", word, 1, "2024-05-02"] for n, word in enumerate([*fees, "GIFTBOX", "POST"])]
    written = initialised(
        tmp_path, Export({"orders.csv": table(["order_id", "customer_id", "sku", "quantity", "date"], rows)})
    )
    assert written["events"]["where"] == 'sku not in ["Bank Charges", "C2", "DOT", "POST", "Versand"]'
    ingest(load_spec(tmp_path), tmp_path / "out")
    items = pl.read_parquet(tmp_path / "out" / "events.parquet")["item_id"].unique()
    assert len(items) == 31
    assert "GIFTBOX" in items


def test_ids_that_are_words_are_goods(tmp_path: Path) -> None:
    rows = [
        [n // 2, f"u{n % 7}", ("lamp", "tip", "m", "rug", "sofa")[n % 5] + "x" * (n // 5 % 9), 1] for n in range(90)
    ]
    rows += [[n, f"u{n}", word, 1] for n, word in enumerate(["tip", "m"])]
    written = initialised(tmp_path, Export({"orders.csv": table(["order_id", "customer_id", "sku", "quantity"], rows)}))
    assert "where" not in written["events"]


def test_a_column_that_its_name_promises_and_its_values_do_not_is_said_at_init(tmp_path: Path) -> None:
    rows = [[f"u{n % 7}", f"p{n % 9}", f"{45_292 + n / 3:.4f}"] for n in range(60)]
    (tmp_path / "log.csv").write_text(table(["user_id", "item_id", "time"], rows))
    done = CliRunner().invoke(app, ["init", str(tmp_path)])
    said = " ".join(done.stderr.split())
    assert "not taken time: by its name time, by its values not: mend them in the export" in said


def test_a_column_that_no_file_has_is_refused_though_nothing_reads_it(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id\nu1,p1\n")
    (tmp_path / "dataset.toml").write_text('name = "s"\n[events]\npath = "events.csv"\nseparators = {tagz = ","}\n')
    checked = check_of(tmp_path)
    (finding,) = (each for each in checked["findings"] if each["level"] == "error")
    assert checked["exit"] == 1
    assert "'tagz'" in finding["expected"]
    assert finding["file"].endswith("line 4, events.separators.tagz")


def test_people_stay_out_of_what_is_learned_and_the_file_says_so(tmp_path: Path) -> None:
    rows = [[f"u{n % 7}", f"p{n % 5}", "view", 1_700_000_000 + n] for n in range(30)]
    customers = [
        [f"u{n}", ("Ann", "Bob")[n % 2], "1980-02-03", "+49 30 901820", f"a{n % 2}@example.com", "10.0.0.1", "new"]
        for n in range(7)
    ]
    header = ["user_id", "prénom", "Geburtsdatum", "contact", "reach", "seen", "segment"]
    files = {
        "events.csv": table(["user_id", "item_id", "event", "ts"], rows),
        "customers.csv": table(header, customers),
    }
    written = initialised(tmp_path, Export(files))
    assert written["users"]["attributes"] == ["segment"]
    text = (tmp_path / "dataset.toml").read_text(encoding="utf-8")
    for kind, column in (
        ("names", "prénom"),
        ("birthdays", "Geburtsdatum"),
        ("phone numbers", "contact"),
        ("mail addresses", "reach"),
        ("addresses of the internet", "seen"),
    ):
        assert f'# left out: looks like people\'s data ({kind}): "{column}"\n' in text
    assert all(len(line) <= 80 for line in text.splitlines())


def test_dates_that_nothing_tells_are_the_one_thing_left_to_decide(tmp_path: Path) -> None:
    rows = [[f"u{n % 7}", f"p{n % 5}", "3/4/2025 10:00"] for n in range(30)]
    initialised(tmp_path, Export({"log.csv": table(["user_id", "item_id", "date"], rows)}))
    text = " ".join((tmp_path / "dataset.toml").read_text(encoding="utf-8").replace("#", " ").split())
    assert "to decide: true or false? '3/4/2025 10:00' can be read in two ways" in text
    checked = check_of(tmp_path)
    (finding,) = (each for each in checked["findings"] if each["level"] == "error")
    assert "day_first" in finding["advice"]


def test_a_column_of_items_that_the_catalogue_does_not_know_is_told_with_the_one_that_it_knows(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text(table(["item_id", "title"], [[f"G{n}", f"Thing {n}"] for n in range(23)]))
    for name, content in trackers.ga4().files.items():
        (tmp_path / name).write_text(content)
    toml = 'name = "s"\n[events]\npath = "events_20240101.jsonl"\nvisitor = "user_pseudo_id"\nitem = "event_date"\n'
    (tmp_path / "dataset.toml").write_text(toml + '[items]\npath = "items.csv"\n')
    advice = {each["expected"]: each["advice"] for each in check_of(tmp_path)["findings"]}
    assert advice["ids of the catalogue"] == (
        'write unnest = "items" and item = "items.item_id" below [events]: these ids look like the catalogue\'s'
    )


def test_a_catalogue_alone_is_a_data_set(tmp_path: Path) -> None:
    files = {name: text for name, text in shops.shopify().files.items() if name.startswith("products")}
    written = initialised(tmp_path, Export(files))
    assert set(written) == {"name", "items"}
    assert written["items"]["variant_of"] == "Handle"
    done = CliRunner().invoke(app, ["check", str(tmp_path)])
    assert done.exit_code == 0
    said = " ".join(done.stderr.split())
    assert "If you run now, all 44 rows of items will be read" in said
    assert "Without events it learns from the catalogue alone" in said


def test_what_products_have_in_common_with_people_stays(tmp_path: Path) -> None:
    header = ["sku", "full_name", "birthstone", "ip_rating", "streetwear", "phone", "zip_style", "supplier_email"]
    items = [
        [f"s{n}", f"Thing number {n}", *(f"{name[:2]}{n % 2}" for name in header[2:7]), "a@example.com"]
        for n in range(23)
    ]
    written = initialised(tmp_path, Export({"items.csv": table(header, items)}))["items"]
    assert (written["title"], written["attributes"]) == ("full_name", header[2:7])


def test_a_table_of_products_in_words_that_no_list_has_is_a_catalogue_and_no_log(tmp_path: Path) -> None:
    rows = [[f"K{n}", f"Thing number {n}", "rgb"[n % 3], "SML"[n % 3], "owo"[n % 2]] for n in range(40)]
    written = initialised(tmp_path, Export({"k.csv": table(["nr", "wort", "farbe", "gr", "stoff"], rows, ";")}))
    assert set(written) == {"name", "items"}
    items = written["items"]
    assert (items["id"], items["title"], items["attributes"]) == ("nr", "wort", ["farbe", "gr", "stoff"])
