"""The part that places new items, damaged: it is refused, or what it says are numbers."""

import os
import shutil
from pathlib import Path

import numpy as np
from bundle_damages import all_damages

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.item_document import ItemDocument
from app.engine.placer import Placer, read_placer

DOCUMENTS = (
    ItemDocument(),
    ItemDocument(title="Elmmark warm saucepan", brand="Elmmark", category="Kitchen > Cookware", price=3.0),
    ItemDocument(description="made of leather", attributes=("material=leather", "size=XL", "new=")),
    ItemDocument(title="\0\ud7ff\U0001f600 " * 100, category=" > \n>", attributes=("", "=", "\n")),
)


def opened(folder: Path) -> Placer | None:
    """None where loading says no: it takes whatever a reader raises for a damaged file."""
    try:
        return read_placer(folder)
    except Exception:
        return None


def test_every_damage_of_the_part_is_refused_or_harmless(shop_bundle: Path, tmp_path: Path) -> None:
    bundle = resolve(shop_bundle)
    wrong, refused = [], 0
    damages = [damage for damage in all_damages(bundle) if damage.name.startswith(names.PLACE)]
    for number, damage in enumerate(damages):
        folder = tmp_path / str(number)
        shutil.copytree(bundle / names.PLACE, folder / names.PLACE, copy_function=os.link)
        for graph in (names.PLACE_GRAPH, names.RETRIEVE_GRAPH):
            os.link(bundle / graph, folder / graph)
        damage.apply(folder)
        placer = opened(folder)
        if placer is None:
            refused += 1
            continue
        for document in DOCUMENTS:
            placed = placer.place(document)
            numbers = [placed.unit, placed.length, placed.scale, placed.score_scale, placed.content_scale]
            if not all(np.isfinite(value).all() for value in numbers):
                wrong.append(damage.name)
    assert refused > len(damages) / 2 > 10
    assert wrong == []
