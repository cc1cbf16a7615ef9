"""What a sync writes to: a service, or the Redis of its replicas."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from offline.sync.difference import Operation
from offline.sync.known_item import KnownItem
from offline.workspace.progress import Progress

AT_ONCE: Final = 500
"""Operations in one exchange."""


@dataclass(frozen=True)
class Refusal:
    """Why an operation was not done."""

    item_id: str
    reason: str


class Target(Protocol):
    """A live catalogue."""

    def items(self, progress: Progress) -> dict[str, KnownItem]:
        """All items as they are now, by id.

        Raises:
            AisleError: they cannot be read.
        """
        ...

    def send(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Do at most `AT_ONCE` operations, each whole or not at all, and name those that were not done.

        Raises:
            AisleError: it cannot be reached, or refuses; some may have been done.
        """
        ...
