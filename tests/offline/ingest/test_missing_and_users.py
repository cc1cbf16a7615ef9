"""What a shop does not say is an attribute of its own, and what it says of users reaches the network."""

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
import torch

from model.item_tower import ItemTower
from offline.dataset.spec import load_spec
from offline.graph.build import build_graph, item_graph, read_graph
from offline.graph.item_features import item_attributes
from offline.graph.user_features import user_attributes
from offline.ingest.ingest import ingest
from offline.split.split import split


def catalogue(**columns: list[object]) -> pl.DataFrame:
    rows = len(next(iter(columns.values())))
    empty: dict[str, list[object]] = {name: [None] * rows for name in ("title", "brand", "category")}
    return pl.DataFrame(
        {"row": range(1, rows + 1)} | empty | columns | {"attributes": [[]] * rows},
        schema_overrides={
            **dict.fromkeys(("title", "brand", "category"), pl.String),
            "price": pl.Float64,
            "attributes": pl.List(pl.String),
        },
    )


def attributes_of(items: pl.DataFrame) -> dict[int, list[str]]:
    edges, attributes = item_attributes(items)
    names = attributes.names()
    return {row: [names[at] for at in edges.filter(item=row)["attribute"]] for row in edges["item"].unique()}


def test_what_some_items_lack_is_an_attribute_and_what_all_lack_or_have_is_none() -> None:
    found = attributes_of(catalogue(title=["a", "b", "c", "d"], category=["Shoes", "Shoes", None, None]))
    assert found == {1: ["category=Shoes"], 2: ["category=Shoes"], 3: ["category=?"], 4: ["category=?"]}


def test_a_missing_price_is_an_attribute_and_a_price_is_none() -> None:
    prices: list[object] = [float(price) for price in range(100)]
    found = attributes_of(catalogue(title=["t"] * 102, price=[*prices, None, None]))
    assert found == {101: ["price=?"], 102: ["price=?"]}


def test_one_price_for_everything_says_nothing() -> None:
    assert attributes_of(catalogue(title=["a", "b"], price=[5.0, 5.0])) == {}


def test_missing_values_are_counted_with_their_share(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("user_id,item_id,timestamp\nu,a,1700000000\nu,b,\nu,c,1700000001\nu,d,\n")
    (tmp_path / "items.csv").write_text("item_id,title,category,price,brand\na,A,,1,X\nb,,,2,\nc,C,,,\nd,D,,4,\n")
    toml = 'name = "s"\n[events]\npath = "events.csv"\n[items]\npath = "items.csv"\n'
    (tmp_path / "dataset.toml").write_text(toml)
    summary = ingest(load_spec(tmp_path), tmp_path / "out")
    assert isinstance(summary["items"], dict)
    assert isinstance(summary["events"], dict)
    assert summary["items"]["missing_share"] == {"title": 0.25, "category": 1.0, "brand": 0.75, "price": 0.25}
    assert (summary["items"]["missing_brand"], summary["items"]["missing_price"]) == (3, 1)
    assert (summary["events"]["missing_time"], summary["events"]["missing_share"]) == (2, {"time": 0.5})


@pytest.fixture
def shop(tmp_path: Path) -> Callable[[bool], Path]:
    """Ingests, splits and builds a small shop, with or without a table of users; the folder of its graph."""

    def make(with_users: bool) -> Path:
        folder = tmp_path / str(with_users)
        folder.mkdir()
        rows = [f"u{n % 6},i{n * 5 % 7},{1_700_000_000 + n}" for n in range(60)]
        (folder / "events.csv").write_text("user_id,item_id,timestamp\n" + "\n".join(rows) + "\n")
        toml = 'name = "s"\n[events]\npath = "events.csv"\n'
        if with_users:
            users = [{"user_id": f"u{n}", "segment": "ab"[n % 2], "tags": f'["x", "own{n}"]'} for n in range(5)]
            pl.DataFrame(users).write_csv(folder / "users.csv")
            toml += '[users]\npath = "users.csv"\nattributes = ["segment", "tags"]\n'
        (folder / "dataset.toml").write_text(toml)
        spec = load_spec(folder)
        ingest(spec, folder / "ingest")
        split(folder / "ingest", folder / "split", spec, 1, None)
        build_graph(folder / "split", folder / "graph")
        return folder

    return make


def test_attributes_of_users_travel_from_their_table_to_the_graph(shop: Callable[[bool], Path]) -> None:
    folder = shop(True)
    users = pl.read_parquet(folder / "split" / "users.parquet").sort("user_id")
    assert users["attributes"].to_list()[:2] == [
        ["segment=a", "tags=x", "tags=own0"],
        ["segment=b", "tags=x", "tags=own1"],
    ]
    assert users["attributes"].to_list()[5] is None
    edges, attributes = user_attributes(users, pl.read_parquet(folder / "split" / "train.parquet"))
    assert attributes.names() == ["segment=a", "segment=b", "tags=x"]  # what one user alone has connects nothing
    assert edges.height == 10
    graph = item_graph(read_graph(folder / "graph"))
    assert graph.user_attributes is not None
    sums = graph.user_attributes.matrix.to_dense().sum(dim=1)
    assert sorted(round(float(total), 5) for total in sums) == [0.0, 1.0, 1.0, 1.0, 1.0, 1.0]


def test_users_of_the_test_part_alone_make_no_attribute() -> None:
    users = pl.DataFrame({"user": [0, 1, 2], "attributes": [["a=1"], ["a=1", "b=2"], ["b=2"]]})
    edges, attributes = user_attributes(users, pl.DataFrame({"user": [0, 1]}))
    assert attributes.names() == ["a=1"]
    assert edges["user"].to_list() == [0, 1]


def test_without_users_the_item_tower_is_what_it_was(shop: Callable[[bool], Path]) -> None:
    towers = {}
    for with_users in (True, False):
        graph = item_graph(read_graph(shop(with_users) / "graph"))
        torch.manual_seed(0)
        tower = ItemTower(graph, dim=8, layers=2, id_dropout=0.0)
        towers[with_users] = tower, tower(graph, torch.ones(graph.items, dtype=torch.bool))
    names = {with_users: set(dict(tower.named_parameters())) for with_users, (tower, _) in towers.items()}
    assert names[True] - names[False] == {"user_attributes"}
    assert not torch.allclose(towers[True][1], towers[False][1])


def test_a_user_in_the_message_is_the_mean_of_items_plus_the_mean_of_attributes(shop: Callable[[bool], Path]) -> None:
    graph = item_graph(read_graph(shop(True) / "graph"))
    tower = ItemTower(graph, dim=8, layers=1, id_dropout=0.0).eval()  # in full precision
    known = torch.ones(graph.items, dtype=torch.bool)
    assert graph.user_attributes is not None
    assert tower.user_attributes is not None
    to_users, to_items = (matrix.matrix.to_dense() for matrix in graph.behaviours["view"])
    features = tower.ids.detach()  # neither text nor attributes in this shop but its items' missing titles
    users = to_users @ features + graph.user_attributes.matrix.to_dense() @ tower.user_attributes.detach()
    messages = {"view": to_items @ users}
    if graph.item_items:
        messages["item"] = graph.item_items.matrix.to_dense() @ features
    with torch.no_grad():
        torch.testing.assert_close(tower(graph, known), tower.layers[0](features, messages))
