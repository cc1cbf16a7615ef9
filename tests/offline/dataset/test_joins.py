"""Rows of several tables: joined by keys, long properties as columns, records as rows, and those that count."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from offline.dataset.open_source import open_source
from offline.dataset.spec import load_spec
from offline.errors import DatasetError
from offline.ingest.ingest import ingest

LINES = "order_id,product_id,qty\no1,p1,1\no1,p2,2\no2,p1,1\no3,p3,1\no4,p1,1\n,p1,1\n"
ORDERS = "order_id;customer_id;status;at\no1;7.0;ok;2024-01-02\no2;8.0;void;2024-01-03\no3;8.0;ok;2024-01-05\n"
CUSTOMERS = "id,login,status\n7,ann,x\n8,bob,y\n"
EVENTS = """\
path = ["lines.csv", {path = "orders.csv", on = "order_id"}, {path = "customers.csv", on = {customer_id = "id"}}]
user = "login"
item = "product_id"
time = "at"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(tmp_path, {"lines.csv": LINES, "orders.csv": ORDERS, "customers.csv": CUSTOMERS})
    return tmp_path


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)


def cleaned(folder: Path, toml: str, **options: Any) -> tuple[dict[str, Any], pl.DataFrame]:
    """The summary of ingest, and the events or, where there are none, the items."""
    (folder / "dataset.toml").write_text(f'name = "shop"\n{toml}')
    out = folder / "out"
    summary: dict[str, Any] = ingest(load_spec(folder), out, **{"max_bad_share": 1.0, **options})
    table = "events" if "[events]" in toml else "items"
    return summary, pl.read_parquet(out / f"{table}.parquet")


def mistake(folder: Path, toml: str) -> str:
    with pytest.raises(DatasetError) as caught:
        cleaned(folder, toml)
    return caught.value.message


def pairs(events: pl.DataFrame) -> list[tuple[str, str]]:
    return list(events.select("user_id", "item_id").iter_rows())


def test_lines_orders_and_customers_are_events(shop: Path) -> None:
    summary, events = cleaned(shop, f"[events]\n{EVENTS}")
    assert pairs(events) == [("ann", "p1"), ("ann", "p2"), ("bob", "p1"), ("bob", "p3")]
    assert events["time"].to_list() == [1704153600.0, 1704153600.0, 1704240000.0, 1704412800.0]
    assert summary["events"]["reasons"] == {"empty user id": 2}
    orders, customers = summary["events"]["joined"]
    assert (orders["table"], orders["on"], orders["read"], orders["keys"]) == ("orders.csv", "order_id", 3, 3)
    assert (orders["rows_without_partner"], orders["rows_without_key"], orders["repeated_keys"]) == (1, 1, 0)
    assert (customers["rows_without_partner"], customers["rows_without_key"]) == (0, 2)


def test_rejected_rows_are_those_of_the_first_table(shop: Path) -> None:
    cleaned(shop, f"[events]\n{EVENTS}")
    rejected = pl.read_parquet(shop / "out" / "rejected.parquet")
    assert rejected.select("file", "row", "line").rows() == [(f"{shop}/lines.csv", 5, 6), (f"{shop}/lines.csv", 6, 7)]


def test_a_filter_leaves_rows_out_without_calling_them_bad(shop: Path) -> None:
    summary, events = cleaned(
        shop, f"[events]\n{EVENTS}where = 'status != \"void\" and customers.status is not missing'"
    )
    assert pairs(events) == [("ann", "p1"), ("ann", "p2"), ("bob", "p3")]
    assert summary["events"]["left_out_by_where"] == 3
    assert (summary["events"]["read"], summary["events"]["rejected"]) == (3, 0)


def test_the_first_of_several_rows_of_a_key_counts_or_the_newest(shop: Path) -> None:
    write(shop, {"orders.csv": ORDERS + "o1;8.0;ok;2024-02-01\no1;7.0;ok;2023-02-01\n"})
    summary, events = cleaned(shop, f"[events]\n{EVENTS}")
    assert pairs(events)[:2] == [("ann", "p1"), ("ann", "p2")]
    assert summary["events"]["joined"][0]["repeated_keys"] == 1
    _, events = cleaned(shop, f"[events]\n{EVENTS}".replace('on = "order_id"', 'on = "order_id", newest = "at"'))
    assert pairs(events) == [("bob", "p1"), ("bob", "p3"), ("bob", "p1"), ("bob", "p2")]


