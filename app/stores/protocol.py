"""The protocols of the stores. One contract suite runs over every implementation of `UserStore`."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from app.artifact.published_model import PublishedModel
from app.artifact.replica_record import ReplicaRecord
from app.stores.bundled import BundledStates
from app.stores.damage import DamageLog
from app.stores.state import Counts, FetchResult, NewEvent, StateRequest, StoredUser


class UserStore(Protocol):
    """States by the stable hash of a user or visitor id.

    Every method that reaches outside the process raises `StoreUnavailable` when the store cannot be reached, does not
    answer in time, or refuses. What was refused is not done; what got no answer may be, each event, merge or erasure
    whole or not at all, and does no harm when it is sent again.
    """

    name: str  # redis or memory
    damage: DamageLog  # of values that count as none

    @property
    def waiting_events(self) -> int:
        """Events that wait to be collected, as of the last look."""
        ...

    @property
    def durable(self) -> bool:
        """Whether what was accepted outlives the process that holds it."""
        ...

    @property
    def lagging(self) -> bool:
        """Whether writes are refused at present, so that what is read may lack the newest events."""
        ...

    def lags_for(self, person_hash: int) -> bool:
        """Whether writes of this person are refused at present, which may be so of a part of the store alone."""
        ...

    @property
    def warnings(self) -> Sequence[str]:
        """What is wrong with how the store is kept, as of the last look, and what to do."""
        ...

    async def start(self) -> None:
        """Begin to watch the connection. A store that cannot be reached yet is no error."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...

    def seed(self, version: str, states: BundledStates) -> None:
        """Take the states of a version that is about to be served, unless the store holds published ones."""
        ...

    async def fetch(self, version: str, requests: Sequence[StateRequest]) -> FetchResult:
        """The state of each user, in their order; one round trip for the whole batch.

        It is not whole where the store lacks what was published of `version`.

        Raises:
            StoreUnavailable: it cannot be reached, or not in time.
        """
        ...

    async def append(self, events: Sequence[NewEvent]) -> list[bool]:
        """Store events, each whole or not at all.

        False where the user has one of that id already, and where it happened before the user was erased.
        """
        ...

    async def merge(self, visitor_hash: int, user_hash: int, record: bytes) -> Counts:
        """Move all that is known of a visitor to a user. `record` is a `stream_records.MergeRecord`.

        It is copied, then written down, then forgotten of the visitor: stopped in between, it may be done again.
        """
        ...

    async def stored(self, user_hash: int) -> StoredUser | None:
        """All that is stored of a user, `None` when that is nothing."""
        ...

    async def erase(self, user_hash: int, time: float, record: bytes) -> Counts:
        """Erase a user, at unix seconds `time`. `record` is a `stream_records.EraseRecord`."""
        ...

    def is_erased(self, user_hash: int) -> bool:
        """Whether a user was erased, as far as this process knows: the states in a bundle must not bring them back."""
        ...

    knows_erasures: bool
    """Whether it is known who was erased: before, no state of a bundle may stand in for what is stored."""

    @property
    def erasures(self) -> Mapping[int, float]:
        """The erasures in the store as of the last look, unix seconds by hash."""
        ...

    async def log_impressions(self, records: Sequence[bytes]) -> int:
        """Append `stream_records.ImpressionRecord`s to the stream; how many fitted before it was full."""
        ...


class ModelStore(Protocol):
    """Which versions there are, and which is to be served."""

    async def current(self) -> str | None:
        """The version that the pointer names, `None` without one.

        Raises:
            StoreUnavailable: the store cannot be read.
            BundleError: the pointer names no version, or cannot be read.
        """
        ...

    async def published(self) -> list[PublishedModel]:
        """All versions that may be served, oldest first.

        Raises:
            StoreUnavailable: they cannot be read.
        """
        ...

    async def point_to(self, version: str) -> None:
        """Make `version` the one to serve, for every replica.

        Raises:
            ModelNotFound: it is not published.
            StoreUnavailable: the pointer cannot be moved.
        """
        ...

    async def announce(self, replica: str, record: ReplicaRecord) -> None:
        """Say that the process `replica` follows the pointer; to be repeated before `replica_record.LIVES_S` are over.

        Raises:
            StoreUnavailable: the record cannot be written.
        """
        ...

    async def withdraw(self, replica: str) -> None:
        """Take the record of `replica` back.

        Raises:
            StoreUnavailable: it cannot be removed.
        """
        ...
