"""The catalogue of a folder: the table whose key the events name, with those that tell more of its items."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from offline.onboarding.column_names import EVENT_COLUMNS, ITEM_COLUMNS, last_part, name_rank, plain
from offline.onboarding.event_roles import may_be_item
from offline.onboarding.guess_events import day_order_setting, listed_words, no_goods, quoted
from offline.onboarding.guessed import GuessedTable, Setting
from offline.onboarding.guesses import Guess, described, squeezed
from offline.onboarding.item_roles import item_roles, reasons_left_out
from offline.onboarding.known_exports import KnownExport
from offline.onboarding.known_tables import known_export
from offline.onboarding.links import is_key, links_of, overlap, pivot_of
from offline.onboarding.views import Link, View, joined

_ABOUT = ("title", "category", "brand", "price")
_LOOKUP_ROWS = 20_000
_FEW = 20
_SHARED = 8.0  # what ids in common weigh, beside names and titles
_SOME = 0.1
_AGREES = 0.9  # of an item's rows that have to say the same
_MOST_PAIRS = 5
_BY_CHANCE = 0.3  # of the rows that would differ if items had nothing to do with it


@dataclass(frozen=True)
class Match:
    """A catalogue and the column of the events whose ids its `key` has."""

    view: View
    item: str | None
    key: str | None
    score: float


def find_catalogue(views: Sequence[View], events: GuessedTable | None) -> Match | None:
    """The table that tells of the items, best the one that has the events' ids; None where no table does."""
    matches = []
    for view in views:
        known = known_export(view, ("items",))
        if known is None and known_export(view, ("events", "users")) is not None:
            continue
        if events is not None and view.group in events.view.groups:
            continue
        if known is None and (_is_of_people(view) or pivot_of(view) is not None):
            continue
        profiles = list(view.profiles.values())
        by_name = item_roles(profiles, known).get("id")
        item, key, share = _best_pair(view, events, None if by_name is None else by_name.columns[0])
        if key is None and events is None:
            key = next((column.column for column in profiles if is_key(column) and column.spaced < 0.2), None)
        if key is None:
            continue
        roles = item_roles(profiles, known, key if share > 0 or by_name is None else None)
        about = len(set(_ABOUT) & set(roles))
        if "id" not in roles or not {*_ABOUT, "text", "attributes"} & set(roles):
            continue
        rank = name_rank(roles["id"].columns[0], EVENT_COLUMNS["item"])
        if known is None and share <= 0 and (not about or (rank is None and "title" not in roles)):
            continue
        score = 2.0 * (rank is not None) + about + 4.0 * (known is not None) + view.rows / 1e9
        matches.append(Match(view, item, key, score + _SHARED * share + _SHARED * (share > _SOME)))
    return max(matches, key=lambda match: match.score, default=None)


def table_of_items(match: Match, others: Sequence[View], events: GuessedTable | None) -> GuessedTable:
    """The catalogue of a match, with the tables among `others` that join it."""
    view, known = match.view, known_export(match.view, ("items",))
    key = match.key if match.item is not None or events is None else None
    roles = item_roles(list(view.profiles.values()), known, key)
    ids = roles["id"].columns[0]
    view, translated = _with_further(view, others, known, key, ids)
    roles = item_roles(list(view.profiles.values()), known, key)
    roles = _with_translations(roles, translated, view)
    if events is None and known is None:
        roles["id"] = Guess((ids,), f"each row has another; {described(view.profiles[ids], 'id')}")
    if "variant_of" in roles and not _are_products(view, roles["variant_of"].columns[0]):
        roles.pop("variant_of")
    why = "one row an item" if known is None else f"{known.source}: the catalogue"
    return _table(view, roles, known, why, events)


def _are_products(view: View, column: str) -> bool:
    """Whether a column names products by the ids that items have: WooCommerce writes `id:7` for those without a SKU."""
    names = view.strings(column)
    return not len(names) or names.str.starts_with("id:").sum() < 0.5 * len(names)


