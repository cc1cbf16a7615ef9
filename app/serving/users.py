"""What is stored of one user: show it, erase it, merge a visitor into it."""

from collections.abc import Callable
from dataclasses import dataclass

from app.artifact.hashing import stable_hash
from app.artifact.stream_records import EraseRecord, MergeRecord
from app.errors import InvalidRequest, UserNotFound
from app.serving.attribution import OnlineTracker
from app.serving.cooperative import ShieldedWrites
from app.stores.protocol import UserStore
from app.stores.state import Counts, StoredUser


@dataclass(frozen=True, slots=True)
class Erasure:
    """The receipt of an erasure."""

    user_hash: str  # 16 hexadecimal digits
    time: float  # unix seconds
    counts: Counts  # what was removed


class UserService:
    """The users and visitors of one store.

    Args:
        store: keeps user states.
        now: tells unix seconds.
        online: forgets and merges along; `None` where nothing is attributed.
    """

    def __init__(self, store: UserStore, now: Callable[[], float], online: OnlineTracker | None = None) -> None:
        self._store = store
        self._online = online
        self._now = now
        self._writes = ShieldedWrites()

    async def stored(self, user_id: str) -> StoredUser:
        """All that is stored of a user or visitor.

        Raises:
            UserNotFound: nothing is stored.
            StoreUnavailable: the store cannot be read.
        """
        user = await self._store.stored(stable_hash(user_id))
        if user is None:
            raise UserNotFound("nothing is stored under this id: a visitor who was merged goes by the id of the user")
        return user

    async def erase(self, user_id: str) -> Erasure:
        """Erase a user or visitor, and record the erasure: an unknown id may still come up in old logs.

        Raises:
            StoreUnavailable: ask again; if it was done already, the second receipt counts nothing.
        """
        user_hash, time = stable_hash(user_id), self._now()
        record = EraseRecord(user_hash=f"{user_hash:016x}", time=time)
        removed = await self._writes.run(self._store.erase(user_hash, time, record.model_dump_json().encode()))
        if self._online is not None:
            self._online.forget(user_hash)
        return Erasure(record.user_hash, time, removed)

    async def merge(self, visitor_id: str, user_id: str) -> Counts:
        """Move to a user all that is stored of a visitor, and count what the user did not have yet.

        Raises:
            InvalidRequest: the two ids are the same.
            StoreUnavailable: ask again; if it was done already, nothing is left to move.
        """
        if visitor_id == user_id:
            raise InvalidRequest("visitor_id: expected another id than that of the user, got the same", "visitor_id")
        record = MergeRecord(visitor_id=visitor_id, user_id=user_id, time=self._now())
        visitor, user = stable_hash(visitor_id), stable_hash(user_id)
        counts = await self._writes.run(self._store.merge(visitor, user, record.model_dump_json().encode()))
        if self._online is not None:
            self._online.merge(visitor, user)
        return counts
