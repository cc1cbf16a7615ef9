"""What places new items, against the network: an item is placed where the network puts one that nobody has touched."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.item_content import document_text
from app.artifact.item_document import ItemDocument
from app.artifact.place_tables import read_place_tables
from app.engine.loading import load_snapshot
from app.engine.placer import Placed, Placer, read_placer
from app.errors import BundleCorrupt
from model.item_tower import ItemGraph
from model.network import Network
from model.sparse import SparseMatrix
from offline.compress.cut import cut_network
from offline.compress.importance import weight_importance
from offline.compress.recipe import Recipe
from offline.compress.rotation import principal_directions
from offline.errors import RunFolderError
from offline.export.content_vectors import content_vectors
from offline.export.place import write_place
from offline.graph.build import item_graph, read_graph
from offline.ingest.item_documents import documents_of
from offline.training.trained import Trained, load_trained

NEAR = 1e-4  # of any number of a vector of length 1: tables have 16 bits
UNKNOWN = ItemDocument(title="\u2603", price=1.0)


@dataclass(frozen=True)
class Shop:
    """A trained network, its items, and what places more of them."""

    trained: Trained
    items: pl.DataFrame
    placer: Placer

    @property
    def documents(self) -> list[ItemDocument]:
        return documents_of(self.items)


def without_edges(matrix: SparseMatrix | None) -> SparseMatrix | None:
    if matrix is None:
        return None
    none = torch.zeros(0, dtype=torch.int64)
    return SparseMatrix.of(none, none, torch.zeros(0), tuple(matrix.matrix.shape))


def untouched(graph: ItemGraph) -> ItemGraph:
    """The graph without any event, and no message therefore."""
    behaviours = {name: (without_edges(a), without_edges(b)) for name, (a, b) in graph.behaviours.items()}
    return replace(
        graph,
        item_items=without_edges(graph.item_items),
        behaviours=behaviours,
        joined={},
        user_attributes=None,
        item_queries=without_edges(graph.item_queries),
    )


@torch.no_grad()
def by_network(trained: Trained) -> tuple[torch.Tensor, torch.Tensor]:
    """Unit vectors and lengths of all items, as the network gives them to items that training has not seen."""
    network, known = trained.network, trained.known
    _, lengths = network.wide_vectors(trained.graph, known)
    if known.any():
        lengths = lengths[known].mean().expand(len(known))
    features = network.items(untouched(trained.graph), torch.zeros_like(known))
    return network.narrowed(torch.nn.functional.normalize(features, dim=1), lengths)


def cut(trained: Trained) -> Trained:
    units, _ = trained.network.wide_vectors(trained.graph, trained.known)
    directions = principal_directions(units.detach(), torch.ones(len(units)))
    return cut_network(trained, Recipe(item_dim=12), directions, weight_importance(trained.network.queries))


class Reader:
    """Reads a text as a direction that its letters draw."""

    width = 24

    def document_vector(self, text: str) -> NDArray[np.float32]:
        drawn = np.random.default_rng(list(text.encode())).normal(size=self.width)
        vector: NDArray[np.float32] = (drawn / np.linalg.norm(drawn)).astype(np.float32)
        return vector if text.strip() else np.zeros(self.width, dtype=np.float32)


def that_reads(trained: Trained, items: pl.DataFrame) -> Trained:
    """The network on a graph whose items' texts mean something, with weights for it."""
    texts = [document_text(document) for document in documents_of(items)]
    vectors = np.stack([np.zeros(Reader.width, dtype=np.float32), *(Reader().document_vector(text) for text in texts)])
    graph = replace(trained.graph, meaning=torch.from_numpy(vectors))
    network = Network(graph, trained.network.shape)
    network.load_state_dict(trained.network.state_dict(), strict=False)
    return replace(trained, graph=graph, network=network.eval())


