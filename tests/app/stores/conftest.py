"""Every call of a script is looked at, whatever test makes it: its keys must lie on one node of a cluster."""

from collections.abc import Sequence
from typing import Any

import pytest
from cluster_slots import slots_of
from redis.asyncio import Redis

from app.stores import redis_scripts
from app.stores.redis_scripts import ABSORB, ScriptCall


@pytest.fixture(autouse=True)
def one_slot_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuses a call whose keys lie in several slots, but for what reads the layout before, which no cluster had."""
    evaluate = redis_scripts._evaluate

    async def look_and_evaluate(client: Redis, calls: Sequence[ScriptCall]) -> list[Any]:
        for call in calls:
            assert call.script is ABSORB or len(slots_of(call.keys)) == 1, call.keys
        return await evaluate(client, calls)

    monkeypatch.setattr(redis_scripts, "_evaluate", look_and_evaluate)
