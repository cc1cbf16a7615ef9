"""One contract, and every store of user states that keeps it: the one in the process and the one in a real Redis."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import replace
from itertools import count

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis_cluster import RedisCluster
from redis_process import RedisProcess

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.hashing import stable_hash
from app.artifact.quantise import quantise_rows
from app.artifact.redis_keys import LAYOUT, Keys
from app.artifact.user_records import LONG_BITS, pack_long_vectors
from app.artifact.user_state import UserStates
from app.stores.bundled import BundledStates
from app.stores.memory import MemoryUserStore
from app.stores.protocol import UserStore
from app.stores.redis_link import RedisAddress
from app.stores.redis_store import RedisUserStore, Retention
from app.stores.redis_stores import open_gate
from app.stores.state import Counts, Exclude, FetchResult, NewEvent, StateRequest, UserState, merge_states

VERSION = "2026-11-24T10-00-00-aaaa"
KEEP = 10
KEEP_ITEMS = 200
Opened = Callable[[], AbstractAsyncContextManager[UserStore]]
_ids = count()


@pytest.fixture(params=["memory", "redis", "cluster"])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Opens an empty store of each kind, in which `VERSION` is published."""
    if request.param == "memory":
        return memory
    name = "redis_server" if request.param == "redis" else "redis_cluster"
    server: RedisProcess | RedisCluster = request.getfixturevalue(name)
    prefix: str = request.getfixturevalue("redis_prefix")

    @asynccontextmanager
    async def redis_store() -> AsyncIterator[UserStore]:
        keys = Keys(f"{prefix}{next(_ids)}:".encode())
        with server_with(server, keys):
            pass
        async with redis_store_of(server, keys) as store:
            yield store

    return redis_store


@contextmanager
def server_with(server: RedisProcess | RedisCluster, keys: Keys) -> Iterator[redis.Redis]:
    """A client of a server in which `VERSION` is published."""
    with server.client() as client:
        client.set(keys.marker(VERSION), b"")
        client.set(keys.layout, LAYOUT)
        client.hset(keys.models, VERSION, b"{}")
        yield client


@asynccontextmanager
async def redis_store_of(server: RedisProcess | RedisCluster, keys: Keys) -> AsyncIterator[UserStore]:
    gate = open_gate(RedisAddress(server.url, timeout_s=None), keys, 5.0, 5.0)
    store = RedisUserStore(gate, keys, Retention(events=KEEP, event_ids=20, items=KEEP_ITEMS))
    await store.start()
    try:
        yield store
    finally:
        await store.close()


@asynccontextmanager
async def memory() -> AsyncIterator[UserStore]:
    store = MemoryUserStore(KEEP, 20, keep_items=KEEP_ITEMS)
    store.seed(VERSION, nothing())
    yield store


def nothing() -> BundledStates:
    none = np.zeros(0, dtype=np.int64)
    return BundledStates(
        UserStates(
            hashes=none.astype(np.uint64),
            long_vectors=np.zeros((0, 8), dtype=np.int8),
            long_scales=none.astype(np.float32),
            long_weights=none.astype(np.float32),
            event_offsets=np.zeros(1, dtype=np.int64),
            event_rows=none.astype(np.int32),
            event_types=none.astype(np.uint8),
            event_times=none.astype(np.float64),
            seen_offsets=np.zeros(1, dtype=np.int64),
            seen_rows=none.astype(np.int32),
            seen_purchased=none.astype(bool),
        ),
        np.zeros(1, dtype=np.uint64),
    )


def event(user: str, item: str, time: float, behaviour: int = VIEW, event_id: str | None = None) -> NewEvent:
    told = event_id or f"id{next(_ids)}"
    return NewEvent(stable_hash(user), stable_hash(told), stable_hash(item), behaviour, time, told.encode())


def run(opened: Opened, check: Callable[[UserStore], Awaitable[None]]) -> None:
    async def within() -> None:
        async with opened() as store:
            await check(store)

    asyncio.run(within())


async def state_of(store: UserStore, user: str, exclude: Exclude = Exclude.NONE) -> UserState | None:
    fetched = await store.fetch(VERSION, [StateRequest(stable_hash(user), exclude)])
    assert fetched.is_whole
    return fetched.states[0]


async def items_of(store: UserStore, user: str) -> list[int]:
    found = await state_of(store, user)
    return [] if found is None else found.event_items.tolist()


