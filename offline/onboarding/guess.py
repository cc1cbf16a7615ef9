"""Which file of a folder is what, and which column means what: guessed from names and from first rows."""

from collections.abc import Sequence
from dataclasses import replace

from offline.onboarding.column_names import EVENT_COLUMNS, USER_COLUMNS, name_rank
from offline.onboarding.files import FileGroup
from offline.onboarding.guess_events import guess_events, table_of_events, with_separator
from offline.onboarding.guess_items import catalogue_in_events, find_catalogue, properties_alone, table_of_items
from offline.onboarding.guessed import GuessedFolder, GuessedTable
from offline.onboarding.item_roles import is_whole_key, reasons_left_out, user_roles
from offline.onboarding.known_tables import known_export
from offline.onboarding.links import overlap
from offline.onboarding.views import View, view_of


def guess_folder(groups: Sequence[FileGroup]) -> GuessedFolder:
    """What each group is, which others join it, and what their columns mean."""
    views = [view_of(group) for group in groups]
    judgments = next((v for v in views if {"query_id", "item_id", "relevance"} <= set(v.sample.columns)), None)
    queries = next((v for v in views if judgments and set(v.sample.columns) == {"query_id", "query"}), None)
    free = [view for view in views if view not in (judgments, queries)]
    events = guess_events(free)
    match = find_catalogue(free, events)
    if events is not None and match is not None and match.item not in (None, events.column("item")):
        events = table_of_events(events.view, known_export(events.view, ("events",)), match.item)
    if events is not None and match is not None and match.key is not None:
        events = with_separator(events, match.view.strings(match.key).to_list())
    rest = [view for view in free if events is None or view.group not in events.view.groups]
    items = table_of_items(match, [view for view in rest if view is not match.view], events) if match else None
    items = items or properties_alone(rest) or (catalogue_in_events(events) if events else None)
    if events is not None and items is not None and items.group is events.group:
        kept = {column for guess in items.roles.values() for column in guess.columns}
        events = replace(events, unread={name: why for name, why in events.unread.items() if name not in kept})
    rest = [view for view in rest if items is None or view.group not in items.view.groups]
    users, reasons = _users(rest, events)
    rest = [view for view in rest if users is None or view.group is not users.group]
    return GuessedFolder(
        events=events,
        items=items,
        users=users,
        queries=queries.group if queries else None,
        judgments=judgments.group if judgments else None,
        left={view.group.path: reasons.get(view.group.path, "") for view in rest},
    )


def _users(views: Sequence[View], events: GuessedTable | None) -> tuple[GuessedTable | None, dict[str, str]]:
    """The table of users, best the one whose key the events name; and why others are none, by path."""
    best: tuple[float, GuessedTable] | None = None
    reasons: dict[str, str] = {}
    for view in views:
        known = known_export(view, ("users",))
        profiles = list(view.profiles.values())
        own = None if events is None else events.column("user") or events.column("visitor")
        key = _key_of_users(view, events, own) if known is None and events is not None and own is not None else None
        roles = user_roles(profiles, known, key)
        ids = [roles[role].columns[0] for role in USER_COLUMNS if role in roles]
        if not ids or any(name_rank(column.column, EVENT_COLUMNS["item"]) is not None for column in profiles):
            continue
        score = 1.0 + any(name_rank(ids[0], EVENT_COLUMNS[kind]) is not None for kind in ("user", "visitor"))
        if events is not None and own is not None and view.rows >= 20 and events.view.rows >= 20:
            share = overlap(events.view, own, view, ids[0])
            if not share and known is None and score < 2:
                continue
            score += 4 * share
        if "attributes" not in roles:
            reasons[view.group.path] = "a table of people, none of whose columns says what some have in common"
            continue
        unread = reasons_left_out(profiles, roles, {}, of_people=True)
        table = GuessedTable(view, f"{known.source}: users" if known else "one row a user", roles, unread=unread)
        if best is None or score > best[0]:
            best = (score, table)
    return (None if best is None else best[1]), reasons


def _key_of_users(view: View, events: GuessedTable, user: str) -> str | None:
    """The key of a table that has the most of the users' ids; None where none has any."""
    keys = [profile.column for profile in view.profiles.values() if is_whole_key(profile) and profile.times < 0.5]
    shares = [(round(overlap(events.view, user, view, key), 1), -number, key) for number, key in enumerate(keys[:6])]
    share, _, key = max(shares, default=(0.0, 0, ""))
    return key if share >= 0.3 else None
