"""Which tables of a folder join which: by the names of their columns, and by what stands in them."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from offline.onboarding.column_names import EVENT_COLUMNS, ITEM_COLUMNS, last_part, name_rank, plain
from offline.onboarding.column_profile import ColumnProfile
from offline.onboarding.views import Link, View, values_in

_KEY = 0.99
_FILLED = 0.9
_OVERLAP = 0.1
"""The least share of ids that stand in both tables, where their names agree: exports are cut."""
_SURE_OVERLAP = 0.8
_LONG_ID = 6  # letters of ids that do not meet by chance
_FEW = 20  # rows from which on values tell
_LOOK_AT = 2_000  # ids
_KEY_NAMES = ("id", "entity_id", "number", "no", "nr", "code", "key", "name", "uuid", "ref")
_ENDINGS = re.compile(r"_?(id|no|nr|number|num|nummer|code|key|uuid|ref|sk|fk)$")
_PROPERTY = (
    "property",
    "property_name",
    "attribute",
    "attribute_name",
    "attribute_code",
    "feature",
    "feature_name",
    "key",
)
_VALUE = ("value", "property_value", "attribute_value", "feature_value", "val")


def links_of(view: View, others: Iterable[View]) -> list[Link]:
    """The tables that may join the rows of `view`, each once, by their likeliest key."""
    links = []
    for other in others:
        if other.group in view.groups:
            continue
        pairs = [
            (rank, ours, theirs.column)
            for theirs in other.profiles.values()
            if is_key(theirs)
            for ours, profile in view.profiles.items()
            if not profile.nested
            and profile.filled > 0
            and (rank := _name_match(ours, theirs.column, other)) is not None
        ]
        hit = next(
            (Link(other.group, ours, theirs) for _, ours, theirs in sorted(pairs) if _meet(view, ours, other, theirs)),
            None,
        )
        hit = hit or _by_values(view, other)
        if hit is not None:
            links.append(hit)
    return links


def is_key(column: ColumnProfile) -> bool:
    """Whether a column may name the rows of its table: each value once, none of them an amount."""
    return (
        not column.nested
        and column.filled > _FILLED
        and column.unique > _KEY
        and column.fractions == 0
        and column.distinct > 0
    )


def overlap(view: View, column: str, other: View, theirs: str) -> float:
    """The share of the different ids of a column that stand in a column of another table."""
    ids = view.strings(column).unique(maintain_order=True).head(_LOOK_AT)
    return values_in(other.group, theirs, ids) / len(ids) if len(ids) else 0.0


def pivot_of(view: View) -> Link | None:
    """How a long table of properties of items joins a table of items: each property is a column then."""
    names = {plain(column): column for column in view.sample.columns}
    prop = next((names[name] for name in _PROPERTY if name in names), None)
    value = next((names[name] for name in _VALUE if name in names), None)
    if prop is None or value is None or value == prop:
        return None
    ranked = [
        (rank, column)
        for column in view.sample.columns
        if column not in (prop, value) and (rank := name_rank(column, ITEM_COLUMNS["id"])) is not None
    ]
    times = [column for column in view.sample.columns if name_rank(column, EVENT_COLUMNS["time"]) is not None]
    if not ranked or len(view.sample.columns) > 6:
        return None
    item = min(ranked)[1]
    return Link(view.group, item, item, (prop, value), times[0] if times else None)


def _name_match(ours: str, theirs: str, other: View) -> int | None:
    """How well two columns agree by name; None: they do not."""
    mine, its = plain(last_part(ours)), plain(theirs)
    stem = _ENDINGS.sub("", mine)
    if mine == its and its not in ("id", "name", "no", "number", "code", "title", "position", "key"):
        return 0
    if its in _KEY_NAMES and stem and stem != mine and stem in _owners(other):
        return 1
    if stem and stem == _ENDINGS.sub("", its) and stem not in (mine, its):
        return 2
    if mine != its and _turned(its) == _turned(mine):
        return 2
    return None


def _turned(name: str) -> str:
    return f"{name[3:]}_id" if name.startswith("id_") else name


def _owners(other: View) -> frozenset[str]:
    """What a table may be of, by the name of its file: `shop_categories.csv` has categories."""
    words = plain(Path(other.group.files[0]).name.partition(".")[0]).split("_")
    joined = ["_".join(words[start:]) for start in range(len(words))] + words
    return frozenset(form for word in joined for form in _singular(word))


def _singular(word: str) -> Sequence[str]:
    forms = [word]
    if word.endswith("ies"):
        forms.append(f"{word[:-3]}y")
    if word.endswith("es"):
        forms.append(word[:-2])
    if word.endswith(("s", "n", "e")):
        forms.append(word[:-1])
    return forms


def _meet(view: View, ours: str, other: View, theirs: str) -> bool:
    if view.rows < _FEW or other.rows < _FEW:
        return True
    return overlap(view, ours, other, theirs) >= _OVERLAP


def _by_values(view: View, other: View) -> Link | None:
    """A key of `other` whose ids stand in a column of `view`, whatever they are called."""
    if view.rows < _FEW or other.rows < _FEW:
        return None
    for theirs in other.profiles.values():
        if (
            not is_key(theirs)
            or theirs.length < _LONG_ID
            or theirs.times > 0.5
            or theirs.spaced > 0.2
            or theirs.mails > 0.5
        ):
            continue
        for ours, column in view.profiles.items():
            alike = not column.nested and column.filled > 0.5 and abs(column.length - theirs.length) < 2
            if alike and column.distinct >= _FEW and overlap(view, ours, other, theirs.column) >= _SURE_OVERLAP:
                return Link(other.group, ours, theirs.column)
    return None
