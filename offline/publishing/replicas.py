"""Replicas: who follows the store, and whether one of them serves what was published."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import redis
from pydantic import ValidationError

from app.artifact.redis_keys import Keys
from app.artifact.replica_record import ReplicaRecord
from app.stores.redis_gate import is_wrong_type

WAIT_S: Final = 10.0
"""Seconds in which a replica takes a version that is in its folder, unless its bundle is very large."""
_LOOK_S: Final = 0.2


@dataclass(frozen=True)
class Replicas:
    """The services that follow a store."""

    present: int
    serving: int  # of these, the ones that serve the version


def await_replicas(
    client: redis.Redis, keys: Keys, version: str, wait_s: float, say: Callable[[str], None]
) -> Replicas | None:
    """Wait until a replica serves `version`, and say how many do.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        version: the version that the pointer names.
        wait_s: how long to wait at most; where no replica follows the store, nothing is waited for.
        say: called with a line for people, which warns where no replica serves the version.

    Returns:
        None where the store no longer answers, which is said.
    """
    deadline = time.monotonic() + wait_s
    try:
        while True:
            records = read_replicas(client, keys)
            serving = sum(record.version == version for record in records)
            left_s = deadline - time.monotonic()
            if serving or not records or left_s <= 0:
                say(_line_of(version, records, serving, wait_s))
                return Replicas(len(records), serving)
            time.sleep(min(_LOOK_S, left_s))
    except redis.RedisError as error:
        say(f"warning: {version} is published, but the store does not say whether a replica serves it ({error})")
        return None


def read_replicas(client: redis.Redis, keys: Keys) -> list[ReplicaRecord]:
    """The records of the replicas that run; those that ended without a word are taken off the list."""
    try:
        stored: Any = client.smembers(keys.replicas)
    except redis.ResponseError as error:
        if is_wrong_type(error):
            return []
        raise
    names = sorted(stored)
    texts: Any = client.mget([keys.replica(name.decode(errors="replace")) for name in names]) if names else []
    gone = [name for name, text in zip(names, texts, strict=True) if text is None]
    if gone:
        client.srem(keys.replicas, *gone)
    records = []
    for text in texts:
        if text is not None:
            try:
                records.append(ReplicaRecord.model_validate_json(text))
            except ValidationError:
                continue  # of a service whose records this code does not know
    return records


def _line_of(version: str, records: Sequence[ReplicaRecord], serving: int, wait_s: float) -> str:
    if serving:
        return f"{version} is served by {serving} of {len(records)} replicas"
    if not records:
        return (
            f"no replica follows this store yet, so that nobody serves {version}: start one with `aisle-serve --bundle "
            "STORE --redis URL`, where STORE is the folder that has the version"
        )
    reasons = sorted({record.refused[version] for record in records if version in record.refused})
    advice = "; ".join(reasons) or (
        "they look each AISLE_FOLLOW_S seconds, and load it beside what they serve: look at their /readyz and logs"
    )
    return f"warning: none of {len(records)} replicas serves {version} after {wait_s:g} seconds: {advice}"
