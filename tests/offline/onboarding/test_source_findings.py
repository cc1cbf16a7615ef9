"""`check` says which tables joined which rows, what found no partner, and what is left out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from offline.cli import app

LINES = "order_id,product_id,qty\n" + "".join(f"o{n % 10},p{n % 7},{n % 3}\n" for n in range(40)) + "o99,p1,1\n,p2,1\n"
ORDERS = "order_id,user_id,status,at\n" + "".join(
    f"o{n},u{n % 4},{'canceled' if n == 9 else 'sent'},2024-01-{n + 1:02}\n" for n in range(10)
)
TOML = """\
name = "shop"
[events]
path = [
    "lines.csv",
    {path = "orders.csv", on = "order_id"},
]
item = "product_id"
time = "at"
where = 'status != "cancelled" and qty > 0'
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "lines.csv").write_text(LINES)
    (tmp_path / "orders.csv").write_text(ORDERS + "o1,u9,sent,2024-02-01\no2,u1,sent\n")
    (tmp_path / "dataset.toml").write_text(TOML)
    return tmp_path


def checked(folder: Path) -> tuple[int, str, dict[str, object]]:
    """The exit status of `check`, what it shows in one line, and its document."""
    result = CliRunner().invoke(app, ["check", str(folder)])
    return result.exit_code, " ".join(result.stderr.split()), json.loads(result.stdout.splitlines()[-1])


def test_what_joined_and_what_did_not_is_said_with_examples(shop: Path) -> None:
    status, shown, document = checked(shop)
    assert status == 0
    assert "orders.csv lacks the order_id of 1 of 42 rows (2.4%), such as 'o99'" in shown
    assert "orders.csv has several rows for 1 of 10 keys, such as 'o1'" in shown
    assert f"1 row of orders.csv that cannot be read, the first in line 13 of {shop}/orders.csv: too few cells" in shown
    assert "1 row has no order_id, by which orders.csv joins" in shown
    assert "14 rows are left out by where" in shown
    assert "no row has 'cancelled', as where says; there is 'sent', 'canceled' (column status)" in shown
    assert "26 of 28 rows of events will be read" in shown
    assert "14 more of events are left out" in shown
    assert document["rows"] == {"events": 28}
    assert document["errors"] == 0


def test_a_table_that_has_all_keys_is_a_note(shop: Path) -> None:
    (shop / "lines.csv").write_text(LINES.replace("o99", "o9").replace("\n,p2", "\no1,p2"))
    (shop / "orders.csv").write_text(ORDERS)
    status, shown, _ = checked(shop)
    assert status == 0
    assert "note: [events]: orders.csv joined: 10 rows of 10 keys, among them those of all rows" in shown


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            'on = "order_id"',
            'on = "order"',
            "line 5, events.path: order_id, product_id, qty expected a column 'order' in ",
        ),
        ("orders.csv", "order.csv", "line 5, events.path: none expected a file 'order.csv'"),
        (', on = "order_id"', "", "line 5, events.path.on: none expected the key 'on'"),
        ("qty > 0", "quantity > 0", "line 9, events.where: "),
        ("status !=", "status", "line 9, events.where: \"cancelled\" after 'status'"),
        ('!= "cancelled"', '= "Sent"', "none: status is 'sent', 'canceled'"),
    ],
)
def test_what_is_wrong_with_a_join_stops_with_its_line(shop: Path, old: str, new: str, said: str) -> None:
    (shop / "dataset.toml").write_text(TOML.replace(old, new, 1))
    status, shown, _ = checked(shop)
    assert status == 1
    assert "Traceback" not in shown
    assert said in shown
