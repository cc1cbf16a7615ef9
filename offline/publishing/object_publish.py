"""Publish to a store of objects alone: send a version, read it back, and let the pointer there name it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.object_store import EXPECTED, ObjectLimits, ObjectStore, object_address
from app.artifact.published_model import Forced
from offline.errors import InputError
from offline.evaluation.document import EvaluationDocument
from offline.publishing.gate import figures_of, pass_gate, warning_of
from offline.publishing.object_upload import Uploaded, object_manifest, object_pointer, point_objects, upload
from offline.workspace.progress import Progress

_LIMITS = ObjectLimits(request_s=60.0, transfer_s=3_600.0)


@dataclass(frozen=True)
class ObjectsPublished:
    """A version that services take from a store of objects from now on."""

    version: str
    previous: str | None
    objects: Uploaded
    seconds: float
    forced: Forced | None


def objects_of(address: str) -> ObjectStore:
    """The store of objects that an option names.

    Raises:
        InputError: that is no address, or one that can only be read.
        RuntimeMissing: the library is not installed.
    """
    try:
        place = object_address(address)
    except ValueError as error:
        raise InputError(f"--to: {error}: correct it") from error
    if place is None or not place.is_writable:
        raise InputError(
            f"--to: expected a store of objects that can be written, one of {EXPECTED.rpartition(' or ')[0]}"
        )
    return ObjectStore(place, _LIMITS)


def publish_objects(
    bundle: Path,
    objects: ObjectStore,
    *,
    force: str | None,
    by: str,
    max_drop: float,
    progress: Progress,
    say: Callable[[str], None],
) -> ObjectsPublished:
    """Make a bundle the one that services take from a store of objects.

    Args:
        bundle: a bundle, or a store of bundles.
        objects: the store.
        force: why it is published although its figures speak against it.
        by: who forces it.
        max_drop: largest loss of the first metric against the version that the pointer names, as a share of its value.
        progress: called with the number of files that are there and compared.
        say: called with each line that a person may want to read.

    Raises:
        BundleError: the bundle is not whole.
        PublishRefused: its figures speak against it, or the store does not keep what it is given.
        ObjectStoreError: the store does not answer, or refuses.
    """
    started = time.monotonic()
    manifest = read_manifest(resolve(bundle))
    pointer = object_pointer(objects)
    before = None if pointer in (None, manifest.version) else object_manifest(objects, str(pointer))
    figures = None if before is None else figures_of(EvaluationDocument.of(before.metrics))
    forced = pass_gate(manifest, force, by, datetime.now(UTC), figures, max_drop)
    warning = warning_of(manifest)
    if warning is not None:
        say(warning)
    uploaded = upload(bundle, objects, progress)
    previous = point_objects(bundle, objects)
    seconds = round(time.monotonic() - started, 3)
    return ObjectsPublished(manifest.version, previous, uploaded, seconds, forced)
