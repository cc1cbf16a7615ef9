"""Retrieval in half precision, on the CPU: the same answers as in int8, in every bucket, and where its nodes run."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.manifest import list_files
from app.artifact.quantise import half_matrix
from app.engine import device_runs
from app.engine.candidates import Candidates
from app.engine.gpu_retriever import (
    LARGEST_BATCH,
    Device,
    GpuRetriever,
    batch_bucket,
    excluded_bucket,
    open_gpu_retriever,
    padded,
)
from app.engine.loading import golden_error, load_snapshot, read_warmup
from app.engine.requests import ItemMask, RequestBatch
from app.engine.runtime import CPU, CUDA, RunNode, nodes_in, open_session, require_on_device
from app.engine.snapshot import Snapshot
from app.errors import BundleCorrupt, BundleUnfit, DeviceUnavailable
from app.serving.release import DevicePolicy, LoadOptions, load_release

DEPTH = 50


@pytest.fixture(scope="module")
def half(shop_bundle: Path) -> Snapshot:
    """The shop's bundle, retrieval in half precision."""
    return load_snapshot(shop_bundle, device=Device("cpu"))


@pytest.fixture(scope="module")
def asked(half: Snapshot) -> RequestBatch:
    batch = read_warmup(half.folder)
    return batch.take(np.arange(2 * len(batch)) % len(batch))  # more than one run takes


def scores_by_row(rows: NDArray[np.int64], scores: NDArray[np.float32]) -> dict[int, float]:
    return {int(row): float(score) for row, score in zip(rows, scores, strict=True) if row}


def test_it_answers_like_the_search_in_int8(half: Snapshot, snapshot: Snapshot, asked: RequestBatch) -> None:
    assert len(asked) > LARGEST_BATCH
    ours, theirs = half.retriever.run(asked, DEPTH), snapshot.retriever.run(asked, DEPTH)
    np.testing.assert_allclose(ours.query_vectors, theirs.query_vectors, atol=1e-5)
    pairs = zip(ours.rows, theirs.rows, strict=True)
    shared = [len(np.intersect1d(a[a > 0], b[b > 0])) / max(1, (b > 0).sum()) for a, b in pairs]
    assert np.mean(shared) > 0.98
    largest = np.abs(theirs.scores[np.isfinite(theirs.scores)]).max()
    for line in range(len(asked)):
        found, expected = (scores_by_row(each.rows[line], each.scores[line]) for each in (ours, theirs))
        both = found.keys() & expected.keys()
        assert max((abs(found[row] - expected[row]) for row in both), default=0.0) < 0.01 * largest


def test_scores_are_those_of_the_item_vectors_in_full_precision(half: Snapshot, asked: RequestBatch) -> None:
    found = half.retriever.run(asked, DEPTH)
    exact = half.items.vectors.astype(np.float32) * half.tables.score_scales[:, None]
    expected = np.einsum("bkd,bd->bk", exact[found.rows], found.query_vectors)
    shown = found.rows > 0
    np.testing.assert_allclose(found.scores[shown], expected[shown], atol=1e-3 * np.abs(expected).max())
    assert (np.diff(found.scores, axis=1)[shown[:, 1:]] <= 0).all()
    # What is shown is the best there is, but for what a half cannot tell apart.
    everything = found.query_vectors @ exact.T
    everything[:, ~half.items.selectable[0]] = -np.inf
    for line, rows in enumerate(asked.exclude_rows):
        everything[line, rows] = -np.inf
    best = np.sort(everything, axis=1)[:, : -DEPTH - 1 : -1]
    np.testing.assert_allclose(found.scores, best, atol=1e-3 * np.abs(expected).max())


def test_masks_and_excluded_items_never_come_back(half: Snapshot, asked: RequestBatch) -> None:
    rng = np.random.default_rng(0)
    for lines in (1, len(asked)):
        mask = half.items.selectable & (rng.random((lines, half.items.selectable.shape[1])) < 0.3)
        excluded = rng.integers(0, half.items.count, (len(asked), 40))
        found = half.retriever.run(replace(asked, exclude_rows=excluded), DEPTH, ItemMask(mask))
        for line, rows in enumerate(found.rows):
            kept = rows[rows > 0]
            assert len(kept)
            assert mask[line if lines > 1 else 0][kept].all()
            assert not np.isin(kept, excluded[line]).any()


