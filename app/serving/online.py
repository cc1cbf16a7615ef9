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
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from app.artifact.names import CART, PURCHASE
from app.telemetry.online import OnlineMetrics

_ANSWER_BYTES: Final = 900  # of a followed answer with a few clicks, without its list of items
_ITEM_BYTES: Final = 8
_BURST: Final = 0.05  # of the memory that may be taken at once
_MOST_OF_ONE_NAME: Final = 8  # answers; a caller may name all its answers alike
_MOST_PEOPLE: Final = 8  # who came from one answer, and may come back to it
_TYPES: Final = {CART: ("click", "cart"), PURCHASE: ("click", "purchase")}
_CLICK: Final = ("click",)


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


@dataclass(slots=True)
class _Followed:
    """One answer."""

    name: str
    version: str
    until: float
    item_ids: Sequence[str]
    first_rank: int
    types: dict[str, set[str]] = field(default_factory=dict)  # by item, what it was so far
    people: set[int] = field(default_factory=set)  # who clicked
    reciprocal: float = 0.0


class OnlineTracker:
    """Follows answers for a while, as many as fit: under more traffic an even share of them.

    Args:
        metrics: told what became of them.
        window_s: how long an answer is followed.
        memory_bytes: what that may take, roughly; 0 follows none.
    """

    def __init__(self, metrics: OnlineMetrics, window_s: float, memory_bytes: float) -> None:
        self._metrics = metrics
        self._window_s = window_s
        self._capacity = memory_bytes
        self._used = 0.0
        self._allowed = memory_bytes * _BURST
        self._allowed_at: float | None = None
        self._answers: deque[_Followed] = deque()  # oldest first
        self._by_name: dict[str, list[_Followed]] = {}  # newest last
        self._came_from: dict[int, dict[str, _Followed]] = {}  # by person and item

    @property
    def people(self) -> int:
        """Who may still come back to what they came from."""
        return len(self._came_from)

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
        is_followed = self._has_room(_cost(item_ids), now) and len(self._by_name.get(name, ())) < _MOST_OF_ONE_NAME
        self._metrics.count_answer(version, len(item_ids), is_followed=is_followed)
        if is_followed:
            answer = _Followed(name, version, now + self._window_s, item_ids, first_rank)
            self._answers.append(answer)
            self._by_name.setdefault(name, []).append(answer)
            self._used += _cost(item_ids)
            self._allowed -= _cost(item_ids)

    def happened(self, event: Happened, person: int, time: float) -> None:
        """An event was accepted.

        Args:
            event: the event.
            person: stable hash of the user or visitor.
            time: of the event, unix seconds.
        """
        answer = self._shown_by(event, time) if event.request_id is not None else self._left_by(event, person, time)
        if answer is None:
            return
        before = answer.types.setdefault(event.item_id, set())
        fresh = [kind for kind in _TYPES.get(event.behaviour, _CLICK) if kind not in before]
        first = [kind for kind in fresh if not any(kind in types for types in answer.types.values())]
        before.update(fresh)
        reciprocal = 1.0 / (answer.first_rank + answer.item_ids.index(event.item_id))
        grown = max(0.0, reciprocal - answer.reciprocal)
        answer.reciprocal += grown
        self._metrics.count_item(answer.version, fresh, first, grown)
        if event.request_id is not None:
            self._metrics.count_event("attributed" if fresh else "repeated")
            if person in answer.people or len(answer.people) < _MOST_PEOPLE:
                self._comes_from(person, event.item_id, answer)

    def forget(self, person: int) -> None:
        """Nothing is to be known of a user or visitor any more."""
        for answer in self._came_from.pop(person, {}).values():
            answer.people.discard(person)

    def join(self, visitor: int, user: int) -> None:
        """What a visitor came from is the user's."""
        for item_id, answer in self._came_from.get(visitor, {}).items():
            self._comes_from(user, item_id, answer)
        self.forget(visitor)

    def _comes_from(self, person: int, item_id: str, answer: _Followed) -> None:
        answer.people.add(person)
        self._came_from.setdefault(person, {})[item_id] = answer

    def _shown_by(self, event: Happened, time: float) -> _Followed | None:
        named = self._by_name.get(event.request_id or "", [])
        living = [answer for answer in named if time <= answer.until]
        if not living:
            self._metrics.count_event("unknown_request")
            return None
        for answer in reversed(living):
            if event.item_id in answer.item_ids:
                return answer
        self._metrics.count_event("other_item")
        return None

    def _left_by(self, event: Happened, person: int, time: float) -> _Followed | None:
        answer = self._came_from.get(person, {}).get(event.item_id)
        return answer if answer is not None and time <= answer.until else None

    def _has_room(self, cost: float, now: float) -> bool:
        """Whether one more may be followed: as many in a second as leave by the end of the window."""
        since = 0.0 if self._allowed_at is None else max(0.0, now - self._allowed_at)
        self._allowed_at = now
        most = self._capacity * _BURST
        self._allowed = min(most, self._allowed + since * self._capacity / self._window_s)
        return cost <= self._allowed and self._used + cost <= self._capacity

    def _forget_old(self, now: float) -> None:
        while self._answers and self._answers[0].until < now:
            answer = self._answers.popleft()
            self._used -= _cost(answer.item_ids)
            named = self._by_name[answer.name]
            named.remove(answer)
            if not named:
                del self._by_name[answer.name]
            for person in answer.people:
                self._leave(person, answer)

    def _leave(self, person: int, answer: _Followed) -> None:
        came_from = self._came_from.get(person, {})
        for item_id in answer.types:
            if came_from.get(item_id) is answer:
                del came_from[item_id]
        if not came_from:
            self._came_from.pop(person, None)


def _cost(item_ids: Sequence[str]) -> float:
    return _ANSWER_BYTES + _ITEM_BYTES * len(item_ids)