def catalogue_in_events(events: GuessedTable) -> GuessedTable | None:
    """What the rows of the events tell of their items; None where they tell nothing."""
    view, item = events.view, events.column("item")
    known = known_export(view, ("events",))
    if item is None:
        return None
    rows = view.sample.drop_nulls(item)
    inside = f"{view.unnest}." if view.unnest is not None else ""
    kept = [
        column
        for column in rows.columns
        if column == item or (column.startswith(inside) and _belongs(rows, item, column))
    ]
    taken = {name for role, guess in events.roles.items() if role not in ("item", "price") for name in guess.columns}
    price = events.column("price")
    kept = [column for column in kept if column not in taken and column != events.view.unnest]
    if price is not None and price not in kept:
        kept.append(price)
    alone = rows.select(list(dict.fromkeys(kept))).unique(item, keep="first", maintain_order=True)
    own = View(view.group, alone, view.links, view.unnest)
    titled = [profile.column for profile in own.profiles.values() if profile.column == item and profile.spaced > 0.2]
    roles = _in_events(own, item, known)
    if "title" not in roles and titled:
        roles["title"] = Guess((item,), "the ids are names")
    if not {"title", "category", "brand", "text"} & set(roles):
        return None
    table = _table(own, roles, None, "the events' rows tell of their items: of each the first", events)
    settings = dict(table.settings)
    if "where" in events.settings and (words := no_goods(view, item)):
        settings["where"] = Setting(f"{quoted(item)} not in {listed_words(words)}", "ids that look like no goods")
    return replace(table, settings=settings, unread={})


def properties_alone(views: Sequence[View]) -> GuessedTable | None:
    """A long table of properties of items, as a catalogue: each property is a column then."""
    for view in views:
        link = pivot_of(view)
        if link is None:
            continue
        alone = View(view.group, view.sample.select(link.ours).unique(maintain_order=True))
        wide = joined(alone, link)
        roles = item_roles(list(wide.profiles.values()), None, link.ours)
        if len(roles) > 1:
            return _table(wide, roles, None, "a long table of properties: each is a column", None)
    return None


def _in_events(view: View, item: str, known: KnownExport | None) -> dict[str, Guess]:
    profiles = list(view.profiles.values())
    roles = item_roles(profiles, None, item)
    roles.pop("variant_of", None)
    named = {squeezed(profile.column): profile for profile in profiles}
    for role in ("title", "brand", "category"):
        names = known.roles.get(role, ()) if known else ()
        hit = next((named[squeezed(name)] for name in names if squeezed(name) in named), None)
        if hit is not None:
            roles = {other: guess for other, guess in roles.items() if other == "id" or hit.column not in guess.columns}
            roles[role] = Guess((hit.column,), f"{known.source if known else ''}; {described(hit, role)}")
    return roles


def _belongs(rows: pl.DataFrame, item: str, column: str) -> bool:
    """Whether nearly all rows of an item say the same in a column."""
    dtype = rows.schema[column]
    if dtype.is_nested():
        return False
    pairs = rows.select(item, column).drop_nulls()
    if pairs.height < 0.3 * rows.height or not pairs.height:
        return False
    counts = pairs.group_by(item, column).len("same")
    most = counts.group_by(item).agg(pl.col("same").max(), pl.col("same").sum().alias("all"))
    several = most.filter(pl.col("all") > 1)
    if not several.height:
        return (
            name_rank(column, (*ITEM_COLUMNS["title"], *ITEM_COLUMNS["category"], *ITEM_COLUMNS["brand"])) is not None
        )
    differ = 1 - float(several.get_column("same").sum()) / float(several.get_column("all").sum())
    by_chance = 1 - pairs.group_by(column).len("rows").get_column("rows").sort()[-1] / pairs.height
    if by_chance == 0:  # one value in all rows
        return name_rank(column, (*ITEM_COLUMNS["brand"], *ITEM_COLUMNS["category"])) is not None
    return bool(differ <= min(1 - _AGREES, _BY_CHANCE * by_chance))


