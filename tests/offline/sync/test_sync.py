"""An export is brought into the live catalogue of a real service, over HTTP and through Redis: what differs, once."""

import gc
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from quick_services import running_service
from redis_process import RedisProcess
from typer.testing import CliRunner, Result

from app.artifact.redis_keys import Keys
from offline.cli import app
from offline.errors import DatasetError, InputError

KEY = "k" * 24


class Catalogue:
    """A live catalogue and the ways to it.

    Args:
        address: of the service that shows it.
        way: the options of the command.
    """

    def __init__(self, address: str, way: list[str]) -> None:
        self._client = httpx.Client(base_url=address, headers={"X-API-Key": KEY}, timeout=60)
        self.way = way

    def close(self) -> None:
        self._client.close()

    def items(self) -> dict[str, Any]:
        items: dict[str, Any] = {}
        after = None
        while True:
            response = self._client.get("/items", params={"limit": 1000} | ({"after": after} if after else {}))
            response.raise_for_status()
            items |= {item["item_id"]: item for item in response.json()["items"]}
            after = response.json()["next_after"]
            if after is None:
                return items

    def change(self, operation: dict[str, Any]) -> None:
        self._client.post("/items/batch", json={"operations": [operation]}).raise_for_status()

    def sequence(self) -> int:
        return int(self._client.get("/items", params={"limit": 1}).json()["sequence"])


def sync(*words: str | Path) -> Result:
    return CliRunner().invoke(app, ["sync", *map(str, words)])


def done(result: Result) -> dict[str, Any]:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    document: dict[str, Any] = json.loads(result.stdout.strip().splitlines()[-1])
    return document


def counts(result: Result) -> tuple[int, int, int]:
    document = done(result)
    return document["put"], document["patched"], document["deleted"]


@pytest.fixture(scope="module")
def prefix() -> str:
    return "sync:"


@pytest.fixture(scope="module")
def address(shop_bundle: Path, redis_server: RedisProcess, prefix: str) -> Iterator[str]:
    """A service on Redis."""
    settings = {"redis_prefix": prefix, "admin_keys": KEY, "clock": "bundle"}
    with running_service(shop_bundle, redis_server.url, **settings) as service:
        yield service.address


@pytest.fixture(params=["url", "redis"])
def live(
    request: pytest.FixtureRequest, address: str, shop_bundle: Path, redis_server: RedisProcess, prefix: str
) -> Iterator[Catalogue]:
    """Both ways to one catalogue, which is that of the bundle at the beginning of each test."""
    keys = Keys(prefix.encode())
    way = ["--url", address, "--key", KEY]
    if request.param == "redis":
        way = ["--redis", redis_server.url, "--prefix", prefix, "--bundle", str(shop_bundle)]
    catalogue = Catalogue(address, way)
    yield catalogue
    catalogue.close()
    with redis_server.client() as client:
        client.delete(keys.catalogue_documents, keys.catalogue_changes, keys.catalogue_head)


@pytest.fixture
def export(shop: Path, tmp_path: Path) -> Callable[..., Path]:
    """Writes the catalogue of the shop anew, with changes."""

    def write(change: Callable[[pl.DataFrame], pl.DataFrame] = lambda rows: rows, name: str = "items.parquet") -> Path:
        rows = change(pl.read_parquet(shop / "items.parquet"))
        path = tmp_path / name
        rows.write_parquet(path) if name.endswith("parquet") else rows.write_csv(path, separator=";")
        return path

    return write


def test_of_the_export_that_was_trained_on_nothing_is_sent(live: Catalogue, shop: Path) -> None:
    before = live.sequence()
    result = sync("--data", shop, *live.way)
    assert counts(result) == (0, 0, 0)
    assert done(result)["same"] == 400
    assert result.exit_code == 0
    assert live.sequence() == before


