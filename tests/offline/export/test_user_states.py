"""What a bundle says of its users is what the log says of them up to the cut."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from app.artifact.behaviours import PURCHASE
from app.artifact.bundle_store import resolve
from app.artifact.hashing import stable_hash
from app.artifact.user_records import LONG_LIMIT
from app.artifact.user_state import UserStates, read_user_states


@pytest.fixture(scope="module")
def states(shop_bundle: Path) -> UserStates:
    return read_user_states(resolve(shop_bundle))


@pytest.fixture(scope="module")
def known(shop_run: Any) -> dict[str, list[tuple[int, int]]]:
    """Item row and behaviour of each event up to the cut, by user."""
    names = pl.read_parquet(shop_run.split / "users.parquet")
    parts = pl.concat([pl.read_parquet(shop_run.split / f"{part}.parquet") for part in ("train", "valid")])
    rows = parts.filter(pl.col("item") > 0).join(names, on="user").sort("user", "order")
    found: dict[str, list[tuple[int, int]]] = {}
    for user_id, item, type_ in rows.select("user_id", "item", "type").iter_rows():
        found.setdefault(user_id, []).append((item, type_))
    return found


def test_every_user_with_a_history_has_a_state_and_nobody_else(
    states: UserStates, known: dict[str, list[tuple[int, int]]]
) -> None:
    assert sorted(states.hashes.tolist()) == sorted(map(stable_hash, known))


def test_the_items_seen_are_those_of_the_whole_history_each_once(
    states: UserStates, known: dict[str, list[tuple[int, int]]], shop_bundle: Path
) -> None:
    longer_than_window = 0
    for user_id, events in known.items():
        place = states.find(stable_hash(user_id))
        part = slice(int(states.seen_offsets[place]), int(states.seen_offsets[place + 1]))
        rows = states.seen_rows[part].tolist()
        assert sorted(rows) == sorted({row for row, _ in events})
        purchased = [row for row, is_purchased in zip(rows, states.seen_purchased[part], strict=True) if is_purchased]
        assert set(purchased) == {row for row, type_ in events if type_ == PURCHASE}
        kept = int(states.event_offsets[place + 1] - states.event_offsets[place])
        longer_than_window += kept < len(events)
    assert longer_than_window > 0


def test_a_long_vector_is_there_where_events_lie_before_the_window_and_fits_its_bits(
    states: UserStates, known: dict[str, list[tuple[int, int]]]
) -> None:
    for user_id, events in known.items():
        place = states.find(stable_hash(user_id))
        kept = int(states.event_offsets[place + 1] - states.event_offsets[place])
        assert (states.long_weights[place] > 0) == (len(events) > kept)
        assert bool(states.long_vectors[place].any()) == (len(events) > kept)
    assert np.abs(states.long_vectors.astype(int)).max() == LONG_LIMIT