def _best_pair(view: View, events: GuessedTable | None, key: str | None) -> tuple[str | None, str | None, float]:
    """The column of the events and the key of a catalogue that have the most ids in common, and their share."""
    if events is None:
        return None, key, 0.0
    own = events.column("item")
    profiles = list(events.view.profiles.values())
    ranked = sorted(
        (rank, column.column)
        for column in profiles
        if (rank := name_rank(column.column, EVENT_COLUMNS["item"])) is not None and may_be_item(column)
    )
    items = list(dict.fromkeys([*([own] if own else []), *(column for _, column in ranked)]))[:_MOST_PAIRS]
    names = sorted(
        (rank, column.column)
        for column in view.profiles.values()
        if (rank := name_rank(column.column, ITEM_COLUMNS["id"])) is not None
        and not column.nested
        and column.unique > 0.1
        and column.fractions == 0
    )
    further = [c.column for c in view.profiles.values() if is_key(c) and c.spaced < 0.2 and c.times < 0.5]
    first = [] if key is None else [key]
    keys = list(dict.fromkeys([*first, *(column for _, column in names), *further]))[:_MOST_PAIRS]
    if view.rows < _FEW or events.view.rows < _FEW:
        same = [(item, its) for item in items for its in keys if _same_name(item, its)]
        return (*same[0], 0.5) if same else (own, key, 0.0)
    shares = [
        (
            round(overlap(events.view, item, view, its), 1),
            view.profiles[its].spaced < 0.2,
            _same_name(item, its),
            -number,
            -place,
            item,
            its,
        )
        for number, item in enumerate(items)
        for place, its in enumerate(keys)
    ]
    if not shares:
        return own, key, 0.0
    share, _, _, _, _, item, its = max(shares)
    return (item, its, share) if share > 0 else (own, key, 0.0)


def _same_name(one: str, other: str) -> bool:
    mine, its = squeezed(last_part(one)), squeezed(other)
    rank = name_rank(one, EVENT_COLUMNS["item"])
    return mine == its or (rank is not None and rank == name_rank(other, EVENT_COLUMNS["item"]))


def _is_of_people(view: View) -> bool:
    """Whether a table is one of users: it has a user's id as its key, and no item's."""
    keys = [profile.column for profile in view.profiles.values() if is_key(profile)]
    users = [column for column in keys if name_rank(column, EVENT_COLUMNS["user"]) is not None]
    items = [column for column in keys if name_rank(column, EVENT_COLUMNS["item"]) is not None]
    return bool(users) and not items


def _with_further(
    view: View, others: Sequence[View], known: KnownExport | None, key: str | None, ids: str
) -> tuple[View, dict[str, tuple[str, ...]]]:
    """The view with the tables that tell more of its items, and the names in them by the code that they translate."""
    translated: dict[str, tuple[str, ...]] = {}
    for other in others:
        pivot = pivot_of(other)
        if pivot is not None and _same_name(pivot.theirs, ids):
            view = joined(view, replace(pivot, ours=ids))
    for link in links_of(view, others):
        if known_export_is_other(link):
            continue
        before = set(view.sample.columns)
        candidate = joined(view, link)
        fresh = [column for column in candidate.sample.columns if column not in before]
        roles = item_roles(list(candidate.profiles.values()), known, key)
        if link.ours == ids:
            news = {"title", "category", "brand", "price", "text", "in_stock"} & set(roles)
            if any(set(roles[role].columns) & set(fresh) for role in news):
                view = candidate
            continue
        names = [column for column in fresh if _is_name(candidate, column)]
        if names and len(fresh) <= 6:
            view = candidate
            translated[link.ours] = tuple(names)
    return view, translated


def known_export_is_other(link: Link) -> bool:
    """Whether a table that would join items is one of users or of events."""
    return known_export(View(link.group, link.group.sample), ("events", "users")) is not None


def _is_name(view: View, column: str) -> bool:
    """Whether the values of a column are words for codes."""
    profile = view.profiles[column]
    return (
        not profile.nested
        and profile.filled > 0
        and profile.numbers < 0.5
        and profile.times < 0.5
        and profile.links < 0.5
    )


def _with_translations(roles: dict[str, Guess], translated: dict[str, tuple[str, ...]], view: View) -> dict[str, Guess]:
    """The roles with names in place of the codes that they translate; names without a role are attributes."""
    attributes = list(roles["attributes"].columns) if "attributes" in roles else []
    for code, names in translated.items():
        holder = next(
            (role for role, guess in roles.items() if code in guess.columns and role in ("category", "brand")), None
        )
        stem = plain(code)
        if holder is None:
            holder = next(
                (
                    role
                    for role in ("category", "brand")
                    if (role not in roles and name_rank(code, (*ITEM_COLUMNS[role],)) is not None)
                    or (
                        role not in roles
                        and any(word in stem for word in (role, "categ", "manufact", "kategorie", "hersteller"))
                    )
                ),
                None,
            )
        used = {column for role, guess in roles.items() if role not in ("attributes",) for column in guess.columns}
        if holder is not None and not set(names) & used:
            roles[holder] = Guess((names[0],), f"the name of {code}; {described(view.profiles[names[0]], holder)}")
            used.add(names[0])
        attributes = [column for column in attributes if column != code]
        attributes += [column for column in names if column not in attributes and column not in used]
    used = {column for role, guess in roles.items() if role != "attributes" for column in guess.columns}
    attributes = [column for column in attributes if column not in used]
    if attributes:
        roles["attributes"] = Guess(tuple(attributes), "the other columns whose values repeat")
    else:
        roles.pop("attributes", None)
    return roles


