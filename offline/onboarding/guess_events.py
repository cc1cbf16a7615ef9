"""The events of a folder: which table has them, which tables join it, and what its words and rows mean."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl

from app.artifact.behaviours import behaviour_of, folded
from offline.dataset.reading import read_errors, scan, text
from offline.dataset.times import survey_times
from offline.onboarding.column_names import (
    EVENT_COLUMNS,
    ITEM_COLUMNS,
    NO_GOODS_WORDS,
    ORDER_WORDS,
    STATUS_COLUMNS,
    UNDONE_WORDS,
    name_rank,
    plain,
    words_of,
)
from offline.onboarding.event_roles import event_roles, is_of_orders
from offline.onboarding.guessed import GuessedTable, Meaning, Setting
from offline.onboarding.guesses import Guess, described
from offline.onboarding.item_roles import reasons_left_out
from offline.onboarding.known_exports import KnownExport
from offline.onboarding.known_tables import known_export
from offline.onboarding.links import is_key, links_of
from offline.onboarding.separators import id_separator
from offline.onboarding.views import View, joined, record_lists, unnested, values_of

_MOST_JOINS = 3
_FEW_COLUMNS = 4
_GUESSED = "by content:"  # begins the reason of a role that values alone tell
_NAMED = "by name"  # begins the reason of a role that a column's name tells
_IMPLICIT_SHARE = {"0": 0.2, "-1": 0.0}
_TOP_STARS = 5
_LINES = ORDER_WORDS | {"lineitems", "lines", "orderitems", "orderlines", "bestellungen", "commandes", "pedidos"}
_SMALL_LOG = 1_000  # rows from which on a share tells
_HEAVY_SHARE = 0.02
_NO_GOODS = 0.03  # of the ids, at most
_FEW_IDS, _MANY_IDS = 20, 50
_UNDONE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "removefromcart", "cartremove", "removecart", "deletefromcart", "productremoved",
            "productremovedfromcart",
            "cartremoval", "removefrombasket", "removedfromcart", "uncart", "removeitem",
        ),
        "cart",
    ),
    **dict.fromkeys(
        ("refund", "refunded", "return", "returned", "orderrefunded", "ordercancelled", "cancelorder", "cancelled",
         "cancellation", "orderreturned", "storno", "retoure"),
        "purchase",
    ),
}  # fmt: skip
"""Words for events that take something back."""
_IGNORED = frozenset(
    [
        "sessionstart", "firstvisit", "scroll", "userengagement", "viewitemlist", "selectpromotion", "viewpromotion",
        "viewsearchresults", "search", "login", "logout", "signup", "firstopen", "appopen", "impression",
        "impressions",
        "productimpression", "productlistviewed", "productsearched", "pageping", "heartbeat", "formsubmit",
        "filedownload",
        "videostart", "videocomplete", "generatelead", "formstart", "addshippinginfo", "addpaymentinfo", "viewcart",
        "cartviewed", "productlistfiltered",
    ]
)  # fmt: skip
"""Words for events that say nothing of an item."""


def guess_events(views: Sequence[View]) -> GuessedTable | None:
    """The events among some tables; None where no table has users and items."""
    scored = []
    for number, view in enumerate(views):
        others = [other for other in views if other is not view]
        assessed = (_assessed(candidate, others) for candidate in _with_records(view))
        scored += [(*scoring, -number) for scoring in assessed if scoring is not None]
    if not scored:
        return None
    _, view, known, _ = max(scored, key=lambda entry: (entry[0], entry[3]))
    return table_of_events(view, known)


def table_of_events(view: View, known: KnownExport | None, item: str | None = None) -> GuessedTable:
    """The events of a view; `item`: the column that is known to hold the items' ids."""
    profiles = list(view.profiles.values())
    roles = event_roles(profiles, known, item)
    roles = {role: guess for role, guess in roles.items() if guess.columns}
    settings = _settings(view, roles, known)
    words = _words(view, roles, known) if "type" in roles else {}
    taken = [] if view.unnest is None else [view.unnest]
    taken += [column for link in view.links for column in (link.ours, link.theirs)]
    names = {role: names for role, names in EVENT_COLUMNS.items() if role not in ("position", "split")}
    unread = reasons_left_out(profiles, roles, names, of_people=True, taken=taken, mends=known is None)
    why = "each row tells of a user and an item" if known is None else f"{known.source}: events"
    roles = {role: guess for role, guess in roles.items() if role in (*EVENT_COLUMNS, "rating")}
    return with_separator(GuessedTable(view, why, roles, words, settings, unread))