def hashes(*items: str) -> list[int]:
    return [stable_hash(item) for item in items]


def test_nobody_is_known_at_first(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        assert await store.fetch(VERSION, [StateRequest(1), StateRequest(2, Exclude.SEEN)]) == FetchResult([None, None])
        assert await store.stored(1) is None

    run(opened, check)


def test_an_event_is_there_at_once_with_its_behaviour_and_time(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        assert await store.append([event("u", "a", 100.0, CART), event("v", "b", 50.5, PURCHASE)]) == [True, True]
        wanted = [StateRequest(stable_hash(user), Exclude.PURCHASED) for user in ("v", "nobody", "u")]
        of_v, of_nobody, of_u = (await store.fetch(VERSION, wanted)).states
        assert of_nobody is None
        assert of_u is not None
        assert of_v is not None
        assert (of_u.event_items.tolist(), of_u.event_types.tolist(), of_u.event_times.tolist()) == (
            hashes("a"),
            [CART],
            [100.0],
        )
        assert (of_v.event_items.tolist(), of_v.event_times.tolist()) == (hashes("b"), [50.5])
        assert of_v.excluded_items is not None
        assert of_u.excluded_items is not None
        assert (of_v.excluded_items.tolist(), of_u.excluded_items.tolist()) == (hashes("b"), [])
        assert of_u.long_vector is None

    run(opened, check)


def test_events_stand_in_the_order_of_their_times_and_only_the_newest_are_kept(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        order = [7, 3, 11, 1, 5, 9, 2, 12, 4, 10, 6, 8]
        for place in order:
            await store.append([event("u", f"i{place}", float(place))])
        assert await items_of(store, "u") == hashes(*(f"i{place}" for place in range(3, 13)))
        found = await state_of(store, "u", Exclude.SEEN)
        assert found is not None
        assert found.excluded_items is not None
        assert sorted(found.excluded_items.tolist()) == sorted(hashes(*(f"i{place}" for place in range(1, 13))))

    run(opened, check)


def test_events_of_one_time_stay_in_the_order_in_which_they_came(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        await store.append([event("u", item, 5.0) for item in "abc"])
        await store.append([event("u", "d", 5.0), event("u", "e", 4.0)])
        assert await items_of(store, "u") == hashes("e", "a", "b", "c", "d")

    run(opened, check)


def test_an_event_id_counts_once_a_user_in_one_call_and_over_calls(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        first = event("u", "a", 1.0, event_id="e1")
        again = event("u", "b", 2.0, event_id="e1")
        other = event("v", "a", 1.0, event_id="e1")
        assert await store.append([first, again, other]) == [True, False, True]
        assert await store.append([again]) == [False]
        assert await items_of(store, "u") == hashes("a")

    run(opened, check)


def test_ids_whose_bytes_overlap_are_not_taken_for_each_other(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        ids = [0x0102030405060708, 0x0506070801020304, 0x0102030401020304, 0x0506070805060708]
        events = [NewEvent(9, event_id, event_id, VIEW, float(place), b"{}") for place, event_id in enumerate(ids, 1)]
        assert await store.append(events) == [True] * 4
        found = await store.stored(9)
        assert found is not None
        assert found.seen.tolist() == ids

    run(opened, check)


def test_items_seen_and_purchased_are_kept_each_once(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        for place in range(300):
            behaviour = PURCHASE if place % 3 == 0 else VIEW
            await store.append([event("u", f"i{place % 150}", float(place + 1), behaviour)])
        found = await store.stored(stable_hash("u"))
        assert found is not None
        assert sorted(found.seen.tolist()) == sorted(hashes(*(f"i{place}" for place in range(150))))
        assert sorted(found.purchased.tolist()) == sorted(hashes(*(f"i{place}" for place in range(0, 150, 3))))
        assert len(found.event_items) == KEEP

    run(opened, check)


@pytest.mark.parametrize("at_once", [1, 20, 64])
def test_of_many_items_the_newest_are_kept_however_they_come(opened: Opened, at_once: int) -> None:
    async def check(store: UserStore) -> None:
        events = [event("u", f"i{place}", float(place + 1), PURCHASE) for place in range(KEEP_ITEMS + 60)]
        for start in range(0, len(events), at_once):
            stored = await store.append(events[start : start + at_once])
            assert all(stored)
        assert await store.append([event("u", f"i{KEEP_ITEMS}", 900.0), event("v", "a", 1.0)]) == [True, True]
        for exclude in (Exclude.SEEN, Exclude.PURCHASED):
            found = await state_of(store, "u", exclude)
            assert found is not None
            assert found.excluded_items is not None
            assert found.excluded_items.tolist() == hashes(*(f"i{place}" for place in range(60, KEEP_ITEMS + 60)))
        await store.append([event("v", f"w{place}", float(place)) for place in range(1, 100)])
        assert (await store.merge(stable_hash("v"), stable_hash("u"), b"{}")).seen == 100
        merged = await store.stored(stable_hash("u"))
        assert merged is not None
        assert len(merged.seen) == KEEP_ITEMS
        assert set(hashes("a", "w99")) <= set(merged.seen.tolist())

    run(opened, check)


def test_an_item_that_the_catalogue_lacks_is_a_recent_event_alone(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        unknown = replace(event("u", "new", 1.0, PURCHASE), is_known=False)
        assert await store.append([unknown, event("u", "a", 2.0)]) == [True, True]
        for exclude in (Exclude.SEEN, Exclude.PURCHASED):
            recent = await state_of(store, "u", exclude)
            assert recent is not None
            assert recent.excluded_items is not None
            assert stable_hash("new") in recent.excluded_items.tolist()
        found = await store.stored(stable_hash("u"))
        assert found is not None
        assert set(found.seen.tolist()) == set(hashes("new", "a"))  # as long as the event is recent
        assert found.purchased.tolist() == hashes("new")
        await store.append([event("u", "a", float(place)) for place in range(3, 3 + KEEP)])
        left = await state_of(store, "u", Exclude.SEEN)
        assert left is not None
        assert left.excluded_items is not None
        assert left.excluded_items.tolist() == hashes("a")

    run(opened, check)


def test_many_events_in_one_call_leave_what_they_leave_one_by_one(opened: Opened) -> None:
    rng = np.random.default_rng(5)
    drawn = [
        event(str(rng.integers(2)), f"i{rng.integers(300)}", float(rng.integers(1, 50)), int(rng.integers(1, 4)))
        for _ in range(500)
    ]

    async def check(store: UserStore) -> None:
        async with opened() as other:
            for start in range(0, len(drawn), 100):
                part = drawn[start : start + 100]
                for each in part:
                    await other.append([each])
                assert await store.append([*part, part[0]]) == [True] * len(part) + [False]
                for user in "01":
                    ones, many = await other.stored(stable_hash(user)), await store.stored(stable_hash(user))
                    assert ones is not None
                    assert many is not None
                    assert ones.event_items.tolist() == many.event_items.tolist()
                    assert ones.event_times.tolist() == many.event_times.tolist()
                    assert ones.seen.tolist() == many.seen.tolist()
                    assert ones.purchased.tolist() == many.purchased.tolist()

    run(opened, check)


def test_a_merge_moves_a_visitor_to_a_user_and_bears_being_repeated(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        await store.append([event("u", "a", 1.0), event("u", "b", 5.0), event("v", "b", 3.0), event("v", "c", 4.0, 3)])
        assert await store.merge(stable_hash("v"), stable_hash("u"), b"{}") == Counts(2, 1, 1)
        assert await items_of(store, "u") == hashes("a", "b", "c", "b")
        assert await state_of(store, "v") is None
        assert await store.merge(stable_hash("v"), stable_hash("u"), b"{}") == Counts(0, 0, 0)
        found = await store.stored(stable_hash("u"))
        assert found is not None
        assert sorted(found.seen.tolist()) == sorted(hashes("a", "b", "c"))
        assert found.purchased.tolist() == hashes("c")
        await store.append([event("v", "d", 6.0)])
        assert await items_of(store, "v") == hashes("d")

    run(opened, check)


def test_a_visitor_whom_the_version_knows_is_known_no_more_after_a_merge(
    redis_server: RedisProcess, redis_prefix: str
) -> None:
    keys = Keys(redis_prefix.encode())
    vector = pack_long_vectors(np.ones((1, 8), np.int8), np.ones(1, np.float32), np.ones(1, np.float32))[0]
    with server_with(redis_server, keys) as client:
        client.set(keys.long_vector(VERSION, stable_hash("v")), vector)

    async def check(store: UserStore) -> None:
        assert await state_of(store, "v") is not None
        assert await store.merge(stable_hash("v"), stable_hash("u"), b"{}") == Counts(0, 0, 0)
        assert await state_of(store, "v") is None
        assert await store.stored(stable_hash("v")) is None

    async def within() -> None:
        async with redis_store_of(redis_server, keys) as store:
            await check(store)

    asyncio.run(within())


def test_a_user_who_was_erased_is_unknown_until_something_happens_anew(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        await store.append([event("u", "a", 1.0), event("u", "b", 2.0, PURCHASE), event("w", "a", 1.0)])
        assert await store.erase(stable_hash("u"), 3.0, b"{}") == Counts(2, 2, 1, 0)
        assert await store.stored(stable_hash("u")) is None
        assert await state_of(store, "u", Exclude.SEEN) is None
        assert store.is_erased(stable_hash("u"))
        assert not store.is_erased(stable_hash("w"))
        assert await store.erase(stable_hash("u"), 3.0, b"{}") == Counts(0, 0, 0, 0)
        await store.append([event("u", "c", 4.0)])
        assert await items_of(store, "u") == hashes("c")
        assert await items_of(store, "w") == hashes("a")

    run(opened, check)


def test_what_happened_before_an_erasure_is_not_taken_however_late_it_comes(opened: Opened) -> None:
    async def check(store: UserStore) -> None:
        await store.append([event("u", "a", 1.0)])
        await store.erase(stable_hash("u"), 3.5, b"{}")
        late = [event("u", "b", 2.0), event("u", "c", 3.5), event("u", "d", 3.25, PURCHASE), event("w", "b", 2.0)]
        assert await store.append(late) == [False, True, False, True]
        assert await items_of(store, "u") == hashes("c")
        assert await items_of(store, "w") == hashes("b")
        found = await state_of(store, "u", Exclude.SEEN)
        assert found is not None
        assert found.excluded_items is not None
        assert found.excluded_items.tolist() == hashes("c")
        await store.erase(stable_hash("u"), 9.0, b"{}")
        assert await store.append([event("u", "e", 8.0), event("u", "f", 10.0)]) == [False, True]

    run(opened, check)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(
            st.sampled_from("uvw"), st.sampled_from("abcdef"), st.integers(1, 9), st.integers(1, 3), st.integers(0, 30)
        ),
        max_size=40,
    )
)
def test_any_events_leave_what_the_obvious_way_leaves(
    opened: Opened, told: list[tuple[str, str, int, int, int]]
) -> None:
    """The oracle: a list a user, sorted by time as Python sorts, the last `KEEP` of it."""

    async def check(store: UserStore) -> None:
        known: dict[str, dict[str, tuple[str, int, int]]] = {}
        for user, item, time, behaviour, event_id in told:
            fresh = str(event_id) not in known.setdefault(user, {})
            if len(known[user]) >= 20 and not fresh:
                continue  # its id may have been forgotten
            assert await store.append([event(user, item, float(time), behaviour, str(event_id))]) == [fresh]
            if fresh:
                known[user][str(event_id)] = (item, time, behaviour)
        for user, events in known.items():
            ordered = sorted(events.values(), key=lambda each: each[1])[-KEEP:]
            found = await store.stored(stable_hash(user))
            assert found is not None
            assert found.event_items.tolist() == hashes(*(item for item, _, _ in ordered))
            assert found.event_types.tolist() == [behaviour for _, _, behaviour in ordered]
            assert set(found.seen.tolist()) == set(hashes(*(item for item, _, _ in events.values())))
            purchased = {item for item, _, behaviour in events.values() if behaviour == PURCHASE}
            assert set(found.purchased.tolist()) == set(hashes(*purchased))

    run(opened, check)


def a_bundle() -> BundledStates:
    """Two users: the first with two events, one of them a purchase, and a long vector; the second with one event."""
    items = np.array([0, *hashes("a", "b", "c")], dtype=np.uint64)
    users = np.array(hashes("first", "second"), dtype=np.uint64)
    order = np.argsort(users)
    quantised, scales = quantise_rows(np.array([[1.0] * 8, [0.0] * 8], dtype=np.float32)[order], LONG_BITS)
    lists = [[([1, 2], [VIEW, PURCHASE], [10.0, 20.0]), ([3], [CART], [30.0])][place] for place in order]
    lengths = [len(rows) for rows, _, _ in lists]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = np.array([row for each in lists for row in each[0]], dtype=np.int32)
    types = np.array([type_ for each in lists for type_ in each[1]], dtype=np.uint8)
    return BundledStates(
        UserStates(
            hashes=users[order],
            long_vectors=quantised,
            long_scales=scales,
            long_weights=np.array([2.0, 0.0], dtype=np.float32)[order],
            event_offsets=offsets,
            event_rows=rows,
            event_types=types,
            event_times=np.array([time for each in lists for time in each[2]]),
            seen_offsets=offsets,
            seen_rows=rows,
            seen_purchased=types == PURCHASE,
        ),
        items,
    )


def test_the_store_in_the_process_begins_with_the_bundle_and_goes_on_from_it() -> None:
    async def check() -> None:
        store = MemoryUserStore(KEEP)
        store.seed(VERSION, a_bundle())
        found = await state_of(store, "first", Exclude.PURCHASED)
        assert found is not None
        assert found.long_vector is not None
        assert found.long_vector.tolist() == [1.0] * 8
        assert found.long_weight == 2.0
        assert found.excluded_items is not None
        assert found.excluded_items.tolist() == hashes("b")
        await store.append([event("first", "c", 40.0)])
        assert await items_of(store, "first") == hashes("a", "b", "c")
        after = await state_of(store, "first", Exclude.SEEN)
        assert after is not None
        assert after.long_vector is not None
        assert after.excluded_items is not None
        assert after.excluded_items.tolist() == hashes("a", "b", "c")

    asyncio.run(check())


def test_a_new_version_keeps_what_is_live_and_joins_what_it_knows() -> None:
    async def check() -> None:
        store = MemoryUserStore(KEEP)
        store.seed("v0", nothing())
        await store.append([event("first", "c", 15.0), event("first", "a", 10.0)])
        store.seed(VERSION, a_bundle())
        assert await items_of(store, "first") == hashes("a", "c", "b")
        assert (await store.fetch("v0", [StateRequest(stable_hash("second"))])).states == [None]

    asyncio.run(check())


def test_what_was_erased_stays_erased_when_the_next_version_still_knows_it() -> None:
    async def check() -> None:
        store = MemoryUserStore(KEEP)
        store.seed("v0", a_bundle())
        assert await store.erase(stable_hash("first"), 50.0, b"{}") == Counts(2, 2, 1, 1)
        store.seed(VERSION, a_bundle())
        assert await state_of(store, "first") is None
        await store.append([event("first", "c", 60.0)])
        assert await items_of(store, "first") == hashes("c")

    asyncio.run(check())


def test_users_idle_longest_are_dropped_past_the_cap() -> None:
    async def check() -> None:
        store = MemoryUserStore(KEEP, max_users=3)
        store.seed(VERSION, nothing())
        for user in ("a", "b", "c", "a", "d"):
            await store.append([event(user, "x", 1.0)])
        assert [await state_of(store, user) is not None for user in "abcd"] == [True, False, True, True]

    asyncio.run(check())


def state(*events: tuple[str, float], excluded: Sequence[str] | None = None, weight: float = 0.0) -> UserState:
    return UserState(
        np.full(8, weight, dtype=np.float32) if weight else None,
        weight,
        np.array(hashes(*(item for item, _ in events)), dtype=np.uint64),
        np.ones(len(events), dtype=np.uint8),
        np.array([time for _, time in events]),
        None if excluded is None else np.array(hashes(*excluded), dtype=np.uint64),
    )


def test_what_the_bundle_knows_is_joined_by_what_happened_since() -> None:
    bundled = state(("a", 1.0), ("b", 2.0), excluded=["a", "b", "old"], weight=3.0)
    live = state(("b", 2.0), ("c", 3.0), ("d", float("nan")), excluded=["c"])
    found = merge_states(bundled, live)
    assert found is not None
    assert found.event_items.tolist() == hashes("a", "b", "c", "d")
    assert found.event_types.tolist() == [1, 1, 1, 1]
    assert found.long_vector is bundled.long_vector
    assert found.long_weight == 3.0
    assert found.excluded_items is not None
    assert found.excluded_items.tolist() == hashes("a", "b", "old", "c")
    assert merge_states(None, live) is live
    assert merge_states(bundled, None) is bundled
    assert merge_states(None, None) is None
    alone = merge_states(state(excluded=[]), live)
    assert alone is not None
    assert alone.event_items.tolist() == live.event_items.tolist()
