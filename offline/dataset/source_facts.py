"""What is told of the rows of a table: those that are left out, and the tables that joined them."""

from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class JoinFacts:
    """What is in a table that joins: how many rows were read, of how many keys, and what of them does not count.

    `repeated`: keys (of a long table keys and properties) with rows that differ, of which one counts: the `newest`, or
    else the first. `unreadable`: rows that cannot be read, the first of them at `unreadable_place`. `alone`: rows of
    the data set that found none here, of `rows` in all; `without_key`: those without a key. Examples are texts.
    """

    stem: str
    files: tuple[str, ...]
    location: str
    on: str
    read: int
    keys: int
    left_out: int  # by its `where`
    repeated: int
    repeated_key: str
    unreadable: int
    unreadable_place: str
    newest: bool
    some_key: str
    rows: int = 0
    alone: int = 0
    alone_key: str = ""
    without_key: int = 0

    def met(self, rows: int, alone: int, alone_key: str, without_key: int) -> "JoinFacts":
        """The same, with what was found when it joined."""
        return replace(self, rows=rows, alone=alone, alone_key=alone_key, without_key=without_key)


@dataclass(frozen=True)
class SourceFacts:
    """How many rows of a table's files are left out, and what joined them."""

    where: int = 0
    unnest: int = 0
    joins: tuple[JoinFacts, ...] = field(default=())

    def counts(self) -> dict[str, object]:
        """What a summary says of it; nothing where the table is its files as they stand."""
        counts: dict[str, object] = {}
        if self.where:
            counts["left_out_by_where"] = self.where
        if self.unnest:
            counts["left_out_by_unnest"] = self.unnest
        if self.joins:
            counts["joined"] = [
                {
                    "table": join.stem,
                    "on": join.on,
                    "read": join.read,
                    "keys": join.keys,
                    "left_out_by_where": join.left_out,
                    "unreadable": join.unreadable,
                    "repeated_keys": join.repeated,
                    "rows_without_partner": join.alone,
                    "rows_without_key": join.without_key,
                }
                for join in self.joins
            ]
        return counts
