"""The columns of a catalogue, and those of a table of users, by role."""

import re
from collections.abc import Collection, Mapping, Sequence

import polars as pl

from app.artifact.text.code_columns import LEAST_DISTINCT, LONGEST_VALUE, is_code_name
from offline.onboarding.column_names import (
    IMAGE_COLUMNS,
    ITEM_COLUMNS,
    LINK_COLUMNS,
    TEXT_COLUMNS,
    USER_COLUMNS,
    VARIANT_COLUMNS,
    name_rank,
    plain,
)
from offline.onboarding.column_profile import ColumnProfile
from offline.onboarding.guesses import SURE, Fit, Guess, add, described, from_known, named, squeezed
from offline.onboarding.known_exports import KnownExport
from offline.onboarding.people_data import people_data

SEVERAL = ("text", "attributes", "codes", "display")
_PROSE = 80.0  # mean letters of a text
_INTERNAL = re.compile(
    r"(^|_)(cost|costs|margin|wholesale|purchase_price|supplier_price|einkaufspreis|ek|ek_preis|tax|taxable|vat|seo|meta|"
    r"barcode|gtin|ean|upc|mpn|hs_code|position|sort|sort_order|row|rownum|index_no|inventory_policy|tracker|fulfillment|"
    r"requires_shipping|created|updated|modified|deleted|is_deleted|visible|visibility|published|cost_price|prix_achat|"
    r"lenght|url|slug|active|enabled|status|store_view|website|websites|attribute_set\w*|handling|supplier_id|warehouse|"
    r"shelf|reorder\w*|low_stock\w*|min_stock|mindestbestand|etag|hash|checksum|version|gift_message\w*)($|_)"
)
"""What shops keep for themselves in their tables of products."""
_CODE = re.compile(r"_?(id|no|nr|code|number|key)$")


def item_roles(
    profiles: Sequence[ColumnProfile], known: KnownExport | None = None, item: str | None = None
) -> dict[str, Guess]:
    """The columns of a catalogue by role; `item`: the column that is known to hold the events' ids."""
    people = people_data(profiles, of_people=False)
    roles = from_known(profiles, known, SEVERAL)
    if item is not None and (known is None or "id" not in roles or "variant_of" not in roles):
        hit = next(profile for profile in profiles if profile.column == item)
        roles["id"] = Guess((item,), f"its ids are those of the events; {described(hit, 'id')}")
        if roles.get("variant_of", roles["id"]).columns == (item,):
            roles.pop("variant_of", None)
    usable = [column for column in profiles if column.column not in people and column.filled > 0]
    free = _untaken(usable, roles)
    links = [column for column in free if _is_link(column)]
    objects = [column.column for column in profiles if column.nested]
    fields = [column for column in free if any(column.column.startswith(f"{name}.") for name in objects)]
    plain_columns = [column for column in free if column not in links and column not in fields]
    for columns in (plain_columns, fields):
        further = {role: names for role, names in ITEM_COLUMNS.items() if role not in roles}
        roles |= named(columns, further, _FITS)
    if "variant_of" not in roles and "id" in roles and (parent := _variant_of(_untaken(plain_columns, roles))):
        roles["variant_of"] = parent
    rest = _untaken(plain_columns, roles)
    if "title" not in roles:
        spaced = "its values are several words, nearly all different"
        add(
            roles,
            "title",
            rest,
            lambda c: c.spaced > 0.5 and c.unique > 0.7 and c.times < 0.5 and c.wordy > SURE,
            lambda c: -c.length,
            spaced,
        )
    if "text" not in roles and (texts := _texts(rest)):
        roles["text"] = texts
    if "display" not in roles and links:
        roles["display"] = _display(links)
    codes = tuple(column.column for column in _untaken(plain_columns, roles) if _is_code(column))
    if "codes" not in roles and codes:
        roles["codes"] = Guess(codes, "identify an item, by name and values")
    if "attributes" not in roles:
        rest = [column for column in _untaken(plain_columns, roles) if not _is_left_out(column, known, profiles)]
        linked = {column.column.rpartition(".")[0] for column in usable if column.links > 0.5}
        kept = [column for column in rest if _repeats(column) and column.column not in linked]
        if kept:
            roles["attributes"] = Guess(tuple(c.column for c in kept), "the other columns whose values repeat")
    order = ["id", "variant_of", *ITEM_COLUMNS, "text", "attributes", "codes", "display"]
    filled = {role: guess for role, guess in roles.items() if guess.columns}
    return {role: filled[role] for role in sorted(filled, key=lambda role: order.index(role) if role in order else 99)}


def user_roles(
    profiles: Sequence[ColumnProfile], known: KnownExport | None = None, user: str | None = None
) -> dict[str, Guess]:
    """The columns of a table of users by role; `user`: the column that is known to hold the events' ids."""
    people = people_data(profiles, of_people=True)
    roles = from_known(profiles, known, ("attributes",))
    mails = [column for column in profiles if people.get(column.column) == "mail addresses"]
    ids = [column for column in profiles if column.column not in people]
    names = {role: names for role, names in USER_COLUMNS.items() if role not in roles}
    by_name = named(ids, names, dict.fromkeys(USER_COLUMNS, is_whole_key))
    if "id" not in by_name:
        by_name |= named(mails, names, dict.fromkeys(USER_COLUMNS, is_whole_key))
    if user is not None:
        by_name["id"] = Guess((user,), "its ids are those of the events")
    roles |= {"id": by_name["id"]} if "id" in by_name else by_name if "id" not in roles else {}
    if "attributes" not in roles:
        left = [
            column for column in _untaken(ids, roles) if _repeats(column) and not _INTERNAL.search(plain(column.column))
        ]
        if left:
            roles["attributes"] = Guess(tuple(c.column for c in left), "the columns whose values repeat")
    return roles


