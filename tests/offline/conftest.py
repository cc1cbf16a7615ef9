"""Splits small enough to be written by hand."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest

Event = tuple[int, int, int, float | None]
"""user, item row, behaviour, time."""

_SCHEMA = {
    "user": pl.UInt32,
    "item": pl.UInt32,
    "type": pl.UInt8,
    "time": pl.Float64,
    "order": pl.Int32,
    "query": pl.String,
    "target": pl.Boolean,
}


@pytest.fixture
def write_split() -> Callable[..., Path]:
    """Writes parts, items, users and meta as `split` does; events of a user in the order given, part after part."""

    def write(
        folder: Path,
        *,
        train: Sequence[Event] = (),
        valid: Sequence[Event] = (),
        context: Sequence[Event] = (),
        test: Sequence[Event] = (),
        items: int = 10,
        **meta: Any,
    ) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        parts = {"train": train, "valid": valid, "context": context, "test": test}
        placed: dict[int, int] = {}
        for name, events in parts.items():
            rows = []
            for user, item, behaviour, time in events:
                rows.append((user, item, behaviour, time, placed.get(user, 0), None, name in ("valid", "test")))
                placed[user] = placed.get(user, 0) + 1
            table = pl.DataFrame(rows, schema=_SCHEMA, orient="row")
            table.sort("user", "order").write_parquet(folder / f"{name}.parquet")
        users = max(placed, default=0) + 1
        pl.DataFrame({"user": range(users), "user_id": [f"u{user}" for user in range(users)]}).write_parquet(
            folder / "users.parquet"
        )
        described = {
            "row": range(1, items + 1),
            "item_id": [f"i{row}" for row in range(1, items + 1)],
            "title": [f"thing number {row}" for row in range(1, items + 1)],
            "brand": ["Acme" if row % 2 else "Bolt" for row in range(1, items + 1)],
            "category": [f"Shoes > {'Trail' if row % 3 else 'Road'}" for row in range(1, items + 1)],
            "text": [None] * items,
            "attributes": [[f"colour={row % 4}"] for row in range(1, items + 1)],
        }
        pl.DataFrame(described).with_columns(
            pl.col("row").cast(pl.UInt32), pl.col("text").cast(pl.String)
        ).write_parquet(folder / "items.parquet")
        told = {
            "dataset": "shop",
            "seed": 0,
            "how": "column",
            "task": "next_item",
            "mask": ["seen"],
            "metrics": ["hr@10", "ndcg@10"],
            "target_event": None,
            "has_time": any(event[3] is not None for events in parts.values() for event in events),
            "has_order": True,
            "n_items": items,
            "n_users": users,
            "train_cut": None,
            "test_cut": None,
            "fingerprint": "0",
            "counts": {name: {"events": len(events)} for name, events in parts.items()},
        }
        (folder / "meta.json").write_text(json.dumps(told | meta))
        return folder

    return write
