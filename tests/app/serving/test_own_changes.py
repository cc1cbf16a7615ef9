"""Changes that this process has written and that nobody was told of yet."""

from app.serving.own_changes import OwnChanges
from app.stores.catalogue import CatalogueHead


def test_they_are_all_that_is_behind_a_view_until_they_are_told() -> None:
    own = OwnChanges()
    own.add("e", [5, 6, 8])
    assert own.are_all(CatalogueHead("e", 4), CatalogueHead("e", 6))
    assert not own.are_all(CatalogueHead("e", 4), CatalogueHead("e", 8))  # 7 is another replica's
    assert own.are_all(CatalogueHead("e", 7), CatalogueHead("e", 8))
    own.tell([5])
    assert not own.are_all(CatalogueHead("e", 4), CatalogueHead("e", 6))
    assert own.are_all(CatalogueHead("e", 5), CatalogueHead("e", 6))


def test_those_of_another_epoch_are_none() -> None:
    own = OwnChanges()
    own.add("e", [5])
    assert not own.are_all(CatalogueHead("f", 4), CatalogueHead("f", 5))
    assert not own.are_all(CatalogueHead("e", 4), CatalogueHead("f", 5))
    own.add("f", [5])
    assert own.are_all(CatalogueHead("f", 4), CatalogueHead("f", 5))
    assert not own.are_all(CatalogueHead("e", 4), CatalogueHead("e", 5))