def test_what_differs_is_sent_once_and_seen(live: Catalogue, shop: Path, export: Callable[..., Path]) -> None:
    before = live.items()
    ids = sorted(before)
    kept = {"title": before[ids[2]]["fields"]["title"]}
    new = {"item_id": "new-1", "title": "Café mug", "category": "Kitchen > Mugs", "brand": "Own", "price": 7.5}
    new |= {"description": "Holds tea", "attributes_json": '{"colour": "sand", "wash": 40}', "in_stock": True}

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        item = pl.col("item_id")
        changed = rows.filter(item != ids[0]).with_columns(
            price=pl.when(item == ids[1]).then(1.25).otherwise("price"),
            in_stock=pl.when(item == ids[1]).then(pl.lit(value=False)).otherwise("in_stock"),
            brand=pl.when(item == ids[2]).then(None).otherwise("brand"),
            attributes_json=pl.when(item == ids[3]).then(pl.lit("{}")).otherwise("attributes_json"),
        )
        return pl.concat([changed, pl.DataFrame([new], schema=rows.schema)])

    words = ("--items", export(change), "--data", shop, "--delete-missing", *live.way)
    tried = sync(*words, "--dry-run")
    assert counts(tried) == (1, 3, 1)
    assert f"would patch {ids[1]}: price: 1.25, in_stock: false" in tried.stderr
    assert f"would delete {ids[0]}" in tried.stderr
    assert live.items() == before
    result = sync(*words)
    assert (counts(result), result.exit_code) == ((1, 3, 1), 0)
    now = live.items()
    assert set(now) == {*ids[1:], "new-1"}
    assert now[ids[1]]["fields"] == before[ids[1]]["fields"] | {"price": 1.25, "in_stock": False}
    assert "brand" not in now[ids[2]]["fields"]
    assert now[ids[2]]["fields"]["title"] == kept["title"]
    assert "attributes" not in now[ids[3]]["fields"]
    assert now[ids[4]] == before[ids[4]]
    fields = now["new-1"]["fields"]
    assert (fields["title"], fields["attributes"], fields["wash"]) == ("Café mug", {"colour": ["sand"]}, "40")
    sequence = live.sequence()
    assert counts(sync(*words)) == (0, 0, 0)
    assert live.sequence() == sequence
    back = sync("--data", shop, "--delete-missing", *live.way)
    assert counts(back) == (1, 3, 1)
    assert {item: entry["fields"].keys() for item, entry in live.items().items()} == {
        item: entry["fields"].keys() for item, entry in before.items()
    }


def test_a_file_of_prices_alone_touches_nothing_else(live: Catalogue, shop: Path, export: Callable[..., Path]) -> None:
    before = live.items()
    ids = sorted(before)
    live.change({"patch": {"item_id": ids[5], "title": "Typed by hand", "hidden": True}})

    def prices(rows: pl.DataFrame) -> pl.DataFrame:
        price = pl.when(pl.col("item_id") == ids[5]).then(3.5).otherwise("price")
        written = price.map_elements(lambda value: f"{value:.2f}".replace(".", ","), pl.String)
        return rows.select("item_id", price=written)

    result = sync("--items", export(prices, "prices.csv"), "--data", shop, *live.way)
    assert counts(result) == (0, 1, 0)
    assert "the export has no attributes_json, brand, category, description, in_stock, title: what" in result.stderr
    now = live.items()
    expected = before[ids[5]]["fields"] | {"price": 3.5, "title": "Typed by hand"}
    assert (now[ids[5]]["fields"], now[ids[5]]["hidden"]) == (expected, True)
    assert {item: now[item] for item in ids if item != ids[5]} == {item: before[item] for item in ids if item != ids[5]}


def test_an_export_that_lacks_most_items_deletes_them_only_when_told_so_twice(
    live: Catalogue, shop: Path, export: Callable[..., Path]
) -> None:
    some = export(lambda rows: rows.head(100))
    before = live.sequence()
    assert done(sync("--items", some, "--data", shop, *live.way))["missing"] == 300
    refused = sync("--items", some, "--data", shop, "--delete-missing", *live.way)
    assert isinstance(refused.exception, InputError)
    assert "lacks 300 of 400 items (75%)" in refused.exception.message
    assert live.sequence() == before
    hidden = min(set(live.items()) - set(pl.read_parquet(some)["item_id"]))
    live.change({"patch": {"item_id": hidden, "hidden": True}})
    assert counts(sync("--items", some, "--data", shop, "--delete-missing", "--delete-most", *live.way)) == (0, 0, 299)
    assert len(live.items()) == 101


def test_without_a_mapping_the_guess_of_init_reads_the_file(live: Catalogue, tmp_path: Path) -> None:
    path = tmp_path / "produkte.csv"
    path.write_text(
        "Artikelnummer;Bezeichnung;Kategorie;Marke;Preis;Bestand\n"
        'n1;"Stuhl ""Oslo""";Möbel > Stühle;Nord;1.299,50 €;3\n'
        "n2;Tisch;Möbel > Tische;Nord;99,00 €;0\n",
        "cp1252",
    )
    result = sync("--items", path, *live.way)
    assert (counts(result), done(result)["missing"]) == ((2, 0, 0), 400)
    now = live.items()
    assert {name: now["n1"]["fields"][name] for name in ("title", "category", "price", "in_stock")} == {
        "title": 'Stuhl "Oslo"',
        "category": "Möbel > Stühle",
        "price": 1299.5,
        "in_stock": True,
    }
    assert now["n2"]["fields"]["in_stock"] is False
    assert counts(sync("--items", path, *live.way)) == (0, 0, 0)


