"""`exclude`: what a user purchased or saw is never answered, however long ago."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from starlette.applications import Starlette

from app.artifact.bundle_store import resolve
from app.artifact.hashing import stable_hash
from app.artifact.user_state import UserStates, read_user_states

Recommend = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def states(shop_bundle: Path) -> UserStates:
    return read_user_states(resolve(shop_bundle))


@pytest.fixture
def fresh(
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Iterator[httpx.Client]:
    """A service of its own, for tests that tell it events."""
    with listening(application_of()) as client:
        yield client


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def past_of(states: UserStates, user: str, snapshot: Any, *, purchased: bool) -> set[str]:
    place = states.find(stable_hash(user))
    part = slice(int(states.seen_offsets[place]), int(states.seen_offsets[place + 1]))
    rows = states.seen_rows[part]
    return {snapshot.items.id_of(row) for row in (rows[states.seen_purchased[part]] if purchased else rows)}


@pytest.mark.parametrize("exclude", ["seen", "purchased"])
def test_what_a_user_saw_or_purchased_is_left_out_and_the_rest_moves_up(
    recommend: Recommend, users: list[str], snapshot: Any, states: UserStates, exclude: str
) -> None:
    met = 0
    for user in users:
        whole = recommend(user_id=user, k=200)
        past = past_of(states, user, snapshot, purchased=exclude == "purchased")
        answer = recommend(user_id=user, exclude=exclude, k=120)
        assert ids_of(answer) == [item for item in ids_of(whole) if item not in past][:120]
        met += len(past & set(ids_of(whole)))
    assert met > 0


def test_the_whole_past_counts_and_not_only_the_window(states: UserStates, item_ids: list[str], snapshot: Any) -> None:
    window = snapshot.manifest.shapes.window
    longest = int(np.diff(states.seen_offsets).argmax())
    seen = int(np.diff(states.seen_offsets)[longest])
    assert seen > window  # else the shop is too small to show it
    events = slice(int(states.event_offsets[longest]), int(states.event_offsets[longest + 1]))
    assert len(np.unique(states.event_rows[events])) < seen


def test_none_leaves_nothing_out(recommend: Recommend, users: list[str]) -> None:
    assert recommend(user_id=users[0], exclude="none")["items"] == recommend(user_id=users[0])["items"]


def test_without_anybody_there_is_no_past(recommend: Recommend, popular: list[str]) -> None:
    assert ids_of(recommend(exclude="seen")) == popular[:20]


def test_given_events_are_the_past_of_a_caller_that_keeps_its_own(recommend: Recommend, item_ids: list[str]) -> None:
    events = [{"item_id": item_ids[3]}, {"item_id": item_ids[9], "type": "purchase"}]
    whole = ids_of(recommend(recent_events=events, k=200))
    assert {item_ids[3], item_ids[9]} <= set(whole)
    assert (
        ids_of(recommend(recent_events=events, exclude="seen", k=150))
        == [item for item in whole if item not in {item_ids[3], item_ids[9]}][:150]
    )
    assert (
        ids_of(recommend(recent_events=events, exclude="purchased", k=150))
        == [item for item in whole if item != item_ids[9]][:150]
    )


def test_a_live_event_is_past_at_once(fresh: httpx.Client, users: list[str], popular: list[str]) -> None:
    def ask(**fields: Any) -> list[str]:
        return ids_of(fresh.post("/recommend", json=fields).json())

    shown = ask(user_id=users[0], exclude="seen")
    assert fresh.post("/events", json={"user_id": users[0], "item_id": shown[0], "type": "view"}).status_code == 202
    assert shown[0] not in ask(user_id=users[0], exclude="seen", k=200)
    assert shown[0] in ask(user_id=users[0], exclude="purchased", k=200)
    assert ask(visitor_id="new") == popular[:20]
    told = fresh.post("/events", json={"visitor_id": "new", "item_id": popular[0], "type": "purchase"}).json()
    assert told == {"accepted": 1, "duplicates": 0, "rejected": [], "durable": False}
    answer = ask(visitor_id="new", exclude="purchased")
    assert answer != popular[1:21]
    assert popular[0] not in answer


def test_the_total_counts_what_is_left(recommend: Recommend, users: list[str], item_ids: list[str]) -> None:
    events = [{"item_id": item_id} for item_id in item_ids[:100]]
    left = len(item_ids) - 100
    answer = recommend(recent_events=events, exclude="seen", exclude_item_ids=item_ids[50:90], k=1)
    assert answer["total"] == left
    few = recommend(recent_events=events, exclude="seen", exclude_item_ids=item_ids[110:], k=50)
    assert few["total"] == len(few["items"]) == 10