@pytest.fixture(scope="module", params=["shop", "cut", "catalogue", "read"])
def trained_shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A shop with events, the same with vectors cut, a catalogue without any event, and a shop whose texts are read."""
    run: Any = request.getfixturevalue("catalogue_run" if request.param == "catalogue" else "shop_run")
    trained = load_trained(run.split, item_graph(read_graph(run.graph)), run.train)
    items = pl.read_parquet(run.split / "items.parquet").sort("row")
    if request.param == "read":
        torch.manual_seed(3)
        trained = that_reads(trained, items)
    with torch.no_grad():
        for value in trained.network.items.parameters():  # so that nothing is silent
            value.add_(0.05 * torch.randn(value.shape, generator=torch.Generator().manual_seed(5)))
    if request.param == "cut":
        trained = cut(trained)
    folder = tmp_path_factory.mktemp(request.param)
    assert write_place(folder, trained, items, content_vectors(trained, trained.graph.items))
    return Shop(trained, items, read_placer(folder, Reader() if request.param == "read" else None))


def test_every_item_is_placed_where_the_network_puts_it_untouched(trained_shop: Shop) -> None:
    units, lengths = by_network(trained_shop.trained)
    contents = content_vectors(trained_shop.trained, trained_shop.trained.graph.items).units
    placed = [trained_shop.placer.place(document) for document in trained_shop.documents]
    np.testing.assert_allclose([one.unit for one in placed], units[1:], atol=NEAR, rtol=0)
    np.testing.assert_allclose([one.length for one in placed], lengths[1:], atol=NEAR, rtol=0)
    vectors = np.stack([one.vector * one.scale for one in placed])
    np.testing.assert_allclose(vectors, units[1:], atol=1 / 127, rtol=0)
    np.testing.assert_allclose([one.content * one.content_scale for one in placed], contents[1:], atol=1 / 127, rtol=0)
    assert all(one.score_scale == one.scale * one.length for one in placed)
    assert len({one.vector.tobytes() for one in placed}) > len(placed) / 2


def bits(placed: Placed) -> tuple[bytes, ...]:
    return tuple(
        np.asarray(value).tobytes()
        for value in (placed.vector, placed.scale, placed.score_scale, placed.content, placed.unit, placed.length)
    )


def test_a_place_is_the_same_whatever_is_placed_beside(trained_shop: Shop) -> None:
    documents = [*trained_shop.documents[:100], UNKNOWN, ItemDocument()]
    alone = [bits(trained_shop.placer.place(document)) for document in documents]
    with ThreadPoolExecutor(8) as threads:
        beside = list(threads.map(lambda document: bits(trained_shop.placer.place(document)), documents[::-1]))
    assert beside[::-1] == alone


def test_attributes_count_in_any_order_and_once(trained_shop: Shop) -> None:
    document = next(one for one in trained_shop.documents if len(one.attributes) > 1)
    other = replace(document, attributes=(*document.attributes[::-1], document.attributes[0]))
    assert bits(trained_shop.placer.place(other)) == bits(trained_shop.placer.place(document))


def test_an_item_of_which_nothing_is_known_has_a_place_and_no_content(trained_shop: Shop) -> None:
    placed = trained_shop.placer.place(UNKNOWN)
    nothing = trained_shop.trained.network.items.unseen.detach()
    assert placed.unit.shape == (trained_shop.placer.dim,)
    assert np.isfinite(placed.unit).all()
    assert nothing.any()
    assert np.linalg.norm(placed.unit) == pytest.approx(1.0, abs=1e-5)


def test_it_takes_what_was_trained_on_to_place(trained_shop: Shop, tmp_path: Path) -> None:
    if not trained_shop.trained.graph.attributes:
        pytest.skip("no attributes")
    fewer = trained_shop.items.with_columns(brand=pl.lit(None, pl.String), category=pl.lit(None, pl.String))
    with pytest.raises(RunFolderError, match=r"expected the \d+ attributes that the network was trained on, got"):
        write_place(
            tmp_path,
            trained_shop.trained,
            fewer,
            content_vectors(trained_shop.trained, trained_shop.trained.graph.items),
        )


def test_a_bundle_places_its_own_untouched_items_where_it_has_them(shop_run: Any) -> None:
    snapshot = load_snapshot(resolve(shop_run.bundle))
    assert snapshot.placer is not None
    items = pl.read_parquet(shop_run.split / "items.parquet").sort("row")
    lonely = [row for row in range(1, items.height + 1) if not snapshot.tables.counts[row].any()]
    lonely = [row for row in lonely if not snapshot.tables.neighbours[row].any()]
    documents = documents_of(items)
    assert lonely
    for row in lonely:
        placed = snapshot.placer.place(documents[row - 1])
        assert np.abs(placed.vector.astype(int) - snapshot.tables.vectors[row]).max() <= 1
        assert np.abs(placed.content.astype(int) - snapshot.tables.content[row]).max() <= 1
        assert placed.score_scale == pytest.approx(snapshot.tables.score_scales[row], rel=1e-3)


def test_a_table_that_does_not_fit_the_others_is_refused(shop_run: Any, tmp_path: Path) -> None:
    copytree(resolve(shop_run.bundle) / "place", tmp_path / "place")
    read_place_tables(tmp_path)
    np.save(tmp_path / "place" / "idf.npy", np.ones(3, dtype=np.float32))
    with pytest.raises(BundleCorrupt, match=r"idf\.npy: expected float32 \[16384\], got float32 \[3\]"):
        read_place_tables(tmp_path)


def test_weights_of_what_texts_mean_that_do_not_fit_are_refused(trained_shop: Shop, tmp_path: Path) -> None:
    items, trained = trained_shop.items, trained_shop.trained
    write_place(tmp_path, trained, items, content_vectors(trained, trained.graph.items))
    for weights in (np.zeros((3, 32), np.float32), np.full((Reader.width, trained.settings.dim), np.nan, np.float32)):
        np.save(tmp_path / names.PLACE_MEANING, weights)
        read_placer(tmp_path)  # without an encoder nothing reads them
        with pytest.raises(BundleCorrupt, match=r"place_meaning\.npy: expected"):
            read_placer(tmp_path, Reader())
