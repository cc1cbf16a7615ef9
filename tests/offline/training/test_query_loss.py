"""Learning from logged queries: what is hidden sends no message, no answer is told, and words lead to items."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from made_up_meta import made_up_meta

from app.artifact.text.ngrams import weighted_buckets
from model.item_tower import ItemGraph
from model.network import Network
from offline.dataset.histories import histories_of
from offline.dataset.logged_queries import query_events, query_nodes
from offline.dataset.split_meta import read_split_meta
from offline.graph.build import LED_TO, build_graph, item_graph, read_graph
from offline.training.item_bags import bucket_idf
from offline.training.query_loss import QueryEvents, draw_query_batch, load_query_events
from offline.training.settings import choose_settings
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.training.validation import load_search_validation, validate

Write = Callable[..., Path]

COLOURS, KINDS = ("red", "blue", "green"), ("shoes", "hats", "bags")
USERS = 90


def item_of(colour: int, kind: int, style: int) -> int:
    return 1 + (colour * len(KINDS) + kind) * 2 + style


@pytest.fixture
def split(write_split: Write, tmp_path: Path) -> Path:
    """Everybody has a style, and buys things of it, found by colour and kind, or by either word alone.

    Nobody in train has ever typed `red bags`.
    """
    rng = np.random.default_rng(0)
    train, valid = [], []
    for user in range(USERS):
        style = user % 2
        for _ in range(8):
            colour, kind = int(rng.integers(3)), int(rng.integers(3))
            item = item_of(colour, kind, style)
            whole = f"{COLOURS[colour]} {KINDS[kind]}"
            if (colour, kind) == (0, 2) or rng.random() < 0.3:
                whole = COLOURS[colour] if rng.random() < 0.5 else KINDS[kind]
            train.append((user, item, 3, None, whole))
        valid.append((user, item_of(0, 2, style), 3, None, "red bags"))
    return write_split(
        tmp_path / "split",
        train=train,
        valid=valid,
        items=18,
        task="search",
        mask=["none"],
        has_order=False,
        counts={"train": {"events": len(train), "users": USERS, "searched": len(train)}},
    )


@pytest.fixture
def graph(split: Path, tmp_path: Path) -> ItemGraph:
    build_graph(split, tmp_path / "graph", without=["attributes"])
    return item_graph(read_graph(tmp_path / "graph"))


@pytest.fixture
def events(split: Path, graph: ItemGraph) -> QueryEvents:
    found = load_query_events(split, ["train"], graph, power=0.5)
    assert found is not None
    return found


def test_a_query_is_a_node_that_leads_to_its_items(split: Path, tmp_path: Path) -> None:
    build_graph(split, tmp_path / "graph")
    logged = query_events(split, ["train"])
    nodes = query_nodes(logged)
    counted = logged.group_by("query", "item").len()
    edges = pl.read_parquet(tmp_path / "graph" / f"{'__'.join(LED_TO)}.parquet")
    weights = {(nodes[node], item): weight for node, item, weight in edges.rows()}
    assert weights == {(query, item): float(count) for query, item, count in counted.rows()}
    assert "red bags" not in nodes


def test_texts_are_weighted_alike_in_graph_and_requests(graph: ItemGraph, events: QueryEvents) -> None:
    assert graph.query_text is not None
    bags = graph.query_text.matrix.to_dense()
    idf = bucket_idf(graph)
    for node, text in enumerate(events.queries):
        buckets, weights = weighted_buckets(text, idf)
        expected = np.zeros(graph.text_buckets, dtype=np.float32)
        expected[buckets] = weights / np.linalg.norm(weights)
        np.testing.assert_allclose(bags[node].numpy(), expected, rtol=1e-4)


def test_an_unheard_query_counts_as_if_it_had_not_been_logged(graph: ItemGraph) -> None:
    meta = made_up_meta({"events": 720, "users": USERS, "searched": 720}, has_order=False, mask=["none"])
    network = Network(graph, choose_settings(meta, 0, {"dim": 8}, content=True).shape()).eval()
    assert graph.item_queries is not None
    edges = graph.item_queries.matrix.to_dense()
    connected = torch.ones(graph.queries, dtype=torch.bool)
    connected[::2] = False
    kept = edges * connected
    kept = kept / kept.sum(dim=1, keepdim=True).clamp(min=1e-9)
    found = network.items.query_messages(graph, connected)
    assert graph.query_text is not None
    assert network.items.text is not None
    assert found is not None
    torch.testing.assert_close(found, kept @ (graph.query_text @ network.items.text))
    everyone = network.items.query_messages(graph)
    torch.testing.assert_close(everyone, network.items.query_messages(graph, torch.ones_like(connected)))


@pytest.mark.parametrize("ordered", [True, False])
def test_no_history_tells_the_item_that_followed(
    split: Path, graph: ItemGraph, events: QueryEvents, ordered: bool
) -> None:
    logged = pl.read_parquet(split / "train.parquet")
    histories = histories_of(logged, USERS)
    batch = draw_query_batch(
        events, histories, graph.queries, 400, 50, ordered=ordered, timed=False, rng=np.random.default_rng(1)
    )
    assert batch is not None
    assert 0 < int((~batch.connected).sum()) < graph.queries
    assert len(batch.user_lines) > 50
    assert (batch.types != 0).any(dim=1).all()
    targets = batch.targets.item[batch.user_lines]
    if not ordered:
        assert not (batch.rows == targets[:, None]).any()
    by_user = [histories.rows[histories.offsets[user] : histories.offsets[user + 1]].tolist() for user in range(USERS)]
    for rows, types, target in zip(batch.rows.tolist(), batch.types.tolist(), targets.tolist(), strict=True):
        known = [row for row, kind in zip(rows, types, strict=True) if kind]
        if ordered:
            assert any([*known, target] == history[: len(known) + 1] for history in by_user)
        else:
            assert any(known == [row for row in history if row != target] for history in by_user)


def test_words_of_other_queries_and_what_a_user_bought_lead_to_the_item(
    split: Path, graph: ItemGraph, tmp_path: Path
) -> None:
    meta = read_split_meta(split)
    settings = choose_settings(meta, 0, {"dim": 16, "epochs": 40, "batch": 32, "patience": 40}, content=False)
    assert settings.query_weight > 0
    trained = train(TrainInputs(split, graph, settings), tmp_path / "train", device=torch.device("cpu"))
    assert trained.record["best"] > 0.9  # chance is about .25 of 18 items
    asked = load_search_validation(split, graph, 100, 0)
    assert asked is not None
    alone = validate(trained.network, graph, trained.known, asked, settings.window, text_scale=0.0)
    both = validate(trained.network, graph, trained.known, asked, settings.window, settings.text_scale)
    assert both > alone + 0.2


def test_without_text_or_queries_nothing_of_the_kind_is_learned(
    split: Path, write_split: Write, tmp_path: Path
) -> None:
    meta = read_split_meta(split)
    assert choose_settings(meta, 0, content=False, without=["text"]).query_weight == 0
    build_graph(split, tmp_path / "graph", without=["text"])
    assert item_graph(read_graph(tmp_path / "graph")).query_text is None
    silent = write_split(tmp_path / "silent", train=[(0, 1, 3, None), (0, 2, 3, None)])
    build_graph(silent, tmp_path / "bare")
    bare = item_graph(read_graph(tmp_path / "bare"))
    assert bare.query_text is None
    assert bare.queries == 0


def test_timed_histories_learn_from_queries_too(write_split: Write, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    train_rows, valid_rows = [], []
    for user in range(40):
        for place in range(6):
            kind = int(rng.integers(3))
            query = KINDS[kind] if place % 2 else None
            train_rows.append((user, 1 + 3 * int(rng.integers(4)) + kind, 1 + place % 3, 1e9 + 60.0 * place, query))
        valid_rows.append((user, 1 + int(rng.integers(12)), 3, 1e9 + 600.0, KINDS[int(rng.integers(3))]))
    counts = {"train": {"events": 240, "users": 40, "searched": 120}}
    split = write_split(tmp_path / "split", train=train_rows, valid=valid_rows, items=12, task="search", counts=counts)
    build_graph(split, tmp_path / "graph")
    graph = item_graph(read_graph(tmp_path / "graph"))
    meta = read_split_meta(split)
    settings = choose_settings(meta, 0, {"dim": 16, "epochs": 2, "batch": 16})
    assert settings.ordered
    assert settings.timed
    assert settings.history_weight == 1.0
    trained = train(TrainInputs(split, graph, settings), tmp_path / "train", device=torch.device("cpu"))
    assert len(trained.record["epochs"]) == 2
    assert all(np.isfinite(epoch["loss"]) for epoch in trained.record["epochs"])
    again = train(TrainInputs(split, graph, settings), tmp_path / "again", device=torch.device("cpu"))
    assert again.record["epochs"][-1]["loss"] == trained.record["epochs"][-1]["loss"]
