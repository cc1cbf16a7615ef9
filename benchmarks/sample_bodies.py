"""Bodies of `POST /recommend` that ask a bundle in every way: for users, pages, histories and visitors."""

from pathlib import Path
from typing import Any

import numpy as np

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.manifest import Manifest


def sample_bodies(folder: Path, manifest: Manifest, count: int, k: int, seed: int) -> list[dict[str, Any]]:
    """Requests in equal parts: a user, a user on a page, a history kept by the caller, a visitor who excludes items."""
    ids = TextColumn.read(folder / names.ITEM_IDS)
    rng = np.random.default_rng(seed)
    bodies = []
    for number in range(count):
        user = str(rng.choice(manifest.sample_users))
        items = [ids[int(row)] for row in rng.integers(1, manifest.shapes.items + 1, 5)]
        kinds: tuple[dict[str, Any], ...] = (
            {"user_id": user},
            {"user_id": user, "context": {"item_ids": items[:1]}},
            {"recent_events": [{"item_id": item} for item in items]},
            {"visitor_id": user, "exclude_item_ids": items},
        )
        bodies.append({"k": k, **kinds[number % len(kinds)]})
    return bodies
