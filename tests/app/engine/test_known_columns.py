"""Columns that were kept for a later bundle."""

from app.artifact.item_document import ItemDocument
from app.engine.live.known_columns import with_known_columns
from app.engine.snapshot import Snapshot


def test_a_column_that_the_bundle_knows_is_an_attribute(snapshot: Snapshot) -> None:
    columns = [snapshot.filters.column(name, name) for name in snapshot.filters.names]
    known = next(column.name for column in columns if column.attribute)
    further = {known: '["red", 3, 2.5, true, {"a": 1}]', "novel": '"x"'}
    document = with_known_columns(ItemDocument(title="Kettle", attributes=("size=XL",), further=further), snapshot)
    assert document.attributes == ("size=XL", f"{known}=red", f"{known}=3", f"{known}=2.5", f"{known}=true")
    assert document.further == {"novel": '"x"'}
