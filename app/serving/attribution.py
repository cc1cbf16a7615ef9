"""Online attribution: clicks, carts and purchases of shown items, counted by the version that showed them.

The rules of attribution, which `aisle-offline online` follows, too:

1. An event that names an answer by `request_id` is attributed to it if the answer showed its item, and if it happened
   no later than a window after the answer. Of several answers of one name it is the newest that showed the item.
2. A cart or purchase that names none is attributed to the last answer that led the same person to the same item, by
   rule 1 and within the same window: pages that take orders no longer know of lists. A merge hands on what led a
   visitor.
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

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.telemetry.online import OnlineMetrics

# Memory of what is followed, as `tracemalloc` measures it; a test compares:
_ANSWER_BYTES: Final = 450  # a followed answer, without its list of items
_ITEM_BYTES: Final = 8  # each of these
_CLICKED_BYTES: Final = 460  # the first click on an answer, which makes its `_Clicks`
_CLICKED_ITEM_BYTES: Final = 60  # each item that is clicked
_PERSON_BYTES: Final = 400  # each person that it led to an item
_PAIR_BYTES: Final = 80  # each of their items
_BURST: Final = 0.05  # of the memory that may be taken at once
_MAX_SAME_NAME: Final = 8  # answers; a caller may name all its answers alike
_MAX_PEOPLE: Final = 8  # people of one answer whose later events are attributed to it
_CLICKED: Final = 1
_BITS: Final = {"click": _CLICKED, "cart": 2, "purchase": 4}
_BITS_OF: Final = {VIEW: _CLICKED, CART: _CLICKED | _BITS["cart"], PURCHASE: _CLICKED | _BITS["purchase"]}


class AttributableEvent(Protocol):
    """What attribution reads of an event."""

    @property
    def behaviour(self) -> int:
        """Its behaviour code."""
        ...

    @property
    def item_id(self) -> str:
        """The item that it is on."""
        ...

    @property
    def request_id(self) -> str | None:
        """The name of the answer that showed the item, where the caller gave it."""
        ...


@dataclass(slots=True, eq=False)
class _Clicks:
    """The events attributed to one answer."""

    types: dict[int, int] = field(default_factory=dict)  # by item, the bits of its events so far
    people: set[int] = field(default_factory=set)  # whose later events may be attributed to it
    reciprocal: float = 0.0


@dataclass(slots=True, eq=False)
class _FollowedAnswer:
    """One answer within its window."""

    name: int
    version: str
    until: float  # unix seconds
    items: "array[int]"
    first_rank: int
    cost: float  # bytes
    clicks: _Clicks | None = None


class OnlineTracker:
    """Follows answers for a while, as many as fit: under more traffic an even share of them.

    Args:
        metrics: counts answers and the events attributed to them.
        window_s: how long an answer is followed.
        memory_bytes: what following may take; 0 follows none. Where clicks need more, the oldest answers are dropped.
    """

    def __init__(self, metrics: OnlineMetrics, window_s: float, memory_bytes: float) -> None:
        self._metrics = metrics
        self._window_s = window_s
        self._capacity = memory_bytes
        self._used = 0.0
        self._allowed = memory_bytes * _BURST
        self._refilled: float | None = None  # when `_allowed` was last raised
        self._answers: deque[_FollowedAnswer] = deque()  # oldest first
        self._by_name: dict[int, list[_FollowedAnswer]] = {}  # newest last
        self._by_person: dict[int, dict[int, _FollowedAnswer]] = {}  # by person, then by item: what led there last

    @property
    def people(self) -> int:
        """How many people have events whose successors may be attributed."""
        return len(self._by_person)

    @property
    def used_bytes(self) -> float:
        """The memory of what is followed, roughly."""
        return self._used

    def record_answer(self, name: str, version: str, item_ids: Sequence[str], first_rank: int, now: float) -> None:
        """Count an answer, and follow it if there is room.

        Args:
            name: the request id by which events name the answer.
            version: the version that answered.
            item_ids: the items, in the order shown.
            first_rank: the rank of the first item in the whole list.
            now: unix seconds.
        """
        if not item_ids or not self._capacity:
            return
        self._drop_expired(now)
        cost = _ANSWER_BYTES + _ITEM_BYTES * len(item_ids)
        key = hash(name)
        is_followed = self._has_room(cost, now) and len(self._by_name.get(key, ())) < _MAX_SAME_NAME
        self._metrics.count_answer(version, len(item_ids), is_followed=is_followed)
        if is_followed:
            items = array("q", map(hash, item_ids))
            answer = _FollowedAnswer(key, version, now + self._window_s, items, first_rank, cost)
            self._answers.append(answer)
            self._by_name.setdefault(key, []).append(answer)
            self._used += cost
            self._allowed -= cost

    def record_event(self, event: AttributableEvent, person: int, time: float, item_id: str | None = None) -> None:
        """Attribute an accepted event.

        Args:
            event: the event.
            person: stable hash of the user or visitor.
            time: when it happened, unix seconds.
            item_id: the item, where the event names a variant of it.
        """
        item = hash(event.item_id if item_id is None else item_id)
        if event.request_id is not None:
            answer = self._named_answer(event.request_id, item, time)
        else:
            answer = self._last_answer(person, item, time)
        if answer is None:
            return
        clicks = answer.clicks = answer.clicks or self._first_clicks(answer)
        new_bits = self._count(answer, clicks, item, _BITS_OF[event.behaviour])
        if event.request_id is not None:
            self._metrics.count_event("attributed" if new_bits else "repeated")
            if person in clicks.people or len(clicks.people) < _MAX_PEOPLE:
                self._attribute(person, item, answer, clicks)
        while self._used > self._capacity:
            self._drop_oldest()

    def forget(self, person: int) -> None:
        """Attribute no later event of a user or visitor to what is followed now."""
        for answer in self._by_person.pop(person, {}).values():
            if answer.clicks is not None:
                answer.clicks.people.discard(person)

    def merge(self, visitor: int, user: int) -> None:
        """Attribute later events of the user to the answers that led the visitor."""
        for item, answer in self._by_person.get(visitor, {}).items():
            if answer.clicks is not None:
                self._attribute(user, item, answer, answer.clicks)
        self.forget(visitor)

    def _first_clicks(self, answer: _FollowedAnswer) -> _Clicks:
        self._charge(answer, _CLICKED_BYTES)
        return _Clicks()

    def _count(self, answer: _FollowedAnswer, clicks: _Clicks, item: int, bits: int) -> int:
        """Count those bits that an item of an answer did not have, and return them."""
        if item not in clicks.types:
            self._charge(answer, _CLICKED_ITEM_BYTES)
        before = clicks.types.get(item, 0)
        new_bits = bits & ~before
        first = new_bits & ~reduce(or_, clicks.types.values(), 0)
        clicks.types[item] = before | bits
        reciprocal = 1.0 / (answer.first_rank + answer.items.index(item))
        growth = max(0.0, reciprocal - clicks.reciprocal)
        clicks.reciprocal += growth
        self._metrics.count_item(answer.version, _kinds(new_bits), _kinds(first), growth)
        return new_bits

    def _attribute(self, person: int, item: int, answer: _FollowedAnswer, clicks: _Clicks) -> None:
        """Let later events of a person on an item be attributed to an answer."""
        answers = self._by_person.setdefault(person, {})
        if answers.get(item) is not answer:
            self._charge(answer, _PAIR_BYTES if person in clicks.people else _PERSON_BYTES + _PAIR_BYTES)
            answers[item] = answer
            clicks.people.add(person)

    def _named_answer(self, name: str, item: int, time: float) -> _FollowedAnswer | None:
        """The newest followed answer of a name that showed an item."""
        answers = [answer for answer in self._by_name.get(hash(name), ()) if time <= answer.until]
        if not answers:
            self._metrics.count_event("unknown_request")
            return None
        for answer in reversed(answers):
            if item in answer.items:
                return answer
        self._metrics.count_event("other_item")
        return None

    def _last_answer(self, person: int, item: int, time: float) -> _FollowedAnswer | None:
        """The followed answer that led a person to an item last."""
        answer = self._by_person.get(person, {}).get(item)
        return answer if answer is not None and time <= answer.until else None

    def _has_room(self, cost: float, now: float) -> bool:
        """Whether one more may be followed: as many in a second as leave by the end of the window."""
        elapsed = 0.0 if self._refilled is None else max(0.0, now - self._refilled)
        self._refilled = now
        limit = self._capacity * _BURST
        self._allowed = min(limit, self._allowed + elapsed * self._capacity / self._window_s)
        return cost <= self._allowed and self._used + cost <= self._capacity

    def _charge(self, answer: _FollowedAnswer, cost: float) -> None:
        answer.cost += cost
        self._used += cost

    def _drop_expired(self, now: float) -> None:
        while self._answers and self._answers[0].until < now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        answer = self._answers.popleft()
        self._used -= answer.cost
        same_name = self._by_name[answer.name]
        same_name.pop(0)
        if not same_name:
            del self._by_name[answer.name]
        if answer.clicks is not None:
            for person in answer.clicks.people:
                self._detach(person, answer, answer.clicks)

    def _detach(self, person: int, answer: _FollowedAnswer, clicks: _Clicks) -> None:
        answers = self._by_person.get(person, {})
        for item in clicks.types:
            if answers.get(item) is answer:
                del answers[item]
        if not answers:
            self._by_person.pop(person, None)


def _kinds(bits: int) -> list[str]:
    return [kind for kind, bit in _BITS.items() if bits & bit]
