"""Which file of a folder is what, and which column means what: guessed from names and from first rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import polars as pl

from app.artifact.behaviours import Behaviour, behaviour_of
from offline.dataset.reading import read_errors, scan, text
from offline.onboarding.column_names import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    TEXT_COLUMNS,
    USER_COLUMNS,
    name_rank,
)
from offline.onboarding.column_profile import ColumnProfile, profile_column
from offline.onboarding.files import FileGroup

_SURE = 0.9
"""The share of a column's values that have to fit what it is taken for."""


@dataclass(frozen=True)
class Guess:
    """A column, or several, for a role, and why."""

    columns: tuple[str, ...]
    why: str


@dataclass(frozen=True)
class GuessedTable:
    """What a group of files is taken for: `roles` by name; `words` are the shop's words for events, None unknown.

    `unread` are the columns that have no role, and why.
    """

    group: FileGroup
    why: str
    roles: dict[str, Guess]
    words: dict[str, Behaviour | None] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class GuessedFolder:
    """What the tables of a folder are taken for; `left` are those taken for nothing."""

    events: GuessedTable | None
    items: GuessedTable | None
    users: GuessedTable | None
    queries: FileGroup | None
    judgments: FileGroup | None
    left: tuple[str, ...]


def guess_folder(groups: Sequence[FileGroup]) -> GuessedFolder:
    """What each group is. Of several that could be events or items the larger one is, by rows of its sample."""
    profiles = {
        group.path: [profile_column(group.sample, column) for column in group.sample.columns] for group in groups
    }
    free = list(groups)

    def take(score: Callable[[FileGroup], float]) -> FileGroup | None:
        best = max(free, key=score, default=None)
        if best is None or score(best) <= 0:
            return None
        free.remove(best)
        return best

    judgments = take(lambda group: float({"query_id", "item_id", "relevance"} <= set(group.sample.columns)))
    queries = take(lambda group: float(set(group.sample.columns) == {"query_id", "query"})) if judgments else None
    events = take(lambda group: _events_score(group, event_roles(profiles[group.path])))
    items = take(lambda group: _items_score(group, profiles[group.path]))
    users = take(lambda group: _users_score(profiles[group.path]))
    return GuessedFolder(
        events=_events(events, profiles[events.path]) if events else None,
        items=_items(items, profiles[items.path]) if items else None,
        users=_users(users, profiles[users.path]) if users else None,
        queries=queries,
        judgments=judgments,
        left=tuple(group.path for group in free),
    )


def event_roles(profiles: Sequence[ColumnProfile]) -> dict[str, Guess]:
    """The columns of events by role: names first, then, for what is needed, contents alone."""
    fits: dict[str, Callable[[ColumnProfile], bool]] = {
        "time": lambda column: column.times >= _SURE,
        "type": lambda column: column.few_words,
        "price": lambda column: column.numbers >= _SURE,
        "quantity": lambda column: column.numbers >= _SURE,
        "position": lambda column: column.numbers >= _SURE,
        "split": lambda column: column.few_words and column.numbers < _SURE,
        "item": lambda column: not column.nested and column.filled > 0,
        "user": lambda column: not column.nested and column.filled > 0,
        "visitor": lambda column: not column.nested and column.filled > 0,
    }
    roles = _named(profiles, EVENT_COLUMNS, fits)
    taken = {guess.columns[0] for guess in roles.values()}
    rest = [column for column in profiles if column.column not in taken and column.filled > 0 and not column.nested]
    if "time" not in roles:
        _add(roles, "time", rest, fits["time"], lambda column: column.times, "its values are times")
    if "type" not in roles:
        words = "its few words mean events"
        _add(roles, "type", rest, lambda c: c.behaviours >= 0.5, lambda column: column.behaviours, words)
    for role, repeated in (("user", "its values repeat, as users do"), ("item", "its values repeat, as items do")):
        if role not in roles and not (role == "user" and "visitor" in roles):
            _add(roles, role, rest, _is_id, lambda column: column.distinct, repeated)
    return roles


