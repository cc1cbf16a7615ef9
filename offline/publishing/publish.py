"""Publish: seed the store with a bundle, read it back, point the service at it, remove older versions."""

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import redis

from app.artifact.bundle_store import resolve
from app.artifact.catalogue_records import CatalogueHead
from app.artifact.erasures import begin_erasures
from app.artifact.published_model import Figures, Forced, PublishedModel
from app.artifact.redis_keys import Keys
from offline.errors import PublishRefused
from offline.evaluation.document import EvaluationDocument
from offline.publishing import versions
from offline.publishing.checkpoint import Checkpoint, CheckpointStore
from offline.publishing.compare import differing_items, differing_users
from offline.publishing.contents import Contents, read_contents
from offline.publishing.copies import LATE, await_copies
from offline.publishing.erasures import forget_vectors
from offline.publishing.gate import MAX_DROP, figures_of, pass_gate, warning_of
from offline.publishing.item_seeds import ItemSeeds
from offline.publishing.layout import PENDING, carry_erasures, mark_layout
from offline.publishing.live_changes import forget_changes, note_head
from offline.publishing.replicas import Replicas, await_replicas
from offline.publishing.user_seeds import UserSeed, UserSeeds, UserWriter
from offline.workspace.progress import Progress, silent

AT_ONCE = 500  # users or items in one exchange
DAY_S = 86_400
_MORE_LOOKS = 2  # where items were missing: one primary may be lost while all is read, and not the next time

Say = Callable[[str], None]
"""Receives a line for people."""


@dataclass(frozen=True)
class PublishConfig:
    """How a bundle is published."""

    keep_events: int = 100  # recent events of each user
    keep_items: int = 10_000  # items seen by each user, and as many purchased
    user_ttl_s: int = 365 * DAY_S  # lifetime of a user's keys; 0 for ever
    force: str | None = None  # why a bundle is published although its figures speak against it
    by: str = ""  # who forces it
    max_drop: float = MAX_DROP  # largest loss of the first metric against the served version, as a share of its value
    at_once: int = AT_ONCE  # users or items in one exchange
    wait_s: float = 0.0  # longest wait for a replica that serves the version; 0 does not ask
    catalogue: CatalogueHead | None = None  # change of the live catalogue that a bundle has last which says none


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
    replicas: Replicas | None  # None where nobody asked
    forgotten_changes: int = 0  # of the live catalogue, which all versions that are kept have