def test_of_fewer_items_than_asked_for_all_come_and_nothing_else(half: Snapshot, asked: RequestBatch) -> None:
    mask = np.zeros_like(half.items.selectable)
    mask[0, [3, 5, 8]] = True
    found = half.retriever.run(asked.take(slice(0, 3)), DEPTH, ItemMask(mask))
    assert [sorted(rows[rows > 0].tolist()) for rows in found.rows] == [[3, 5, 8]] * 3
    assert np.isneginf(found.scores[:, 3:]).all()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 33, 64, 65])
def test_a_request_is_answered_alike_alone_and_in_any_batch(half: Snapshot, asked: RequestBatch, size: int) -> None:
    together = half.retriever.run(asked.take(slice(0, size)), DEPTH)
    alone = half.retriever.run(asked.take(slice(size - 1, size)), DEPTH)
    np.testing.assert_allclose(together.scores[-1], alone.scores[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(together.rows[-1], alone.rows[0])


def test_deep_lists_come_whole(half: Snapshot, asked: RequestBatch) -> None:
    found = half.retriever.run(asked.take(slice(0, 2)), 10**6)
    for line, rows in enumerate(found.rows):
        left_out = np.unique(asked.exclude_rows[line])
        assert (rows > 0).sum() == half.items.count - (left_out > 0).sum()


@given(size=st.integers(1, LARGEST_BATCH), width=st.integers(0, 10_000))
def test_a_bucket_holds_what_goes_in_and_there_are_few(size: int, width: int) -> None:
    assert size <= batch_bucket(size) < 2 * size
    assert width <= excluded_bucket(width) <= max(16, 4 * width)
    assert len({batch_bucket(each) for each in range(1, LARGEST_BATCH + 1)}) == 7
    assert len({excluded_bucket(each) for each in range(10_000)}) == 6


def test_where_the_device_fails_the_cpu_answers_from_then_on(
    shop_bundle: Path, snapshot: Snapshot, asked: RequestBatch, caplog: pytest.LogCaptureFixture
) -> None:
    retriever = load_snapshot(shop_bundle, device=Device("cpu")).retriever
    assert isinstance(retriever, GpuRetriever)
    runs: list[object] = []

    class Failing:
        """The real session until its third run, when its memory is gone."""

        def __init__(self, session: Any) -> None:
            self.io_binding = session.io_binding
            self._session = session

        def run_with_iobinding(self, binding: Any) -> None:
            runs.append(binding)
            if len(runs) > 2:
                raise RuntimeError("CUDA failure 2: out of memory\nand much more")
            self._session.run_with_iobinding(binding)

    retriever._runs.session = Failing(retriever._runs.session)
    part = asked.take(slice(0, 3))
    for _ in range(5):
        found = retriever.run(part, DEPTH)
        expected = snapshot.retriever.run(part, DEPTH)
        assert (
            np.mean([len(np.intersect1d(*pair)) for pair in zip(found.rows, expected.rows, strict=True)]) > 0.95 * DEPTH
        )
    assert len(runs) == 3
    np.testing.assert_array_equal(found.rows, expected.rows)
    assert [record.__dict__["reason"] for record in caplog.records] == ["CUDA failure 2: out of memory"]


def test_the_device_is_freed_while_nothing_runs_on_it(shop_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A capture fails where another thread frees memory meanwhile."""
    lock = device_runs._DEVICE.lock
    is_held: list[bool] = []

    class Freed:
        def __del__(self) -> None:
            is_held.append(lock._is_owned())

    retriever = load_snapshot(shop_bundle, device=Device("cpu")).retriever
    assert isinstance(retriever, GpuRetriever)
    retriever._matrix = Freed()
    del retriever
    assert is_held == [True]
    assert not lock._is_owned()


def test_a_device_that_fails_while_a_bundle_is_verified_is_not_passed_over(
    shop_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = GpuRetriever._run
    runs: list[object] = []

    def first_only(*arguments: Any) -> Any:
        runs.append(arguments)
        if len(runs) > 1:
            raise RuntimeError
        return run(*arguments)

    monkeypatch.setattr(GpuRetriever, "_run", first_only)
    with pytest.raises(BundleUnfit, match="failed while it answered the golden requests"):
        load_snapshot(shop_bundle, device=Device("cpu"))


@pytest.mark.parametrize("size", [0, -1, LARGEST_BATCH + 1])
def test_no_bucket_of_nothing_or_of_too_much(size: int) -> None:
    with pytest.raises(ValueError, match=f"1 to {LARGEST_BATCH}"):
        batch_bucket(size)


def test_padding_keeps_values_and_adds_zeros() -> None:
    values = np.arange(6).reshape(2, 3)
    wide = padded(values, 4, 5)
    np.testing.assert_array_equal(wide[:2, :3], values)
    assert wide.sum() == values.sum()


@given(st.data())
def test_half_of_a_matrix_is_within_a_half_of_it(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    vectors = rng.integers(-127, 128, (20, 8)).astype(np.int8)
    scales = (rng.random(20) * 10.0 ** data.draw(st.integers(-6, 6))).astype(np.float32)
    matrix, unit = half_matrix(vectors, scales)
    assert matrix.dtype == np.float16
    assert np.abs(matrix).max() <= 1
    exact = vectors * scales[:, None]
    np.testing.assert_allclose(matrix.astype(np.float32) * unit, exact, rtol=2**-10, atol=unit[0] * 2**-24)


def test_a_matrix_of_nothing_stays_nothing() -> None:
    matrix, unit = half_matrix(np.zeros((2, 3), np.int8), np.zeros(2, np.float32))
    assert not matrix.any()
    assert unit.tolist() == [1.0]


def profiled(graph: Path, feeds: dict[str, Any], folder: Path) -> list[RunNode]:
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / "run")
    session = ort.InferenceSession(str(graph), options, providers=[CPU])
    session.run(None, feeds)
    return nodes_in(Path(session.end_profiling()))


def test_a_profile_tells_what_ran_where(shop_bundle: Path, tmp_path: Path) -> None:
    graph = resolve(shop_bundle) / names.RETRIEVE_GRAPH
    session = open_session(graph, 1)
    sizes = {"batch": 1, "masks": 1, "excluded": 1}
    kinds = {"tensor(float)": np.float32, "tensor(int64)": np.int64, "tensor(bool)": np.bool_}
    feeds = {
        each.name: np.ones([sizes.get(size, size) for size in each.shape], kinds[each.type])
        for each in session.get_inputs()
    }
    nodes = profiled(graph, feeds, tmp_path)
    assert {"MatMulInteger", "TopK", "Shape"} <= {node.kind for node in nodes}
    assert next(node for node in nodes if node.kind == "Shape").is_shape
    require_on_device(nodes, CPU)
    with pytest.raises(BundleUnfit, match=r"every node of the graph on CUDAExecutionProvider.*MatMulInteger \(1\)"):
        require_on_device(nodes, CUDA)


def test_shapes_may_be_worked_out_on_the_host_and_copies_may_not() -> None:
    on_device = RunNode("MatMul", CUDA, (("float", (1, 8)),))
    require_on_device([on_device, RunNode("Shape", CPU, (("int64", (3,)),))], CUDA)
    for other in (
        RunNode("Gather", CPU, (("float", (1,)),)),
        RunNode("Add", CPU, (("int64", (1, 50)),)),
        RunNode("MemcpyToHost", CUDA, (("float", (1, 8)),)),
    ):
        with pytest.raises(BundleUnfit, match=other.kind):
            require_on_device([on_device, other], CUDA)
    with pytest.raises(BundleUnfit, match="nothing at all"):
        require_on_device([], CUDA)


CUDA_KERNELS = """
    Abs Add And Cast Clip Concat Div Equal Erf Exp Expand Gather GatherElements GatherND Gemm Identity
    LayerNormalization Less MatMul Max Mul Not ReduceMax Relu Reshape ScatterElements Shape Slice Softmax Sqrt Squeeze
    TopK Transpose Unsqueeze Where
"""
"""Kinds of node that the CUDA provider of onnxruntime-gpu 1.31.1 took, of the types that they have in this graph."""


def test_every_node_of_the_graph_has_a_kernel_on_a_gpu(shop_bundle: Path) -> None:
    onnx = pytest.importorskip("onnx")
    model = onnx.load(resolve(shop_bundle) / names.HALF_GRAPH)
    assert {node.op_type for node in model.graph.node} <= set(CUDA_KERNELS.split())
    whole_numbers = {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    assert not any(each.data_type in whole_numbers for each in model.graph.initializer)
    matrix = next(each for each in model.graph.input if each.name == names.IN_ITEM_MATRIX)
    assert matrix.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16
    assert max(np.prod(each.dims, dtype=int) for each in model.graph.initializer) < 10**6  # the matrix is no part of it


def spoiled_copy(shop_bundle: Path, folder: Path, spoil: Callable[[Path], None]) -> Path:
    copy = Path(shutil.copytree(resolve(shop_bundle), folder / "copy"))
    spoil(copy / names.HALF_GRAPH)
    told = json.loads((copy / names.MANIFEST).read_text("utf-8"))
    told["files"] = {name: entry.model_dump() for name, entry in list_files(copy).items()}
    (copy / names.MANIFEST).write_text(json.dumps(told), "utf-8")
    return copy


def test_a_bundle_without_the_graph_says_what_to_do(shop_bundle: Path, tmp_path: Path) -> None:
    copy = spoiled_copy(shop_bundle, tmp_path, Path.unlink)
    load_snapshot(copy)  # on the CPU it is as good as ever
    with pytest.raises(BundleUnfit, match=r"has no retrieve\.fp16\.onnx.*export the bundle again.*--device cpu"):
        load_snapshot(copy, device=Device("cpu"))


def test_a_graph_that_is_none_is_named(shop_bundle: Path, tmp_path: Path) -> None:
    copy = spoiled_copy(shop_bundle, tmp_path, lambda path: path.write_bytes(b"not a graph") and None)
    with pytest.raises(BundleCorrupt, match=r"retrieve\.fp16\.onnx"):
        load_snapshot(copy, device=Device("cpu"))


def test_without_a_gpu_cuda_is_refused_and_auto_takes_the_cpu(shop_bundle: Path, snapshot: Snapshot) -> None:
    ort = pytest.importorskip("onnxruntime")
    if CUDA in ort.get_available_providers():
        pytest.skip("this ONNX Runtime knows GPUs")
    with pytest.raises(DeviceUnavailable, match=r"has no CUDAExecutionProvider: install 'aisle\[gpu\]'"):
        load_release(shop_bundle, LoadOptions(clock="bundle", device=DevicePolicy("cuda")))
    assert (
        load_release(shop_bundle, LoadOptions(clock="bundle", device=DevicePolicy("auto"))).snapshot.retriever.device
        == "cpu"
    )
    with pytest.raises(DeviceUnavailable):
        open_gpu_retriever(
            snapshot.folder,
            snapshot.items,
            snapshot.tables.score_scales,
            Device("cuda"),
            snapshot.manifest.shapes.window,
        )


def test_golden_scores_are_compared_by_item_and_not_by_place() -> None:
    expected = np.array([[7, 3, 5, 2], [4, 0, 0, 0]])
    scores = np.array([[9.0, 8.0, 3.0, 1.0], [6.0, -np.inf, -np.inf, -np.inf]], dtype=np.float32)

    def came(rows: list[list[int]], scores: list[list[float]]) -> Candidates:
        sources, queries = np.ones(np.shape(rows), np.uint8), np.zeros((2, 1), np.float32)
        return Candidates(np.array(rows), np.array(scores, np.float32), sources, queries)

    nothing = [-np.inf] * 3
    one_gone = came([[7, 5, 2, 8], [4, 0, 0, 0]], [[9.0, 3.0, 1.0, 0.5], [6.0, *nothing]])
    assert golden_error(expected, scores, one_gone) == 0.0
    another_score = came([[7, 3, 5, 2], [4, 0, 0, 0]], [[9.0, 8.0, 2.5, 1.0], [6.25, *nothing]])
    assert golden_error(expected, scores, another_score) == 0.5
    nothing_shared = came([[1, 8, 9, 6], [0, 0, 0, 0]], [[9.0, 8.0, 3.0, 1.0], [-np.inf, *nothing]])
    assert golden_error(expected, scores, nothing_shared) == 0.0  # the overlap refuses that
