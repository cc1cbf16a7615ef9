"""Publish: seed the store with a bundle, read it back, point the service at it, remove what is older."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import redis

from app.artifact.published_model import Figures, Forced, PublishedModel
from app.artifact.redis_keys import Keys
from offline.errors import PublishRefused
from offline.publishing import versions
from offline.publishing.checkpoint import Place, PlaceRecord
from offline.publishing.compare import differing_items, differing_users
from offline.publishing.contents import Contents, read_contents
from offline.publishing.erasures import forget_vectors
from offline.publishing.gate import MAX_DROP, figures_of, pass_gate, warning_of
from offline.publishing.item_seeds import ItemSeeds
from offline.publishing.user_seeds import UserSeed, UserSeeds, UserWriter
from offline.workspace.progress import Progress, silent

AT_ONCE = 500  # users or items in one exchange
DAY_S = 86_400

Say = Callable[[str], None]
"""Told a line for people."""


@dataclass(frozen=True)
class Published:
    """A version that is served from now on."""

    version: str
    previous: str | None  # the version that is kept to go back to
    users: int
    items: int
    long_vectors: int
    removed_versions: list[str]
    removed_keys: int
    seconds: float
    forced: Forced | None


def publish(
    bundle: Path,
    client: redis.Redis,
    keys: Keys,
    *,
    keep_events: int = 100,
    user_ttl_s: int = 365 * DAY_S,
    force: str | None = None,
    by: str = "",
    max_drop: float = MAX_DROP,
    at_once: int = AT_ONCE,
    now: datetime | None = None,
    progress: Progress | None = None,
    say: Say | None = None,
) -> Published:
    """Make a bundle the one to serve. Until all of its keys are there, the version before it stays.

    Stopped at any point, the same call goes on where it was. What the store learned of users since the bundle's cut
    stays as it is.

    Args:
        bundle: a bundle, or a store of bundles.
        client: of the store.
        keys: its keys.
        keep_events: recent events kept a user.
        user_ttl_s: seconds that users' keys live; 0 for ever.
        force: why to publish a bundle whose figures speak against it.
        by: who does.
        max_drop: share by which its first metric may be less than that of the version served now.
        at_once: users or items in one exchange.
        now: when it is published.
        progress: told how far it is.
        say: told what a person may want to know.

    Raises:
        BundleError: the bundle must not be served; nothing was written.
        PublishRefused: its figures speak against it, another version has the same tag, or the store does not keep
            what it is given; the version before it stays.
        RedisError: the store cannot be reached, or refuses; the version before it stays.
    """
    began = time.monotonic()
    at = now or datetime.now(UTC)
    tell, inform = progress or silent, say or _unsaid
    tell(0, 1, "checking the bundle")
    contents = read_contents(bundle)
    published = versions.read_published(client, keys)
    before = _served_before(contents.version, versions.read_pointer(client, keys), published)
    forced = pass_gate(contents.manifest, force, by, at, before, max_drop)
    warning = warning_of(contents.manifest)
    if warning is not None:
        inform(warning)
    versions.refuse_same_tag(contents.version, [*published, *versions.unfinished(client, keys)])
    record = PlaceRecord(client, keys, contents.version, contents.digest(), at)
    run = _Run(contents, client, keys, keep_events, user_ttl_s, at_once, tell)
    run.seed(record, inform)
    run.compare(record)
    previous = versions.kept_for_rollback(contents.version, versions.read_pointer(client, keys), published)
    versions.point_to(client, keys, _model(contents, published.get(contents.version), forced, at))
    forget_vectors(client, keys, contents.version, contents.manifest.cut)
    tell(0, 1, "removing older versions")
    removed, removed_keys = _remove_older(client, keys, {contents.version, previous}, at)
    tell(1, 1, "published")
    return Published(
        version=contents.version,
        previous=previous,
        users=len(run.users),
        items=len(run.items),
        long_vectors=run.users.long_vectors,
        removed_versions=removed,
        removed_keys=removed_keys,
        seconds=round(time.monotonic() - began, 3),
        forced=forced,
    )


class _Run:
    """The seeds of one bundle on their way to one store."""

    def __init__(
        self,
        contents: Contents,
        client: redis.Redis,
        keys: Keys,
        keep_events: int,
        live_s: int,
        at_once: int,
        tell: Progress,
    ) -> None:
        self.users = UserSeeds(contents, keep_events)
        self.items = ItemSeeds(contents, keys)
        self._contents = contents
        self._client = client
        self._keys = keys
        self._keep_events = keep_events
        self._writer = UserWriter(client, keys, contents, keep_events, live_s)
        self._at_once = at_once
        self._tell = tell

    def seed(self, record: PlaceRecord, say: Say) -> None:
        """Write users and items, from the place that was reached before."""
        place = record.read()
        if place != Place():
            say(f"going on at user {place.users} of {len(self.users)} and item {place.items} of {len(self.items)}")
        record.note(place)
        for start in range(place.users, len(self.users), self._at_once):
            self._writer.write(self.users.part(start, start + self._at_once))
            place = replace(place, users=min(start + self._at_once, len(self.users)))
            record.note(place)
            self._tell(place.users, len(self.users), "users")
        for start in range(place.items, len(self.items), self._at_once):
            self._client.mset(self.items.part(start, start + self._at_once))
            place = replace(place, items=min(start + self._at_once, len(self.items)))
            record.note(place)
            self._tell(place.items, len(self.items), "items")

    def compare(self, record: PlaceRecord) -> None:
        """Return when the store holds what it was given.

        Raises:
            PublishRefused: it does not; the next publication begins from the start.
        """
        wrong: list[str] = []
        for start in range(0, len(self.users), self._at_once):
            found = self._wrong_users(start)
            wrong += [f"{kind} of user {user_hash:016x}" for user_hash, kind in found.items()]
            self._tell(min(start + self._at_once, len(self.users)), len(self.users), "comparing users")
        for start in range(0, len(self.items), self._at_once):
            differing = differing_items(self._client, self.items.part(start, start + self._at_once))
            wrong += ["an item's vector"] * differing
            self._tell(min(start + self._at_once, len(self.items)), len(self.items), "comparing items")
        if wrong:
            record.forget()
            raise PublishRefused(
                f"{self._contents.version} is not published: {len(wrong)} of its keys are not in the store as they "
                f"were written, the first {wrong[0]}: see that its maxmemory-policy is noeviction, and publish again"
            )

    def _wrong_users(self, start: int) -> dict[int, str]:
        """Users of whom something is missing even when written once more.

        Keys may have gone for a good reason meanwhile: a visitor who logged in is merged into the user.
        """
        seeds = self.users.part(start, start + self._at_once)
        found = self._differing(seeds)
        if not found:
            return found
        again = [seed for seed in seeds if seed.user_hash in found]
        self._writer.write(again)
        return self._differing(again)

    def _differing(self, seeds: list[UserSeed]) -> dict[int, str]:
        cut = self._contents.manifest.cut
        return differing_users(self._client, self._keys, self._writer, seeds, cut, self._keep_events)


def _model(contents: Contents, before: PublishedModel | None, forced: Forced | None, at: datetime) -> PublishedModel:
    """What is written down of a version; published again, it stays as old as it is."""
    manifest = contents.manifest
    return PublishedModel(
        version=manifest.version,
        dataset=manifest.dataset,
        published_at=before.published_at if before else at.isoformat(timespec="seconds"),
        users=manifest.shapes.users,
        items=manifest.shapes.items,
        dim=manifest.shapes.dim,
        cut=manifest.cut,
        forced=forced,
        figures=figures_of(manifest.metrics),
    )


def _served_before(version: str, pointer: str | None, published: dict[str, PublishedModel | None]) -> Figures | None:
    """The figures of the version that the pointer names, when it is another one."""
    model = None if pointer in (None, version) else published.get(str(pointer))
    return None if model is None else model.figures


def _remove_older(client: redis.Redis, keys: Keys, kept: set[str | None], at: datetime) -> tuple[list[str], int]:
    """Remove all versions but those kept, and what stopped publications and removals left."""
    listed = [version for version in versions.read_published(client, keys) if version not in kept]
    over = at.timestamp() - versions.ABANDONED_S
    left = [version for version, since in versions.unfinished(client, keys).items() if since < over]
    removed = [*listed, *(version for version in left if version not in kept and version not in listed)]
    return sorted(removed), versions.remove_versions(client, keys, removed)


def _unsaid(line: str) -> None:
    del line
