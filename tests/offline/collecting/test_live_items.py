"""What was changed of the catalogue while it was served ends up in the next training, and stays where it must."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import polars as pl
import pytest
import redis
from collected import event, ingested
from redis_process import RedisProcess
from typer.testing import CliRunner

from app.artifact.catalogue_records import Kind
from app.artifact.redis_keys import Keys
from app.stores.catalogue import CatalogueChange
from offline.cli import app
from offline.collecting.collect import Collected
from offline.dataset.spec import load_spec
from offline.errors import DatasetError
from offline.job import data_key
from offline.workspace.live_catalogue import LiveCatalogueStore

SHOP = """\
name = "shop"
[events]
path = "events.csv"
[items]
path = "items.csv"
category = "kategorie"
text = ["notes"]
attributes = ["color", "sku"]
codes = ["sku"]
display = ["image"]
currency = "EUR"
"""
ITEMS = """\
item_id;title;kategorie;brand;price;in_stock;notes;color;sku;image
a;Trail shoe;Shoes > Trail;Own;99,50;1;light;red;S-1;/a.jpg
b;Road shoe;Shoes;Own;80,00;1;fast;blue;S-2;/b.jpg
c;Hat;Hats;Cap&Co;20,00;0;;;S-3;
"""
EVENTS = "user_id,item_id,event_type,timestamp\n" + "".join(
    f"u{user},{item},view,{1_700_000_000 + 60 * user + place}\n"
    for user in range(20)
    for place, item in enumerate("abc")
)


class Shop:
    """Changes of a live catalogue, in Redis, and a folder that they are collected into.

    Args:
        run: one pass.
    """

    def __init__(self, store: LiveCatalogueStore, base: Path, run: Callable[..., Collected]) -> None:
        self.store, self.base, self.out, self._run = store, base, base.parent / "out", run
        self.said: list[str] = []

    def change(self, item_id: str, kind: Kind, **fields: Any) -> int:
        body = b"" if kind == "delete" else orjson.dumps(fields)
        return self.store.write([CatalogueChange(item_id, kind, body)]).head.sequence

    def collect(self) -> Collected:
        return self._run(self.out, base=self.base, say=self.said.append)

    def items(self, name: str = "ingested") -> dict[str, dict[str, Any]]:
        """The rows of the catalogue that is trained on, by id."""
        ingested(self.out, self.out.parent / name)
        rows = pl.read_parquet(self.out.parent / name / "items.parquet").to_dicts()
        return {row["item_id"]: row for row in rows}

    def mark(self) -> dict[str, Any]:
        mark: dict[str, Any] = json.loads((self.out / "catalogue.json").read_text("utf-8"))
        return mark


@pytest.fixture
def changed(client: redis.Redis, keys: Keys, run: Callable[..., Collected], tmp_path: Path) -> Shop:
    base = tmp_path / "base"
    base.mkdir()
    for name, text in (("dataset.toml", SHOP), ("items.csv", ITEMS), ("events.csv", EVENTS)):
        (base / name).write_text(text, "utf-8")
    return Shop(LiveCatalogueStore(client, keys), base, run)


def test_changes_go_over_the_items_of_the_shop_in_every_column(changed: Shop, send: Callable[..., None]) -> None:
    new = {"title": "Sock", "category": "Hats > Warm\nShoes", "price": 5, "added": 1_700_000_500.0, "currency": "USD"}
    changed.change("n", "put", **new, attributes={"color": ["grün", "red"], "sku": ["S-9"]}, display={"image": '"/n"'})
    changed.change("a", "patch", price=70, brand=None, attributes={"color": None})
    changed.change("a", "patch", in_stock=False, display={"image": None})
    last = changed.change("b", "delete")
    send(event("e1", at=1_700_000_900.0))
    collected = changed.collect()
    assert (collected.events, collected.items) == (1, 3)
    assert changed.mark() == {"epoch": changed.store.documents()[0].epoch, "sequence": last}
    assert collected.catalogue == f"{changed.mark()['epoch']}:{last}"
    items = changed.items()
    assert list(items) == ["a", "c", "n"]
    assert items["n"] == {
        "item_id": "n",
        "title": "Sock",
        "category": "Hats > Warm\nShoes",
        "brand": None,
        "price": 5.0,
        "in_stock": None,
        "added": 1_700_000_500.0,
        "text": "",
        "attributes": ["color=grün", "color=red", "sku=S-9"],
        "currency": "USD",
        "codes": ["S-9"],
        "display.image": '"/n"',
    }
    # The newest record of an item says all that was changed of it.
    assert items["a"]["in_stock"] is False
    assert items["a"]["title"] == "Trail shoe"
    assert items["c"]["price"] == 20.0


def test_all_changes_of_an_item_count_whether_the_store_still_has_them_or_not(changed: Shop) -> None:
    changed.change("a", "patch", price=70)
    changed.change("n", "put", title="Sock", price=5)
    changed.change("m", "put", title="Mitten", attributes={"color": ["red"]})
    first = changed.collect()
    assert changed.store.forget(changed.mark()["epoch"], changed.mark()["sequence"]) == 3
    assert changed.collect() == Collected()
    assert first.items == 3
    changed.change("a", "patch", in_stock=False)
    changed.change("n", "patch", price=6)
    changed.change("m", "delete")
    assert changed.collect().items == 3
    items = changed.items()
    assert (items["a"]["price"], items["a"]["in_stock"]) == (70.0, False)
    assert (items["n"]["title"], items["n"]["price"]) == ("Sock", 6.0)
    assert "m" not in items
    changed.change("m", "put", title="Mitten again")
    changed.collect()
    assert (changed.items("later")["m"]["title"], changed.items("later")["m"]["attributes"]) == ("Mitten again", [])


def test_columns_that_no_bundle_knew_are_attributes_of_the_next_training(changed: Shop) -> None:
    further = {"wash": "30", "heavy": "true", "sizes": '["S","M"]', "parcel": '{"w": 3}', "none": "null"}
    changed.change("n", "put", title="Sock", further=further, attributes={"color": ["red"]})
    changed.change("a", "patch", further={"wash": "40"})
    changed.collect()
    items = changed.items()
    assert items["n"]["attributes"] == ["wash=30", "heavy=true", "sizes=S", "sizes=M", "color=red"]
    assert items["n"]["display.parcel"] == '{"w": 3}'
    assert items["a"]["attributes"] == ["color=red", "sku=S-1", "wash=40"]
    # What is said of the attribute by its name, once a bundle knows it, is the later word.
    changed.change("a", "patch", further={"wash": "40"}, attributes={"wash": ["60"]})
    changed.collect()
    assert "wash=60" in changed.items("later")["a"]["attributes"]
    assert "wash=40" not in changed.items("later")["a"]["attributes"]


def test_a_hidden_item_is_not_trained_as_an_answer_and_can_be_shown_again(changed: Shop) -> None:
    hidden = changed.change("a", "patch", hidden=True, price=70)
    changed.change("n", "put", title="Sock", hidden=True)
    last = changed.change("c", "patch", price=21)
    assert changed.collect().items == 3
    assert list(changed.items()) == ["b", "c"]
    # A version with this mark lacks them, so all that is known of them stands behind it.
    head, records = changed.store.documents()
    by_id = {record.item_id: record for record in records}
    assert changed.mark()["sequence"] == last
    assert head.sequence == last + 2
    assert by_id["a"].kind == "put"
    assert by_id["a"].sequence > last
    assert by_id["a"].born == hidden
    assert orjson.loads(by_id["a"].body) == {
        "title": "Trail shoe",
        "category": "Shoes > Trail",
        "brand": "Own",
        "price": 70.0,
        "currency": "EUR",
        "description": "light",
        "in_stock": True,
        "attributes": {"color": ["red"], "sku": ["S-1"]},
        "display": {"image": '"/a.jpg"'},
        "hidden": True,
    }
    assert by_id["n"].sequence > last
    # Another pass finds nothing new, and a round begins no training.
    key = data_key(load_spec(changed.out))
    assert changed.collect() == Collected()
    assert changed.store.documents()[0] == head
    assert data_key(load_spec(changed.out)) == key
    changed.store.forget(changed.mark()["epoch"], last)
    assert {record.item_id for record in changed.store.documents()[1]} == {"a", "n"}
    changed.change("a", "put", **orjson.loads(by_id["a"].body) | {"hidden": False})
    changed.collect()
    assert changed.items("later")["a"]["price"] == 70.0


def test_without_events_of_its_own_the_folder_still_trains_with_the_new_items(changed: Shop) -> None:
    assert changed.collect() == Collected()
    assert not changed.out.joinpath("dataset.toml").exists()
    changed.change("n", "put", title="Sock")
    assert changed.collect().items == 1
    assert set(changed.items()) == {"a", "b", "c", "n"}
    checked = CliRunner().invoke(app, ["check", str(changed.out)])
    assert json.loads(checked.stdout.strip().splitlines()[-1])["errors"] == 0
    assert "live_items.parquet" not in checked.output


def test_a_shop_without_a_catalogue_keeps_the_items_that_its_events_name(
    changed: Shop, send: Callable[..., None]
) -> None:
    for path in (changed.base / "dataset.toml",):
        path.write_text(SHOP.partition("[items]")[0], "utf-8")
    changed.change("a", "patch", price=70)
    changed.change("c", "delete")
    changed.change("n", "put", title="Sock")
    changed.change("never-heard-of", "patch", price=3)
    changed.collect()
    items = changed.items()
    assert set(items) == {"a", "b", "n"}
    assert (items["a"]["price"], items["b"]["price"], items["n"]["title"]) == (70.0, None, "Sock")


def test_a_catalogue_alone_is_collected_into_its_own_folder(changed: Shop, run: Callable[..., Collected]) -> None:
    events, items = SHOP.split("[items]")
    (changed.base / "dataset.toml").write_text(events.partition("[events]")[0] + "[items]" + items, "utf-8")
    changed.change("n", "put", title="Sock")
    changed.change("b", "delete")
    assert run(changed.base).items == 2
    ingested(changed.base, changed.base.parent / "ingested")
    rows = pl.read_parquet(changed.base.parent / "ingested" / "items.parquet").sort("place")
    assert rows["item_id"].to_list() == ["a", "c", "n"]  # the new one behind those of the file


def test_a_store_that_begins_anew_adds_to_what_was_collected(changed: Shop, client: redis.Redis, keys: Keys) -> None:
    for price in (70, 71, 72):
        changed.change("a", "patch", price=price)
    changed.collect()
    before = changed.mark()
    client.delete(keys.catalogue_documents, keys.catalogue_changes, keys.catalogue_head)
    assert changed.collect() == Collected()
    assert changed.mark() == before
    changed.change("b", "patch", price=81)
    assert changed.collect().items == 1
    assert changed.mark()["epoch"] != before["epoch"]
    assert changed.mark()["sequence"] == 1
    assert (changed.items()["a"]["price"], changed.items()["b"]["price"]) == (72.0, 81.0)


def test_a_store_that_was_restored_from_before_the_mark_begins_another_epoch(
    changed: Shop, client: redis.Redis, keys: Keys
) -> None:
    changed.change("a", "patch", price=70)
    copies = {key: client.dump(key) for key in client.scan_iter(match=keys.prefix + b"*")}
    changed.change("a", "patch", price=71)
    changed.change("b", "patch", price=81)
    changed.collect()
    before = changed.mark()
    for key in (keys.catalogue_documents, keys.catalogue_changes, keys.catalogue_head):
        client.restore(key, 0, copies[key], replace=True)
    changed.store = LiveCatalogueStore(client, keys)
    changed.change("c", "patch", price=21)  # its number is one that the folder has of another change
    assert changed.collect().items > 0
    assert changed.mark()["epoch"] != before["epoch"]
    assert changed.items()["c"]["price"] == 21.0


def test_a_spoilt_file_is_named_and_nothing_is_lost(changed: Shop) -> None:
    changed.change("a", "patch", price=70)
    changed.collect()
    (changed.out / "live_items.parquet").write_bytes(b"PAR1 no table")
    changed.change("a", "patch", price=71)
    with pytest.raises(DatasetError, match=r"live_items\.parquet: expected changes of items"):
        changed.collect()
    (changed.out / "live_items.parquet").unlink()
    assert changed.collect().items == 1
    assert changed.items()["a"]["price"] == 71.0


def test_an_unreadable_record_is_named_and_left_out(changed: Shop) -> None:
    changed.store.write(
        [CatalogueChange("x", "put", b'{"price": "dear"}'), CatalogueChange("a", "patch", b'{"price": 7}')]
    )
    assert changed.collect().items == 1
    assert any("'x' cannot be read" in line for line in changed.said)
    assert changed.items()["a"]["price"] == 7.0


def test_the_command_says_how_far_the_catalogue_is_collected(
    changed: Shop, redis_server: RedisProcess, redis_prefix: str
) -> None:
    sequence = changed.change("n", "put", title="Sock")
    arguments = ["collect", "--redis", redis_server.url, "--prefix", redis_prefix, "--out", str(changed.out)]
    result = CliRunner().invoke(app, [*arguments, "--base", str(changed.base)])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.strip().splitlines()[-1])
    assert (told["items"], told["catalogue"]) == (1, f"{changed.mark()['epoch']}:{sequence}")