def with_separator(table: GuessedTable, ids: Sequence[str] = ()) -> GuessedTable:
    """The events with what parts several ids of a cell, where cells hold several; `ids` are some of the catalogue's."""
    column = table.column("item")
    if column is None or "separators" in table.settings or table.view.sample.schema[column] != pl.String:
        return table
    is_list = table.view.profiles[column].id_lists
    mark = "," if is_list else id_separator(table.view.strings(column), ids)
    if mark is None:
        return table
    setting = Setting({column: mark}, "cells hold several ids: a row for each")
    return replace(table, settings={"separators": setting, **table.settings})


def _with_records(view: View) -> list[View]:
    """The table as it is, and with a row for each record of a list, where that has the items."""
    lists = [column for column in record_lists(view) if view.profiles[column].filled > 0]
    hits = [unnested(view, column) for column in lists]
    return [
        view,
        *(
            hit
            for hit in hits
            if any(
                name.startswith(f"{hit.unnest}.") and name_rank(name, EVENT_COLUMNS["item"]) is not None
                for name in hit.sample.columns
            )
        ),
    ]


def _assessed(view: View, others: Sequence[View]) -> tuple[float, View, KnownExport | None] | None:
    """How likely a view has the events, with the tables that join it."""
    if known_export(view, ("items", "users")) is not None and known_export(view, ("events",)) is None:
        return None
    known = known_export(view, ("events",))
    roles = event_roles(list(view.profiles.values()), known)
    if "item" not in roles or not _is_item_column(view, roles["item"]):
        return None
    like_catalogue = known is None and _is_catalogue(view)
    if like_catalogue and not roles["item"].why.startswith(_NAMED):
        return None
    view = _with_joins(view, others, known)
    roles = event_roles(list(view.profiles.values()), known)
    people = {"user", "visitor"} & set(roles)
    named = [role for role in people if roles[role].why.startswith(_NAMED)]
    tells = bool({"time", "type", "rating", "quantity"} & set(roles)) or view.sample.width < _FEW_COLUMNS
    guessed = all(roles[role].why.startswith(_GUESSED) for role in people)
    are_colours = guessed and not tells  # or other words that repeat
    if not people or are_colours or (like_catalogue and not named):
        return None
    item = roles["item"].columns[0]
    is_list = view.profiles[item].id_lists
    if not is_list and view.rows >= 20 and view.sample.get_column(item).n_unique() >= 0.98 * view.rows:
        return None
    score = 4.0 * (known is not None)
    score += any(not roles[role].why.startswith("by content") for role in people)
    score += not roles["item"].why.startswith("by content")
    score += ("time" in roles) + ("type" in roles) + 0.5 * (view.unnest is not None) - 0.1 * len(view.links)
    tagged = any(plain(column) in ("tag", "tag_id", "friend_id") for column in view.sample.columns)
    return score - 1.5 * tagged + view.rows / 1e9, view, known


def _is_catalogue(view: View) -> bool:
    """Whether each row of a table is an item of its own, with its id and its title."""
    keys = [name for name, profile in view.profiles.items() if is_key(profile) and profile.spaced < 0.2]
    named = any(name_rank(name, ITEM_COLUMNS["id"]) is not None for name in keys)
    return named and any(name_rank(name, ITEM_COLUMNS["title"]) is not None for name in view.profiles)


def _is_item_column(view: View, guess: Guess) -> bool:
    return view.sample.schema[guess.columns[0]] != pl.Boolean


def _with_joins(view: View, others: Sequence[View], known: KnownExport | None) -> View:
    """The view with the tables that say who did it and when, where it does not say so itself."""
    for _ in range(_MOST_JOINS):
        roles = event_roles(list(view.profiles.values()), known)
        has_user = any(role in roles and not roles[role].why.startswith("by content") for role in ("user", "visitor"))
        has_time = "time" in roles and "though by its name" not in roles["time"].why
        if has_user and has_time:
            break
        best, gain = None, 0
        for link in links_of(view, others):
            candidate = joined(view, link)
            new = _gain(candidate, others, known, has_user=has_user, has_time=has_time)
            if new > gain:
                best, gain = candidate, new
        if best is None:
            break
        view = best
    return _with_lasting_user(view, others, known)


def _gain(view: View, others: Sequence[View], known: KnownExport | None, *, has_user: bool, has_time: bool) -> int:
    roles = event_roles(list(view.profiles.values()), known)
    user = any(role in roles and not roles[role].why.startswith("by content") for role in ("user", "visitor"))
    time = "time" in roles and "though by its name" not in roles["time"].why
    gain = 4 * (user and not has_user) + 2 * (time and not has_time)
    if not gain and not has_user and len(view.links) < _MOST_JOINS:
        further = (joined(view, link) for link in links_of(view, others))
        gain = int(any("user" in event_roles(list(each_view.profiles.values()), known) for each_view in further))
    if has_user and not has_time and not time and "position" in roles:
        fresh = set(view.sample.columns) - set(view.inherited)
        gain += bool(fresh & set(roles["position"].columns))
    return gain


