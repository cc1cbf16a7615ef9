"""The graph: made of train and catalogue alone, its rows means, cold items placed by their text."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from app.artifact.text.ngrams import TEXT_BUCKETS
from offline.graph.build import CO_OCCURS, DESCRIBES, SPELLS, build_graph, item_graph, read_graph
from offline.graph.co_occurrence import GAP_DECAY, NEIGHBOURS, co_occurrence
from offline.graph.item_features import item_attributes, item_text

Write = Callable[..., Path]
Events = list[tuple[int, int, int, float | None]]

ITEMS = 14
COLD = 14


def log(seed: int) -> Events:
    rng = np.random.default_rng(seed)
    return [
        (user, int(rng.integers(1, COLD)), int(rng.integers(1, 4)), float(place * 1000 + user))
        for user in range(20)
        for place in range(int(rng.integers(2, 10)))
    ]


def held_out(seed: int) -> dict[str, Events]:
    return {part: log(seed + offset)[: 30 + 7 * offset] for offset, part in enumerate(("valid", "context", "test"))}


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("has_order", [True, False])
def test_what_is_held_out_reaches_no_edge(write_split: Write, tmp_path: Path, has_order: bool) -> None:
    written = []
    for name, rows in (("a", held_out(1)), ("b", held_out(50)), ("c", {})):
        meta = {"items": ITEMS, "has_order": has_order, "n_users": 20, "has_time": True}
        split = write_split(tmp_path / name, train=log(0), **rows, **meta)
        build_graph(split, tmp_path / f"{name}-graph")
        written.append(content(tmp_path / f"{name}-graph"))
    assert written[0] == written[1] == written[2]
    assert len(written[0]) > 4


def test_train_rows_do_reach_edges(write_split: Write, tmp_path: Path) -> None:
    written = []
    for name, seed in (("a", 0), ("b", 1)):
        build_graph(write_split(tmp_path / name, train=log(seed), items=ITEMS), tmp_path / f"{name}-graph")
        written.append(content(tmp_path / f"{name}-graph"))
    assert written[0] != written[1]


def test_every_relation_is_a_mean_and_the_padding_row_touches_nothing(write_split: Write, tmp_path: Path) -> None:
    unknown: Events = [(0, 0, 1, 5.0), (3, 0, 2, 6.0)]
    split = write_split(tmp_path / "split", train=log(0) + unknown, items=ITEMS)
    edges = build_graph(split, tmp_path / "graph")
    graph = item_graph(read_graph(tmp_path / "graph"))
    assert set(edges) == {"__".join(relation) for relation in (CO_OCCURS, DESCRIBES, SPELLS)} | {
        f"user__{name}__item" for name in ("view", "cart", "purchase")
    }
    assert graph.items == ITEMS + 1
    assert graph.text_buckets == TEXT_BUCKETS
    means = [graph.item_attributes, graph.item_items, *(side for both in graph.behaviours.values() for side in both)]
    for relation in means:
        assert relation is not None
        rows = relation.matrix.to_dense().sum(dim=1)
        assert ((rows - 1).abs().lt(1e-5) | rows.eq(0)).all()
    for to_users, to_items in graph.behaviours.values():
        assert not to_users.matrix.to_dense()[:, 0].any()
        assert not to_items.matrix.to_dense()[0].any()
        assert to_users.matrix.shape == tuple(reversed(to_items.matrix.shape))
    assert not graph.item_items.matrix.to_dense()[0].any()


def test_a_cold_item_has_text_and_attributes_but_no_neighbours(write_split: Write, tmp_path: Path) -> None:
    build_graph(write_split(tmp_path / "split", train=log(0), items=ITEMS), tmp_path / "graph")
    graph = item_graph(read_graph(tmp_path / "graph"))
    assert graph.text is not None
    assert graph.item_items is not None
    text = graph.text.matrix.to_dense()
    np.testing.assert_allclose(text[1:].norm(dim=1), 1.0, rtol=1e-5)
    assert graph.item_attributes is not None
    assert graph.item_attributes.matrix.to_dense()[COLD].sum() > 0.99
    assert not graph.item_items.matrix.to_dense()[COLD].any()


def test_recent_events_weigh_more_and_halve_with_age(write_split: Write, tmp_path: Path) -> None:
    train: Events = [(0, 1, 1, 0.0), (0, 2, 1, 1000.0), (1, 3, 1, 500.0), (1, 3, 1, 1000.0), (2, 4, 1, None)]
    build_graph(write_split(tmp_path / "split", train=train, items=5), tmp_path / "graph")
    table = pl.read_parquet(tmp_path / "graph" / "user__view__item.parquet")
    weights = {(user, item): weight for user, item, weight in table.rows()}
    expected = {(0, 1): 0.5**4, (0, 2): 1.0, (1, 3): 0.5**2 + 1.0, (2, 4): 0.5}
    assert weights == pytest.approx(expected)


def test_a_graph_is_read_as_it_was_written(write_split: Write, tmp_path: Path) -> None:
    edges = build_graph(write_split(tmp_path / "split", train=log(0), items=ITEMS), tmp_path / "graph")
    data = read_graph(tmp_path / "graph")
    assert {"__".join(name): data[name].num_edges for name in data.edge_types} == edges
    assert json.loads((tmp_path / "graph" / "graph.json").read_text())["nodes"]["item"] == ITEMS + 1
    assert not item_graph(data, behaviours=False).behaviours
    assert data[DESCRIBES].edge_index.dtype == torch.int64


def dense_co_occurrence(events: list[list[int]], size: int, *, ordered: bool) -> np.ndarray:
    """The definition, pair by pair, before pruning and with rows that sum to 1."""
    total, counts = np.zeros((size, size)), np.zeros(size)
    for items in events if ordered else map(list, map(dict.fromkeys, events)):
        for place, one in enumerate(items):
            counts[one] += 1
            for later in range(place + 1, len(items)):
                if ordered and later - place > 20:
                    continue
                gap = later - place
                weight = GAP_DECAY ** (gap - 1) / len(items) ** 0.5 if ordered else 1 / len(items)
                if items[later] != one:
                    total[one, items[later]] += weight
                    total[items[later], one] += weight
    mass = total.sum(axis=1) if ordered else counts
    scaled = total / np.sqrt(np.maximum(mass, 1e-12))[:, None] / np.sqrt(np.maximum(mass, 1e-12))[None, :]
    return scaled / np.maximum(scaled.sum(axis=1, keepdims=True), 1e-12)


@pytest.mark.parametrize("ordered", [True, False])
def test_co_occurrence_equals_its_definition(ordered: bool) -> None:
    rng = np.random.default_rng(3)
    lists = [rng.integers(1, 12, int(rng.integers(1, 30))).tolist() for _ in range(15)]
    rows = [(user, item, place) for user, items in enumerate(lists) for place, item in enumerate(items)]
    train = pl.DataFrame(rows, schema=["user", "item", "order"], orient="row")
    came = co_occurrence(train, 13, ordered).toarray()
    np.testing.assert_allclose(came, dense_co_occurrence(lists, 13, ordered=ordered), atol=1e-5)


@pytest.mark.parametrize("ordered", [True, False])
def test_co_occurrence_keeps_the_strongest_neighbours_and_is_no_self_loop(ordered: bool) -> None:
    size = NEIGHBOURS + 30
    rows = [(0, item, item) for item in range(1, size)]
    train = pl.DataFrame(rows, schema=["user", "item", "order"], orient="row")
    came = co_occurrence(train, size, ordered)
    assert np.diff(came.indptr).max() <= NEIGHBOURS
    assert not came.diagonal().any()


def test_users_do_not_meet_in_co_occurrence() -> None:
    train = pl.DataFrame([(0, 1, 0), (0, 2, 1), (1, 3, 0), (1, 4, 1)], schema=["user", "item", "order"], orient="row")
    for ordered in (True, False):
        assert np.argwhere(co_occurrence(train, 5, ordered).toarray()).tolist() == [[1, 2], [2, 1], [3, 4], [4, 3]]


def test_rare_words_weigh_more_and_missing_text_is_an_empty_row() -> None:
    titles = ["red shoe", "blue shoe", "green shoe", None]
    empty = pl.lit(None, pl.String)
    items = pl.DataFrame({"row": [1, 2, 3, 4], "title": titles}).with_columns(brand=empty, category=empty, text=empty)
    table = item_text(items)
    assert set(table["item"]) == {1, 2, 3}
    common = set.intersection(*(set(table.filter(item=row)["bucket"]) for row in (1, 2, 3)))
    first = table.filter(item=1)
    assert common
    shared, own = (first.filter(pl.col("bucket").is_in(list(common)) == is_) for is_ in (True, False))
    assert shared["weight"].min() < own["weight"].min()  # the largest of the shared ones occurs twice


def test_attributes_of_a_single_item_are_left_out_and_categories_bring_their_parents() -> None:
    items = pl.DataFrame(
        {
            "row": [1, 2, 3],
            "attributes": [["colour=red", "size=9"], ["colour=red"], []],
            "brand": ["Acme", "Acme", None],
            "category": ["Shoes > Trail", "Shoes > Road", None],
        }
    )
    edges, vocabulary = item_attributes(items)
    assert vocabulary.names() == ["brand=Acme", "category=Shoes", "colour=red"]
    assert edges["item"].to_list() == [1, 1, 1, 2, 2, 2]
    np.testing.assert_allclose(edges["weight"].to_numpy(), 1 / 3, rtol=1e-6)
