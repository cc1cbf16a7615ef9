"""What is told of the rows of a table: those that are left out, and the tables that joined them."""

from dataclasses import asdict, dataclass, field, replace


@dataclass(frozen=True)
class JoinFacts:
    """What is in a table that joins: how many rows were `read`, of how many `keys`, and what of them does not count.

    `left_out`: rows by its `where`. `repeated_keys`: keys (of a long table keys and properties) with rows that differ,
    of which one counts: the `newest`, or else the first. `unreadable`: rows that cannot be read, the first of them at
    `unreadable_place`. `rows` are those of the data set that it joined: `rows_without_partner` have a key and found
    none here, `rows_without_key` have none. Examples are texts; empty where there is none.
    """

    table: str  # the name of its first file
    on: str
    read: int
    keys: int
    left_out: int
    repeated_keys: int
    repeated_key: str
    unreadable: int
    unreadable_place: str
    newest: bool
    some_key: str
    rows: int = 0
    rows_without_partner: int = 0
    key_without_partner: str = ""
    rows_without_key: int = 0

    def met(self, rows: int, without_partner: int, key_without_partner: str, without_key: int) -> "JoinFacts":
        """The same, with what was seen when it joined."""
        return replace(
            self,
            rows=rows,
            rows_without_partner=without_partner,
            key_without_partner=key_without_partner,
            rows_without_key=without_key,
        )


@dataclass(frozen=True)
class SourceFacts:
    """How many rows of a table's files are left out, and what joined them.

    `unmet`: columns and texts that the filter compares with and that no row has, each with some values that there are.
    """

    where: int = 0
    unnest: int = 0
    joins: tuple[JoinFacts, ...] = ()
    unmet: tuple[tuple[str, str, str], ...] = field(default=())

    def counts(self) -> dict[str, object]:
        """What a summary says of it; nothing where the table is its files as they stand."""
        counts: dict[str, object] = {}
        if self.where:
            counts["left_out_by_where"] = self.where
        if self.unnest:
            counts["left_out_by_unnest"] = self.unnest
        if self.unmet:
            counts["values_of_no_row"] = [list(entry) for entry in self.unmet]
        if self.joins:
            counts["joined"] = [asdict(join) for join in self.joins]
        return counts