def is_whole_key(column: ColumnProfile) -> bool:
    """Whether a column names each row of its table by another value."""
    return not column.nested and column.filled > SURE and column.unique > SURE and column.fractions == 0


def reasons_left_out(
    profiles: Sequence[ColumnProfile],
    roles: Mapping[str, Guess],
    names: Mapping[str, tuple[str, ...]],
    *,
    of_people: bool,
    taken: Collection[str] = (),
    mends: bool = True,
) -> dict[str, str]:
    """The columns without a role, and why where it is worth a word.

    `mends`: whether a column whose name has a role and whose values do not fit is told to be mended.
    """
    read = {name for guess in roles.values() for name in guess.columns} | set(taken)
    people = people_data(profiles, of_people=of_people)
    reasons = {}
    for column in profiles:
        if column.column in read or column.column.rpartition(".")[0] in read:
            continue
        likely = [
            role for role, known in names.items() if role not in roles and name_rank(column.column, known) is not None
        ]
        if column.column in people:
            reasons[column.column] = f"looks like people's data: {people[column.column]}"
        elif likely and column.filled > 0 and mends:
            reasons[column.column] = f"by its name {likely[0]}, by its values not: mend them in the export"
        elif column.filled > 0:
            reasons[column.column] = ""
    return reasons


_FITS: Mapping[str, Fit] = {
    "id": lambda column: not column.nested and column.filled > SURE and column.unique > 0.5 and column.fractions == 0,
    "price": lambda column: column.numbers >= SURE or _has_amount(column),
    "title": lambda column: not column.nested and column.length > 1 and column.numbers < SURE and column.wordy > 0.3,
    "category": lambda column: column.filled > 0 and column.fractions < 0.01,
    "brand": lambda column: not column.nested and column.numbers < 0.5,
    "in_stock": lambda column: not column.nested and (column.numbers >= SURE or column.distinct <= 12),
    "added": lambda column: column.times >= SURE,
}


def _has_amount(column: ColumnProfile) -> bool:
    dtype = column.dtype
    return isinstance(dtype, pl.Struct) and any(field.name in ("amount", "value", "price") for field in dtype.fields)


def _untaken(profiles: Sequence[ColumnProfile], roles: Mapping[str, Guess]) -> list[ColumnProfile]:
    taken = {name for guess in roles.values() for name in guess.columns}
    return [column for column in profiles if column.column not in taken]


def _is_link(column: ColumnProfile) -> bool:
    if column.links > 0.5:
        return True
    names = (*IMAGE_COLUMNS, *LINK_COLUMNS)
    return column.links > 0 and name_rank(column.column, names) is not None


def _is_code(column: ColumnProfile) -> bool:
    return (
        not column.nested
        and column.filled > 0
        and column.unique >= LEAST_DISTINCT
        and column.spaced < 0.5
        and column.length <= LONGEST_VALUE
        and column.fractions == 0
        and is_code_name(column.column)
    )


def _display(links: Sequence[ColumnProfile]) -> Guess:
    ranked = sorted(
        (name_rank(column.column, (*IMAGE_COLUMNS, *LINK_COLUMNS)) or 0, number)
        for number, column in enumerate(links)
        if name_rank(column.column, (*IMAGE_COLUMNS, *LINK_COLUMNS)) is not None
    )
    numbers = [number for _, number in ranked] or list(range(len(links)))
    return Guess(tuple(links[number].column for number in numbers), "addresses of pages and images")


def _variant_of(rest: Sequence[ColumnProfile]) -> Guess | None:
    ranked = sorted(
        (rank, number)
        for number, column in enumerate(rest)
        if (rank := name_rank(column.column, VARIANT_COLUMNS)) is not None
        and not column.nested
        and column.fractions == 0
        and (column.unique < SURE or column.filled < 0.8)
    )
    if not ranked:
        return None
    column = rest[ranked[0][1]]
    return Guess((column.column,), f"by name: the product of a variant; {described(column, 'variant_of')}")


def _texts(rest: Sequence[ColumnProfile]) -> Guess | None:
    ranked = sorted(
        (TEXT_COLUMNS.index(hit) if hit in TEXT_COLUMNS else 99, number)
        for number, column in enumerate(rest)
        if not column.dtype.is_nested()
        and (
            (hit := TEXT_COLUMNS[rank] if (rank := name_rank(column.column, TEXT_COLUMNS)) is not None else "")
            or (column.length > _PROSE and column.spaced > SURE)
        )
    )
    if not ranked:
        return None
    return Guess(tuple(rest[number].column for _, number in ranked), "further texts")


def _repeats(column: ColumnProfile) -> bool:
    if column.nested:
        return not (isinstance(column.dtype, pl.List) and isinstance(column.dtype.inner, pl.Struct))
    if column.mark is not None:
        return True
    constant = column.distinct == 1 and column.filled > SURE and column.rows >= 20
    return column.unique < 0.5 and not constant and column.times < SURE and column.length <= _PROSE


def _is_left_out(column: ColumnProfile, known: KnownExport | None, profiles: Sequence[ColumnProfile]) -> bool:
    """Whether a column is none that shoppers ask for: what shops keep for themselves, and codes beside their names."""
    bare = squeezed(column.column)
    if known is not None and any(bare.startswith(squeezed(begin)) for begin in known.left_out):
        return True
    if _INTERNAL.search(plain(column.column)):
        return True
    stem = _CODE.sub("", plain(column.column))
    names = {plain(other.column) for other in profiles}
    return stem != plain(column.column) and bool({f"{stem}_name", f"{stem}_title", f"{stem}_label", stem} & names)
