"""Rows that are variants of a product become one item, and whatever names a variant means its product."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.dataset.spec import load_spec
from offline.ingest.ingest import ingest
from offline.ingest.variants import roll_up
from offline.onboarding.check import check

NOW = 1_900_000_000.0
LAMPS = """\
Handle,Title,Body,Maker,Kind,Tags,Option1 Name,Option1 Value,Option2 Name,Option2 Value,SKU,Left,Price,Image
moon,Moon lamp,<p>Round &amp; soft</p>,Lumo,Lamps,"bedroom, warm",Colour,Blue,Size,Small,M-1,0,"1.249,00 €",moon.jpg
moon,,,,,,,Red,,SMALL,M-2,3,"1.199,00 €",
moon,,,,,,,Blue,,Large,M-3,0,"1.299,00 €",moon-large.jpg
moon,,,,,,,,,,,,,moon-back.jpg
sun,Sun lamp,,Lumo,Lamps,,Title,Default Title,,,S-1,,"89,00 €",
dusk,Dusk lamp,,Nox,Lamps,cold,colour,Black,,,M-1,0,"59,50 €",dusk.jpg
,Spare bulb,,Nox,Bulbs,,,,,,B-1,7,"5,00 €",
,Nothing,,,,,,,,,,,,
"""
TOML = """\
name = "lamps"
[events]
path = "orders.csv"
user = "who"
item = "what"
time = "at"
[items]
path = "lamps.csv"
id = "SKU"
variant_of = "Handle"
title = "Title"
category = "Kind"
brand = "Maker"
price = "Price"
text = "Body"
in_stock = "Left"
attributes = ["Tags"]
options = [["Option1 Name", "Option1 Value"], ["Option2 Name", "Option2 Value"]]
display = ["Image"]
separators = {Tags = ", "}
"""
ORDERS = ["M-1", "M-2", "moon", "S-1", "B-1", "gone", "M-3", "sun"]


def lamps(folder: Path, toml: str = TOML) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "lamps.csv").write_text(LAMPS, encoding="utf-8")
    rows = [f"u{place % 3},{item},{1_700_000_000 + place}" for place, item in enumerate(ORDERS)]
    (folder / "orders.csv").write_text("\n".join(["who,what,at", *rows]) + "\n", encoding="utf-8")
    (folder / "dataset.toml").write_text(toml, encoding="utf-8")
    return folder


def read(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, dict[str, Any]]:
    ingest(load_spec(folder), folder / "out", max_bad_share=0.2)
    events, items = (pl.read_parquet(folder / "out" / f"{name}.parquet") for name in ("events", "items"))
    return events, items, json.loads((folder / "out" / "summary.json").read_text("utf-8"))


def test_the_rows_of_a_product_are_one_item_of_its_first_values_and_all_its_options(tmp_path: Path) -> None:
    _, items, summary = read(lamps(tmp_path / "shop"))
    by_id = {item["item_id"]: item for item in items.to_dicts()}
    assert list(by_id) == ["B-1", "dusk", "moon", "sun"]
    assert by_id["moon"] == {
        "item_id": "moon",
        "title": "Moon lamp",
        "category": "Lamps",
        "brand": "Lumo",
        "price": 1199.0,
        "in_stock": True,
        "added": None,
        "text": "Round & soft",
        "attributes": ["Tags=bedroom", "Tags=warm", "Colour=Blue", "Size=Small", "Colour=Red", "Size=Large"],
        "currency": "EUR",
        "display.Image": '"moon.jpg"',
        "variants": ["M-1", "M-2", "M-3"],
    }
    assert by_id["sun"]["attributes"] == []  # what a product without options has in their place
    assert (by_id["sun"]["in_stock"], by_id["sun"]["display.Image"]) == (None, None)
    assert (by_id["dusk"]["attributes"], by_id["dusk"]["in_stock"]) == (["Tags=cold", "Colour=Black"], False)
    assert by_id["B-1"]["title"] == "Spare bulb"
    assert summary["items"]["kept"] == 4
    assert summary["items"]["duplicates"] == 0
    assert summary["items"]["reasons"] == {"empty item id": 1}


def test_events_on_variants_are_on_their_product_and_unknown_ones_on_what_the_catalogue_lacks(tmp_path: Path) -> None:
    events, _, summary = read(lamps(tmp_path / "shop"))
    assert events.sort("time")["item_id"].to_list() == ["moon", "moon", "moon", "sun", "B-1", "gone", "moon", "sun"]
    assert summary["events"]["items"] == 4
    assert summary["events"]["on_items_absent_from_catalogue"] == 1


def test_check_says_what_the_rows_become_and_which_ids_several_products_share(tmp_path: Path) -> None:
    findings = check(lamps(tmp_path / "shop"), NOW, max_bad_share=0.2).findings
    assert any(f.expected == "a variant" and f.found == "7 rows of 4 products by 'Handle'" for f in findings)
    shared = [f for f in findings if f.expected == "variants of one product each"]
    assert [(f.level, f.found) for f in shared] == [("warning", "1 ids of several products, such as 'M-1'")]
    assert [f.found for f in findings if f.expected == "items of the catalogue"] == [
        "1 events on 1 items that it lacks, such as 'gone'"
    ]


def test_a_missing_column_of_variants_options_or_display_is_named(tmp_path: Path) -> None:
    toml = TOML.replace('"Handle"', '"Handel"').replace('"Option2 Value"', '"Option2"').replace('"Image"', '"Picture"')
    found = [f"{f.expected} {f.advice}" for f in check(lamps(tmp_path / "shop", toml), NOW).findings]
    for name, near in (("Handel", "did you mean 'Handle'"), ("Option2", "did you mean 'Option2 "), ("Picture", "")):
        assert any(f"a column '{name}'" in line and near in line for line in found), name


def test_the_parent_of_variants_comes_first_wherever_it_stands(tmp_path: Path) -> None:
    """As exports have it whose variants name their parent's own id."""
    folder = lamps(tmp_path / "shop")
    (folder / "lamps.csv").write_text(
        "SKU,Parent,Name,Price,Attribute 1 name,Attribute 1 value(s)\n"
        "SHIRT-S,SHIRT,Shirt - S,12,Size,S\nSHIRT-M,SHIRT,Shirt - M,11,Size,M\n"
        'SHIRT,,Shirt,,Size,"S, M, L"\nCAP,,Cap,9,,\n'
    )
    (folder / "dataset.toml").write_text(
        'name = "shirts"\n[items]\npath = "lamps.csv"\nid = "SKU"\nvariant_of = "Parent"\ntitle = "Name"\n'
        'price = "Price"\n'
        'options = [["Attribute 1 name", "Attribute 1 value(s)"]]\nseparators = {"Attribute 1 value(s)" = ","}\n'
        'currency = "usd"\n[events]\npath = "orders.csv"\nuser = "who"\nitem = "what"\ntime = "at"\n'
    )
    _, items, _ = read(folder)
    shirt = items.filter(pl.col("item_id") == "SHIRT").to_dicts()[0]
    assert (shirt["title"], shirt["price"], shirt["variants"]) == ("Shirt", 11.0, ["SHIRT-S", "SHIRT-M"])
    assert shirt["attributes"] == ["Size=S", "Size=M", "Size=L"]
    assert items["currency"].to_list() == ["USD", "USD"]


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ('Live not in ["0"]', ["CAP", "SOCK"]),  # a state: the variants of what is not sold are not sold
        ('Live = "1" and Kind = "wear"', ["CAP", "SOCK"]),
        ("Left > 0", ["CAP", "SHIRT", "SOCK"]),  # an amount, which a product does not have for its variants
        ('Cut != "none"', ["CAP", "SHIRT", "SOCK"]),  # the row of the product has no value: it says nothing
    ],
)
def test_a_state_of_a_product_holds_for_variants_with_a_state_of_their_own(
    tmp_path: Path, where: str, kept: list[str]
) -> None:
    folder = lamps(tmp_path / "shop")
    (folder / "lamps.csv").write_text(
        "SKU,Parent,Name,Live,Left,Kind,Cut\n"
        "SHIRT-S,SHIRT,Shirt - S,1,4,wear,slim\nSHIRT,,Shirt,0,0,wear,\nSHIRT-M,SHIRT,Shirt - M,1,2,wear,wide\n"
        "CAP,,Cap,1,3,wear,round\nSOCK-L,SOCK,Sock - L,1,1,wear,long\nSOCK,,Sock,1,1,wear,long\n"
    )
    (folder / "dataset.toml").write_text(
        'name = "shirts"\n[items]\npath = "lamps.csv"\nid = "SKU"\nvariant_of = "Parent"\ntitle = "Name"\n'
        f"where = '{where}'\n"
    )
    _, items, _ = read(folder)
    assert items["item_id"].sort().to_list() == kept