def test_long_properties_become_columns_with_their_newest_values(tmp_path: Path) -> None:
    long = "timestamp,itemid,property,value\n1,a,color,red\n9,a,color,blue\n5,a,color,green\n2,b,size,XL\n3,b,790,n1\n"
    write(
        tmp_path,
        {
            "items.csv": "id,name\na,Chair\nb,Table\nc,Lamp\n",
            "p1.csv": long,
            "p2.csv": "timestamp,itemid,property,value\n10,b,size,S\n",
        },
    )
    toml = """[items]
path = ["items.csv", {path = "p*.csv", on = {id = "itemid"}, pivot = ["property", "value"], newest = "timestamp"}]
id = "id"
title = "name"
attributes = ["color", "size"]
[evaluation]
task = "graded_search"
queries = "q.csv"
judgments = "j.csv"
"""
    write(tmp_path, {"q.csv": "query_id,query\n1,x\n", "j.csv": "query_id,item_id,relevance\n1,a,1\n"})
    summary, items = cleaned(tmp_path, toml)
    assert items["attributes"].to_list() == [["color=blue"], ["size=S"], []]
    assert summary["items"]["joined"][0]["rows_without_partner"] == 1
    _, items = cleaned(tmp_path, toml.replace(', newest = "timestamp"', ""))
    assert items["attributes"].to_list() == [["color=red"], ["size=XL"], []]


@pytest.mark.parametrize("form", ["jsonl", "parquet", "csv"])
def test_records_in_a_list_become_events(tmp_path: Path, form: str) -> None:
    rows: list[dict[str, Any]] = [
        {
            "event_timestamp": "1793527200000000",
            "event_name": "view_item",
            "user_pseudo_id": "0.17",
            "items": [{"item_id": "p1", "price": 9.5}],
        },
        {
            "event_timestamp": "1793527260000000",
            "event_name": "purchase",
            "user_pseudo_id": "1.17",
            "items": [{"item_id": "p1", "price": 9.5}, {"item_id": "p2", "price": 2.0}],
        },
        {"event_timestamp": "1793527320000000", "event_name": "page_view", "user_pseudo_id": "1.17", "items": []},
        {"event_timestamp": "1793527320000000", "event_name": "page_view", "user_pseudo_id": "1.17", "items": None},
    ]
    if form == "jsonl":
        (tmp_path / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "parquet":
        pl.DataFrame(rows).write_parquet(tmp_path / "e.parquet")
    else:
        cells = [{**row, "items": "" if row["items"] is None else json.dumps(row["items"])} for row in rows]
        pl.DataFrame(cells).write_csv(tmp_path / "e.csv")
    toml = f"""[events]
path = "e.{form}"
unnest = "items"
user = "user_pseudo_id"
item = "items.item_id"
price = "items.price"
type = "event_name"
time = "event_timestamp"
[events.types]
view_item = "view"
"""
    summary, events = cleaned(tmp_path, toml, max_bad_share=0.0)
    assert pairs(events) == [("0.17", "p1"), ("1.17", "p1"), ("1.17", "p2")]
    assert events["price"].to_list() == [9.5, 9.5, 2.0]
    assert summary["events"]["left_out_by_unnest"] == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('on = "order_id"', 'on = "order"', ["a column 'order' in ", "lines.csv", "did you mean 'order_id'?"]),
        (
            'on = "order_id"',
            'on = {order_id = "number"}',
            ["a column 'number' in ", "orders.csv", "customer_id, status"],
        ),
        (
            'on = "order_id"',
            'on = "order_id", columns = ["at", "state"]',
            ["a column 'state'", "did you mean 'status'"],
        ),
        ('on = "order_id"', 'on = "order_id", newest = "when"', ["a column 'when'", "orders.csv"]),
        ('on = "order_id"', 'on = "order_id", pivot = ["status", "val"]', ["a column 'val'", "orders.csv"]),
        ('on = "order_id"', 'on = "order_id", where = "state = 1"', ["a column 'state'", "did you mean 'status'"]),
        ('user = "login"', 'user = "logon"', ["line 4, events.user", "a column 'logon'", "did you mean 'login'?"]),
        ('time = "at"', 'time = "at"\nwhere = "state = 1"', ["line 7, events.where", "did you mean 'status'?"]),
        (
            'time = "at"',
            'time = "at"\nwhere = "status = \'OK\'"',
            ["line 7, events.where", "none: status is 'ok', 'void'"],
        ),
        ('time = "at"', 'time = "at"\nunnest = "lines"', ["line 7, events.unnest", "a column 'lines'"]),
        ('time = "at"', 'time = "at"\nunnest = "qty"', ["line 7, events.unnest", "lists in the column 'qty'"]),
    ],
)
def test_what_does_not_fit_the_files_is_named_with_its_line(shop: Path, old: str, new: str, said: list[str]) -> None:
    assert old in EVENTS
    message = mistake(shop, f"[events]\n{EVENTS.replace(old, new)}")
    assert message.startswith(f"{shop}/dataset.toml, line ")
    for part in said:
        assert part in message


