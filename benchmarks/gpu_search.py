"""Retrieval on a GPU: latency and throughput by items and batch, beside the device's bandwidth, torch and the CPU.

Item vectors are made up, the query tower is untrained: neither changes what a run costs. Everything that is measured
answers the same requests, `--depth` items each, from events on the host to rows on the host:

    fp16    what `aisle-serve --device cuda` runs: `retrieve.fp16.onnx` behind its buckets
    nbits   the same graph with the item matrix as 8-bit weights (`MatMulNBits`) in the place of the fp16 product
    int8    what `aisle-serve --device cpu` runs, with the cores of this machine
    torch   the search alone, `(queries @ items.T).topk(depth)` in fp16 on the same device, queries there already
    floor   one pass over the fp16 matrix, by the bandwidth that a copy inside the device reaches: what no search in
            fp16 can go below

`torch` and `floor` need a torch that reaches the device; without one they are null. Measurements take turns over the
rounds. `overlap` is the mean share of the best `--depth` items of int8 that fp16 (or nbits) finds too; scores differ by
the query's own quantisation in int8, so it is not 1. The last line of the output is JSON, times in milliseconds.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

import numpy as np
import onnx
import torch
import typer
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.manifest import Shapes
from app.artifact.quantise import half_matrix, quantise_rows
from app.engine.catalogue import Items
from app.engine.gpu_retriever import Device, GpuRetriever, open_gpu_retriever
from app.engine.id_table import IdTable
from app.engine.requests import RequestBatch
from app.engine.retriever import open_retriever
from app.errors import AisleError, BundleError
from model.query_tower import QueryTower, QueryTowerShape
from offline.export.half_graph import write_half_search
from offline.export.retrieve_graph import block_of, padded_rows, write_search
from offline.export.tower_graph import export_tower

WINDOW = 50
BITS = 8
_SPENT_S = 0.6  # on one measurement of a round


def main(
    device: Annotated[
        str, typer.Option(help="cuda, or cpu to try the program out where there is none: those times say nothing.")
    ] = "cuda",
    items: Annotated[str, typer.Option(help="Sizes of the catalogue, separated by commas.")] = "10000,100000,1000000",
    batches: Annotated[str, typer.Option(help="Requests at once, separated by commas.")] = "1,2,4,8,16,32,64",
    dim: Annotated[int, typer.Option(help="Numbers in a vector; a power of two from 16 for nbits.")] = 128,
    depth: Annotated[int, typer.Option(min=1, help="Items answered.")] = 200,
    rounds: Annotated[int, typer.Option(min=1, help="Of all measurements.")] = 3,
) -> None:
    """Measure the search on a GPU beside what bounds it."""
    if device not in ("cuda", "cpu"):
        raise typer.BadParameter(f"expected cuda or cpu, got {device}", param_hint="--device")
    kind: Literal["cuda", "cpu"] = "cuda" if device == "cuda" else "cpu"
    found: dict[str, Any] = {"device": kind, "name": _name_of(kind), "dim": dim, "depth": depth, "sizes": []}
    torch.manual_seed(0)
    tower = QueryTower(QueryTowerShape(dim, 2, WINDOW, 4, 32, 0.0, ordered=True)).eval()
    together = [int(each) for each in batches.split(",")]
    for size in map(int, items.split(",")):
        with tempfile.TemporaryDirectory(prefix="aisle-gpu-") as folder:
            try:
                lines = _measured(Path(folder), tower, size, dim, depth, kind, together, rounds)
            except AisleError as error:
                typer.echo(f"gpu_search: {error.message}", err=True)
                raise typer.Exit(1) from None
        found["sizes"].append(lines)
    print(json.dumps(found))


def _measured(
    folder: Path,
    tower: QueryTower,
    size: int,
    dim: int,
    depth: int,
    kind: Literal["cuda", "cpu"],
    batches: list[int],
    rounds: int,
) -> dict[str, Any]:
    """All that is told of one catalogue."""
    rng = np.random.default_rng(size)
    table, score_scales = _catalogue(size, dim, rng)
    _write(folder, tower, table, score_scales)
    device = Device(kind)
    shapes = Shapes(items=size, rows=len(table.vectors), dim=dim, window=WINDOW, users=0)
    half = open_gpu_retriever(folder, table, score_scales, device, shapes)
    int8 = open_retriever(folder, table, score_scales, shapes, threads=0)
    nbits = _nbits_or_none(folder, table, score_scales, device, shapes)
    reference = _on_torch(table, score_scales, kind)
    asked = _requests(max(batches), size, dim, rng)
    best = int8.run(asked, depth)
    told: dict[str, Any] = {
        "items": size,
        "megabytes": round(2 * table.vectors.size / 1e6, 1),
        "floor_ms": None if reference is None else reference.floor_ms(),
        "overlap": {"fp16": _overlap(best.rows, half.run_on_device(asked, depth).rows)},
        "batches": [],
    }
    if nbits is not None:
        told["overlap"]["nbits"] = _overlap(best.rows, nbits.run_on_device(asked, depth).rows)
    for batch in batches:
        part = asked.take(slice(0, batch))
        runs: dict[str, Callable[[], object]] = {
            "fp16": lambda part=part: half.run_on_device(part, depth),
            "int8": lambda part=part: int8.run(part, depth),
        }
        if nbits is not None:
            runs["nbits"] = lambda part=part: nbits.run_on_device(part, depth)
        if reference is not None:
            queries = best.query_vectors[:batch]
            runs["torch"] = reference.search(queries, depth)
        line = {"batch": batch} | {name: _told(times, batch) for name, times in _timed(runs, rounds)}
        told["batches"].append(line)
        print(f"{size:>9,} items, {batch:>2} at once:", json.dumps(line), flush=True)
    return told


def _told(times: list[float], batch: int) -> dict[str, float]:
    p50 = float(np.percentile(times, 50))
    return {
        "p50_ms": round(p50, 4),
        "p99_ms": round(float(np.percentile(times, 99)), 4),
        "requests_s": round(batch / p50 * 1e3),
    }


def _timed(runs: dict[str, Callable[[], object]], rounds: int) -> Iterator[tuple[str, list[float]]]:
    """Milliseconds of every run, the measurements taking turns."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            run()
            end = time.perf_counter() + _SPENT_S
            while time.perf_counter() < end:
                before = time.perf_counter()
                run()
                times[name].append(1e3 * (time.perf_counter() - before))
    return iter(times.items())


