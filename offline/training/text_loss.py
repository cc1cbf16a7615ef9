"""A loss by which parts of the catalogue's texts find their items, so that typed queries are understood."""

from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model.item_tower import ItemGraph
from model.losses import Targets
from model.text_tower import Bags, bag_vectors
from offline.training.item_bags import bucket_idf, text_bags
from offline.training.text_augmentation import ItemFields, draw_texts


@dataclass(frozen=True)
class Catalogue:
    """The texts of all items."""

    fields: ItemFields
    described: NDArray[np.int64]  # rows of the items with any text
    idf: NDArray[np.float32]  # [buckets]


@dataclass(frozen=True)
class TextBatch:
    """Augmented texts, and the item of each."""

    words: Bags  # [lines]
    targets: Targets  # a line each

    def to(self, device: torch.device) -> "TextBatch":
        """The same batch on a device."""
        return TextBatch(self.words.to(device), self.targets.to(device))


def load_catalogue(items: pl.DataFrame, graph: ItemGraph) -> Catalogue | None:
    """The texts of a split's item table; None where the network reads none."""
    if graph.text is None:
        return None
    fields = ItemFields(items)
    described = fields.described()
    return Catalogue(fields, described, bucket_idf(graph)) if len(described) else None


def draw_text_batch(catalogue: Catalogue, size: int, rng: np.random.Generator, share: slice = slice(None)) -> TextBatch:
    """The augmented texts of `size` drawn items, or a share of them; the draws are those of all."""
    drawn = rng.choice(catalogue.described, size=size)
    texts, rows = draw_texts(catalogue.fields, drawn, rng)[share], drawn[share]
    words = text_bags(texts, catalogue.idf).bags()
    return TextBatch(words, Targets(torch.arange(len(rows)), torch.from_numpy(rows), torch.ones(len(rows))))


def text_vectors(table: Tensor, batch: TextBatch, text_scale: float) -> Tensor:
    """`[lines, dim]` the query vector of each text."""
    return text_scale * functional.normalize(bag_vectors(table, batch.words), dim=1)
