"""What the tables of a folder are taken for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from offline.onboarding.files import FileGroup
from offline.onboarding.guesses import Guess
from offline.onboarding.views import Link, View

Meaning = str | Mapping[str, str]
"""What a word of `[events.types]` stands for: a behaviour, `ignore`, or what it takes back."""


@dataclass(frozen=True)
class Setting:
    """The value of a key that is not the name of a column, and why; `is_sure`: else it stands as a comment."""

    value: Any
    why: str
    is_sure: bool = True


@dataclass(frozen=True)
class GuessedTable:
    """What a view of some tables is taken for: `roles` by name, `settings` by key.

    `words` are the shop's words for events, None those that are not known. `unread` are the columns without a role, and
    why.
    """

    view: View
    why: str
    roles: dict[str, Guess]
    words: dict[str, Meaning | None] = field(default_factory=dict)
    settings: dict[str, Setting] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)

    @property
    def group(self) -> FileGroup:
        """The files whose rows are the table's."""
        return self.view.group

    @property
    def links(self) -> tuple[Link, ...]:
        """The tables that join these rows."""
        return self.view.links

    def column(self, role: str) -> str | None:
        """The column of a role, of several the first; None where the table has none."""
        guess = self.roles.get(role)
        return guess.columns[0] if guess and guess.columns else None


@dataclass(frozen=True)
class GuessedFolder:
    """What the tables of a folder are taken for; `left` are those taken for nothing, and why where that is known."""

    events: GuessedTable | None
    items: GuessedTable | None
    users: GuessedTable | None
    queries: FileGroup | None = None
    judgments: FileGroup | None = None
    left: dict[str, str] = field(default_factory=dict)
