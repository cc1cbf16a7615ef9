"""Cosines of a query's meaning with all items and kinds."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.artifact import names
from app.artifact.arrays import load_array
from app.artifact.columns import TextColumn
from app.artifact.quantise import dequantise_rows, quantise_rows
from app.artifact.text.meaning_arrays import NO_KIND, MeaningArrays, read_meaning_arrays, sizes_of_kinds
from app.engine.kernels.library import using
from app.engine.snapshot import Snapshot
from app.engine.text.meaning_table import MeaningTable
from app.errors import BundleCorrupt

ROWS, WIDTH, KINDS = 3_000, 48, 5
RNG = np.random.default_rng(11)


def units(count: int) -> np.ndarray:
    vectors = RNG.normal(size=(count, WIDTH)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def made_up() -> MeaningTable:
    of_items = units(ROWS)
    of_items[[0, 17, 2_999]] = 0
    vectors, scales = quantise_rows(of_items)
    kinds = RNG.integers(-1, KINDS, ROWS, dtype=np.int32)
    kinds[0] = NO_KIND
    kind_names = TextColumn.of([f"kind {number}" for number in range(KINDS)])
    arrays = MeaningArrays(vectors, scales, units(KINDS), kinds, sizes_of_kinds(kinds, KINDS), kind_names)
    return MeaningTable(arrays)


TABLE = made_up()


def test_cosines_are_those_of_the_vectors_within_what_quantising_costs() -> None:
    (query,) = units(1)
    exact = dequantise_rows(TABLE.arrays.vectors, TABLE.arrays.scales) @ query
    assert np.abs(TABLE.cosines(query) - exact).max() < 0.01
    assert np.abs(TABLE.kind_cosines(query) - TABLE.arrays.kind_vectors @ query).max() < 0.01
    assert not TABLE.cosines(np.zeros(WIDTH, dtype=np.float32)).any()


def test_bits_are_the_same_without_kernels() -> None:
    (query,) = units(1)
    cosines, kinds = TABLE.cosines(query), TABLE.kind_cosines(query)
    best = TABLE.best(cosines, 30)
    with using(None):
        assert TABLE.cosines(query).tobytes() == cosines.tobytes()
        assert TABLE.kind_cosines(query).tobytes() == kinds.tobytes()
        again = TABLE.best(cosines, 30)
    assert [part.tobytes() for part in again] == [part.tobytes() for part in best]


@pytest.mark.parametrize("k", [1, 30, ROWS, 10 * ROWS])
def test_the_best_are_the_highest_cosines_of_items_with_a_text(k: int) -> None:
    cosines = np.round(TABLE.cosines(units(1)[0]), 1)  # with many ties
    may = np.ones(ROWS, dtype=np.bool_)
    may[RNG.integers(ROWS, size=900)] = False
    for allowed, mask in ((None, TABLE.arrays.scales > 0), (may, may & (TABLE.arrays.scales > 0))):
        best, rows = TABLE.best(cosines, k, allowed)
        rank = np.lexsort((np.arange(ROWS), -cosines))
        expected = rank[mask[rank]][:k]
        assert rows.tolist() == expected.tolist()
        assert best.tobytes() == cosines[expected].tobytes()


def test_the_kind_of_an_item_is_the_nearest_one() -> None:
    for number, vector in enumerate(TABLE.arrays.kind_vectors):
        assert TABLE.kind_of(vector) == number
    assert TABLE.kind_of(np.zeros(WIDTH, dtype=np.float32)) == NO_KIND
    none = np.zeros((0, WIDTH), dtype=np.float32)
    without = MeaningTable(replace(TABLE.arrays, kind_vectors=none, kind_sizes=np.zeros(0, dtype=np.int32)))
    assert without.kind_of(units(1)[0]) == NO_KIND
    assert without.kind_cosines(units(1)[0]).shape == (0,)


def test_an_item_is_nearest_to_its_own_text(encoded: Snapshot) -> None:
    encoder, table = encoded.encoder, encoded.meaning
    assert encoder is not None
    assert table is not None
    titles = encoded.catalogue.texts["title"]
    title = str(titles[5])
    cosines = table.cosines(encoder.document_vector(title))
    best, rows = table.best(cosines, 5, encoded.items.selectable[0])
    assert best[0] >= cosines[5] > 0.5
    assert encoded.items.selectable[0, rows].all()
    names_of_kinds = table.arrays.kind_names.all()
    categories = encoded.catalogue.texts["category"]
    for row in (1, 2, 3):
        kind = int(table.arrays.item_kinds[row])
        assert (names_of_kinds[kind] if kind != NO_KIND else None) == categories[row]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"scales": TABLE.arrays.scales * 2}, "vectors of length 1 by their scales"),
        ({"vectors": np.ones_like(TABLE.arrays.vectors)}, "zeros in row 0"),
        ({"kind_vectors": TABLE.arrays.kind_vectors * 2}, "lengths of vectors"),
        ({"item_kinds": np.full(ROWS, KINDS, dtype=np.int32)}, "numbers of kinds from -1 to 4"),
        ({"item_kinds": np.zeros(ROWS, dtype=np.int32)}, "row 0 of no kind"),
        ({"kind_sizes": np.zeros(KINDS, dtype=np.int32)}, "as many items of each kind"),
        ({"kind_names": TextColumn.of(["one"])}, r"int64 \[6\]"),
    ],
)
def test_arrays_that_contradict_each_other_are_refused(
    changed: dict[str, np.ndarray], expected: str, tmp_path: Path
) -> None:
    TABLE.arrays.write(tmp_path)
    read_meaning_arrays(tmp_path, WIDTH, ROWS)
    replace(TABLE.arrays, **changed).write(tmp_path)  # type: ignore[arg-type]
    with pytest.raises(BundleCorrupt, match=expected):
        read_meaning_arrays(tmp_path, WIDTH, ROWS)


def test_tables_of_other_items_are_refused(tmp_path: Path) -> None:
    TABLE.arrays.write(tmp_path)
    with pytest.raises(BundleCorrupt, match=f"{ROWS + 1}"):
        read_meaning_arrays(tmp_path, WIDTH, ROWS + 1)
    with pytest.raises(BundleCorrupt, match=f"{WIDTH + 1}"):
        read_meaning_arrays(tmp_path, WIDTH + 1, ROWS)


def test_vectors_are_mapped(encoded: Snapshot) -> None:
    assert encoded.meaning is not None
    mapped = load_array(encoded.folder / names.MEANING_VECTORS)
    assert (encoded.meaning.arrays.vectors == mapped).all()
    assert encoded.meaning.arrays.vectors.base is not None  # a view of the file
