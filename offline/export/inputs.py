"""What a bundle is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
from numpy.typing import NDArray

from app.artifact.manifest import Manifest
from app.artifact.search_spec import SearchSpec
from app.artifact.text.synonym_table import SynonymTable
from offline.dataset.erased import erased_until
from offline.dataset.histories import Histories
from offline.dataset.split_events import read_histories
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.export.content_vectors import ContentVectors, content_vectors
from offline.export.item_tables import ItemTable, item_table
from offline.graph.attributes import Attributes
from offline.training.trained import Trained


@dataclass(frozen=True)
class MeaningInputs:
    """A student, and the vectors of items by its teacher."""

    distil: Path  # folder of the stage
    embed: Path


@dataclass(frozen=True)
class ExportInputs:
    """A trained network with the data behind it, and what was learned or measured of it afterwards."""

    trained: Trained
    split: Path  # folder of the split that it was trained on
    graph: Path  # folder of the graph that was built of the same parts
    parts: Sequence[str] = ("train", "valid")  # of the split, whose events users and counts are made of
    ranker: Path | None = None  # folder with a trained ranker
    search: SearchSpec | None = None  # how the results of a search are ordered; None takes the prior weights
    weight_bits: int = 8  # of the item vectors; 7 for processors whose 8-bit products saturate (x86 without VNNI)
    compression: list[dict[str, Any]] | None = None  # the figures of every variant measured, for the manifest
    idf: NDArray[np.float32] | None = None  # of the text buckets, where the network learned by another graph's
    attributes: Attributes | None = None  # of the items, where the network learned those of another split
    count_scales: NDArray[np.float32] | None = None  # `[3]` that the counts by behaviour are multiplied by; None is 1
    measured_as: Manifest | None = None  # of the bundle that was measured, where this one only knows more events
    text_of: Path | None = None  # a bundle of the same items and logged queries, whose words are indexed already
    tower: onnx.ModelProto | None = None  # the query tower, where it was exported before
    erased: Mapping[int, float] = field(default_factory=dict)  # hash of a person -> unix seconds of their erasure
    synonyms: SynonymTable = field(default_factory=SynonymTable)  # of the data set, and its stop words
    meaning: MeaningInputs | None = None  # where texts have one


@dataclass(frozen=True)
class BundleSource:
    """The inputs, read and quantised once for all the files of the bundle."""

    inputs: ExportInputs
    meta: SplitMeta
    items: pl.DataFrame  # by row from 1
    user_ids: list[str]
    histories: Histories  # of the users, up to the cut
    remembered: Histories  # the same without what erased people did before their erasures
    cut: float | None  # unix seconds of the newest event; None without a clock
    table: ItemTable
    content: ContentVectors

    @classmethod
    def read(cls, inputs: ExportInputs) -> "BundleSource":
        """Read the split, and quantise the network's item vectors."""
        split, trained = inputs.split, inputs.trained
        trained.network.cpu().eval()
        user_ids = pl.read_parquet(split / "users.parquet").sort("user")["user_id"].to_list()
        histories = read_histories(split, inputs.parts)
        table = item_table(trained, inputs.weight_bits)
        return cls(
            inputs,
            meta=read_split_meta(split),
            items=pl.read_parquet(split / "items.parquet").sort("row"),
            user_ids=user_ids,
            histories=histories,
            remembered=histories.since(erased_until(user_ids, inputs.erased)) if inputs.erased else histories,
            cut=_newest(histories),
            table=table,
            content=content_vectors(trained, len(table.scales)),
        )


def _newest(histories: Histories) -> float | None:
    times = histories.times[np.isfinite(histories.times)]
    return float(times.max()) if len(times) else None
