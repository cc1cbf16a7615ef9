"""The columns of a table of events by role: as a known export has them, by their names, then by contents."""

from collections.abc import Sequence

import polars as pl

from offline.onboarding.column_names import (
    EVENT_COLUMNS,
    ORDER_WORDS,
    RATING_COLUMNS,
    STATUS_COLUMNS,
    name_rank,
    plain,
    words_of,
)
from offline.onboarding.column_profile import ColumnProfile
from offline.onboarding.guesses import SURE, Fit, Guess, add, described, from_known, named
from offline.onboarding.known_exports import KnownExport
from offline.onboarding.people_data import people_data

_AMOUNTS = frozenset(
    [
        "rating", "stars", "score", "hours", "minutes", "seconds", "duration", "playtime", "plays", "amount",
        "price", "total",
        "subtotal", "tax", "discount", "quantity", "qty", "count", "weight", "menge", "anzahl", "preis", "betrag",
        "summe",
        "revenue", "cost", "percent", "freight", "shipping", "fee", "balance", "installments", "sequential",
        "reordered",
    ]
)  # fmt: skip
_OTHER_IDS = frozenset(
    [
        *ORDER_WORDS, "session", "visit", "cart", "line", "event", "request", "payment", "review", "coupon",
        "voucher",
        "shipment", "seller", "vendor", "store", "shop", "warehouse", "employee", "campaign", "page", "url",
        "category",
        "country", "language", "currency", "channel", "device", "browser", "platform", "method", "status", "tag",
        "friend",
        "department", "aisle", "kategorie", "brand", "supplier", "quote", "bill", "position",
    ]
)  # fmt: skip
_LATE = frozenset(
    [
        "delivered", "delivery", "update", "updated", "modified", "modification", "changed", "review", "shipped",
        "shipping",
        "shipment", "estimated", "limit", "due", "birth", "cancelled", "canceled", "refunded", "refund", "expires",
        "expiry",
        "published", "approved", "fulfilled", "upd", "closed", "answer", "answered", "lieferdatum", "geaendert",
        "versand",
        "next", "registered", "signup", "load", "etl", "dispatch", "return", "returned", "end",
    ]
)  # fmt: skip
"""Words of times that say when something else happened than the event."""
_ORDERS = (
    "order_number", "order_seq", "order_index", "session_number", "visit_number", "nth_order",
    "day", "day_number", "day_no", "week_no", "week",
)  # fmt: skip
_LINES = (
    "add_to_cart_order", "line_number", "line_no", "order_item_id", "line_item_number", "position", "order", "seq",
    "sequence", "event_order", "rank_in_session", "step", "index",
)  # fmt: skip
_LOGIN_NAMES = ("username", "user_name", "login", "nickname", "screen_name", "profile_name", "player_name")
_MOST_RATINGS = 41
_TOP_RATING = 100.0


def event_roles(
    profiles: Sequence[ColumnProfile], known: KnownExport | None = None, item: str | None = None
) -> dict[str, Guess]:
    """The columns of events by role; `item`: the column that is known to hold the items' ids."""
    people = people_data(profiles, of_people=True)
    roles = from_known(profiles, known, ())
    if item is not None:
        hit = next(profile for profile in profiles if profile.column == item)
        roles["item"] = Guess((item,), f"its ids are those of the catalogue; {described(hit, 'item')}")
    taken = {name for guess in roles.values() for name in guess.columns}
    free = [column for column in profiles if column.column not in taken and column.filled > 0]
    ids = [column for column in free if column.column not in people]
    further = {
        role: names for role, names in EVENT_COLUMNS.items() if role not in roles and role not in ("time", "position")
    }
    roles |= named([*ids, *_mails(free, people)], further, _fits(free))
    if "rating" not in roles and (rating := _rating(free)):
        roles["rating"] = rating
    if "item" not in roles and (lists := _lists_of_items(free)):
        roles["item"] = lists
    if "time" not in roles and (time := _time(free)):
        roles["time"] = time
    if not {"user", "visitor"} & set(roles) and (mails := [c for c in free if c.mails > 0.5]):
        roles["user"] = Guess((mails[0].column,), f"its values are mail addresses; {described(mails[0], 'user')}")
    if not {"user", "visitor"} & set(roles) and "session" in roles and "item" in roles:
        session = roles.pop("session")
        roles["visitor"] = Guess(session.columns, f"sessions: there are no ids of users; {session.why}")
    taken = {name for guess in roles.values() for name in guess.columns}
    rest = [column for column in ids if column.column not in taken and not column.nested]
    if "type" not in roles and (known is None or "type" not in known.settings):
        words = "its few words mean events"
        add(roles, "type", rest, _tells_events, lambda column: column.behaviours, words)
    _add_ids(roles, rest)
    if "time" not in roles and (order := _order(free)):
        roles["position"] = order
    order_of = [*EVENT_COLUMNS, "rating"]
    return {
        role: roles[role] for role in sorted(roles, key=lambda role: order_of.index(role) if role in order_of else 99)
    }


def is_of_orders(profiles: Sequence[ColumnProfile]) -> str | None:
    """The column that says that the rows of a table are lines of orders; None where there is none."""
    return next((column.column for column in profiles if words_of(column.column) & ORDER_WORDS), None)


def may_be_item(column: ColumnProfile) -> bool:
    """Whether the values of a column may be ids of items: no amounts, no times, none that each row has anew."""
    return (
        _is_name(column) and not words_of(column.column) & _AMOUNTS and not (column.rows >= 20 and column.unique > 0.98)
    )


