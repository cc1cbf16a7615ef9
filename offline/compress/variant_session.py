"""A variant as the service would run it: its graph in ONNX Runtime, its item table, its answers and how fast it is."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch.nn import functional

from app.artifact import names
from app.artifact.event_features import age_buckets
from app.engine.runtime import open_session
from model.text_tower import bag_vectors
from offline.dataset.histories import Histories
from offline.evaluation.protocol import RowLists
from offline.export.item_tables import ItemTable, item_table
from offline.export.retrieve_graph import block_of, write_search
from offline.export.tower_graph import export_tower
from offline.training.scoring import long_states
from offline.training.trained import Trained
from offline.training.validation import Validation
from offline.workspace.budget import Allowance

_SCORES_AT_ONCE = 20_000_000
_BATCH = 256
_DEPTH = 200  # candidates that the service asks for
WARM_UP = 300
TIMED = 1_000
_LEAST_TURNS = 20


@dataclass(frozen=True)
class VariantSession:
    """One variant as the service would run it."""

    session: Any
    table: ItemTable
    trained: Trained
    megabytes: float  # of what the service loads for it: item vectors with scales, and the graph


@dataclass(frozen=True)
class Latency:
    """The latency of one request, in milliseconds."""

    p50_ms: float
    p99_ms: float


def tower_model(trained: Trained) -> onnx.ModelProto:
    """The exported query tower; `open_variant` uses a copy of it, so that one export serves several variants."""
    shape = trained.network.shape
    return export_tower(trained.network.queries, shape.dim if shape.item_dim is None else shape.item_dim)


def open_variant(trained: Trained, model: onnx.ModelProto, bits: int, path: Path) -> VariantSession:
    """Write the variant's graph to `path` and open it with one thread.

    Args:
        model: from `tower_model`, of this network or of one with the same sizes; left as it is.
        bits: of the item vectors; 32 leaves them as they are.
    """
    table = item_table(trained, bits)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    write_search(path, copy, table.vectors, table.score_scales, block_of(trained.graph.items - 1))
    size = table.nbytes + path.stat().st_size
    return VariantSession(open_session(path, threads=1), table, trained, size / 1e6)


def top_rows(variant: VariantSession, validation: Validation, depth: int) -> NDArray[np.int64]:
    """The best rows of every validation case, hidden ones left out, `[cases, depth]`; 0 where there are no more.

    Where the cases ask by words, those count beside the user as in a search of the service.
    """
    words = _word_vectors(variant, validation)
    outputs = (names.OUT_SCORES, names.OUT_ROWS)
    parts = []
    start = 0
    for feeds in _feeds(variant, validation, _batch_of(variant), depth):
        if words is not None:
            part = slice(start, start + len(feeds[names.IN_GIVEN]))
            (users,) = variant.session.run((names.OUT_QUERY,), feeds | {names.IN_TOP_K: np.array([1], dtype=np.int64)})
            given = {names.IN_GIVEN_QUERY: users + words[part], names.IN_GIVEN: np.ones_like(feeds[names.IN_GIVEN])}
            feeds, start = feeds | given, part.stop  # noqa: PLW2901 - the same case, asked with words
        scores, rows = variant.session.run(outputs, feeds)
        parts.append(np.where(np.isfinite(scores), rows, names.PADDING_ROW))
    return np.concatenate(parts)


@torch.no_grad()
def _word_vectors(variant: VariantSession, validation: Validation) -> NDArray[np.float32] | None:
    """`[cases, dim]` in the directions that the variant keeps, as long as they count beside the user."""
    network = variant.trained.network
    table = network.items.text
    if validation.words is None or table is None:
        return None
    vectors = bag_vectors(table, validation.words)
    if network.narrow is not None:
        vectors = network.narrow(vectors)
    scaled: NDArray[np.float32] = (variant.trained.settings.text_scale * functional.normalize(vectors, dim=1)).numpy()
    return scaled


def measure_latencies(
    variants: Sequence[VariantSession],
    validation: Validation,
    *,
    warm_up: int = WARM_UP,
    timed: int = TIMED,
    allowance: Allowance | None = None,
) -> list[Latency]:
    """The time of one request alone, for each variant on the same requests.

    The variants take turns, and the turn's order moves on with every request, so that neither the machine's drift nor
    what the one before leaves in the caches favours one. Where the allowance ends, fewer turns are taken, the same
    share of them to warm up.
    """
    allowance = allowance or Allowance.of(None)
    requests = [list(_feeds(variant, validation, 1, _DEPTH)) for variant in variants]
    seconds = np.zeros((warm_up + timed, len(variants)))
    outputs = (names.OUT_SCORES, names.OUT_ROWS, names.OUT_QUERY)
    turns = len(seconds)
    for turn in range(turns):
        if turn >= _LEAST_TURNS and allowance.is_spent():
            turns = turn
            break
        for step in range(len(variants)):
            place = (turn + step) % len(variants)
            feeds = requests[place][turn % len(requests[place])]
            started = time.perf_counter()
            variants[place].session.run(outputs, feeds)
            seconds[turn, place] = time.perf_counter() - started
    first = turns * warm_up // (warm_up + timed)
    percentiles = np.percentile(seconds[first:turns] * 1e3, (50, 99), axis=0)
    return [Latency(float(p50), float(p99)) for p50, p99 in percentiles.T]


def _batch_of(variant: VariantSession) -> int:
    return max(1, min(_BATCH, _SCORES_AT_ONCE // len(variant.table.vectors)))


def _feeds(variant: VariantSession, validation: Validation, batch: int, depth: int) -> Iterator[dict[str, Any]]:
    """The graph's inputs, `batch` validation users at a time."""
    cases, tower = validation.cases, variant.trained.network.queries
    histories = Histories(cases.history.offsets, cases.history.rows, cases.history_types, cases.history_times)
    real = variant.table.real()
    rows, types, times = histories.windows(tower.window)
    ages = age_buckets(times, cases.now[:, None])
    long = long_states(tower, torch.from_numpy(real), histories, cases.now, tower.window)
    selectable = np.zeros((1, len(real)), dtype=bool)
    selectable[0, 1 : variant.trained.graph.items] = True
    top_k = np.array([min(depth, len(real))], dtype=np.int64)
    for start in range(0, len(cases), batch):
        part = slice(start, min(start + batch, len(cases)))
        size = part.stop - start
        yield {
            names.IN_EVENT_VECTORS: real[rows[part]] * (rows[part] > 0)[:, :, None],
            names.IN_EVENT_TYPES: types[part].astype(np.int64),
            names.IN_AGE_BUCKETS: ages[part],
            names.IN_LONG_VECTOR: long.vectors[part],
            names.IN_LONG_WEIGHT: long.weights[part, None],
            names.IN_GIVEN_QUERY: np.zeros((size, real.shape[1]), dtype=np.float32),
            names.IN_GIVEN: np.zeros((size, 1), dtype=bool),
            names.IN_ITEM_MASK: selectable,
            names.IN_EXCLUDE_ROWS: _padded(validation.hidden, part),
            names.IN_TOP_K: top_k,
        }


def _padded(lists: RowLists, part: slice) -> NDArray[np.int64]:
    """Some of the lists side by side, filled up with row 0, which is never answered anyway."""
    lengths = lists.lengths()[part]
    padded = np.zeros((len(lengths), int(lengths.max(initial=0))), dtype=np.int64)
    padded[np.arange(padded.shape[1])[None, :] < lengths[:, None]] = lists.rows[
        lists.offsets[part.start] : lists.offsets[part.stop]
    ]
    return padded