def item_roles(profiles: Sequence[ColumnProfile]) -> dict[str, Guess]:
    """The columns of a catalogue by role."""
    fits: dict[str, Callable[[ColumnProfile], bool]] = {
        "id": lambda column: not column.nested and column.filled > _SURE and column.unique > 0.5,
        "price": lambda column: column.numbers >= _SURE,
        "title": lambda column: not column.nested and column.length > 1,
        "category": lambda column: not column.nested and column.filled > 0,
        "brand": lambda column: not column.nested,
        "added": lambda column: column.times >= _SURE,
    }
    roles = _named(profiles, ITEM_COLUMNS, fits)
    taken = {guess.columns[0] for guess in roles.values()}
    rest = [column for column in profiles if column.column not in taken]
    if "title" not in roles:
        spaced = "its values are several words, nearly all different"
        _add(roles, "title", rest, lambda c: c.spaced > 0.5 and c.unique > 0.7, lambda c: -c.length, spaced)
    ranked = sorted(
        (rank, column.column)
        for column in rest
        if (rank := name_rank(column.column, TEXT_COLUMNS)) is not None and not column.dtype.is_nested()
    )
    if ranked:
        roles["text"] = Guess(tuple(name for _, name in ranked), "by name: further texts")
    taken |= {name for guess in roles.values() for name in guess.columns}
    left = [c for c in profiles if c.column not in taken and c.filled > 0 and (c.nested or c.unique < 0.5)]
    if left:
        roles["attributes"] = Guess(tuple(c.column for c in left), "the other columns whose values repeat")
    return roles


def user_roles(profiles: Sequence[ColumnProfile]) -> dict[str, Guess]:
    """The columns of a table of users by role."""
    whole = _named(profiles, USER_COLUMNS, dict.fromkeys(USER_COLUMNS, _is_key))
    roles = whole if "id" not in whole else {"id": whole["id"]}
    taken = {guess.columns[0] for guess in roles.values()}
    left = [c for c in profiles if c.column not in taken and c.filled > 0 and (c.nested or c.unique < 0.5)]
    if left:
        roles["attributes"] = Guess(tuple(c.column for c in left), "the columns whose values repeat")
    return roles


def _named(
    profiles: Sequence[ColumnProfile],
    names: dict[str, tuple[str, ...]],
    fits: dict[str, Callable[[ColumnProfile], bool]],
) -> dict[str, Guess]:
    """For each role the column with the likeliest name whose content fits."""
    pairs = sorted(
        (rank, -column.filled, number, role)
        for role, known in names.items()
        for number, column in enumerate(profiles)
        if (rank := name_rank(column.column, known)) is not None and fits.get(role, _fits_all)(column)
    )
    roles: dict[str, Guess] = {}
    taken: set[int] = set()
    for _, _, number, role in pairs:
        if role not in roles and number not in taken:
            taken.add(number)
            roles[role] = Guess((profiles[number].column,), f"by name; {described(profiles[number], role)}")
    return {role: roles[role] for role in names if role in roles}


def _fits_all(column: ColumnProfile) -> bool:
    del column
    return True


def _add(
    roles: dict[str, Guess],
    role: str,
    rest: list[ColumnProfile],
    fits: Callable[[ColumnProfile], bool],
    score: Callable[[ColumnProfile], float],
    why: str,
) -> None:
    """Give `role` the best of `rest` that fits, by content alone, and take it out of `rest`."""
    best = max((column for column in rest if fits(column)), key=score, default=None)
    if best is not None:
        rest.remove(best)
        roles[role] = Guess((best.column,), f"by content: {why}; {described(best, role)}")


def _is_key(column: ColumnProfile) -> bool:
    return not column.nested and column.filled > _SURE and column.unique > _SURE


def _is_id(column: ColumnProfile) -> bool:
    whole = column.dtype.is_integer() or column.dtype == pl.String
    return (
        whole
        and column.distinct > 1
        and column.unique < _SURE
        and column.filled > _SURE
        and column.spaced < 0.2
        and column.times < 0.5
    )