def _catalogue(size: int, dim: int, rng: np.random.Generator) -> tuple[Items, NDArray[np.float32]]:
    """Items of unit length in all directions, and the scales of their scores."""
    rows = padded_rows(size)
    vectors = np.zeros((rows, dim), dtype=np.float32)
    vectors[1 : size + 1] = rng.standard_normal((size, dim), dtype=np.float32)
    vectors[1 : size + 1] /= np.linalg.norm(vectors[1 : size + 1], axis=1, keepdims=True)
    quantised, scales = quantise_rows(vectors)
    selectable = np.zeros((1, rows), dtype=np.bool_)
    selectable[0, 1 : size + 1] = True
    nothing = np.zeros(0, dtype=np.int64)
    popularity = np.zeros(rows, dtype=np.float32)
    no_hashes, no_rows = np.zeros(0, dtype=np.uint64), np.zeros(0, dtype=np.int32)
    table = Items(
        ids=IdTable(TextColumn.of([""]), no_hashes, no_rows),
        vectors=quantised,
        scales=scales,
        popularity=popularity,
        selectable=selectable,
        popular_rows=nothing,
        _hashes=no_hashes,
        _hash_rows=no_rows,
        _own_hashes=no_hashes,
        _row_of_variant={},
    )
    return table, scales


def _write(folder: Path, tower: QueryTower, table: Items, score_scales: NDArray[np.float32]) -> None:
    rows, dim = table.vectors.shape
    block = block_of(int(table.selectable.sum()))
    for_cpu, for_gpu = export_tower(tower, dim), onnx.ModelProto()
    for_gpu.CopyFrom(for_cpu)
    write_search(folder / names.RETRIEVE_GRAPH, for_cpu, table.vectors, score_scales, block)
    write_half_search(folder / names.HALF_GRAPH, for_gpu, rows, dim, block)


def _nbits_or_none(
    folder: Path, table: Items, score_scales: NDArray[np.float32], device: Device, shapes: Shapes
) -> GpuRetriever | None:
    """What `_nbits` opens; nothing where the vectors' length does not suit it, or the device refuses such a graph."""
    dim = table.vectors.shape[1]
    if dim < 16 or dim & (dim - 1):
        return None
    try:
        return _nbits(folder, table, score_scales, device, shapes)
    except BundleError as error:
        typer.echo(f"gpu_search: without nbits, {error.message}", err=True)
        return None


