"""What is stored of a user or a visitor: show it, erase it, merge a visitor into a user."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from app.artifact.people import Person
from app.artifact.stream_records import EraseRecord, MergeRecord
from app.errors import InvalidRequest, UserNotFound
from app.serving.attribution import OnlineTracker
from app.serving.cooperative import ShieldedWrites
from app.serving.erasure_list import ErasureList
from app.stores.protocol import UserStore
from app.stores.state import Counts, StoredUser

_MAX_MERGED: Final = 100_000  # users whose merged visitors are remembered


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure."""

    user_hash: str  # 16 hexadecimal digits
    time: float  # unix seconds
    counts: Counts  # what was removed
    durable: bool  # whether it outlives this process


class UserService:
    """The users and visitors of one store.

    Args:
        store: keeps user states.
        now: tells unix seconds.
        online: forgets and merges along; `None` where nothing is attributed.
        erasures: the list beside the bundles, which learns of each erasure; `None` where there is none.
    """

    def __init__(
        self,
        store: UserStore,
        now: Callable[[], float],
        online: OnlineTracker | None = None,
        erasures: ErasureList | None = None,
    ) -> None:
        self.store_name: Final = store.name
        self._store = store
        self._online = online
        self._now = now
        self._erasures = erasures
        self._merged: OrderedDict[int, set[int]] = OrderedDict()  # user -> visitors, for a list of erasures
        self._writes = ShieldedWrites()

    async def stored(self, person: Person) -> StoredUser:
        """All that is stored of a user or visitor.

        Raises:
            UserNotFound: nothing is stored.
            StoreUnavailable: the store cannot be read.
        """
        stored = await self._store.stored(person.hash)
        if stored is None:
            raise UserNotFound(
                f"nothing is stored under this id of a {person.kind}: visitors are asked for with kind=visitor, and go "
                "by the id of the user once they are merged"
            )
        return stored

    async def erase(self, person: Person) -> Erasure:
        """Erase a user or visitor, and record the erasure: an unknown id may still come up in old logs.

        With a user goes what a bundle knows of the visitors who were merged into them.

        Raises:
            StoreUnavailable: ask again; if it was done already, the second receipt counts nothing.
        """
        person_hash, time = person.hash, self._now()
        record = EraseRecord(user_hash=f"{person_hash:016x}", time=time)
        removed = await self._writes.run(self._store.erase(person_hash, time, record.model_dump_json().encode()))
        if self._online is not None:
            self._online.forget(person_hash)
        is_durable = self._store.durable
        if self._erasures is not None:
            people = {person_hash, *self._merged.pop(person_hash, ())}
            is_noted = await self._erasures.note(dict.fromkeys(people, time))
            is_durable = is_durable or is_noted
        return Erasure(record.user_hash, time, removed, is_durable)

    async def merge(self, visitor_id: str, user_id: str) -> Counts:
        """Move to a user all that is stored of a visitor, and count what the user did not have yet.

        Raises:
            InvalidRequest: the two ids are the same.
            StoreUnavailable: ask again; if it was done already, nothing is left to move.
        """
        if visitor_id == user_id:
            raise InvalidRequest("visitor_id: expected another id than that of the user, got the same", "visitor_id")
        record = MergeRecord(visitor_id=visitor_id, user_id=user_id, time=self._now())
        visitor, user = Person("visitor", visitor_id).hash, Person("user", user_id).hash
        counts = await self._writes.run(self._store.merge(visitor, user, record.model_dump_json().encode()))
        if self._online is not None:
            self._online.merge(visitor, user)
        if self._erasures is not None:
            self._merged.setdefault(user, set()).add(visitor)
            if len(self._merged) > _MAX_MERGED:
                self._merged.popitem(last=False)
        return counts
