"""What may be done with all that is stored of one user: look at it, erase it, join a visitor to it."""

from collections.abc import Callable
from dataclasses import dataclass

from app.artifact.hashing import stable_hash
from app.artifact.stream_records import EraseRecord, MergeRecord
from app.errors import InvalidRequest, UserNotFound
from app.serving.attribution import OnlineTracker
from app.serving.cooperative import Unbroken
from app.stores.protocol import UserStore
from app.stores.state import Counts, StoredUser


@dataclass(frozen=True, slots=True)
class Erasure:
    """That a user was forgotten."""

    user_hash: str  # 16 hexadecimal digits
    at: float  # unix seconds
    counts: Counts  # what was removed


class People:
    """The users of one store.

    Args:
        store: of user states.
        now: tells unix seconds.
        online: told of erasures and merges.
    """

    def __init__(self, store: UserStore, now: Callable[[], float], online: OnlineTracker | None = None) -> None:
        self._store = store
        self._online = online
        self._now = now
        self._unbroken = Unbroken()

    async def stored(self, user_id: str) -> StoredUser:
        """All that is stored of a user or visitor.

        Raises:
            UserNotFound: that is nothing.
            StoreUnavailable: it cannot be told.
        """
        found = await self._store.stored(stable_hash(user_id))
        if found is None:
            raise UserNotFound("nothing is stored under this id: a visitor who was merged goes by the id of the user")
        return found

    async def erase(self, user_id: str) -> Erasure:
        """Forget a user or visitor, and write down that it is to be; an id that is unknown may come up in old logs.

        Raises:
            StoreUnavailable: ask again; if it was done already, the second receipt is of nothing.
        """
        user_hash, at = stable_hash(user_id), self._now()
        record = EraseRecord(user_hash=f"{user_hash:016x}", time=at)
        removed = await self._unbroken.run(self._store.erase(user_hash, at, record.model_dump_json().encode()))
        if self._online is not None:
            self._online.forget(user_hash)
        return Erasure(record.user_hash, at, removed)

    async def merge(self, visitor_id: str, user_id: str) -> Counts:
        """Move to a user all that is known of a visitor, and count what the user did not have yet.

        Raises:
            InvalidRequest: they are the same.
            StoreUnavailable: ask again; if it was done already, nothing is left to move.
        """
        if visitor_id == user_id:
            raise InvalidRequest("visitor_id: expected another id than that of the user, came the same", "visitor_id")
        record = MergeRecord(visitor_id=visitor_id, user_id=user_id, time=self._now())
        visitor, user = stable_hash(visitor_id), stable_hash(user_id)
        counts = await self._unbroken.run(self._store.merge(visitor, user, record.model_dump_json().encode()))
        if self._online is not None:
            self._online.join(visitor, user)
        return counts