def _nbits(
    folder: Path, table: Items, score_scales: NDArray[np.float32], device: Device, shapes: Shapes
) -> GpuRetriever:
    """The same graph with 8-bit weights in the place of the fp16 product: one scale an item, 128 for zero."""
    model = onnx.load(str(folder / names.HALF_GRAPH))
    _, unit = half_matrix(table.vectors, score_scales)
    rows, dim = table.vectors.shape
    weights = (table.vectors.astype(np.int16) + 128).astype(np.uint8).reshape(rows, 1, dim)
    scales = (score_scales / unit).astype(np.float16)
    model.graph.initializer.append(numpy_helper.from_array(weights, "nbits_weights"))
    model.graph.initializer.append(numpy_helper.from_array(scales, "nbits_scales"))
    place = next(place for place, node in enumerate(model.graph.node) if node.output[0] == "all_scores")
    product = helper.make_node(
        "MatMulNBits",
        [model.graph.node[place].input[0], "nbits_weights", "nbits_scales"],
        ["all_scores"],
        domain="com.microsoft",
        K=dim,
        N=rows,
        bits=BITS,
        block_size=dim,
    )
    model.graph.node.remove(model.graph.node[place])
    model.graph.node.insert(place, product)
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    beside = folder / "nbits"
    beside.mkdir()
    onnx.save(model, str(beside / names.HALF_GRAPH))
    try:
        return open_gpu_retriever(beside, table, score_scales, device, shapes)
    finally:
        shutil.rmtree(beside)


class _Torch:
    """The search in torch, the item matrix on its device."""

    def __init__(self, table: Items, score_scales: NDArray[np.float32], kind: str) -> None:
        matrix, _ = half_matrix(table.vectors, score_scales)
        self._kind = kind
        self._matrix = torch.from_numpy(matrix).to(kind)

    def search(self, queries: NDArray[np.float32], depth: int) -> Callable[[], object]:
        """A run that ends with the rows on the host."""
        placed = torch.from_numpy(queries).to(self._kind).half()

        def run() -> torch.Tensor:
            return (placed @ self._matrix.T).topk(depth).indices.cpu()

        return run

    def floor_ms(self) -> float:
        """One pass over the matrix, at the speed of copying one of at least 256 MB, which reads and writes."""
        large = torch.empty(max(self._matrix.numel(), 2**27), dtype=torch.float16, device=self._kind)
        other = torch.empty_like(large)
        times = []
        for _ in range(20):
            self._wait()
            before = time.perf_counter()
            other.copy_(large)
            self._wait()
            times.append(time.perf_counter() - before)
        bytes_per_s = 4 * large.numel() / median(times)
        return round(1e3 * 2 * self._matrix.numel() / bytes_per_s, 4)

    def _wait(self) -> None:
        if self._kind == "cuda":
            torch.cuda.synchronize()


def _on_torch(table: Items, score_scales: NDArray[np.float32], kind: str) -> _Torch | None:
    return None if kind == "cuda" and not torch.cuda.is_available() else _Torch(table, score_scales, kind)


def _requests(count: int, size: int, dim: int, rng: np.random.Generator) -> RequestBatch:
    """Users with whole windows of events."""
    now = 1e9
    return RequestBatch(
        now=np.full(count, now),
        event_rows=rng.integers(1, size + 1, (count, WINDOW)).astype(np.int32),
        event_types=rng.integers(1, 4, (count, WINDOW)).astype(np.uint8),
        event_times=now - np.sort(rng.random((count, WINDOW)) * 1e6)[:, ::-1],
        long_vector=np.zeros((count, dim), dtype=np.float32),
        long_weight=np.zeros(count, dtype=np.float32),
        exclude_rows=np.zeros((count, 0), dtype=np.int64),
    )


def _overlap(expected: NDArray[np.int64], came: NDArray[np.int64]) -> float:
    shares = [len(np.intersect1d(a, b)) / len(a) for a, b in zip(expected, came, strict=True)]
    return round(float(np.mean(shares)), 4)


def _name_of(kind: str) -> str | None:
    if kind == "cpu":
        return None
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "a GPU that this torch does not reach"


if __name__ == "__main__":
    typer.run(main)
