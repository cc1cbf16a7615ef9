"""Whether Redis may drop what is kept in it: by its policy for when its memory is full."""

import logging
import time
from collections.abc import Callable
from typing import Final

from redis.asyncio import Redis

from app.stores.redis_gate import RedisGate

KEEPS_ALL: Final = "noeviction"
LOOK_S: Final = 10.0  # between looks: a policy may be changed while the server runs

log = logging.getLogger(__name__)


class EvictionWatch:
    """Reads the policy with the gate's probes, and logs when it is one that drops keys.

    Args:
        gate: exchanges with Redis.
        clock: tells monotonic seconds.
    """

    def __init__(self, gate: RedisGate, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._next_look = -1.0
        self._policy = KEEPS_ALL
        gate.on_probe(self._look)

    @property
    def drops_events(self) -> bool:
        """Whether events that wait to be collected and changes of the catalogue may go, which nothing else has."""
        return self._policy.startswith("allkeys")

    @property
    def warning(self) -> str | None:
        """What may go and what to do, for people; `None` where nothing may."""
        if self._policy == KEEPS_ALL:
            return None
        accepted = "accepted events, changes of the catalogue and " if self.drops_events else ""
        return (
            f"Redis has maxmemory-policy {self._policy}, and drops {accepted}the past of users when its memory is "
            f"full: set maxmemory-policy {KEEPS_ALL}"
        )

    async def _look(self, client: Redis) -> None:
        if self._clock() < self._next_look:
            return
        memory = await client.info("memory")
        self._next_look = self._clock() + LOOK_S
        before, self._policy = self._policy, str(memory.get("maxmemory_policy", KEEPS_ALL))
        if self._policy != before and self.warning is not None:
            log.warning("the store may drop what it was given", extra={"reason": self.warning})
