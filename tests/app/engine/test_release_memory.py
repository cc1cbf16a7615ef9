"""A release that is no longer served goes by reference counts alone: after a swap nothing is left to the collector."""

import gc
import weakref
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from app.artifact.item_document import ItemDocument
from app.artifact.text.languages import Languages
from app.engine.live.item_change import ItemChange
from app.engine.live.views import ViewMaker
from app.engine.loading import load_snapshot, read_warmup
from app.engine.recommend import recommend
from app.engine.requests import ItemMask
from app.engine.snapshot import Snapshot
from app.serving.release import release_of


def parts_of(whole: Any, path: str, found: dict[str, Any]) -> dict[str, Any]:
    """Everything of ours that hangs on a snapshot, by where."""
    is_ours = type(whole).__module__.startswith("app.") and not isinstance(whole, Languages)  # which all releases share
    if is_ours and path not in found:
        found[path] = whole
        inner = (
            {field.name: getattr(whole, field.name) for field in fields(whole)}
            if is_dataclass(whole) and not isinstance(whole, type)
            else getattr(whole, "__dict__", {})
        )
        for name, value in inner.items():
            parts_of(value, f"{path}.{name}", found)
    return found


def use(snapshot: Snapshot) -> None:
    """Ask in every way, so that caches fill."""
    batch = read_warmup(snapshot.folder).take(np.arange(4))
    assert snapshot.search is not None
    matches = snapshot.search.matches(["blck shoes", "shoes", "red shirt x", None])
    mask = snapshot.filters.mask(snapshot.filters.parse({"field": "price", "gte": 20}))
    recommend(snapshot, replace(batch, matches=matches), 20, item_mask=ItemMask(mask[None]))
    assert snapshot.suggester is not None
    snapshot.suggester.suggest("shos", 5)


def changes_of(snapshot: Snapshot, number: int) -> list[ItemChange]:
    """An item that is new, one whose words change, and one that is gone."""
    items, document = snapshot.items, ItemDocument(title=f"Zorvex kettle {number}", brand="Zorvex", price=3.0)
    changes = [(f"new-{number}", document), (items.id_of(number), document), (items.id_of(number + 20), None)]
    return [ItemChange(item_id, of_item, born=number) for item_id, of_item in changes]


def left_of(whole: dict[str, Any], name: str) -> list[str]:
    """What of it is left, by where, when the one reference `whole[name]` goes and no collector comes by."""
    held = {}
    for path, part in parts_of(whole[name], name, {}).items():
        try:
            held[path] = weakref.ref(part)
        except TypeError:  # slots without a place for it
            continue
    assert len(held) > 15
    gc.collect()
    gc.disable()
    try:
        del whole[name], part
        return sorted(path for path, of_part in held.items() if of_part() is not None)
    finally:
        gc.enable()


def test_what_views_hold_goes_with_their_maker(shop_bundle: Path) -> None:
    """What live items are made of is frozen now and then: what the collector has to find is left for good."""
    maker = ViewMaker(load_snapshot(shop_bundle))
    for number in range(1, 5):
        use(maker.apply(changes_of(maker.view, number)))
        for merging in maker.mergings():
            merging.run()
            merging.install()
    whole = {"maker": maker}
    del maker
    assert left_of(whole, "maker") == []


def test_what_a_release_holds_goes_with_it(shop_bundle: Path) -> None:
    release = release_of(load_snapshot(shop_bundle), lambda: 0.0)
    use(release.snapshot)
    whole = {"release": release}
    del release
    assert left_of(whole, "release") == []
