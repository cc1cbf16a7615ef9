"""What becomes of answers: clicks, carts and purchases of shown items, counted by the version that showed them.

The rules of attribution, which `aisle-offline online` follows, too:

1. An event that names an answer by `request_id` belongs to it if the answer showed its item, and if it happened no
   later than a window after the answer. Of several answers of one name it is the newest that showed the item.
2. A cart or purchase that names none belongs to the answer that the same person came to the same item from last, by
   rule 1 and within the same window: pages that take orders no longer know of lists. A merge hands on what a visitor
   came from.
3. The first event of an answer on an item makes the item clicked, whatever its type; a cart makes it carted, a purchase
   purchased. Each counts once for an item of an answer. Duplicates and rejected events count nowhere.
4. Every page of a list is an answer. Ranks are those of the whole list.

Ids are kept as the 64 bits of Python's own hash, which a string carries with it: the strings of a catalogue go with its
release, and every id takes the same memory, however long a caller makes it.
"""

from array import array
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Final, Protocol

from app.artifact.behaviours import CART, PURCHASE
from app.telemetry.online import OnlineMetrics

# What is kept, as `tracemalloc` has it; a test compares:
_ANSWER_BYTES: Final = 450  # a followed answer, without its list of items
_ITEM_BYTES: Final = 8  # each of these
_CLICKED_BYTES: Final = 460  # the first click on an answer: what notes its clicks is made then
_CLICKED_ITEM_BYTES: Final = 60  # each item that is clicked
_PERSON_BYTES: Final = 400  # each person who comes from it
_PAIR_BYTES: Final = 80  # each of their items
_BURST: Final = 0.05  # of the memory that may be taken at once
_MOST_OF_ONE_NAME: Final = 8  # answers; a caller may name all its answers alike
_MOST_PEOPLE: Final = 8  # who came from one answer, and may come back to it
_CLICKED: Final = 1
_BITS: Final = {"click": _CLICKED, "cart": 2, "purchase": 4}
_BITS_OF: Final = {CART: _CLICKED | _BITS["cart"], PURCHASE: _CLICKED | _BITS["purchase"]}


class Happened(Protocol):
    """What is read of an event."""

    @property
    def behaviour(self) -> int:
        """Its code."""
        ...

    @property
    def item_id(self) -> str:
        """Of the item."""
        ...

    @property
    def request_id(self) -> str | None:
        """Of the answer that showed the item."""
        ...


@dataclass(slots=True, eq=False)
class _Clicks:
    """What became of one answer."""

    types: dict[int, int] = field(default_factory=dict)  # by item, the bits of what it was so far
    people: set[int] = field(default_factory=set)  # who may come back to it
    reciprocal: float = 0.0


@dataclass(slots=True, eq=False)
class _Followed:
    """One answer."""

    name: int
    version: str
    until: float
    items: "array[int]"
    first_rank: int
    cost: float  # bytes
    clicks: _Clicks | None = None


