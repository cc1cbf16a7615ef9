"""Init: a folder of exports gets a commented `dataset.toml`, guessed from its files."""

from dataclasses import dataclass
from pathlib import Path

from offline.dataset.spec import SPEC_FILE, load_spec
from offline.errors import DatasetError, InputError
from offline.onboarding.files import file_groups
from offline.onboarding.guess import guess_folder
from offline.onboarding.guessed import GuessedFolder, GuessedTable
from offline.onboarding.toml_writer import toml_of
from offline.tables.formats import formats_text
from offline.tables.temporary import temporary_tables
from offline.workspace.atomic import atomic_file

_MOST_NAMES = 6


@dataclass(frozen=True)
class Initialised:
    """The file that was written, the guesses in it, and the files that could not be read."""

    path: Path
    guessed: GuessedFolder
    unreadable: tuple[str, ...]

    @property
    def tables(self) -> dict[str, GuessedTable]:
        """The tables that were guessed, by name."""
        tables = {"events": self.guessed.events, "items": self.guessed.items, "users": self.guessed.users}
        return {name: table for name, table in tables.items() if table is not None}

    @property
    def unknown_words(self) -> list[str]:
        """The shop's words for events that have no known meaning; their rows are set aside."""
        events = self.guessed.events
        return [] if events is None else [word for word, meaning in events.words.items() if meaning is None]


def init(root: Path, *, force: bool = False) -> Initialised:
    """Write `dataset.toml` into the folder `root`, whole or not at all.

    Raises:
        InputError: there is one already, and `force` is not set.
        DatasetError: `root` is no folder, or holds neither events nor a catalogue.
    """
    path = root / SPEC_FILE
    if not root.is_dir():
        raise DatasetError(f"{root}: expected a folder with a shop's files, got none: correct the path")
    if path.exists() and not force:
        raise InputError(f"{path}: expected no such file yet, got one: give --force to write it anew")
    with temporary_tables():
        return _init(root, path)


def _init(root: Path, path: Path) -> Initialised:
    groups, unreadable = file_groups(root)
    guessed = guess_folder(groups)
    if guessed.events is None and guessed.items is None:
        columns = "; ".join(f"{group.path}: {', '.join(group.sample.columns)}" for group in groups) or _nothing_in(root)
        raise DatasetError(
            f"{root}: expected a file ({formats_text()}) with a user and an item in each row, got {columns}: "
            f"export the shop's events there, or write {SPEC_FILE} yourself",
            *(f"not read: {line}" for line in unreadable),
        )
    with atomic_file(path) as temporary:
        temporary.write_text(toml_of(root.resolve().name or "shop", guessed, unreadable), encoding="utf-8")
        load_spec(temporary)
    return Initialised(path, guessed, tuple(unreadable))


def _nothing_in(root: Path) -> str:
    names = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"no table among {', '.join(names[:_MOST_NAMES])}{more}" if names else "an empty folder"