def test_a_table_that_none_of_many_keys_is_in_is_refused(shop: Path) -> None:
    write(shop, {"lines.csv": "order_id,product_id\n" + "".join(f"X-{n},p{n}\n" for n in range(30))})
    message = mistake(shop, f"[events]\n{EVENTS}")
    assert "line 3, events.path: expected rows of orders.csv with the order_id of [events]" in message
    assert "got none for 'X-0', nor for any other of 30; its keys are such as 'o1': correct 'on'" in message


def test_a_long_table_alone_gives_a_row_for_each_of_its_keys(tmp_path: Path) -> None:
    long = "timestamp,itemid,property,value\n5,a,color,red\n9,a,color,blue\n1,b,weight,2\n1,c,color,red\n"
    write(tmp_path, {"long.csv": long, "colors.csv": "color,name\nblue,Sky\n", "e.csv": "user_id,item_id\nu,a\n"})
    cleaned(
        tmp_path,
        """[events]
path = "e.csv"
[items]
path = [
    {path = "long.csv", on = {id = "itemid"}, pivot = ["property", "value"], newest = "timestamp"},
    {path = "colors.csv", on = "color"},
]
id = "id"
title = "name"
attributes = ["color"]
""",
    )
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items["item_id"].to_list() == ["a", "b", "c"]
    assert items["attributes"].to_list() == [["color=blue"], [], ["color=red"]]
    assert items["title"].to_list() == ["Sky", None, None]


def test_columns_of_taken_names_are_called_after_their_file(shop: Path) -> None:
    (shop / "dataset.toml").write_text(f'name = "shop"\n[events]\n{EVENTS}')
    source = open_source(load_spec(shop), "events")
    assert list(source.schema) == [
        *("order_id", "product_id", "qty", "customer_id", "status", "at", "id", "login", "customers.status")
    ]


def test_several_positions_order_events(tmp_path: Path) -> None:
    write(tmp_path, {"lines.csv": "user_id,item_id,n,line\na,x,2,10\na,y,2,9\na,z,1,20\nb,x,,1\nb,y,1,q\n"})
    summary, events = cleaned(tmp_path, '[events]\npath = "lines.csv"\nposition = ["n", "line"]\n')
    assert events["item_id"].to_list() == ["z", "y", "x", "x"]
    assert summary["events"]["reasons"] == {"unparsable position": 1}
    assert summary["has_order"]


def test_bad_rows_of_the_first_table_are_bad_whatever_joins_and_is_filtered(shop: Path) -> None:
    write(shop, {"lines.csv": LINES + "o1,p9,1,too,many\n", "more.csv": "product_id,order_id,qty\np5,o3\np6,o3,2\n"})
    toml = f"[events]\n{EVENTS}where = \"status = 'ok'\"\n".replace('["lines.csv"', '["lines.csv", "more.csv"')
    summary, events = cleaned(shop, toml)
    assert pairs(events) == [("ann", "p1"), ("ann", "p2"), ("bob", "p3"), ("bob", "p6")]
    rejected = pl.read_parquet(shop / "out" / "rejected.parquet")
    assert [(Path(file).name, line, reason) for file, line, reason in rejected["file", "line", "reason"].rows()] == [
        ("lines.csv", 8, "too many cells"),
        ("more.csv", 2, "too few cells"),
    ]
    assert summary["events"]["left_out_by_where"] == 3
    assert summary["events"]["joined"][0]["rows"] == 7


