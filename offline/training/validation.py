"""The validation metric during training: full ranking in full precision, on a fixed draw of users."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.item_tower import ItemGraph
from model.network import Network
from model.text_tower import Bags, bag_vectors
from offline.dataset.absent import absent_rows_of
from offline.dataset.histories import Histories
from offline.dataset.split_meta import read_split_meta
from offline.errors import DatasetError
from offline.evaluation.metrics import ndcg_or_first, parse_metric, table_of
from offline.evaluation.protocol import Cases, RowLists, load_cases
from offline.evaluation.search_cases import load_search_cases, searched_mask
from offline.training.item_bags import bucket_idf, text_bags
from offline.training.scoring import query_vectors, rank_items

DEPTH = 100


@dataclass(frozen=True)
class Validation:
    """Who is asked for what, and how the answers are judged."""

    cases: Cases
    hidden: RowLists
    metric: str
    absent: NDArray[np.int32]  # item rows that are never answered
    words: Bags | None = None  # of the queries that the users ask by, a bag a case


def load_validation(split: Path, users: int, seed: int) -> Validation | None:
    """The validation users of a split, `users` at most; None when the split validates nobody."""
    meta = read_split_meta(split)
    try:
        cases = load_cases(split, "valid", limit=users, seed=seed)
    except DatasetError:
        return None
    return Validation(cases, cases.mask(meta.mask[0]), ndcg_or_first(meta.metrics), absent_rows_of(split))


def load_search_validation(split: Path, graph: ItemGraph, pairs: int, seed: int) -> Validation | None:
    """The validation pairs of a user and a query, `pairs` at most; None where there are none."""
    meta = read_split_meta(split)
    try:
        search_cases = load_search_cases(split, "valid", limit=pairs, seed=seed)
    except DatasetError:
        return None
    words = text_bags(search_cases.queries, bucket_idf(graph)).bags()
    hidden, metric = search_cases.cases.mask(searched_mask(meta)), ndcg_or_first(meta.metrics)
    return Validation(search_cases.cases, hidden, metric, absent_rows_of(split), words)


@torch.no_grad()
def validate(
    network: Network,
    graph: ItemGraph,
    known: Tensor,
    validation: Validation,
    window: int,
    text_scale: float = 0.0,
) -> float:
    """The metric's mean over the validation cases; words count `text_scale` beside what is known of the user."""
    network.eval()
    units, lengths = network.item_vectors(graph, known)
    cases = validation.cases
    histories = Histories(cases.history.offsets, cases.history.rows, cases.history_types, cases.history_times)
    queries = query_vectors(network.queries, units, histories, cases.now, window)
    if validation.words is not None and network.items.text is not None:
        words = bag_vectors(network.items.text, validation.words.to(units.device))
        queries = queries + text_scale * functional.normalize(words, dim=1)
    hidden = validation.hidden
    ranked = rank_items(queries, units * lengths[:, None], hidden.lines(), hidden.rows, DEPTH, validation.absent)
    metric = parse_metric(validation.metric, DEPTH)
    return float(table_of([metric], ranked, cases.targets)[:, 0].mean())