def _with_lasting_user(view: View, others: Sequence[View], known: KnownExport | None) -> View:
    """Where each order has a customer of its own: the table that says who of them is the same."""
    user = event_roles(list(view.profiles.values()), known).get("user")
    order = next((link for link in view.links if link.ours != (user.columns[0] if user else None)), None)
    if user is None or order is None or len(view.links) >= _MOST_JOINS:
        return view
    column = user.columns[0]
    orders = view.sample.select(order.ours, column).unique()
    if orders.height < 20 or orders.get_column(column).n_unique() < 0.99 * orders.get_column(order.ours).n_unique():
        return view
    for link in links_of(view, others):
        if link.ours != column:
            continue
        candidate = joined(view, link)
        roles = event_roles(list(candidate.profiles.values()), known)
        if roles.get("user", user).columns[0] != column:
            return candidate
    return view


def _settings(view: View, roles: Mapping[str, Guess], known: KnownExport | None) -> dict[str, Setting]:
    settings: dict[str, Setting] = {}
    constant = known.settings.get("type") if known else None
    order = _order_hint(view)
    if constant:
        settings["type"] = Setting(constant, f"{known.source if known else ''}: what was bought")
    elif "type" not in roles and "rating" not in roles and order is not None:
        settings["type"] = Setting({"constant": "purchase"}, f"lines of orders, by {order}")
    if "rating" in roles:
        profile = view.profiles[roles["rating"].columns[0]]
        silent = "0" if profile.least == 0 else "-1"
        share = int((view.strings(profile.column) == silent).sum()) / max(1, view.rows)
        if known and "rating_implicit" in known.settings:
            settings["rating_implicit"] = Setting(
                list(known.settings["rating_implicit"]), "no rating: an event all the same"
            )
        elif profile.least == int(silent) and profile.most >= _TOP_STARS and share > _IMPLICIT_SHARE[silent]:
            settings["rating_implicit"] = Setting([int(silent)], f"{share:.0%} of the ratings: an event without one")
        if (least := _liked_from(view, profile.column, settings)) is not None:
            settings["rating_from"] = Setting(least, "lower ones are dislikes; else the upper half", is_sure=False)
    if where := _where(view, roles, order):
        settings["where"] = where
    if "time" in roles:
        settings["day_first"] = day_order_setting(view, roles["time"].columns[0], known)
    settings["decimal"] = Setting(".", "of fractions; the column tells it", is_sure=False)
    settings["missing"] = Setting(["NULL", "-"], "no values; else the usual words", is_sure=False)
    settings["skip_users"] = _robots(view, roles)
    return settings


def _robots(view: View, roles: Mapping[str, Guess]) -> Setting:
    """Users with a share of the rows that no person has, as a comment; mail addresses are not written down."""
    heavy: list[str] = []
    if "user" in roles and view.rows >= _SMALL_LOG:
        column = roles["user"].columns[0]
        counts = view.strings(column).value_counts(sort=True, name="rows")
        heavy = counts.filter(pl.col("rows") > _HEAVY_SHARE * view.rows).get_column(column).head(3).to_list()
        heavy = [name for name in heavy if "@" not in name]
    why = "to decide: robots or testers? Left out then" if heavy else "robots, testers: left out"
    return Setting(heavy, why, is_sure=False)


def _order_hint(view: View) -> str | None:
    """What says that the rows of a table are lines of orders: a column, the list that has them, or the file's name."""
    column = is_of_orders(list(view.profiles.values()))
    if column is not None:
        return f"the column {column}"
    name = Path(view.group.files[0]).name.partition(".")[0]
    names = [name, *([view.unnest] if view.unnest is not None else [])]
    hit = next((name for name in names if (words_of(name) | {plain(name).replace("_", "")}) & _LINES), None)
    return None if hit is None else f"the name {hit}"


def day_order_setting(view: View, column: str | None, known: KnownExport | None) -> Setting:
    """Whether the day stands first in dates: as the column tells, else as the export is known to write them."""
    if column is not None and view.sample.schema[column] == pl.String:
        unclear = survey_times(view.sample.lazy(), column).order.unclear
        if unclear and known is not None and "day_first" in known.settings:
            return Setting(known.settings["day_first"], f"as {known.source} writes dates")
        if unclear:
            return Setting(
                value=True, why=f"to decide: true or false? {unclear[0]!r} can be read in two ways", is_sure=False
            )
    return Setting(value=False, why="of dates; the column tells it", is_sure=False)