def test_keys_are_compared_as_ids_are(tmp_path: Path) -> None:
    write(tmp_path, {"lines.csv": "order,item\n 1 ,a\n2.0,b\n002,c\nCafe\u0301,d\nNULL,e\n"})
    orders = pl.DataFrame({"number": ["1", "2.0", "Caf\u00e9", "NULL"], "user_id": ["u1", "u2", "u3", "u4"]})
    orders.write_parquet(tmp_path / "orders.parquet")
    toml = '[events]\npath = ["lines.csv", {path = "orders.parquet", on = {order = "number"}}]\nitem = "item"\n'
    _, events = cleaned(tmp_path, toml)
    assert pairs(events) == [("u1", "a"), ("u2", "b"), ("u3", "d")]
    write(tmp_path, {"lines.csv": "order,item\n1.0,a\n2.0,b\n3.0,c\n"})
    pl.DataFrame({"number": [1, 2, None], "user_id": ["u1", "u2", "u3"]}).write_parquet(tmp_path / "orders.parquet")
    _, events = cleaned(tmp_path, toml)
    assert pairs(events) == [("u1", "a"), ("u2", "b")]


def test_tables_join_by_several_columns_and_by_fields_of_records(tmp_path: Path) -> None:
    rows = [
        {"shop": "A", "customer": {"id": 1}, "lines": [{"sku": "x"}, {"sku": "y"}]},
        {"shop": "B", "customer": {"id": 1}, "lines": [{"sku": "x"}]},
    ]
    (tmp_path / "orders.json").write_text(json.dumps({"orders": rows}))
    write(tmp_path, {"people.csv": "store,number,who\nA,1,ann\nB,1,bob\n", "sku.csv": "sku,product\nx,P1\ny,P2\n"})
    toml = """[events]
path = [
    "orders.json",
    {path = "people.csv", on = {shop = "store", "customer.id" = "number"}},
    {path = "sku.csv", on = {"lines.sku" = "sku"}},
]
unnest = "lines"
user = "who"
item = "product"
where = '`lines.sku` != "z"'
"""
    _, events = cleaned(tmp_path, toml)
    assert pairs(events) == [("ann", "P1"), ("ann", "P2"), ("bob", "P1")]


