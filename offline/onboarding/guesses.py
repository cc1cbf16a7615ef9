"""A guess: a column, or several, for a role, and why; what each has to be like."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from offline.onboarding.column_names import name_rank, plain
from offline.onboarding.column_profile import ColumnProfile
from offline.onboarding.known_exports import KnownExport

SURE = 0.9
"""The share of a column's values that have to fit what it is taken for."""

Fit = Callable[[ColumnProfile], bool]
Fits = Mapping[str, Fit]


@dataclass(frozen=True)
class Guess:
    """A column, or several, for a role, and why."""

    columns: tuple[str, ...]
    why: str


def named(profiles: Sequence[ColumnProfile], names: Mapping[str, tuple[str, ...]], fits: Fits) -> dict[str, Guess]:
    """For each role the column with the likeliest name whose content fits."""
    pairs = sorted(
        (rank, column.filled < 0.5, number, role)
        for role, known in names.items()
        for number, column in enumerate(profiles)
        if (rank := name_rank(column.column, known)) is not None and fits.get(role, fits_all)(column)
    )
    roles: dict[str, Guess] = {}
    taken: set[int] = set()
    for _, _, number, role in pairs:
        if role not in roles and number not in taken:
            taken.add(number)
            roles[role] = Guess((profiles[number].column,), f"by name; {described(profiles[number], role)}")
    return {role: roles[role] for role in names if role in roles}


def from_known(
    profiles: Sequence[ColumnProfile], known: KnownExport | None, several: Sequence[str]
) -> dict[str, Guess]:
    """What a known export says of its columns; `several`: the roles of as many columns as there are.

    A role without columns is one that the export has none for.
    """
    if known is None:
        return {}
    columns = {squeezed(profile.column): profile for profile in profiles}
    roles = {}
    for role, names in known.roles.items():
        there = [columns[name] for name in (squeezed(name) for name in names) if name in columns]
        filled = [column for column in there if column.filled > 0]
        best = [column for column in filled if column.filled > 0.5] or filled
        chosen = filled if role in several else best[:1]
        if chosen or not names:
            why = f"{known.source}" + (f"; {described(chosen[0], role)}" if len(chosen) == 1 else "")
            roles[role] = Guess(tuple(column.column for column in chosen), why)
    return roles


def squeezed(name: str) -> str:
    """A column's name in plain letters without anything between them: `visitorId` and `visitor_id` agree."""
    return plain(name).replace("_", "")


def add(
    roles: dict[str, Guess],
    role: str,
    rest: list[ColumnProfile],
    fits: Fit,
    score: Callable[[ColumnProfile], float],
    why: str,
) -> None:
    """Give `role` the best of `rest` that fits, by content alone, and take it out of `rest`."""
    best = max((column for column in rest if fits(column)), key=score, default=None)
    if best is not None:
        rest.remove(best)
        roles[role] = Guess((best.column,), f"by content: {why}; {described(best, role)}")


def fits_all(column: ColumnProfile) -> bool:
    """Fits any column."""
    del column
    return True


def described(column: ColumnProfile, role: str) -> str:
    """A column in words, as the comment beside its role says."""
    if role == "time":
        units = {1.0: "seconds", 1e3: "milliseconds", 1e6: "microseconds", 1e9: "nanoseconds"}
        how = f"unix {units[column.clock]}" if column.clock else "dates"
        return f"{column.times:.0%} are times ({how})"
    if column.nested:
        return "lists or objects"
    filled = "" if column.filled > 0.9995 else f", {1 - column.filled:.1%} empty"
    values = "1 value" if column.distinct == 1 else f"{column.distinct:,} values"
    return f"{values} in {column.rows:,} rows{filled}"
