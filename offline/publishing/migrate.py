"""Migrate: bring what is stored of users from the layout before into this one, once, beside serving replicas."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import redis

from app.artifact.redis_keys import LAYOUT, Keys, version_tag
from app.stores.scripts import script
from offline.errors import MigrationRefused
from offline.publishing import versions
from offline.publishing.layout import carry_erasures, is_migrated
from offline.publishing.replicas import read_replicas
from offline.workspace.progress import Progress, silent

Say = Callable[[str], None]
"""Receives a line for people."""
NOTHING: Final = "nothing to migrate: all that is stored is in the layout of this Aisle"
_AT_ONCE: Final = 500
_HASH_BYTES: Final = 8
_TAG_BYTES: Final = 2


@dataclass(frozen=True)
class MigrateConfig:
    """How much of each user is kept, as in the service."""

    keep_events: int = 100
    keep_items: int = 10_000
    keep_event_ids: int = 1_024
    at_once: int = _AT_ONCE  # users in one exchange


@dataclass(frozen=True)
class Migrated:
    """The counts of one migration; a repeated one counts what was left."""

    users: int = 0
    keys: int = 0  # moved, or joined with what was there
    erasures: int = 0
    damaged: int = 0  # values that were no records, and are gone
    waiting: int = 0  # entries of the old event stream, which `collect` takes
    seconds: float = 0.0


def migrate(
    client: redis.Redis,
    keys: Keys,
    *,
    config: MigrateConfig | None = None,
    progress: Progress = silent,
    say: Say | None = None,
) -> Migrated:
    """Move every user to the keys of this layout; what is there already is joined, and times to live are kept.

    Replicas of this Aisle serve meanwhile, and read both. A migration that was stopped goes on when it is repeated.

    Args:
        client: a connection to the store.
        keys: the names of its keys.
        config: the defaults when left out.
        progress: called with the number of keys moved, and of keys in the store.
        say: called with each line that a person may want to read.

    Raises:
        MigrationRefused: replicas of the Aisle before still write in the old layout; nothing was moved.
        RedisError: the store cannot be reached, or refuses.
    """
    started = time.monotonic()
    config, say = config or MigrateConfig(), say or _ignore
    if is_migrated(client, keys):
        say(NOTHING)
        return Migrated()
    before = sum(record.layout < LAYOUT for record in read_replicas(client, keys))
    if before:
        raise MigrationRefused(
            f"nothing was moved: expected replicas of this Aisle alone, got {before} of the one before, which would "
            "lose sight of what is moved: replace them first (a record stays fifteen seconds after its replica)"
        )
    known = sorted({*versions.read_published(client, keys), *versions.unfinished(client, keys)})
    erasures = carry_erasures(client, keys, known)
    moving = _Moving(client, keys, config, known, progress)
    while moving.sweep():
        pass  # until nothing is left, whoever wrote meanwhile
    erasures += carry_erasures(client, keys, known)
    with client.pipeline(transaction=True) as pipe:
        pipe.set(keys.layout, LAYOUT)
        pipe.unlink(keys.old.erased)
        pipe.execute()
    waiting: Any = client.xlen(keys.old.event_stream) if client.type(keys.old.event_stream) == b"stream" else 0
    if waiting:
        say(f"{waiting} events wait in the old stream: `aisle-offline collect` takes them with the others")
    progress(1, 1, "migrated")
    return Migrated(
        users=moving.users,
        keys=moving.moved,
        erasures=erasures,
        damaged=moving.damaged,
        waiting=int(waiting),
        seconds=round(time.monotonic() - started, 3),
    )


class _Moving:
    """Sweeps over the keys of the layout before."""

    def __init__(
        self, client: redis.Redis, keys: Keys, config: MigrateConfig, known: Sequence[str], progress: Progress
    ) -> None:
        self._client = client
        self._keys = keys
        self._config = config
        self._versions = known
        self._tags = {version_tag(version) for version in known}
        self._progress = progress
        self._source = script("absorb")
        self._digest: Any = client.script_load(self._source)
        self.users = self.moved = self.damaged = 0

    def sweep(self) -> int:
        """Move all that one scan of each kind of key finds, and return how many keys that was."""
        before = self.moved
        for pattern in self._keys.old.patterns:
            names = self._client.scan_iter(match=pattern, count=_AT_ONCE)
            while group := list(islice(names, self._config.at_once)):
                self._move(group)
        return self.moved - before

    def _move(self, names: Sequence[bytes]) -> None:
        hashes = {int.from_bytes(name[-_HASH_BYTES:], "little") for name in names}
        try:
            replies = self._send(hashes)
        except redis.exceptions.NoScriptError:  # the server was restarted meanwhile
            self._client.script_load(self._source)
            replies = self._send(hashes)
        self.users += sum(moved > 0 for moved, _ in replies)
        self.moved += sum(moved for moved, _ in replies)
        self.damaged += sum(damaged for _, damaged in replies)
        strays = list(self._strays(names))
        if strays:
            self._client.unlink(*strays)
            self.moved += len(strays)
        size: Any = self._client.dbsize()
        self._progress(min(self.moved, size), size, "keys")

    def _send(self, hashes: set[int]) -> list[tuple[int, int]]:
        keys, old, config = self._keys, self._keys.old, self._config
        with self._client.pipeline(transaction=False) as pipe:
            for user_hash in hashes:
                written = [
                    *old.state(user_hash),
                    *(old.long_vector(version, user_hash) for version in self._versions),
                    *(of(user_hash) for of in (keys.events, keys.seen, keys.purchased, keys.event_ids)),
                    *(keys.long_vector(version, user_hash) for version in self._versions),
                ]
                kept = (config.keep_events, config.keep_items, config.keep_event_ids, "1")
                pipe.evalsha(self._digest, len(written), *written, *kept)
            return pipe.execute()

    def _strays(self, names: Sequence[bytes]) -> Iterator[bytes]:
        """Vectors of versions that nobody knows any more."""
        head = len(self._keys.prefix) + 1
        for name in names:
            tag = name[head : head + _TAG_BYTES]
            if len(name) == head + _TAG_BYTES + _HASH_BYTES and tag not in self._tags:
                yield name


def _ignore(line: str) -> None:
    del line
