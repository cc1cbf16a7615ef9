"""Build the graph from a split, write it as tables, and read it back as PyG `HeteroData`."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch_geometric.data import HeteroData

from app.artifact.behaviours import BEHAVIOUR_NAMES, BEHAVIOURS
from app.artifact.text.ngrams import TEXT_BUCKETS
from model.item_tower import ItemGraph
from model.sparse import SparseMatrix
from offline.dataset.logged_queries import query_events, query_nodes
from offline.dataset.split_events import read_events
from offline.dataset.split_meta import read_split_meta
from offline.errors import RunFolderError
from offline.graph.attributes import Attributes
from offline.graph.co_occurrence import co_occurrence
from offline.graph.item_features import item_and_query_text, item_attributes, query_text, search_buckets
from offline.graph.paths import join_paths
from offline.graph.user_features import user_attributes
from offline.workspace.atomic import atomic_folder
from offline.workspace.progress import Progress, silent

GRAPH_FILE = "graph.json"
MEANING_FILE = "meaning.npy"
CO_OCCURS = ("item", "co_occurs", "item")
DESCRIBES = ("attribute", "describes", "item")
SPELLS = ("bucket", "spells", "item")
SPELLS_QUERY = ("bucket", "spells", "query")
LED_TO = ("query", "led_to", "item")
DESCRIBES_USER = ("user_attribute", "describes", "user")
HALF_LIFE_SHARE = 0.25
"""An event loses half its weight over this share of the time that train spans."""


@dataclass(frozen=True)
class KnownGraph:
    """What a network has learned of the columns of its graph, so that a later graph means the same by them."""

    attributes: Attributes
    user_attributes: Attributes
    idf: NDArray[np.float32]  # [text buckets], 0 for those that no text had
    item_text: pl.DataFrame  # the edges from text buckets to items: source, target, weight
    meaning: NDArray[np.float32] | None = None  # of the items, `[items + 1, width]`

    @classmethod
    def read(cls, folder: Path, split: Path, parts: Sequence[str], idf: NDArray[np.float32]) -> "KnownGraph":
        """Of the graph in `folder`, which was built of these parts of a split.

        Args:
            idf: of its text buckets.
        """
        source = _read_source(split, parts, json.loads((folder / GRAPH_FILE).read_text("utf-8"))["without"])
        return cls(
            attributes=item_attributes(source.attribute_items)[1],
            user_attributes=user_attributes(source.user_table, source.events)[1],
            idf=idf,
            item_text=pl.read_parquet(folder / f"{'__'.join(SPELLS)}.parquet"),
            meaning=read_meaning(folder),
        )


def build_graph(
    split: Path,
    out: Path,
    *,
    parts: Sequence[str] = ("train",),
    without: Collection[str] = (),
    known: KnownGraph | None = None,
    meaning: NDArray[np.float32] | None = None,
    progress: Progress | None = None,
) -> dict[str, int]:
    """Write the graph of the split's events and catalogue to `out`; returns edge counts by relation.

    Args:
        split: folder of the split.
        out: folder, which appears whole.
        parts: whose events become edges.
        without: pieces left out: `graph` (edges between users and items, and between items), `text`, `attributes`,
            or `behaviours` (all events count as one of the first behaviour).
        known: another graph, whose weights are to be read on this one.
        meaning: `[items + 1, width]` of the items' texts, by an encoder; by default that of `known`.
        progress: called with each step.
    """
    report = progress or silent
    source = _read_source(split, parts, without)
    with atomic_folder(out, GRAPH_FILE) as folder:
        graph = _Tables({}, {"item": source.items.height + 1, "user": source.users})
        report(0, 4, "events")
        graph.edges.update(_behaviours(source.events))
        report(1, 4, "co-occurrence")
        pairs = co_occurrence(source.events, source.items.height + 1, source.has_order).tocoo()
        graph.add(CO_OCCURS, _table(pairs.col, pairs.row, pairs.data))
        report(2, 4, "attributes")
        _add_attributes(graph, source, known)
        report(3, 4, "text")
        _add_text(graph, source, known)
        _write_graph(folder, graph, without)
        meaning = known.meaning if known is not None else meaning
        if meaning is not None and "text" not in without:
            _write_meaning(folder, meaning, source.items.height + 1)
        report(4, 4, "written")
    return {name: table.height for name, table in graph.edges.items()}


@dataclass(frozen=True)
class _Source:
    """What the graph is built of, without the pieces that are left out."""

    events: pl.DataFrame
    items: pl.DataFrame
    users: int
    user_table: pl.DataFrame
    attribute_items: pl.DataFrame  # `items`, or none without attributes
    text_items: pl.DataFrame  # `items`, or none without text
    queries: pl.Series  # one for each query node
    query_edges: pl.DataFrame | None  # query node, item, weight; None where no query led to an item
    text_buckets: int
    has_order: bool


@dataclass(frozen=True)
class _Tables:
    """Edges by name of their relation, and the number of nodes by type."""

    edges: dict[str, pl.DataFrame]
    nodes: dict[str, int]

    def add(self, relation: tuple[str, str, str], table: pl.DataFrame) -> None:
        self.edges["__".join(relation)] = table


def _read_source(split: Path, parts: Sequence[str], without: Collection[str]) -> _Source:
    meta = read_split_meta(split)
    items = pl.read_parquet(split / "items.parquet")
    events = read_events(split, parts, ("user", "item", "type", "time", "order")).filter(pl.col("item") > 0)
    text_buckets = search_buckets(items.height) if events.is_empty() else TEXT_BUCKETS
    if "behaviours" in without:
        events = events.with_columns(pl.lit(min(BEHAVIOUR_NAMES), events.schema["type"]).alias("type"))
    queries, query_edges = (pl.Series(dtype=pl.String), None) if "text" in without else _queries(split, parts)
    if "graph" in without:
        events = events.clear()
        query_edges = None if query_edges is None else query_edges.clear()
    return _Source(
        events=events,
        items=items,
        users=meta.n_users,
        user_table=pl.read_parquet(split / "users.parquet"),
        attribute_items=items.clear() if "attributes" in without else items,
        text_items=items.clear() if "text" in without else items,
        queries=queries,
        query_edges=query_edges,
        text_buckets=text_buckets,
        has_order=meta.has_order,
    )


def _add_attributes(graph: _Tables, source: _Source, known: KnownGraph | None) -> None:
    """Edges from attributes to the items and users that have them."""
    edges, attributes = item_attributes(source.attribute_items, None if known is None else known.attributes)
    graph.nodes["attribute"] = len(attributes)
    graph.add(DESCRIBES, _edges(edges, "attribute", "item"))
    edges, attributes = user_attributes(
        source.user_table, source.events, None if known is None else known.user_attributes
    )
    if edges.height:
        graph.add(DESCRIBES_USER, _edges(edges, "attribute", "user"))
    if attributes:
        graph.nodes["user_attribute"] = len(attributes)


def _add_text(graph: _Tables, source: _Source, known: KnownGraph | None) -> None:
    """Edges from n-gram buckets to items and queries, and from queries to the items that they led to."""
    queries = source.queries.to_list()
    if known is None:
        item_text, text_of_queries = item_and_query_text(source.text_items, queries, source.text_buckets)
        graph.nodes["bucket"] = source.text_buckets
        graph.add(SPELLS, _edges(item_text, "bucket", "item"))
    else:  # a catalogue reads as it did; items that it lacks have no text
        text_of_queries = query_text(queries, known.idf)
        graph.nodes["bucket"] = len(known.idf)
        graph.edges["__".join(SPELLS)] = known.item_text
    if source.query_edges is not None:
        graph.add(SPELLS_QUERY, _edges(text_of_queries, "bucket", "query"))
        graph.add(LED_TO, _edges(source.query_edges, "query", "item"))
        graph.nodes["query"] = len(source.queries)


def _write_graph(folder: Path, graph: _Tables, without: Collection[str]) -> None:
    for name, table in graph.edges.items():
        table.write_parquet(folder / f"{name}.parquet")
    order = ("item", "user", "attribute", "bucket", "user_attribute", "query")
    contents = {
        "nodes": {node: graph.nodes[node] for node in order if node in graph.nodes},
        "edges": {name: table.height for name, table in graph.edges.items()},
        "without": sorted(without),
    }
    (folder / GRAPH_FILE).write_text(json.dumps(contents, indent=2) + "\n")


def _write_meaning(folder: Path, meaning: NDArray[np.float32], rows: int) -> None:
    """Items that came later have none, as they have no text."""
    whole = np.zeros((rows, meaning.shape[1]), dtype=np.float32)
    whole[: len(meaning)] = meaning
    np.save(folder / MEANING_FILE, whole)


def read_meaning(folder: Path) -> NDArray[np.float32] | None:
    """What the texts of the items of the graph in `folder` mean, `[items + 1, width]`; None where it has no such."""
    path = folder / MEANING_FILE
    if not path.exists():
        return None
    meaning: NDArray[np.float32] = np.load(path)
    return meaning


def read_graph(folder: Path) -> HeteroData:
    """The graph: `edge_index` `[2, edges]` from source to target and `edge_weight` `[edges]` for every relation.

    Items have features `x` `[items, width]` where an encoder has read their texts.
    """
    described = json.loads((folder / GRAPH_FILE).read_text("utf-8"))
    data = HeteroData()
    for node, count in described["nodes"].items():
        data[node].num_nodes = count
    for name in described["edges"]:
        table = pl.read_parquet(folder / f"{name}.parquet")
        edge = data[tuple(name.split("__"))]
        edge.edge_index = torch.from_numpy(table.select("source", "target").to_numpy().T.copy())
        edge.edge_weight = torch.from_numpy(table["weight"].to_numpy().copy())
    meaning = read_meaning(folder)
    if meaning is not None:
        data["item"].x = torch.from_numpy(meaning)
    return data


def co_occurrence_table(folder: Path) -> pl.DataFrame:
    """The pairs of items that occur together, of the graph in `folder`: source, target, weight."""
    return pl.read_parquet(folder / f"{'__'.join(CO_OCCURS)}.parquet")


def check_graph(folder: Path, without: Collection[str]) -> None:
    """See that the graph in `folder` lacks what a training is to be without.

    Raises:
        RunFolderError: it was built otherwise.
    """
    built = json.loads((folder / GRAPH_FILE).read_text("utf-8")).get("without", [])
    if built != sorted(without):
        expected, actual = (", ".join(names) or "nothing" for names in (sorted(without), built))
        raise RunFolderError(
            f"{folder}: expected a graph that leaves out {expected}, got one that leaves out {actual}: "
            "build the graph again with the same --without"
        )


def item_graph(data: HeteroData, *, behaviours: bool = True) -> ItemGraph:
    """The relations of `data` as the item tower reads them; relations without an edge are left out."""
    items = int(data["item"].num_nodes)

    def matrix(relation: tuple[str, str, str], *, mean: bool, reverse: bool = False) -> SparseMatrix | None:
        if relation not in data.edge_types or not data[relation].edge_index.shape[1]:
            return None
        source, target = data[relation].edge_index
        ends = (int(data[relation[0]].num_nodes), int(data[relation[2]].num_nodes))
        if reverse:
            source, target, ends = target, source, (ends[1], ends[0])
        weight = data[relation].edge_weight
        return SparseMatrix.of(target, source, _mean(target, weight, ends[1]) if mean else weight, (ends[1], ends[0]))

    relations = {}
    for behaviour in BEHAVIOURS if behaviours else ():
        to_items = matrix(("user", behaviour, "item"), mean=True)
        to_users = matrix(("user", behaviour, "item"), mean=True, reverse=True)
        if to_items and to_users:
            relations[behaviour] = (to_users, to_items)
    traits = matrix(DESCRIBES_USER, mean=True) if relations else None
    return ItemGraph(
        items=items,
        attributes=int(data["attribute"].num_nodes),
        text_buckets=int(data["bucket"].num_nodes),
        text=matrix(SPELLS, mean=False),
        item_attributes=matrix(DESCRIBES, mean=True),
        item_items=matrix(CO_OCCURS, mean=True),
        behaviours=relations,
        joined={} if traits else _join_all(relations),
        user_attributes=traits,
        query_text=matrix(SPELLS_QUERY, mean=False),
        item_queries=matrix(LED_TO, mean=True),
        meaning=data["item"].x if "x" in data["item"] else None,
    )


def _join_all(relations: dict[str, tuple[SparseMatrix, SparseMatrix]]) -> dict[str, SparseMatrix]:
    joined = {name: join_paths(*both) for name, both in relations.items()}
    return {name: matrix for name, matrix in joined.items() if matrix is not None}


def _mean(target: Tensor, weight: Tensor, targets: int) -> Tensor:
    totals = torch.zeros(targets, dtype=weight.dtype).index_add_(0, target, weight)
    return weight / totals[target].clamp(min=1e-12)


def _behaviours(train: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """One edge a (user, behaviour, item): the sum over its events, each halved with age."""
    summed = (
        train.with_columns(weight=_recency(train))
        .group_by("type", "user", "item")
        .agg(pl.col("weight").sum())
        .sort("type", "user", "item")
    )
    tables = {}
    for code, name in BEHAVIOUR_NAMES.items():
        rows = summed.filter(pl.col("type") == code)
        if rows.height:
            tables[f"user__{name}__item"] = _table(*(rows[column].to_numpy() for column in ("user", "item", "weight")))
    return tables


def _recency(events: pl.DataFrame) -> pl.Expr:
    newest, oldest = events["time"].max(), events["time"].min()
    if isinstance(newest, float) and isinstance(oldest, float) and newest > oldest:
        half_life = HALF_LIFE_SHARE * (newest - oldest)
        return (0.5 ** ((newest - pl.col("time")) / half_life)).fill_null(0.5)
    return pl.lit(1.0)


def _queries(split: Path, parts: Sequence[str]) -> tuple[pl.Series, pl.DataFrame | None]:
    """The query nodes, and their edges (query, item, weight), as events by users weigh; None where there are none."""
    events = query_events(split, parts).filter(pl.col("item") > 0)
    queries = query_nodes(events)
    if not len(queries):
        return queries, None
    nodes = queries.to_frame("query").with_row_index("node")
    led_to = (
        events.with_columns(weight=_recency(events))
        .join(nodes, on="query", how="inner")
        .group_by("node", "item")
        .agg(pl.col("weight").sum())
        .sort("node", "item")
    )
    return queries, led_to.rename({"node": "query"})


def _edges(edges: pl.DataFrame, source: str, target: str) -> pl.DataFrame:
    """The table of a relation, of the columns that name its ends and `weight`."""
    return _table(edges[source].to_numpy(), edges[target].to_numpy(), edges["weight"].to_numpy())


def _table(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "source": source.astype(np.int64),
            "target": target.astype(np.int64),
            "weight": weight.astype(np.float32),
        }
    )