def _is_name(column: ColumnProfile) -> bool:
    return not column.nested and column.filled > 0 and column.fractions < 0.01 and column.times < 0.5


def _fits(free: Sequence[ColumnProfile]) -> dict[str, Fit]:
    in_orders = is_of_orders(free) is not None
    return {
        "type": lambda column: (
            column.behaviours >= 0.5
            or (
                column.few_words
                and column.numbers < 0.5
                and (column.behaviours > 0 or (column.distinct > 1 and not in_orders))
            )
        ),
        "price": lambda column: column.numbers >= SURE,
        "quantity": lambda column: column.numbers >= SURE,
        "split": lambda column: column.few_words and column.numbers < SURE,
        "query": lambda column: not column.nested and column.numbers < SURE,
        "session": lambda column: not column.nested,
        "currency": lambda column: column.length < 8 and column.numbers < 0.5,
        "item": may_be_item,
        "user": _is_name,
        "visitor": _is_name,
    }


def _mails(free: Sequence[ColumnProfile], people: dict[str, str]) -> list[ColumnProfile]:
    """Columns of mail addresses and names to log in by, which are ids of users where nothing else is."""
    return [
        column
        for column in free
        if people.get(column.column) == "mail addresses"
        or (people.get(column.column) == "names" and name_rank(column.column, _LOGIN_NAMES) is not None)
    ]


def _lists_of_items(free: Sequence[ColumnProfile]) -> Guess | None:
    """The column whose cells are lists of items: `item_ids`, `products`."""
    ranked = [
        (rank, number)
        for number, column in enumerate(free)
        if column.id_lists and (rank := name_rank(column.column.removesuffix("s"), EVENT_COLUMNS["item"])) is not None
    ]
    return Guess((free[min(ranked)[1]].column,), "by name; lists of ids: a row for each") if ranked else None


def _rating(free: Sequence[ColumnProfile]) -> Guess | None:
    ranked = sorted(
        (rank, number)
        for number, column in enumerate(free)
        if (rank := name_rank(column.column, RATING_COLUMNS)) is not None
        and column.numbers >= SURE
        and 1 < column.distinct <= _MOST_RATINGS
        and column.least >= -1
        and column.most <= _TOP_RATING
    )
    if not ranked:
        return None
    column = free[ranked[0][1]]
    return Guess((column.column,), f"by name; from {column.least:g} to {column.most:g}")


def _time(free: Sequence[ColumnProfile]) -> Guess | None:
    """The time that says when the event happened, rather than what came of it."""
    ranked = []
    for number, column in enumerate(free):
        if column.times < SURE:
            continue
        rank = name_rank(column.column, EVENT_COLUMNS["time"])
        if rank is None and column.clock and plain(column.column).endswith("id"):
            continue
        late = bool(words_of(column.column) & _LATE) and rank is None
        ranked.append((late, column.filled < 0.5, 999 if rank is None else rank, number))
    if not ranked:
        return None
    late, _, rank, number = min(ranked)
    column = free[number]
    how = "by content: its values are times" if rank == 999 else "by name"
    others = ", though by its name of something else than the event" if late else ""
    return Guess((column.column,), f"{how}{others}; {described(column, 'time')}")


def _order(free: Sequence[ColumnProfile]) -> Guess | None:
    """The order within a user: that of the orders, then that of their lines."""
    hits = []
    for names in (_ORDERS, _LINES):
        ranked = sorted(
            (rank, number)
            for number, column in enumerate(free)
            if (rank := name_rank(column.column, names)) is not None and column.numbers >= SURE
        )
        hits += [free[number].column for _, number in ranked[:1]]
    if not hits:
        return None
    return Guess(
        tuple(hits), "by name; there is no time" if len(hits) == 1 else "by name, the weightiest first; no time"
    )


def _add_ids(roles: dict[str, Guess], rest: list[ColumnProfile]) -> None:
    """What no name tells: whose values repeat as users do, and as items do."""
    likely = [column for column in rest if _may_be_id(column)]
    if all(plain(column.column).startswith("column_") for column in likely):  # without a header users come first
        likely = [column for column in likely if not _is_small(column)]
        for role in ("user", "item"):
            if role not in roles and likely and not (role == "user" and "visitor" in roles):
                column = likely.pop(0)
                roles[role] = Guess((column.column,), f"by content and place; {described(column, role)}")
        return
    for role in ("user", "item"):
        if role not in roles and not (role == "user" and "visitor" in roles):
            why = f"its values repeat, as {role}s do"
            add(roles, role, likely, _may_be_id, lambda column: column.distinct, why)


def _may_be_id(column: ColumnProfile) -> bool:
    whole = column.dtype.is_integer() or column.dtype == pl.String
    words = words_of(column.column)
    return (
        whole
        and column.distinct > 1
        and column.unique < SURE
        and column.filled > SURE
        and column.spaced < 0.2
        and column.times < 0.5
        and column.fractions < 0.01
        and column.links < 0.5
        and not words & (_AMOUNTS | _OTHER_IDS)
    )


def _tells_events(column: ColumnProfile) -> bool:
    """Whether a column has words for events; how an order was paid or shipped is none."""
    return column.behaviours >= 0.5 and name_rank(column.column, STATUS_COLUMNS) is None


def _is_small(column: ColumnProfile) -> bool:
    """Whether a column looks like a count or a mark rather than ids."""
    return column.distinct <= 11 and column.numbers > SURE and column.most <= _TOP_RATING
