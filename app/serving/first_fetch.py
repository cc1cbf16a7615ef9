"""The first release of a service whose bundles lie in a store of objects."""

import logging

from app.errors import BundleUnreadable
from app.serving.release import LoadOptions, Release, load_version
from app.stores.bundle_cache import BundleCache

log = logging.getLogger(__name__)


def first_fetch(cache: BundleCache, version: str | None, load: LoadOptions) -> Release:
    """Load the bundle of a store of objects to begin with; what was served last where the store does not answer.

    Args:
        cache: of the store.
        version: to begin with; that of the store's pointer by default.
        load: how bundles are loaded.

    Raises:
        BundleError: it must not be served, or it cannot be had and nothing was served before.
    """
    version, last = version or cache.first_version(), cache.served_last()
    try:
        release = load_version(cache.folder, version, load, () if last is None else (last,))
    except BundleUnreadable as error:
        if last is None or last == version:
            raise
        log.warning("beginning with what was served last", extra={"reason": error.message, "version": last})
        release = load_version(cache.folder, last, load)
    cache.note_served(release.version)
    return release
