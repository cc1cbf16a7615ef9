"""What `init` would take for the items of events, where those that the data set names are none of the catalogue's."""

import json

import polars as pl

from offline.dataset.spec import DatasetSpec
from offline.errors import DatasetError
from offline.onboarding.files import file_groups
from offline.onboarding.findings import Finding
from offline.onboarding.guess import guess_folder

_MOST = 0.5
"""The share of events on items that the catalogue lacks from which on the column may be a wrong one."""


def other_items(spec: DatasetSpec, events: pl.LazyFrame, items: pl.DataFrame | None) -> list[Finding]:
    """A warning that names the column whose ids the catalogue has, where it hardly has those of the events."""
    if items is None or spec.events is None or not items.height:
        return []
    absent = events.join(items.lazy().select("item_id"), on="item_id", how="anti").select(pl.len())
    rows, missing = (int(part.collect(engine="streaming").item()) for part in (events.select(pl.len()), absent))
    if missing <= _MOST * rows:
        return []
    try:
        guessed = guess_folder(file_groups(spec.root)[0])
    except DatasetError:
        return []
    table = guessed.events
    if table is None or guessed.items is None or spec.events.names != table.group.paths:
        return []
    column = table.column("item")
    if column is None or column == spec.events.item:
        return []
    keys = [f"item = {json.dumps(column, ensure_ascii=False)}"]
    if table.view.unnest not in (None, spec.events.unnest):
        keys.insert(0, f"unnest = {json.dumps(table.view.unnest, ensure_ascii=False)}")
    got = f"{missing:,} of {rows:,} events on none of its items"
    advice = f"write {' and '.join(keys)} below [events]: these ids look like the catalogue's"
    return [Finding("warning", "events", "ids of the catalogue", got, advice, column=spec.events.item, count=missing)]