def test_without_variants_the_first_of_equal_ids_is_kept_as_ever(tmp_path: Path) -> None:
    toml = TOML.replace('variant_of = "Handle"\n', "").replace('id = "SKU"', 'id = "Handle"')
    (folder := lamps(tmp_path / "shop", toml)).joinpath("lamps.csv").write_text(LAMPS.replace("\n,", "\nx,"))
    _, items, summary = read(folder)
    assert summary["items"]["duplicates"] == 4
    moon = items.filter(pl.col("item_id") == "moon").to_dicts()[0]
    assert (moon["price"], moon["attributes"][2:]) == (1249.0, ["Colour=Blue", "Size=Small"])
    assert "variants" not in items.columns


@pytest.mark.parametrize(
    ("written", "codes"),
    [(["€", "eur", "GBP", "?"], ["EUR", "EUR", "GBP", None]), (["USD", "", "Kč", "n/a"], ["USD", None, "CZK", None])],
)
def test_a_column_of_currencies_is_read_as_codes(tmp_path: Path, written: list[str], codes: list[str | None]) -> None:
    folder = lamps(tmp_path / "shop")
    pl.DataFrame({"item_id": list("abcd"), "title": list("wxyz"), "money": written}).write_csv(folder / "lamps.csv")
    head = TOML.partition("[items]")[0]
    (folder / "dataset.toml").write_text(f'{head}[items]\npath = "lamps.csv"\ncurrency = {{column = "money"}}\n')
    assert read(folder)[1]["currency"].to_list() == codes


