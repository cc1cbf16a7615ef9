"""User states at a bundle's cut: they seed the stores, and evaluation reads them."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers, check_offsets, check_range, require
from app.artifact.arrays import load_array
from app.artifact.behaviours import BEHAVIOUR_NAMES
from app.artifact.manifest import EARLIEST_S, LATEST_S, Shapes
from app.artifact.quantise import dequantise_rows
from app.artifact.user_records import LONG_LIMIT


@dataclass(frozen=True)
class UserStates:
    """Users by ascending stable hash; the events of user `u` are `event_offsets[u]:event_offsets[u + 1]`, oldest first.

    The long vector of `u` is the weighted sum of the vectors of the events older than the last `window` ones, and
    `long_weights[u]` the sum of the weights, so that newer events can be added without the older ones. The items seen
    are those of the whole history, each once.
    """

    hashes: NDArray[np.uint64]  # [users]
    long_vectors: NDArray[np.int8]  # [users, dim] within `user_records.LONG_LIMIT`, times the scale
    long_scales: NDArray[np.float32]  # [users]
    long_weights: NDArray[np.float32]  # [users]
    event_offsets: NDArray[np.int64]  # [users + 1]
    event_rows: NDArray[np.int32]  # [events] at most `window` a user
    event_types: NDArray[np.uint8]  # [events]
    event_times: NDArray[np.float64]  # [events] unix seconds, NaN when unknown
    seen_offsets: NDArray[np.int64]  # [users + 1]
    seen_rows: NDArray[np.int32]  # [seen]
    seen_purchased: NDArray[np.bool_]  # [seen] whether the user purchased it
    withheld: frozenset[int] = frozenset()  # hashes of erased people, who are there and found by nobody

    def find(self, user_hash: int) -> int:
        """The index of a user, or -1."""
        if user_hash in self.withheld:
            return -1
        index = int(np.searchsorted(self.hashes, np.uint64(user_hash)))
        return index if index < len(self.hashes) and int(self.hashes[index]) == user_hash else -1

    def without(self, erasures: Mapping[int, float]) -> "UserStates":
        """The same states without those of erased people, as far as they may tell of the time before.

        Args:
            erasures: unix seconds of the erasure of each person, by hash.
        """
        known = np.fromiter(erasures, dtype=np.uint64, count=len(erasures))
        present = known[np.isin(known, self.hashes)].tolist()
        withheld = (person for person in present if not self._began_after(self.find(person), erasures[person]))
        return replace(self, withheld=self.withheld | frozenset(withheld))

    def _began_after(self, user: int, time: float) -> bool:
        """Whether all that the state of a user holds happened after `time`: its events, and nothing before them."""
        if user < 0:
            return False
        events = slice(int(self.event_offsets[user]), int(self.event_offsets[user + 1]))
        seen = self.seen_rows[int(self.seen_offsets[user]) : int(self.seen_offsets[user + 1])]
        is_all = self.long_weights[user] == 0 and bool(np.isin(seen, self.event_rows[events]).all())
        return is_all and bool((self.event_times[events] > time).all())

    def long_vectors_of(self, users: NDArray[np.integer]) -> NDArray[np.float32]:
        """The long vectors of users by index, `[..., dim]`."""
        return dequantise_rows(self.long_vectors[users], self.long_scales[users])

    def write(self, folder: Path) -> None:
        """Write the arrays into the bundle in `folder`."""
        (folder / names.USER_HASHES).parent.mkdir(parents=True, exist_ok=True)
        for name, field in _FILES.items():
            np.save(folder / name, getattr(self, field))


_FILES = {
    names.USER_HASHES: "hashes",
    names.USER_LONG_VECTORS: "long_vectors",
    names.USER_LONG_SCALES: "long_scales",
    names.USER_LONG_WEIGHTS: "long_weights",
    names.USER_EVENT_OFFSETS: "event_offsets",
    names.USER_EVENT_ROWS: "event_rows",
    names.USER_EVENT_TYPES: "event_types",
    names.USER_EVENT_TIMES: "event_times",
    names.USER_SEEN_OFFSETS: "seen_offsets",
    names.USER_SEEN_ROWS: "seen_rows",
    names.USER_SEEN_PURCHASED: "seen_purchased",
}


def read_user_states(folder: Path) -> UserStates:
    """The user states of the bundle in `folder`, mapped into memory."""
    # Plain views of the mapped arrays: indexing a memmap costs several times as much.
    arrays: dict[str, Any] = {
        field: np.asarray(load_array(folder / name, mmap_mode="r")) for name, field in _FILES.items()
    }
    return UserStates(**arrays)


def check_user_states(folder: Path, states: UserStates, shapes: Shapes) -> None:
    """Check states against the manifest and the items of their bundle.

    Raises:
        BundleCorrupt: an array does not fit.
    """
    users = shapes.users
    check_array(folder / names.USER_HASHES, states.hashes, np.uint64, users)
    ascends = bool((states.hashes[1:] > states.hashes[:-1]).all())
    require(ascends, folder / names.USER_HASHES, "ascending hashes", "others")
    check_array(folder / names.USER_LONG_VECTORS, states.long_vectors, np.int8, users, shapes.dim)
    check_range(folder / names.USER_LONG_VECTORS, states.long_vectors, -LONG_LIMIT, LONG_LIMIT, "numbers")
    for name, weights in (
        (names.USER_LONG_SCALES, states.long_scales),
        (names.USER_LONG_WEIGHTS, states.long_weights),
    ):
        check_array(folder / name, weights, np.float32, users)
        check_numbers(folder / name, weights)
    events, seen = len(states.event_rows), len(states.seen_rows)
    for name, offsets, end in (
        (names.USER_EVENT_OFFSETS, states.event_offsets, events),
        (names.USER_SEEN_OFFSETS, states.seen_offsets, seen),
    ):
        check_array(folder / name, offsets, np.int64, users + 1)
        check_offsets(folder / name, offsets, end)
    for name, rows in ((names.USER_EVENT_ROWS, states.event_rows), (names.USER_SEEN_ROWS, states.seen_rows)):
        check_array(folder / name, rows, np.int32, None)
        check_range(folder / name, rows, 1, shapes.items, "rows of items")
    check_array(folder / names.USER_EVENT_TYPES, states.event_types, np.uint8, events)
    check_range(
        folder / names.USER_EVENT_TYPES, states.event_types, min(BEHAVIOUR_NAMES), max(BEHAVIOUR_NAMES), "codes"
    )
    check_array(folder / names.USER_EVENT_TIMES, states.event_times, np.float64, events)
    times = states.event_times[~np.isnan(states.event_times)]
    check_range(folder / names.USER_EVENT_TIMES, times, EARLIEST_S, LATEST_S, "unix seconds")
    check_array(folder / names.USER_SEEN_PURCHASED, states.seen_purchased, np.bool_, seen)