def _liked_from(view: View, column: str, settings: Mapping[str, Setting]) -> float | None:
    """The lowest rating of the upper half of the scale."""
    implicit = [float(rating) for rating in settings["rating_implicit"].value] if "rating_implicit" in settings else []
    ratings = view.strings(column).cast(pl.Float64, strict=False).drop_nulls().unique()
    ratings = ratings.filter(~ratings.is_in(implicit)).sort()
    if len(ratings) < 2:
        return None
    middle = (ratings[0] + ratings[-1]) / 2
    return float(next(rating for rating in ratings if rating > middle))


def _where(view: View, roles: Mapping[str, Guess], order: str | None) -> Setting | None:
    """Which rows are events: not of orders that came to nothing, and not on what is no goods."""
    parts, reasons = [], []
    for column, profile in view.profiles.items():
        if (
            name_rank(column, STATUS_COLUMNS) is None
            or profile.filled < 0.9
            or not 0 < profile.distinct <= 40
            or profile.nested
        ):
            continue
        words = [
            word for word in view.strings(column).unique(maintain_order=True).sort() if plain(word) in UNDONE_WORDS
        ]
        if words and len(words) < profile.distinct:
            parts.append(f"{quoted(column)} not in {listed_words(words)}")
            reasons.append("orders that came to nothing")
    if "item" in roles and order is not None and (words := no_goods(view, roles["item"].columns[0])):
        parts.append(f"{quoted(roles['item'].columns[0])} not in {listed_words(words)}")
        reasons.append("ids that look like no goods: postage, fees")
    if not parts:
        return None
    return Setting(" and ".join(parts), "leaves out " + ", and ".join(reasons))


def no_goods(view: View, column: str) -> list[str]:
    """Ids of postage, discounts and fees: words for these, and any word, where nearly all ids have figures."""
    if view.unnest is not None:
        return []
    ids = values_of(view.group, column).drop_nulls().unique()
    with read_errors(view.group.files, view.group.path):
        words = ids.collect(engine="streaming").to_series()
    odd = words.filter(~words.str.contains(r"\d"))
    if len(words) < _FEW_IDS or len(odd) > 0.5 * len(words):
        return []
    are_words = odd.str.contains(r"^[A-Za-z]{1,12}(?: [A-Za-z]{1,12})?$").all()
    fees = words.filter(words.str.strip_chars().str.to_lowercase().is_in(list(NO_GOODS_WORDS))).to_list()
    lone = odd.to_list() if len(words) >= _MANY_IDS and are_words and len(odd) <= _NO_GOODS * len(words) else []
    return sorted({*fees, *lone})


def quoted(column: str) -> str:
    """A column's name as conditions have it."""
    return column if column.isidentifier() and column.isascii() else f"`{column}`"


def listed_words(words: Sequence[str]) -> str:
    """Texts as a list in a condition."""
    return "[" + ", ".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"' for word in words) + "]"


def _words(view: View, roles: Mapping[str, Guess], known: KnownExport | None) -> dict[str, Meaning | None]:
    """The shop's words for events, the most frequent first, and what each stands for; None where nobody knows."""
    column = roles["type"].columns[0]
    if column in view.group.sample.columns and view.unnest is None:
        rows = scan(view.group.files, view.group.path)  # all of them: a rare word stands in none of the first rows
        counted = rows.select(text(column, rows.collect_schema()[column])).drop_nulls().group_by(column).len("count")
        with read_errors(view.group.files, view.group.path):
            counts = counted.collect(engine="streaming")
    else:
        counts = view.strings(column).value_counts(name="count")
    counts = counts.sort(["count", column], descending=[True, False])
    own: Mapping[str, Meaning] = known.settings.get("words", {}) if known else {}
    return {word: own.get(word) or meaning_of(word) for word in counts.get_column(column)}


def meaning_of(word: str) -> Meaning | None:
    """What a word for an event stands for in `[events.types]`; None where nobody knows."""
    if (behaviour := behaviour_of(word)) is not None:
        return behaviour
    if folded(word).endswith("s") and (behaviour := behaviour_of(folded(word)[:-1])) is not None:
        return behaviour
    if folded(word) in _UNDONE:
        return {"undoes": _UNDONE[folded(word)]}
    return "ignore" if folded(word) in _IGNORED else None


__all__ = ["described", "guess_events", "listed_words", "meaning_of", "no_goods", "quoted", "table_of_events"]
