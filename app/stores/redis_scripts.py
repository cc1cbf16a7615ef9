"""Runs scripts inside Redis: many calls in one exchange, each script loaded where the server does not know it."""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from redis.asyncio import Redis

from app.stores.redis_gate import RedisGate, is_missing_script, pipe
from app.stores.scripts import script


class Script:
    """A script and the digest that Redis knows it by."""

    def __init__(self, name: str) -> None:
        self.source = script(name)
        self.digest = hashlib.sha1(self.source, usedforsecurity=False).hexdigest()


APPEND: Final = Script("append")
ADOPT: Final = Script("adopt")
LEAVE: Final = Script("leave")
WITHDRAW: Final = Script("withdraw")
ERASE: Final = Script("erase")
ABSORB: Final = Script("absorb")
CATALOGUE_WRITE: Final = Script("catalogue_write")
CATALOGUE_CHANGES: Final = Script("catalogue_changes")
CATALOGUE_FORGET: Final = Script("catalogue_forget")


@dataclass(frozen=True, slots=True)
class ScriptCall:
    """One call of a script; its keys are of one person or of the catalogue, and so of one slot, but for `ABSORB`'s."""

    script: Script
    keys: Sequence[bytes]
    arguments: Sequence[Any]

    @property
    def words(self) -> list[Any]:
        """The command."""
        return ["EVALSHA", self.script.digest, len(self.keys), *self.keys, *self.arguments]


Send = Callable[[Sequence[Sequence[Any]]], Awaitable[list[Any]]]
"""Sends commands at once; the reply to each, or its error."""


async def run_scripts(gate: RedisGate, calls: Sequence[ScriptCall]) -> list[Any]:
    """The result of each call, in one exchange where Redis knows the scripts; none may build on an earlier one.

    Raises:
        StoreUnavailable: one of them failed; others may have been done.
    """

    results: list[Any] = await gate.write(lambda client: _evaluate(client, partial(gate.replies, client), calls))
    return results


async def evaluate(client: Redis, calls: Sequence[ScriptCall]) -> list[Any]:
    """The same without the gate.

    Raises:
        RedisError: one of them failed; others may have been done.
    """
    return await _evaluate(client, partial(pipe, client), calls)


async def _evaluate(client: Redis, send: Send, calls: Sequence[ScriptCall]) -> list[Any]:
    results = await send([call.words for call in calls])
    missing = [index for index, result in enumerate(results) if is_missing_script(result)]
    if missing:
        for script_ in {calls[index].script.digest: calls[index].script for index in missing}.values():
            await client.script_load(script_.source)
        again = await send([calls[index].words for index in missing])
        for index, result in zip(missing, again, strict=True):
            results[index] = result
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results