def test_rows_that_are_none_are_named_and_the_others_go(
    live: Catalogue, shop: Path, export: Callable[..., Path]
) -> None:
    ids = sorted(live.items())

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        item = pl.col("item_id")
        price = pl.when(item == ids[0]).then(-1.0).when(item == ids[1]).then(2.5).otherwise("price")
        return rows.with_columns(price=price).filter(item != ids[2]).sort("item_id")

    path = export(change, "items.csv")
    result = sync("--items", path, "--data", shop, "--delete-missing", *live.way)
    assert (counts(result), result.exit_code) == ((0, 1, 0), 1)
    assert f"{path}, line 2: negative price" in result.stderr
    assert "2 items that the export lacks stay" in result.stderr
    assert done(result)["rejected_rows"] == [f"{path}, line 2: negative price"]


def test_items_that_the_catalogue_refuses_are_named_and_the_others_go(
    live: Catalogue, shop: Path, export: Callable[..., Path]
) -> None:
    ids = sorted(live.items())

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        item = pl.col("item_id")
        return rows.with_columns(
            description=pl.when(item == ids[0]).then(pl.lit("long " * 20_000)).otherwise("description"),
            price=pl.when(item == ids[1]).then(2.5).otherwise("price"),
            attributes_json=pl.when(item == ids[2]).then(pl.lit('{"wash": "40"}')).otherwise("attributes_json"),
        )

    words = ("--items", export(change), "--data", shop, "--new-columns", "refuse", *live.way)
    result = sync(*words)
    assert (counts(result), result.exit_code) == ((0, 1, 0), 1)
    assert {refusal["item_id"] for refusal in done(result)["refused"]} == {ids[0], ids[2]}
    assert any("wash" in refusal["reason"] for refusal in done(result)["refused"])
    assert live.items()[ids[1]]["fields"]["price"] == 2.5


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "items.csv: expected readable rows"),
        (b"\x00\x01\x02" * 100, "items.csv"),
        (b"user_id,event_type,timestamp\nu,view,1\n", "expected a table of items"),
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_nothing_is_sent(
    live: Catalogue, tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(content)
    result = sync("--items", path, "--delete-missing", "--delete-most", *live.way)
    assert isinstance(result.exception, DatasetError)
    assert sentence in result.exception.message
    assert live.sequence() == 0


def test_too_many_bad_rows_are_an_export_that_is_not_taken(
    live: Catalogue, shop: Path, export: Callable[..., Path]
) -> None:
    path = export(lambda rows: rows.with_columns(price=-pl.col("price")), "items.csv")
    result = sync("--items", path, "--data", shop, *live.way)
    assert isinstance(result.exception, DatasetError)
    assert "negative price" in result.exception.message.replace("_", " ")
    assert live.sequence() == 0


def test_a_service_that_cannot_be_asked_is_named_with_what_to_do(shop: Path, address: str) -> None:
    refused = sync("--data", shop, "--url", address, "--key", "wrong" * 6)
    assert isinstance(refused.exception, InputError)
    assert "401" in refused.exception.message
    assert "give an admin key" in refused.exception.message
    for url in ("ftp://somewhere", "http://", "localhost:none"):
        assert isinstance(sync("--data", shop, "--url", url).exception, InputError), url
    assert isinstance(sync("--data", shop).exception, InputError)
    assert isinstance(sync("--url", address).exception, InputError)


def test_no_connection_is_left_open(shop: Path, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gc.collect()  # what others have left
    found: list[str] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: found.append(str(unraisable.exc_value)))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        for key, code in ((KEY, 0), ("wrong" * 6, 1)):
            assert sync("--data", shop, "--url", address, "--key", key, "--dry-run").exit_code == code
            gc.collect()
    assert found == []


def test_of_many_refusals_each_is_told(live: Catalogue, shop: Path, export: Callable[..., Path]) -> None:
    ids = sorted(live.items())[:250]
    wrong = pl.when(pl.col("item_id").is_in(ids)).then(pl.lit('{"wash": "40"}')).otherwise("attributes_json")
    path = export(lambda rows: rows.with_columns(attributes_json=wrong))
    result = sync("--items", path, "--data", shop, "--new-columns", "refuse", *live.way)
    assert {refusal["item_id"] for refusal in done(result)["refused"]} == set(ids)
    assert "refused: 230 more" in result.stderr
