"""What a training reads: histories, logged queries, texts of the catalogue, and who validates."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from torch import Tensor

from model.item_tower import ItemGraph
from offline.dataset.histories import Histories, histories_of
from offline.dataset.split_meta import read_split_meta
from offline.errors import TrainingError
from offline.graph.build import item_graph, read_graph
from offline.training.query_loss import QueryEvents, load_query_events
from offline.training.settings import TrainSettings
from offline.training.steps import count_steps
from offline.training.text_loss import Catalogue, load_catalogue
from offline.training.trained import known_items
from offline.training.validation import Validation, load_search_validation, load_validation


@dataclass(frozen=True)
class TrainInputs:
    """What a network is trained on, and how."""

    split: Path  # folder of the split
    graph: ItemGraph  # of the same parts, and without the same pieces
    settings: TrainSettings
    parts: Sequence[str] = ("train",)  # whose events are learned
    graph_folder: Path | None = None  # that the graph was read from: further processes read it there


@dataclass(frozen=True)
class TrainData:
    """What an epoch reads: histories, and the texts to learn from where there are any."""

    histories: Histories
    known: Tensor  # [items] bool, the items with an event
    queries: QueryEvents | None
    catalogue: Catalogue | None
    validation: Validation | None


@dataclass(frozen=True)
class TrainTask:
    """A training as its first process tells it to the others."""

    split: Path
    graph_folder: Path
    settings: TrainSettings
    parts: Sequence[str]
    fixed_epochs: float | None

    @classmethod
    def of(cls, inputs: TrainInputs, fixed_epochs: float | None) -> "TrainTask":
        """The training of these inputs."""
        if inputs.graph_folder is None:
            raise ValueError("expected the folder of the graph, which further processes read it from, got none")
        return cls(
            inputs.split.resolve(), inputs.graph_folder.resolve(), inputs.settings, tuple(inputs.parts), fixed_epochs
        )

    def inputs(self) -> TrainInputs:
        """The same inputs, read by another process.

        Raises:
            InputError: a file cannot be read.
        """
        graph = item_graph(read_graph(self.graph_folder))
        return TrainInputs(self.split, graph, self.settings, self.parts, self.graph_folder)


def load_data(inputs: TrainInputs, events: pl.DataFrame, *, validated: bool) -> TrainData:
    """Read what the parts of `inputs` hold; `events` are theirs.

    Raises:
        TrainingError: there is nothing to learn from.
    """
    split, settings, graph = inputs.split, inputs.settings, inputs.graph
    meta = read_split_meta(split)
    histories = histories_of(events, meta.n_users)
    queries = None
    if settings.query_weight:
        queries = load_query_events(split, inputs.parts, graph, settings.query_power)
    if not count_steps(histories, queries, settings):
        raise TrainingError(
            "no user has two train events on items of the catalogue, and no query led to one: there is nothing to "
            "learn from"
        )
    validation = validation_of(split, settings, graph, settings.validation_users) if validated else None
    catalogue = None
    if settings.view_weight:
        catalogue = load_catalogue(pl.read_parquet(split / "items.parquet"), graph)
    return TrainData(histories, known_items(events, graph.items), queries, catalogue, validation)


def validation_of(split: Path, settings: TrainSettings, graph: ItemGraph, users: int) -> Validation | None:
    """Who validates, `users` at most: by searches where the split is of searches; None where there is nobody."""
    validation = None
    if read_split_meta(split).task == "search" and settings.query_weight:
        validation = load_search_validation(split, graph, users, settings.seed)
    return validation or load_validation(split, users, settings.seed)