class OnlineTracker:
    """Follows answers for a while, as many as fit: under more traffic an even share of them.

    Args:
        metrics: told what became of them.
        window_s: how long an answer is followed.
        memory_bytes: what that may take; 0 follows none. Where clicks need more, the oldest answers are let go.
    """

    def __init__(self, metrics: OnlineMetrics, window_s: float, memory_bytes: float) -> None:
        self._metrics = metrics
        self._window_s = window_s
        self._capacity = memory_bytes
        self._used = 0.0
        self._allowed = memory_bytes * _BURST
        self._allowed_at: float | None = None
        self._answers: deque[_Followed] = deque()  # oldest first
        self._by_name: dict[int, list[_Followed]] = {}  # newest last
        self._came_from: dict[int, dict[int, _Followed]] = {}  # by person and item

    @property
    def people(self) -> int:
        """Who may still come back to what they came from."""
        return len(self._came_from)

    @property
    def used_bytes(self) -> float:
        """What is followed takes as much, roughly."""
        return self._used

    def show(self, name: str, version: str, item_ids: Sequence[str], first_rank: int, now: float) -> None:
        """An answer is given.

        Args:
            name: its request id.
            version: that answered.
            item_ids: in the order shown.
            first_rank: of the first one in the whole list.
            now: unix seconds.
        """
        if not item_ids or not self._capacity:
            return
        self._forget_old(now)
        cost = _ANSWER_BYTES + _ITEM_BYTES * len(item_ids)
        key = hash(name)
        is_followed = self._has_room(cost, now) and len(self._by_name.get(key, ())) < _MOST_OF_ONE_NAME
        self._metrics.count_answer(version, len(item_ids), is_followed=is_followed)
        if is_followed:
            items = array("q", map(hash, item_ids))
            answer = _Followed(key, version, now + self._window_s, items, first_rank, cost)
            self._answers.append(answer)
            self._by_name.setdefault(key, []).append(answer)
            self._used += cost
            self._allowed -= cost

    def happened(self, event: Happened, person: int, time: float) -> None:
        """An event was accepted.

        Args:
            event: the event.
            person: stable hash of the user or visitor.
            time: of the event, unix seconds.
        """
        item = hash(event.item_id)
        if event.request_id is not None:
            answer = self._shown_by(event.request_id, item, time)
        else:
            answer = self._left_by(item, person, time)
        if answer is None:
            return
        clicks = answer.clicks = answer.clicks or self._first_clicks(answer)
        fresh = self._mark(answer, clicks, item, _BITS_OF.get(event.behaviour, _CLICKED))
        if event.request_id is not None:
            self._metrics.count_event("attributed" if fresh else "repeated")
            if person in clicks.people or len(clicks.people) < _MOST_PEOPLE:
                self._comes_from(person, item, answer, clicks)
        while self._used > self._capacity:
            self._drop_oldest()

    def forget(self, person: int) -> None:
        """Nothing is to be known of a user or visitor any more."""
        for answer in self._came_from.pop(person, {}).values():
            if answer.clicks is not None:
                answer.clicks.people.discard(person)

    def join(self, visitor: int, user: int) -> None:
        """What a visitor came from is the user's."""
        for item, answer in self._came_from.get(visitor, {}).items():
            if answer.clicks is not None:
                self._comes_from(user, item, answer, answer.clicks)
        self.forget(visitor)

    def _first_clicks(self, answer: _Followed) -> _Clicks:
        self._charge(answer, _CLICKED_BYTES)
        return _Clicks()

    def _mark(self, answer: _Followed, clicks: _Clicks, item: int, bits: int) -> int:
        """Count what an item of an answer is now for the first time; gives its bits."""
        if item not in clicks.types:
            self._charge(answer, _CLICKED_ITEM_BYTES)
        before = clicks.types.get(item, 0)
        fresh = bits & ~before
        first = fresh & ~reduce(or_, clicks.types.values(), 0)
        clicks.types[item] = before | bits
        reciprocal = 1.0 / (answer.first_rank + answer.items.index(item))
        grown = max(0.0, reciprocal - clicks.reciprocal)
        clicks.reciprocal += grown
        self._metrics.count_item(answer.version, _kinds(fresh), _kinds(first), grown)
        return fresh

    def _comes_from(self, person: int, item: int, answer: _Followed, clicks: _Clicks) -> None:
        came_from = self._came_from.setdefault(person, {})
        if came_from.get(item) is not answer:
            self._charge(answer, _PAIR_BYTES if person in clicks.people else _PERSON_BYTES + _PAIR_BYTES)
            came_from[item] = answer
            clicks.people.add(person)

    def _shown_by(self, name: str, item: int, time: float) -> _Followed | None:
        living = [answer for answer in self._by_name.get(hash(name), ()) if time <= answer.until]
        if not living:
            self._metrics.count_event("unknown_request")
            return None
        for answer in reversed(living):
            if item in answer.items:
                return answer
        self._metrics.count_event("other_item")
        return None

    def _left_by(self, item: int, person: int, time: float) -> _Followed | None:
        answer = self._came_from.get(person, {}).get(item)
        return answer if answer is not None and time <= answer.until else None

    def _has_room(self, cost: float, now: float) -> bool:
        """Whether one more may be followed: as many in a second as leave by the end of the window."""
        since = 0.0 if self._allowed_at is None else max(0.0, now - self._allowed_at)
        self._allowed_at = now
        most = self._capacity * _BURST
        self._allowed = min(most, self._allowed + since * self._capacity / self._window_s)
        return cost <= self._allowed and self._used + cost <= self._capacity

    def _charge(self, answer: _Followed, cost: float) -> None:
        answer.cost += cost
        self._used += cost

    def _forget_old(self, now: float) -> None:
        while self._answers and self._answers[0].until < now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        answer = self._answers.popleft()
        self._used -= answer.cost
        named = self._by_name[answer.name]
        named.pop(0)
        if not named:
            del self._by_name[answer.name]
        if answer.clicks is not None:
            for person in answer.clicks.people:
                self._leave(person, answer, answer.clicks)

    def _leave(self, person: int, answer: _Followed, clicks: _Clicks) -> None:
        came_from = self._came_from.get(person, {})
        for item in clicks.types:
            if came_from.get(item) is answer:
                del came_from[item]
        if not came_from:
            self._came_from.pop(person, None)


def _kinds(bits: int) -> list[str]:
    return [kind for kind, bit in _BITS.items() if bits & bit]