def publish(
    bundle: Path,
    client: redis.Redis,
    keys: Keys,
    *,
    config: PublishConfig | None = None,
    now: datetime | None = None,
    progress: Progress = silent,
    say: Say | None = None,
) -> Published:
    """Make a bundle the one to serve. The version before it is served until all keys of the new one are there.

    Then wait, if `config` says so, until a replica serves it; where none does, that is said and is no error.

    A call that was stopped resumes when it is repeated. What the store learned of users since the bundle's cut is kept.

    Args:
        bundle: a bundle, or a store of bundles.
        client: a connection to the store.
        keys: the names of its keys.
        config: the defaults when left out.
        now: the time of publication; the machine's clock when left out.
        progress: called with the number of users and items written and compared.
        say: called with each line that a person may want to read.

    Raises:
        BundleError: the bundle cannot be served; nothing was written.
        PublishRefused: its figures speak against it, another version has the same tag, or the store does not keep
            what it is given. The version before it stays.
        RedisError: the store cannot be reached, or refuses. The version before it stays.
    """
    started = time.monotonic()
    config, now, say = config or PublishConfig(), now or datetime.now(UTC), say or _ignore
    progress(0, 1, "checking the bundle")
    if config.catalogue is not None:
        note_head(bundle, client, keys, config.catalogue)
    contents = read_contents(bundle)
    published = versions.read_published(client, keys)
    forced = _pass_gate(contents, published, versions.read_pointer(client, keys), config, now, say)
    if not mark_layout(client, keys):
        say(PENDING)
        carry_erasures(client, keys, published)
    versions.refuse_same_tag(contents.version, [*published, *versions.unfinished(client, keys)])
    checkpoint = CheckpointStore(client, keys, contents.version, contents.digest(), now)
    seeding = _Seeding(contents, client, keys, config, progress)
    seeding.write(checkpoint, say)
    await_copies(client, keys)  # what is compared is not lost with a primary
    seeding.compare(checkpoint)
    previous = versions.kept_for_rollback(contents.version, versions.read_pointer(client, keys), published)
    with contextlib.suppress(OSError):  # a folder that is only read
        begin_erasures(resolve(bundle).parent)
    model = _model(contents, published.get(contents.version), forced, now)
    versions.point_to(client, keys, model)
    if not await_copies(client, keys):
        say(LATE)
    forget_vectors(client, keys, contents.version, contents.manifest.cut)
    progress(0, 1, "removing older versions")
    removed, removed_keys = _remove_older(client, keys, {contents.version, previous}, now)
    if not versions.is_complete(client, keys, contents.version):  # a primary that was lost took part of it along
        versions.point_to(client, keys, model)
    progress(1, 1, "published")
    seconds = round(time.monotonic() - started, 3)
    replicas = await_replicas(client, keys, contents.version, config.wait_s, say) if config.wait_s > 0 else None
    kept = [versions.read_published(client, keys).get(version) for version in (contents.version, previous) if version]
    # One version alone may have followed another that nobody published, and that needs the changes.
    forgotten = forget_changes(client, keys, kept) if previous is not None else 0
    return Published(
        version=contents.version,
        previous=previous,
        users=len(seeding.users),
        items=len(seeding.items),
        long_vectors=seeding.users.long_vectors,
        removed_versions=removed,
        removed_keys=removed_keys,
        seconds=seconds,
        forced=forced,
        replicas=replicas,
        forgotten_changes=forgotten,
    )


def _pass_gate(
    contents: Contents,
    published: dict[str, PublishedModel | None],
    pointer: str | None,
    config: PublishConfig,
    now: datetime,
    say: Say,
) -> Forced | None:
    """Refuse a bundle whose figures speak against it; say when nothing is known of them."""
    served = _served_before(contents.version, pointer, published)
    forced = pass_gate(contents.manifest, config.force, config.by, now, served, config.max_drop)
    warning = warning_of(contents.manifest)
    if warning is not None:
        say(warning)
    return forced