def _table(
    view: View, roles: dict[str, Guess], known: KnownExport | None, why: str, events: GuessedTable | None
) -> GuessedTable:
    settings: dict[str, Setting] = {}
    columns = {squeezed(column): column for column in view.sample.columns}
    own = known.settings if known else {}
    pairs = [
        [columns[squeezed(name)], columns[squeezed(value)]]
        for name, value in own.get("options", ())
        if squeezed(name) in columns
        and squeezed(value) in columns
        and view.profiles[columns[squeezed(value)]].filled > 0
    ]
    if pairs:
        settings["options"] = Setting(pairs, "names of attributes, and their values")
    if separators := _separators(view, roles, own, pairs):
        settings["separators"] = Setting(separators, "what stands between several values of a cell")
    if (where := _sold(view, roles, own, columns)) is not None:
        settings["where"] = where
    if (currency := _currency(view, events)) is not None:
        settings["currency"] = currency
    added = roles["added"].columns[0] if "added" in roles else None
    settings["day_first"] = day_order_setting(view, added, known)
    settings["decimal"] = Setting(".", "of fractions; the column tells it", is_sure=False)
    settings["missing"] = Setting(["NULL", "-"], "no values; else the usual words", is_sure=False)
    taken = [column for link in view.links for column in (link.ours, link.theirs)]
    taken += [column for pair in pairs for column in pair]
    unread = reasons_left_out(
        list(view.profiles.values()), roles, ITEM_COLUMNS, of_people=False, taken=taken, mends=known is None
    )
    return GuessedTable(view, why, roles, settings=settings, unread=unread)


def _separators(view: View, roles: dict[str, Guess], own: object, pairs: Sequence[Sequence[str]]) -> dict[str, str]:
    promised = own.get("separators", {}) if isinstance(own, dict) else {}
    marks = {squeezed(name): mark for name, mark in promised.items()}
    columns = [column for role in ("category", "attributes") if role in roles for column in roles[role].columns]
    columns += [value for _, value in pairs]
    separators = {}
    for column in columns:
        profile = view.profiles[column]
        if profile.dtype != pl.String or (profile.nested and profile.filled):
            continue
        mark = marks.get(squeezed(column))
        if mark is None or not view.strings(column).str.contains(mark.strip(), literal=True).any():
            mark = profile.mark
        if mark is not None:
            separators[column] = mark
    return separators


def _sold(view: View, roles: dict[str, Guess], own: object, columns: dict[str, str]) -> Setting | None:
    """Which rows are sold, where a known export says it."""
    del roles
    parts = []
    for name, word in own.get("sold", ()) if isinstance(own, dict) else ():
        column = columns.get(squeezed(name))
        if column is None or not view.profiles[column].filled:
            continue
        words = view.strings(column).unique()
        others = words.filter(words.str.to_lowercase() != word.lower())
        if len(others) and len(others) < len(words):
            parts.append(f"{quoted(column)} not in {listed_words(others.sort().to_list())}")
    if not parts:
        return None
    return Setting(" and ".join(parts), "what is not sold is left out")


def _currency(view: View, events: GuessedTable | None) -> Setting | None:
    """The currency of prices: a column of the catalogue, else the one that all events name."""
    for column, profile in view.profiles.items():
        if name_rank(column, EVENT_COLUMNS["currency"]) is not None and profile.filled > 0 and profile.length < 4:
            return Setting({"column": column}, "by name")
    if events is None or "currency" not in events.roles:
        return None
    codes = events.view.strings(events.roles["currency"].columns[0]).unique()
    if len(codes) == 1 and len(codes[0]) == 3 and codes[0].isalpha():
        return Setting(codes[0], "that of all events")
    return None
