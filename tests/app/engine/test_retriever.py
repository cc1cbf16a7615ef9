"""Retrieval: the graph that is cut before its last step and the kernel behind it, against the whole graph."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.engine.graph_cut import FLOAT, INT32, NotCut, Tensor, cut_graph
from app.engine.kernels.library import library, using
from app.engine.kernels.nearest import ItemVectors, product_level
from app.engine.loading import read_warmup
from app.engine.products_graph import read_products
from app.engine.requests import ALL_ITEMS, ItemMask, RequestBatch
from app.engine.retriever import Retriever, SplitGraph, open_retriever
from app.engine.runtime import open_session
from app.engine.snapshot import Snapshot

Changes = Callable[[RequestBatch, int], tuple[RequestBatch, ItemMask]]


def plain(batch: RequestBatch, rows: int) -> tuple[RequestBatch, ItemMask]:
    return batch, ALL_ITEMS


def excluding(batch: RequestBatch, rows: int) -> tuple[RequestBatch, ItemMask]:
    excluded = np.random.default_rng(0).integers(0, rows, (len(batch), rows // 2))
    return replace(batch, exclude_rows=excluded), ALL_ITEMS


def masking(batch: RequestBatch, rows: int) -> tuple[RequestBatch, ItemMask]:
    shares = np.resize([0.01, 0.9], len(batch))[:, None]
    return batch, ItemMask(np.random.default_rng(1).random((len(batch), rows)) < shares)


def giving(batch: RequestBatch, rows: int) -> tuple[RequestBatch, ItemMask]:
    vectors = np.random.default_rng(2).normal(size=batch.long_vector.shape).astype(np.float32)
    return replace(batch, given_query=vectors, given=np.ones(len(batch), np.bool_)), ALL_ITEMS


def giving_some(batch: RequestBatch, rows: int) -> tuple[RequestBatch, ItemMask]:
    given, mask = giving(batch, rows)
    return replace(given, given=np.arange(len(batch)) % 2 == 0), mask


@pytest.mark.parametrize("change", [plain, excluding, masking, giving, giving_some])
def test_the_cut_graph_finds_what_the_whole_one_finds(snapshot: Snapshot, change: Changes) -> None:
    whole = Retriever(open_session(snapshot.folder / names.RETRIEVE_GRAPH, 1), snapshot.items)
    cut = snapshot.retriever
    assert isinstance(cut, Retriever)
    assert isinstance(cut.graph, SplitGraph) == (library() is not None)
    rows = snapshot.items.selectable.shape[1]
    batch, mask = change(read_warmup(snapshot.folder).take(slice(0, 16)), rows)
    for depth in (1, 50, rows + 7):
        expected = whole.run(given_to_the_whole(batch, cut), depth, mask)
        found = cut.run(batch, depth, mask)
        assert found.query_vectors.tobytes() == expected.query_vectors.tobytes()
        assert found.scores.tobytes() == expected.scores.tobytes()
        assert np.array_equal(found.rows, expected.rows)
    assert np.allclose(cut.query_vectors(batch), whole.query_vectors(batch), rtol=0, atol=1e-5)


def given_to_the_whole(batch: RequestBatch, retriever: Retriever) -> RequestBatch:
    """The batch with the vectors of its tower given: the whole graph's own differ in their last digits."""
    return replace(batch, given_query=retriever.query_vectors(batch), given=np.ones(len(batch), np.bool_))


def without_byte_products(snapshot: Snapshot, patch: pytest.MonkeyPatch) -> Retriever:
    """As on a processor that has no instructions for them: the graph multiplies."""
    patch.setattr("app.engine.retriever.product_level", lambda: 0)
    return open_retriever(snapshot.folder, snapshot.items, snapshot.tables.score_scales, snapshot.manifest.shapes)


