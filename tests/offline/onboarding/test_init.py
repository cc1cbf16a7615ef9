"""`init` guesses a dataset.toml from a folder of exports, and what it writes can be ingested."""

import tomllib
from pathlib import Path

import polars as pl
import pytest

from app.artifact.behaviours import ALIASES, BEHAVIOURS, Behaviour
from offline.dataset.spec import DatasetSpec, load_spec
from offline.errors import DatasetError, InputError
from offline.ingest.ingest import ingest
from offline.onboarding.init import init

N = 60
USERS = [f"u{n % 9}" for n in range(N)]
ITEMS = [f"sku-{n * 7 % 13}" for n in range(N)]
SECONDS = [1_700_000_000 + 60 * n for n in range(N)]
ISO = [f"2023-11-14T22:{n:02d}:00Z" for n in range(N)]

EXPORTS: dict[str, dict[str, list[object]]] = {
    "ga4": {
        "event_name": ["view_item", "add_to_cart", "purchase"] * (N // 3),
        "event_timestamp": [second * 1_000_000 for second in SECONDS],
        "user_pseudo_id": USERS,
        "item_id": ITEMS,
        "price": [float(n) for n in range(N)],
    },
    "retail": {
        "visitorId": USERS,
        "eventType": ["detail-page-view", "add-to-cart", "purchase-complete"] * (N // 3),
        "eventTime": ISO,
        "productId": ITEMS,
    },
    "recombee": {"userId": USERS, "itemId": ITEMS, "timestamp": ISO},
    "shopify": {
        "Name": [f"#{n // 2}" for n in range(N)],
        "Customer ID": USERS,
        "Created at": ["2023-11-14 22:13:20 -0500"] * N,
        "Lineitem sku": ITEMS,
        "Lineitem price": ["9.99"] * N,
        "Lineitem quantity": ["1"] * N,
    },
    "log": {"who": USERS, "what": ITEMS, "did": ["click", "basket", "order"] * (N // 3), "at": SECONDS},
}
ROLES: dict[str, dict[str, str]] = {
    "ga4": {"visitor": "user_pseudo_id", "item": "item_id", "type": "event_name", "time": "event_timestamp"},
    "retail": {"visitor": "visitorId", "item": "productId", "type": "eventType", "time": "eventTime"},
    "recombee": {"user": "userId", "item": "itemId", "time": "timestamp"},
    "shopify": {"user": "Customer ID", "item": "Lineitem sku", "time": "Created at", "price": "Lineitem price"},
    "log": {"user": "who", "item": "what", "type": "did", "time": "at"},
}


def events_of(spec: DatasetSpec) -> dict[str, object]:
    assert spec.events is not None
    return {role: getattr(spec.events, role) for role in spec.events.model_fields_set}


@pytest.mark.parametrize("name", EXPORTS)
@pytest.mark.parametrize("ext", ["csv", "parquet"])
def test_the_usual_exports_are_understood_and_can_be_ingested(tmp_path: Path, name: str, ext: str) -> None:
    table = pl.DataFrame(EXPORTS[name])
    table.write_csv(tmp_path / "log.csv") if ext == "csv" else table.write_parquet(tmp_path / "log.parquet")
    init(tmp_path)
    spec = load_spec(tmp_path)
    found = events_of(spec)
    swapped = name == "log" and found["user"] == "what"  # by content alone, users and items look the same
    assert swapped or ROLES[name].items() <= found.items()
    summary = ingest(spec, tmp_path / "out")
    assert isinstance(summary["events"], dict)
    assert (summary["events"]["kept"], summary["events"]["rejected"], summary["has_time"]) == (N, 0, True)
    if "type" in ROLES[name]:
        assert summary["behaviours"] == ["view", "cart", "purchase"]


def test_tables_in_parts_and_folders_are_told_apart(tmp_path: Path) -> None:
    log = pl.DataFrame(EXPORTS["recombee"])
    (tmp_path / "events").mkdir()
    log[:30].write_parquet(tmp_path / "events" / "part-0.parquet")
    log[30:].write_parquet(tmp_path / "events" / "part-1.parquet")
    skus = sorted(set(ITEMS))
    pl.DataFrame(
        {
            "Handle": skus,
            "Title": [f"A thing of kind {sku}" for sku in skus],
            "Vendor": ["Acme", "Bolt"] * 6 + ["Acme"],
            "Body (HTML)": [f"<p>So long a text about {sku}</p>" for sku in skus],
            "Tags": ["new", "sale"] * 6 + ["new"],
            "Published At": [f"2023-11-{day + 1:02d} 10:00:00" for day in range(13)],
        }
    ).write_csv(tmp_path / "products.csv")
    customers = pl.DataFrame({"customer_id": sorted(set(USERS)), "segment": ["a", "b", "a"] * 3})
    customers.write_ndjson(tmp_path / "customers.jsonl")
    init(tmp_path)
    spec = load_spec(tmp_path)
    assert spec.events is not None
    assert spec.items is not None
    assert spec.users is not None
    assert spec.events.path == ("events/part-*.parquet",)
    assert (spec.items.id, spec.items.title, spec.items.brand) == ("Handle", "Title", "Vendor")
    assert (spec.items.text, spec.items.attributes) == (("Body (HTML)",), ("Tags",))
    assert spec.items.added == "Published At"
    assert (spec.users.id, spec.users.attributes) == ("customer_id", ("segment",))
    summary = ingest(spec, tmp_path / "out")
    assert isinstance(summary["users"], dict)
    assert summary["users"]["kept"] == 9


def test_what_was_not_found_is_a_comment_and_every_line_says_why(tmp_path: Path) -> None:
    pl.DataFrame(EXPORTS["recombee"]).write_csv(tmp_path / "log.csv")
    text = init(tmp_path).path.read_text()
    assert "# query = " in text
    assert "# [items]" in text
    for line in text.splitlines():
        assert not line.strip() or "#" in line or line.startswith("name")
    uncommented = "\n".join(
        line[2:] if line.startswith("# [") or (line.startswith("# ") and " = " in line) else line
        for line in text.splitlines()
    )
    assert set(tomllib.loads(uncommented)) == {"name", "events", "items", "users", "evaluation"}


def test_columns_without_a_role_are_named_and_why(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": USERS, "item_id": ITEMS, "note": [f"n{n}" for n in range(N)]}).write_csv(
        tmp_path / "events.csv"
    )
    ids = sorted(set(ITEMS))
    catalogue = {
        "item_id": ids,
        "title": [f"thing {name}" for name in ids],
        "price": [f"ask for number {n}" for n in range(len(ids))],
    }
    pl.DataFrame(catalogue).write_csv(tmp_path / "items.csv")
    init(tmp_path)
    text = (tmp_path / "dataset.toml").read_text("utf-8")
    assert all(len(line) <= 80 for line in text.splitlines())
    written = text.replace("\n#   ", " ")  # lines of a comment that goes on
    assert '# not read: the column "note"\n' in written
    assert '# not read: the column "price"; by its name price, by its values not: mend them in the export\n' in written
    assert "# price" in written


def test_a_word_that_nobody_knows_is_left_to_the_reader(tmp_path: Path) -> None:
    words = ["view_item"] * (N - 1) + ["Wish list"]
    pl.DataFrame(EXPORTS["ga4"] | {"event_name": words}).write_csv(tmp_path / "log.csv")
    done = init(tmp_path)
    assert done.unknown_words == ["Wish list"]
    assert '# "Wish list" = "view"' in done.path.read_text()
    assert tomllib.loads(done.path.read_text())["events"]["types"] == {"view_item": "view"}


def test_a_toml_that_is_there_is_left_alone_unless_forced(tmp_path: Path) -> None:
    pl.DataFrame(EXPORTS["recombee"]).write_csv(tmp_path / "log.csv")
    (tmp_path / "dataset.toml").write_text("mine")
    with pytest.raises(InputError, match="--force"):
        init(tmp_path)
    assert (tmp_path / "dataset.toml").read_text() == "mine"
    init(tmp_path, force=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dataset.toml", "log.csv"]
    load_spec(tmp_path)


def test_a_folder_without_events_is_refused_with_what_it_holds(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": ["x"]}).write_csv(tmp_path / "other.csv")
    with pytest.raises(DatasetError, match=r"other\.csv: a, b"):
        init(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["other.csv"]


@pytest.mark.parametrize("behaviour", ALIASES)
def test_every_word_that_post_events_understands_is_mapped_as_there(tmp_path: Path, behaviour: Behaviour) -> None:
    words = [word for group in ALIASES[behaviour].values() for word in group]
    did = [words[n % len(words)] for n in range(N)]
    pl.DataFrame(EXPORTS["log"] | {"did": did}).write_csv(tmp_path / "log.csv")
    init(tmp_path)
    spec = load_spec(tmp_path)
    assert spec.events is not None
    assert spec.events.types == dict.fromkeys(words, behaviour)
    ingest(spec, tmp_path / "out")
    assert pl.read_parquet(tmp_path / "out" / "events.parquet")["type"].unique().to_list() == [BEHAVIOURS[behaviour]]


def test_columns_of_codes_are_told_from_other_columns(tmp_path: Path) -> None:
    source = tmp_path / "shop"
    source.mkdir()
    ids = [f"p{n}" for n in range(40)]
    pl.DataFrame(
        {
            "item_id": ids,
            "title": [f"Thing number {n} of the shop" for n in range(40)],
            "SKU": [f"0{n}-{n % 7}X" for n in range(40)],
            "EAN-13": [f"40063810{n:05d}" for n in range(40)],
            "Size code": [f"S{n % 4}" for n in range(40)],
            "colour": ["red", "blue"] * 20,
        }
    ).write_csv(source / "items.csv")
    pl.DataFrame({"user_id": USERS[:40], "item_id": ids, "timestamp": SECONDS[:40]}).write_csv(source / "events.csv")
    init(source)
    spec = load_spec(source)
    assert spec.items is not None
    assert spec.items.codes == ("SKU", "EAN-13")
    assert "colour" in spec.items.attributes
    ingest(spec, tmp_path / "out")
    items = pl.read_parquet(tmp_path / "out" / "items.parquet").sort("item_id")
    assert items["codes"][0].to_list() == ["00-0X", "4006381000000"]
    assert "SKU=00-0X" in items["attributes"][0].to_list()
