"""The catalogue as it is now, by id."""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from heapq import merge

from app.artifact.item_document import ItemDocument
from app.serving.catalogue_moment import CatalogueMoment


@dataclass(frozen=True, slots=True)
class ListedItem:
    """One item."""

    item_id: str
    sequence: int | None  # of its newest change; None where the bundle says it
    document: ItemDocument | None  # None where it is no more


def listed_items(
    moment: CatalogueMoment, limit: int, after: str | None, *, only_changed: bool
) -> tuple[list[ListedItem], str | None]:
    """A page of items by id, and the id that the next one begins behind.

    Args:
        moment: of the catalogue.
        limit: items of the page.
        after: the id behind which it begins.
        only_changed: whether the items are those of the records alone, the deleted ones among them.
    """
    records = sorted(item_id for item_id in moment.records if after is None or item_id > after)
    items: list[ListedItem] = []
    for item_id in records if only_changed else _with_bundled(moment, records, after):
        document = moment.document(item_id)
        if document is None and not only_changed:
            continue
        if len(items) == limit:
            return items, items[-1].item_id
        record = moment.records.get(item_id)
        items.append(ListedItem(item_id, None if record is None else record.sequence, document))
    return items, None


def _with_bundled(moment: CatalogueMoment, records: Iterable[str], after: str | None) -> Iterable[str]:
    """Ids with those of the bundle behind one, ascending, each once."""
    bundled = (moment.release.base or moment.release).sorted_ids
    start = 0 if after is None else bisect_right(bundled, after)
    last = None
    for item_id in merge((bundled[place] for place in range(start, len(bundled))), records):
        if item_id != last:
            yield item_id
        last = item_id
