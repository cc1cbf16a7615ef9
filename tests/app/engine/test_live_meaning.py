"""Vectors and kinds of a catalogue that changes: each by its own text, however the changes come."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.item_content import document_text
from app.artifact.item_document import ItemDocument
from app.artifact.quantise import quantise_rows
from app.artifact.text.meaning_arrays import NO_KIND
from app.engine.live.item_change import ItemChange
from app.engine.live.views import ViewMaker
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from app.engine.text.meaning_table import MeaningTable

NEW = ("new-1", "new-2", "new-3")
TITLES = ("Warm lamp of wood", "lamp", "Saucepan, steel", "漢字 x", None)
BUNDLED = 4  # items of the bundle that change, too


def documents(bundled: Sequence[ItemDocument]) -> st.SearchStrategy[ItemDocument | None]:
    made_up = st.builds(
        ItemDocument,
        title=st.sampled_from(TITLES),
        brand=st.sampled_from(("Elmmark", None)),
        price=st.sampled_from((1.0, None)),
        hidden=st.sampled_from((False, False, True)),
    )
    as_they_were = st.sampled_from([replace(document, price=document.price) for document in bundled])
    return st.none() | made_up | as_they_were


def table_of(view: Snapshot) -> MeaningTable:
    assert view.meaning is not None
    return view.meaning


def change_of(item_id: str, document: ItemDocument | None) -> ItemChange:
    return ItemChange(item_id, document, 1 + NEW.index(item_id) if item_id in NEW else 0)


def expected_of(
    base: Snapshot, before: ItemDocument | None, row: int, document: ItemDocument | None
) -> tuple[bytes, float, int]:
    """Vector, scale and kind of an item of which a document is the last that was said."""
    table, encoder = table_of(base), base.encoder
    assert encoder is not None
    is_bundled = row < table.rows
    said = None if document is None or document.hidden else document
    if is_bundled and (said is None or (before is not None and document_text(before) == document_text(said))):
        arrays = table.arrays
        return arrays.vectors[row].tobytes(), float(arrays.scales[row]), int(arrays.item_kinds[row])
    if said is None:
        return bytes(encoder.width), 0.0, NO_KIND
    vector = encoder.document_vector(document_text(said))
    vectors, scales = quantise_rows(vector[None])
    return vectors[0].tobytes(), float(scales[0]), table.kind_of(vector)


@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_however_changes_come_an_item_means_what_its_last_text_says(encoded: Snapshot, data: st.DataObject) -> None:
    maker = ViewMaker(encoded)
    known = [encoded.items.id_of(row) for row in range(1, BUNDLED + 1)]
    bundled = {item_id: maker.bundled(item_id) for item_id in known}
    ids = [*known, *NEW]
    possible = documents([document for document in bundled.values() if document is not None])
    changes = data.draw(st.lists(st.tuples(st.sampled_from(ids), possible), min_size=1, max_size=12))
    changes = [(item_id, document) for item_id, document in changes]
    final: dict[str, ItemDocument | None] = {}
    base_bytes = table_of(encoded).arrays.vectors.tobytes()
    held: list[tuple[MeaningTable, bytes]] = []
    while changes:
        size = data.draw(st.integers(1, len(changes)))
        batch, changes = [change_of(*change) for change in changes[:size]], changes[size:]
        if not maker.can_take(batch):
            maker = ViewMaker(encoded)
            batch = [change_of(item_id, document) for item_id, document in final.items()] + batch
        view = maker.apply(batch)
        final |= {change.item_id: change.document for change in batch}
        held.append((table_of(view), table_of(view).arrays.vectors.tobytes()))
        arrays = table_of(view).arrays
        assert table_of(view).rows == view.items.selectable.shape[1]
        for item_id, document in final.items():
            row = view.items.row_of(item_id)
            got = arrays.vectors[row].tobytes(), float(arrays.scales[row]), int(arrays.item_kinds[row])
            assert got == expected_of(encoded, bundled.get(item_id), row, document), item_id
    for table, vectors in held:  # a view stays what it was
        assert table.arrays.vectors.tobytes() == vectors
    assert table_of(encoded).arrays.vectors.tobytes() == base_bytes


def test_a_change_of_a_price_encodes_nothing_and_copies_nothing(
    encoded: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = ViewMaker(encoded)
    item_id = encoded.items.id_of(3)
    document = maker.bundled(item_id)
    assert document is not None
    runs: list[Sequence[int]] = []
    whole = type(encoded.encoder).run
    monkeypatch.setattr(type(encoded.encoder), "run", lambda encoder, ids: runs.append(ids) or whole(encoder, ids))
    view = maker.apply([ItemChange(item_id, replace(document, price=7.5))])
    assert view.meaning is encoded.meaning
    maker.apply([ItemChange(item_id, replace(document, title="Another lamp", price=7.5))])
    view = maker.apply([ItemChange(item_id, replace(document, title="Another lamp", price=8.5))])
    assert len(runs) == 1  # of the new title, for its meaning and its place
    assert table_of(view).arrays.scales[3] > 0


def test_a_new_item_is_nearest_to_its_own_words(encoded: Snapshot) -> None:
    text = "Glowing saucepan zeppelin"
    view = ViewMaker(encoded).apply([ItemChange("new-1", ItemDocument(title=text), 1)])
    assert view.encoder is encoded.encoder
    assert view.encoder is not None
    row = view.items.row_of("new-1")
    table = table_of(view)
    cosines, rows = table.best(table.cosines(view.encoder.document_vector(text)), 3, view.items.selectable[0])
    assert rows[0] == row
    assert cosines[0] > 0.99
    assert 0 <= table.arrays.item_kinds[row] < table.kinds
    assert len(cosines) == 3


def test_without_an_encoder_a_view_has_no_meaning(snapshot: Snapshot) -> None:
    view = ViewMaker(snapshot).apply([ItemChange("new-1", ItemDocument(title="Lamp"), 1)])
    assert (view.encoder, view.meaning) == (None, None)


def test_a_view_of_another_load_has_the_same_bits(encoded: Snapshot, encoded_bundle: Path) -> None:
    changes = [ItemChange(f"new-{number}", ItemDocument(title=f"lamp {number}"), number) for number in range(1, 30)]
    one = ViewMaker(encoded).apply(changes)
    other = ViewMaker(load_snapshot(encoded_bundle))
    for change in changes:
        other.apply([change])
    assert table_of(one).arrays.vectors.tobytes() == table_of(other.view).arrays.vectors.tobytes()
