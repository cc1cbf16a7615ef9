"""The store inside the process gives back what the bundle says of each user."""

import asyncio
from pathlib import Path

import numpy as np
import pytest

from app.artifact.bundle_store import resolve
from app.artifact.hashing import stable_hash
from app.artifact.user_state import read_user_states
from app.engine.snapshot import Snapshot
from app.errors import BundleCorrupt
from app.serving.service import bundled_users


def test_states_are_those_of_the_bundle_in_the_order_asked(
    shop_bundle: Path, snapshot: Snapshot, users: list[str]
) -> None:
    states = read_user_states(resolve(shop_bundle))
    hashes = [stable_hash(users[1]), stable_hash("nobody-has-this-id"), stable_hash(users[0]), stable_hash(users[1])]
    found = asyncio.run(bundled_users(snapshot).fetch(hashes))
    assert found[1] is None
    for user_hash, state in zip(hashes, found, strict=True):
        place = states.find(user_hash)
        if state is None:
            assert place == -1
            continue
        events = slice(int(states.event_offsets[place]), int(states.event_offsets[place + 1]))
        np.testing.assert_array_equal(state.long_vector, states.long_vectors[place].astype(np.float32))
        assert state.long_weight == states.long_weights[place]
        np.testing.assert_array_equal(
            snapshot.items.rows_of_hashes(state.event_items), np.asarray(states.event_rows[events])
        )
        np.testing.assert_array_equal(state.event_types, states.event_types[events])
        np.testing.assert_array_equal(state.event_times, states.event_times[events])


def test_a_bundle_without_its_users_is_refused(snapshot: Snapshot, spoiled: Path) -> None:
    (spoiled / "users" / "event_rows.npy").unlink()
    with pytest.raises(BundleCorrupt, match="users cannot be read"):
        bundled_users(type(snapshot)(**{**vars(snapshot), "folder": spoiled}))
