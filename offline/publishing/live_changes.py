"""Changes of the live catalogue that versions have: which one a version has last, and those that all of them have."""

import json
from collections.abc import Iterable
from pathlib import Path

import redis

from app.artifact.bundle_store import resolve
from app.artifact.catalogue_records import NO_CHANGE, CatalogueHead
from app.artifact.manifest import read_manifest
from app.artifact.names import MANIFEST
from app.artifact.published_model import PublishedModel
from app.artifact.redis_keys import Keys
from offline.errors import InputError, PublishRefused
from offline.workspace.atomic import write_json
from offline.workspace.live_catalogue import LiveCatalogueStore


def head_of(text: str) -> CatalogueHead:
    """A change of the catalogue as `EPOCH:SEQUENCE`, which `collect` tells.

    Raises:
        InputError: it is something else.
    """
    epoch, _, sequence = text.partition(":")
    if not epoch.isalnum() or not (sequence.isascii() and sequence.isdigit()):
        raise InputError(
            f"--catalogue-sequence: expected EPOCH:SEQUENCE, got {text!r}: collect tells it, and catalogue.json has it"
        )
    return CatalogueHead(epoch, int(sequence))


def note_head(bundle: Path, client: redis.Redis, keys: Keys, head: CatalogueHead) -> None:
    """Write into the manifest of a bundle which change of the catalogue it has last, where it says none.

    Raises:
        BundleError: the bundle cannot be read.
        PublishRefused: it says another one, or Redis knows no such change; nothing was written.
        RedisError: the store cannot be reached.
    """
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    if manifest.catalogue_sequence is not None:
        own = CatalogueHead(manifest.catalogue_epoch or "", manifest.catalogue_sequence)
        if own != head:
            raise PublishRefused(
                f"{manifest.version} is not published: expected no --catalogue-sequence, since the bundle has "
                f"{own.epoch}:{own.sequence}, got {head.epoch}:{head.sequence}: leave the option out"
            )
        return
    newest = LiveCatalogueStore(client, keys).head()
    if newest.epoch != head.epoch or newest.sequence < head.sequence:
        known = "none" if newest == NO_CHANGE else f"{newest.epoch}:{newest.sequence}"
        raise PublishRefused(
            f"{manifest.version} is not published: expected a --catalogue-sequence up to the newest change in Redis, "
            f"{known}, got {head.epoch}:{head.sequence}: correct it, or leave it out"
        )
    document = json.loads((folder / MANIFEST).read_text("utf-8"))
    write_json(folder / MANIFEST, document | {"catalogue_sequence": head.sequence, "catalogue_epoch": head.epoch})


def forget_changes(client: redis.Redis, keys: Keys, models: Iterable[PublishedModel | None]) -> int:
    """Drop the records of changes that all versions that are kept have, and count them.

    A version that does not say which it has needs them all.

    Raises:
        RedisError: some may have been dropped.
    """
    heads = [(model.catalogue_epoch, model.catalogue_sequence) if model else (None, None) for model in models]
    epochs = {epoch for epoch, _ in heads}
    sequences = [sequence for _, sequence in heads if sequence is not None]
    if len(epochs) != 1 or len(sequences) < len(heads):
        return 0
    (epoch,) = epochs
    return 0 if epoch is None else LiveCatalogueStore(client, keys).forget(epoch, min(sequences))