def described(column: ColumnProfile, role: str) -> str:
    """A column in words, as the comment beside its role says."""
    if role == "time":
        units = {1.0: "seconds", 1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
        how = f"unix {units[column.clock]}" if column.clock else "dates or ISO 8601"
        return f"{column.times:.0%} of its values are times ({how})"
    filled = "" if column.filled > 0.9995 else f", {1 - column.filled:.1%} empty"
    values = "1 value" if column.distinct == 1 else f"{column.distinct:,} different values"
    return f"{values} in the first {column.rows:,} rows{filled}"


def _events_score(group: FileGroup, roles: dict[str, Guess]) -> float:
    """People, items and best a time or a type; a table in which each item stands once is something else."""
    people = {"user", "visitor"} & set(roles)
    if not people or "item" not in roles:
        return 0.0
    item = group.sample.get_column(roles["item"].columns[0])
    if group.sample.height >= 20 and item.n_unique() >= 0.98 * len(item):
        return 0.0
    named = any(roles[role].why.startswith("by name") for role in people) + roles["item"].why.startswith("by name")
    return named + ("time" in roles) + ("type" in roles) + group.sample.height / 1e9


def _items_score(group: FileGroup, profiles: Sequence[ColumnProfile]) -> float:
    roles = item_roles(profiles)
    if "id" not in roles or not {"title", "category", "brand", "price", "text", "attributes"} & set(roles):
        return 0.0
    rank = name_rank(roles["id"].columns[0], EVENT_COLUMNS["item"])
    about = len({"title", "category", "brand", "price"} & set(roles))
    if rank is None and not about:
        return 0.0
    return 2.0 * (rank is not None) + about + group.sample.height / 1e9


def _users_score(profiles: Sequence[ColumnProfile]) -> float:
    roles = user_roles(profiles)
    ids = [roles[role].columns[0] for role in USER_COLUMNS if role in roles]
    if not ids or any(name_rank(column.column, EVENT_COLUMNS["item"]) is not None for column in profiles):
        return 0.0
    return 1.0 + any(name_rank(ids[0], EVENT_COLUMNS[kind]) is not None for kind in ("user", "visitor"))


def _events(group: FileGroup, profiles: Sequence[ColumnProfile]) -> GuessedTable:
    roles = event_roles(profiles)
    words: dict[str, Behaviour | None] = {}
    if "type" in roles:
        column = roles["type"].columns[0]
        rows = scan(group.files, group.path)  # all of them: a rare word stands in none of the first rows
        counted = rows.select(text(column, rows.collect_schema()[column])).drop_nulls().group_by(column).len("count")
        with read_errors(group.files, group.path):
            counts = counted.collect(engine="streaming").sort(["count", column], descending=[True, False])
        words = {word: behaviour_of(word) for word in counts.get_column(column)}
    unread = _unread(profiles, roles, EVENT_COLUMNS)
    return GuessedTable(group, "each row tells of a user and an item", roles, words, unread)


def _items(group: FileGroup, profiles: Sequence[ColumnProfile]) -> GuessedTable:
    roles = item_roles(profiles)
    return GuessedTable(group, "one row an item", roles, unread=_unread(profiles, roles, ITEM_COLUMNS))


def _users(group: FileGroup, profiles: Sequence[ColumnProfile]) -> GuessedTable:
    return GuessedTable(group, "one row a user", user_roles(profiles))


def _unread(
    profiles: Sequence[ColumnProfile], roles: dict[str, Guess], names: dict[str, tuple[str, ...]]
) -> dict[str, str]:
    """The columns without a role; of those whose name is one's, that their values are not."""
    taken = {name for guess in roles.values() for name in guess.columns}
    reasons = {}
    for column in profiles:
        if column.column in taken:
            continue
        likely = [
            role for role, known in names.items() if role not in roles and name_rank(column.column, known) is not None
        ]
        reasons[column.column] = (
            f"by its name {likely[0]}, by its values not: mend them in the export" if likely else ""
        )
    return reasons