@pytest.mark.parametrize("change", [plain, excluding, masking, giving])
def test_the_kernel_multiplies_as_the_graph_does(
    snapshot: Snapshot, change: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not product_level():
        pytest.skip("the graph multiplies here")
    assert isinstance(snapshot.retriever, Retriever)
    assert isinstance(snapshot.retriever.graph, SplitGraph)
    assert isinstance(snapshot.retriever.graph.products, ItemVectors)
    by_graph = without_byte_products(snapshot, monkeypatch)
    assert isinstance(by_graph.graph, SplitGraph)
    assert not isinstance(by_graph.graph.products, ItemVectors)
    batch, mask = change(read_warmup(snapshot.folder).take(slice(0, 16)), snapshot.items.selectable.shape[1])
    for depth in (1, 50, 300):
        found, expected = snapshot.retriever.run(batch, depth, mask), by_graph.run(batch, depth, mask)
        assert found.scores.tobytes() == expected.scores.tobytes()
        assert np.array_equal(found.rows, expected.rows)


def test_other_items_or_steps_are_not_the_kernels(snapshot: Snapshot) -> None:
    model = (snapshot.folder / names.RETRIEVE_GRAPH).read_bytes()
    query = Tensor(names.OUT_QUERY, FLOAT, ("batch", snapshot.manifest.shapes.dim))
    products = (Tensor(names.OUT_PRODUCTS, INT32), Tensor(names.OUT_QUERY_UNIT, FLOAT))
    part, scales = cut_graph(model, products, [query]), snapshot.tables.score_scales
    codes = snapshot.items.vectors
    assert np.array_equal(read_products(part, codes, scales).codes, codes)
    other = codes.copy()
    other[-1, -1] += 1
    for wrong in (other, codes[:-1]):
        with pytest.raises(NotCut, match="items of the graph are not those"):
            read_products(part, wrong, scales[: len(wrong)])
    with pytest.raises(NotCut, match="other steps"):
        read_products(part.replace(b"Round", b"Floor"), codes, scales)
    with pytest.raises(NotCut, match="other steps"):
        read_products(part.replace(np.float32(127).tobytes(), np.float32(126).tobytes()), codes, scales)
    with pytest.raises(NotCut, match="no products"):
        read_products(part[:-9], codes, scales)


def test_what_a_run_takes_is_bounded_and_changes_no_answer(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever, rows = without_byte_products(snapshot, monkeypatch), snapshot.items.selectable.shape[1]
    batch = read_warmup(snapshot.folder).take(slice(0, 11))
    for change in (plain, excluding, masking):
        changed, mask = change(batch, rows)
        at_once = retriever.run(changed, 20, mask)
        with monkeypatch.context() as patch:
            patch.setattr("app.engine.retriever._PRODUCT_BYTES", 0)  # four at once
            one_by_one = retriever.run(changed, 20, mask)
        assert one_by_one.scores.tobytes() == at_once.scores.tobytes()
        assert np.array_equal(one_by_one.rows, at_once.rows)


def test_a_query_vector_does_not_ask_what_is_excluded(snapshot: Snapshot) -> None:
    whole = Retriever(open_session(snapshot.folder / names.RETRIEVE_GRAPH, 1), snapshot.items)
    batch = read_warmup(snapshot.folder).take(slice(0, 16))
    later = np.full((len(batch), 1), snapshot.items.selectable.shape[1])  # an item that came after the bundle
    for retriever in (whole, snapshot.retriever):
        expected = retriever.run(batch, 1).query_vectors.tobytes()
        assert retriever.query_vectors(replace(batch, exclude_rows=later)).tobytes() == expected


def test_without_kernels_the_graph_finds_the_best_itself(snapshot: Snapshot) -> None:
    with using(None):
        retriever = open_retriever(
            snapshot.folder, snapshot.items, snapshot.tables.score_scales, snapshot.manifest.shapes
        )
    assert not isinstance(retriever.graph, SplitGraph)
    batch = read_warmup(snapshot.folder).take(slice(0, 4))
    assert np.array_equal(retriever.run(batch, 20).rows, snapshot.retriever.run(batch, 20).rows)


def test_a_graph_that_is_cut_keeps_what_it_needs_alone(shop_bundle: Path) -> None:
    model = (resolve(shop_bundle) / names.RETRIEVE_GRAPH).read_bytes()
    session = open_session(
        Path("cut"), 1, cut_graph(model, [Tensor(names.OUT_QUERY_UNIT, FLOAT), Tensor(names.OUT_PRODUCTS, INT32)])
    )
    assert [tensor.name for tensor in session.get_outputs()] == [names.OUT_QUERY_UNIT, names.OUT_PRODUCTS]
    taken = {tensor.name for tensor in session.get_inputs()}
    assert names.IN_EVENT_VECTORS in taken
    assert not taken & {names.IN_ITEM_MASK, names.IN_EXCLUDE_ROWS, names.IN_TOP_K}


def test_what_has_no_such_tensor_is_not_cut(shop_bundle: Path) -> None:
    folder = resolve(shop_bundle)
    products = [Tensor(names.OUT_PRODUCTS, INT32), Tensor(names.OUT_QUERY_UNIT, FLOAT)]
    with pytest.raises(NotCut, match="no tensor products, query_scale"):
        cut_graph((folder / names.RANK_GRAPH).read_bytes(), products)
    model = (folder / names.RETRIEVE_GRAPH).read_bytes()
    for no_model in (b"", b"no model", model[:1_000], model[: len(model) // 2], b"\xff" * 99):
        with pytest.raises(NotCut):
            cut_graph(no_model, [Tensor(names.OUT_PRODUCTS, INT32)])


def test_a_graph_may_begin_and_end_within(shop_bundle: Path) -> None:
    model = (resolve(shop_bundle) / names.RETRIEVE_GRAPH).read_bytes()
    query = Tensor(names.OUT_QUERY, FLOAT, ("batch", 300))
    part = cut_graph(model, [Tensor(names.OUT_QUERY_UNIT, FLOAT)], [query])
    session = open_session(Path("cut"), 1, part)
    assert [(tensor.name, tensor.shape) for tensor in session.get_inputs()] == [(names.OUT_QUERY, ["batch", 300])]
    largest = np.linspace(-254, 12.7, 600, dtype=np.float32).reshape(2, 300)
    assert session.run(None, {names.OUT_QUERY: largest})[0][0, 0] == 2
    assert len(part) < len(model) // 4  # without the items
    with pytest.raises(NotCut, match="no tensor none_such"):
        cut_graph(model, [Tensor(names.OUT_QUERY_UNIT, FLOAT)], [Tensor("none_such", FLOAT)])