class _Seeding:
    """The users and items of one bundle, written to one store and read back."""

    def __init__(
        self, contents: Contents, client: redis.Redis, keys: Keys, config: PublishConfig, progress: Progress
    ) -> None:
        self.users = UserSeeds(contents, config.keep_events, config.keep_items)
        self.items = ItemSeeds(contents, keys)
        self._contents = contents
        self._client = client
        self._keys = keys
        self._config = config
        self._writer = UserWriter(client, keys, contents, config.keep_events, config.keep_items, config.user_ttl_s)
        self._progress = progress

    def write(self, store: CheckpointStore, say: Say) -> None:
        """Write users and items, from the checkpoint of an earlier call onwards."""
        checkpoint, at_once = store.read(), self._config.at_once
        if checkpoint != Checkpoint():
            say(
                f"going on at user {checkpoint.users} of {len(self.users)} and item {checkpoint.items} of "
                f"{len(self.items)}"
            )
        store.write(checkpoint)
        for start in range(checkpoint.users, len(self.users), at_once):
            self._writer.write(self.users.part(start, start + at_once))
            checkpoint = replace(checkpoint, users=min(start + at_once, len(self.users)))
            store.write(checkpoint)
            self._progress(checkpoint.users, len(self.users), "users")
        for start in range(checkpoint.items, len(self.items), at_once):
            self._client.mset(self.items.part(start, start + at_once))
            checkpoint = replace(checkpoint, items=min(start + at_once, len(self.items)))
            store.write(checkpoint)
            self._progress(checkpoint.items, len(self.items), "items")

    def compare(self, store: CheckpointStore) -> None:
        """Read everything back and compare it with what was written.

        Raises:
            PublishRefused: something differs; the next publication begins from the start.
        """
        differing, written = self._compare(writes=True)
        for more in range(_MORE_LOOKS):
            if differing or not written:  # else all else again: a store that drops keys has dropped others for these
                break
            await_copies(self._client, self._keys)
            differing, written = self._compare(writes=more < _MORE_LOOKS - 1)
        if differing:
            store.clear()
            raise PublishRefused(
                f"{self._contents.version} is not published: {len(differing)} of its keys are not in the store as they "
                f"were written, the first {differing[0]}: see that its maxmemory-policy is noeviction, and publish "
                "again"
            )

    def _compare(self, *, writes: bool) -> tuple[list[str], int]:
        """What differs; and how many items were missing and are written again, if that is to be done.

        They go with a primary of whose writes the replica that takes its place did not have the last.
        """
        differing, written, at_once = [], 0, self._config.at_once
        for start in range(0, len(self.users), at_once):
            users = self._differing_users(start)
            differing += [f"{kind} of user {user_hash:016x}" for user_hash, kind in users.items()]
            self._progress(min(start + at_once, len(self.users)), len(self.users), "comparing users")
        for start in range(0, len(self.items), at_once):
            seeds = self.items.part(start, start + at_once)
            items = differing_items(self._client, seeds)
            missing = {name: seeds[name] for name, is_missing in items.items() if is_missing and writes}
            if missing:
                self._client.mset(missing)
                written += len(missing)
                items = differing_items(self._client, seeds)
            differing += ["an item's vector"] * len(items)
            self._progress(min(start + at_once, len(self.items)), len(self.items), "comparing items")
        return differing, written

    def _differing_users(self, start: int) -> dict[int, str]:
        """The users of whom a record still differs after it was written once more, and which record.

        Keys may have gone for a good reason meanwhile: a visitor who logged in is merged into the user.
        """
        seeds = self.users.part(start, start + self._config.at_once)
        differing = self._compare_users(seeds)
        if not differing:
            return differing
        retried = [seed for seed in seeds if seed.user_hash in differing]
        self._writer.write(retried)
        return self._compare_users(retried)

    def _compare_users(self, seeds: list[UserSeed]) -> dict[int, str]:
        cut = self._contents.manifest.cut
        config = self._config
        return differing_users(
            self._client, self._keys, self._writer, seeds, cut, config.keep_events, config.keep_items
        )


def _model(
    contents: Contents, published: PublishedModel | None, forced: Forced | None, now: datetime
) -> PublishedModel:
    """The record of a version; a version that is published again keeps its first time."""
    manifest = contents.manifest
    return PublishedModel(
        version=manifest.version,
        dataset=manifest.dataset,
        published_at=published.published_at if published else now.isoformat(timespec="seconds"),
        users=manifest.shapes.users,
        items=manifest.shapes.answerable,
        dim=manifest.shapes.dim,
        cut=manifest.cut,
        forced=forced,
        figures=figures_of(EvaluationDocument.of(manifest.metrics)),
        catalogue_epoch=manifest.catalogue_epoch,
        catalogue_sequence=manifest.catalogue_sequence,
    )


def _served_before(version: str, pointer: str | None, published: dict[str, PublishedModel | None]) -> Figures | None:
    """The figures of the version that the pointer names, when it is another one."""
    model = None if pointer in (None, version) else published.get(str(pointer))
    return None if model is None else model.figures


def _remove_older(client: redis.Redis, keys: Keys, keep: set[str | None], now: datetime) -> tuple[list[str], int]:
    """Remove all versions but those to keep, and the leftovers of stopped publications and removals."""
    older = [version for version in versions.read_published(client, keys) if version not in keep]
    abandoned_before = now.timestamp() - versions.ABANDONED_S
    unfinished = versions.unfinished(client, keys).items()
    abandoned = [version for version, since in unfinished if since < abandoned_before]
    removed = [*older, *(version for version in abandoned if version not in keep and version not in older)]
    return sorted(removed), versions.remove_versions(client, keys, removed)


def _ignore(line: str) -> None:
    del line