def test_rows_whose_list_of_items_is_empty_are_left_out_and_counted(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"user_id": "u", "items": [{"id": "a"}, {"id": "b"}]},
        {"user_id": "u", "items": []},
        {"user_id": "u"},
    ]
    (tmp_path / "e.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + "{broken\n")
    summary, events = cleaned(tmp_path, '[events]\npath = "e.jsonl"\nitem = "items.id"\n')
    assert pairs(events) == [("u", "a"), ("u", "b")]
    assert summary["events"]["left_out_by_unnest"] == 2
    assert summary["events"]["reasons"] == {"broken JSON": 1}
    write(tmp_path, {"e.csv": "user_id,item_id\nu,a;b\nu,;\n"})
    summary, _ = cleaned(tmp_path, '[events]\npath = "e.csv"\nseparators = {item_id = ";"}\n')
    assert (summary["events"]["read"], summary["events"]["reasons"]) == (3, {"empty item id": 1})


def test_records_within_records_become_events(tmp_path: Path) -> None:
    row = {
        "userId": "u",
        "event": "Order Completed",
        "properties": {"products": [{"product_id": "a", "price": 1}, {"product_id": "b", "price": 2.5}]},
        "context": [{"key": "page", "value": {"string_value": "home", "int_value": None}}],
    }
    (tmp_path / "e.jsonl").write_text(json.dumps(row) + "\n" + json.dumps({**row, "properties": None}) + "\n")
    toml = """[events]
path = "e.jsonl"
unnest = "properties.products"
user = "userId"
item = "properties.products.product_id"
price = "properties.products.price"
query = "context.page"
"""
    summary, events = cleaned(tmp_path, toml)
    assert events.select("item_id", "price", "query").rows() == [("a", 1.0, "home"), ("b", 2.5, "home")]
    assert summary["events"]["left_out_by_unnest"] == 1


def test_cells_of_json_are_records_whatever_kinds_their_values_are_of(tmp_path: Path) -> None:
    cells = ['{"id": 7, "of": {"name": "a"}}', '{"id": "8", "of": {}}', "broken", "", '{"id": null}', '{"id": 9.5}']
    table = pl.DataFrame({"item_id": list("abcdef"), "buyer": cells, "note": ["x.y", "", "", "", "", ""]})
    table.write_csv(tmp_path / "e.csv")
    summary, events = cleaned(
        tmp_path, '[events]\npath = "e.csv"\nuser = "buyer.id"\nquery = "buyer.of.name"\nsession = "note"\n'
    )
    assert events.select("user_id", "item_id", "query").rows() == [
        ("7", "a", "a"),
        ("8", "b", None),
        ("9.5", "f", None),
    ]
    assert summary["events"]["reasons"] == {"empty user id": 3}


def test_columns_and_rows_of_a_joined_table_are_chosen(shop: Path) -> None:
    toml = f"[events]\n{EVENTS}".replace(
        'on = "order_id"', 'on = "order_id", columns = ["customer_id", "at"], where = \'status = "ok"\''
    )
    summary, events = cleaned(shop, toml)
    assert pairs(events) == [("ann", "p1"), ("ann", "p2"), ("bob", "p3")]
    assert (summary["events"]["joined"][0]["left_out"], summary["events"]["joined"][0]["keys"]) == (1, 2)
    source = open_source(load_spec(shop), "events")
    assert "status" in source.schema  # of customers: that of orders was not chosen
    assert "customers.status" not in source.schema


@pytest.mark.parametrize(
    "where",
    [
        '`Status` = "active" and published = true',
        'Status not in ["draft", "archived"] and not published = false',
        'Status = "active" and rank < 3 and published != "FALSE"',
    ],
)
def test_what_the_first_row_of_a_product_says_holds_for_its_variants(tmp_path: Path, where: str) -> None:
    rows = [
        "a,a1,Chair,active,TRUE,1",
        "a,a2,,,,",
        "b,b1,Table,draft,TRUE,2",
        "b,b2,,,,",
        "c,c1,Lamp,active,FALSE,2",
        'c,c2,,"",,',
        "d,d1,Vase,active,TRUE,2",
    ]
    products = "Handle,sku,title,Status,published,rank\n" + "\n".join(rows) + "\n"
    write(tmp_path, {"products.csv": products, "events.csv": "user_id,item_id\nu,a2\nu,d1\n"})
    toml = f"""[events]
path = "events.csv"
[items]
path = "products.csv"
id = "sku"
variant_of = "Handle"
where = '{where}'
"""
    summary, events = cleaned(tmp_path, toml)
    items = pl.read_parquet(tmp_path / "out" / "items.parquet")
    assert items.select("item_id", "title").rows() == [("a", "Chair"), ("d", "Vase")]
    assert pairs(events) == [("u", "a"), ("u", "d")]
    assert summary["items"]["left_out_by_where"] == 4


def test_users_are_joined_and_filtered(shop: Path) -> None:
    write(shop, {"segments.csv": "customer,segment\n7,gold\n8,tin\n"})
    toml = f"""[events]
{EVENTS}[users]
path = ["customers.csv", {{path = "segments.csv", on = {{id = "customer"}}}}]
id = "login"
where = 'status = "x"'
"""
    summary, _ = cleaned(shop, toml)
    users = pl.read_parquet(shop / "out" / "users.parquet")
    assert users.rows() == [("ann", ["segment=gold"])]
    assert summary["users"]["left_out_by_where"] == 1


def test_examples_of_keys_show_no_mail_address(tmp_path: Path) -> None:
    write(
        tmp_path,
        {"lines.csv": "mail,item_id\na@b.org,x\nc@d.org,y\n", "people.csv": "mail,user_id\na@b.org,u1\na@b.org,u2\n"},
    )
    summary, events = cleaned(tmp_path, '[events]\npath = ["lines.csv", {path = "people.csv", on = "mail"}]\n')
    assert pairs(events) == [("u1", "x")]
    assert "@" not in json.dumps(summary)
    assert "mail:" in summary["events"]["joined"][0]["key_without_partner"]
