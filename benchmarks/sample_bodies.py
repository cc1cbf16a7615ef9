"""Bodies of `POST /recommend` that ask a bundle in every way: for people, pages and histories."""

from pathlib import Path
from typing import Any

import numpy as np

from app.artifact import names
from app.artifact.columns import TextColumn
from app.artifact.manifest import Manifest


def sample_bodies(folder: Path, manifest: Manifest, count: int, k: int, seed: int) -> list[dict[str, Any]]:
    """Requests in equal parts: a user, a user on a page, a history kept by the caller, a user who excludes items.

    Users are visitors, too, where the bundle has some.
    """
    ids = TextColumn.read(folder / names.ITEM_IDS)
    rng = np.random.default_rng(seed)
    people = [("user_id", user) for user in manifest.sample_users]
    people += [("visitor_id", visitor) for visitor in manifest.sample_visitors]
    bodies = []
    for number in range(count):
        user = dict([people[int(rng.integers(len(people)))]])
        items = [ids[int(row)] for row in rng.integers(1, manifest.shapes.items + 1, 5)]
        kinds: tuple[dict[str, Any], ...] = (
            user,
            {**user, "context": {"item_ids": items[:1]}},
            {"recent_events": [{"item_id": item} for item in items]},
            {**user, "exclude_item_ids": items},
        )
        bodies.append({"k": k, **kinds[number % len(kinds)]})
    return bodies