def test_display_columns_keep_their_values_as_they_are(tmp_path: Path) -> None:
    folder = lamps(tmp_path / "shop")
    goods = [
        {"item_id": "a", "url": "https://x.example/a", "rating": 4.5, "sizes": ["S", "M"], "more": {"b": [1, None]}},
        {"item_id": "b", "url": "N/A", "rating": None, "sizes": [], "more": None},
    ]
    (folder / "goods.jsonl").write_text("\n".join(json.dumps(row) for row in goods))
    head = TOML.partition("[items]")[0]
    (folder / "dataset.toml").write_text(
        f'{head}[items]\npath = "goods.jsonl"\ndisplay = ["rating", "url", "sizes", "more"]\n'
    )
    items = read(folder)[1]
    assert [name for name in items.columns if name.startswith("display.")] == [
        "display.rating", "display.url", "display.sizes", "display.more"
    ]  # fmt: skip
    first, second = items.to_dicts()
    assert [json.loads(first[f"display.{name}"]) for name in goods[0] if name != "item_id"] == [
        "https://x.example/a", 4.5, ["S", "M"], {"b": [1, None]}
    ]  # fmt: skip
    assert second["display.url"] is None
    assert items["text"].to_list() == ["", ""]
    assert items["attributes"].to_list() == [[], []]


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.sampled_from("pqr"),
            "variant": st.sampled_from([None, "p", "q", "1", "2", "3"]),
            "title": st.sampled_from([None, "a", "b"]),
            "price": st.sampled_from([None, 1.0, 2.0, 3.0]),
            "in_stock": st.sampled_from([None, True, False]),
            "added": st.sampled_from([None, 5.0, 6.0]),
            "attributes": st.lists(st.sampled_from(["x=1", "x=2", "y=1"]), max_size=2, unique=True),
        }
    ),
    min_size=1,
    max_size=8,
)
_SCHEMA = {"id": pl.String, "variant": pl.String, "title": pl.String, "price": pl.Float64, "in_stock": pl.Boolean} | {
    "added": pl.Float64,
    "attributes": pl.List(pl.String),
}


@settings(max_examples=60, deadline=None)
@given(_ROWS)
def test_products_are_what_a_loop_over_their_rows_makes_of_them(rows: list[dict[str, Any]]) -> None:
    products = roll_up(pl.DataFrame(rows, schema=_SCHEMA))
    ids = list(dict.fromkeys(row["id"] for row in rows))
    taken: set[str] = set(ids)
    expected = []
    for own in ids:
        group = [row for row in rows if row["id"] == own]
        group = [r for r in group if r["variant"] == own] + [r for r in group if r["variant"] != own]
        filled = {name: [row[name] for row in group if row[name] is not None] for name in rows[0]}
        expected.append(
            {
                "id": own,
                "title": (filled["title"] or [None])[0],
                "price": min(filled["price"], default=None),
                "in_stock": any(filled["in_stock"]) if filled["in_stock"] else None,
                "added": min(filled["added"], default=None),
                "attributes": list(dict.fromkeys(word for row in group for word in row["attributes"])),
            }
        )
    firsts: dict[str, str] = {}
    for row in rows:
        if row["variant"] is not None and row["variant"] not in taken:
            firsts.setdefault(row["variant"], row["id"])
    for product in expected:
        product["variants"] = [name for name, own in firsts.items() if own == product["id"]] or None
    assert [product | {"attributes": product["attributes"] or []} for product in products.to_dicts()] == expected
