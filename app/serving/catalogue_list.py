"""The catalogue as it is now, by id."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import merge
from itertools import islice

from app.artifact.item_document import ItemDocument
from app.serving.live_catalogue import LiveCatalogue
from app.serving.release import Release


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One item."""

    item_id: str
    sequence: int | None  # of its newest change; None where the bundle says it
    document: ItemDocument | None  # None where it is no more


def listed_items(
    live: LiveCatalogue, release: Release, limit: int, after: str | None, changed_since: int | None
) -> tuple[list[ListedItem], str | None]:
    """A page of items by id, and the id that the next one begins behind.

    Args:
        live: what is said of items beside the bundle.
        release: that is served.
        limit: items of the page.
        after: the id behind which it begins.
        changed_since: of a change; then only items that changed behind it, the deleted ones among them.
    """
    if changed_since is None:
        ids: Iterable[str] = _behind(release, live, after)
    else:
        changed = sorted(record.item_id for record in live.changed_since(changed_since))
        ids = changed[0 if after is None else bisect_right(changed, after) :]
    items: list[ListedItem] = []
    for item_id in ids:
        document = live.document(item_id)
        if document is None and changed_since is None:
            continue
        if len(items) == limit:
            return items, items[-1].item_id
        record = live.record_of(item_id)
        items.append(ListedItem(item_id, None if record is None else record.sequence, document))
    return items, None


def _behind(release: Release, live: LiveCatalogue, after: str | None) -> Iterable[str]:
    """All ids behind one, ascending, each once."""
    bundled = (release.base or release).sorted_ids
    new = sorted(item_id for item_id in live.item_ids() if after is None or item_id > after)
    start = 0 if after is None else bisect_right(bundled, after)
    last = None
    for item_id in merge(islice(bundled, start, None), new):
        if item_id != last:
            yield item_id
        last = item_id
