"""The state of a schedule between rounds: a JSON file from which a restart knows when the next round is due."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from offline.errors import RunFolderError
from offline.workspace.atomic import write_json

STATE_FILE = "schedule.json"


@dataclass(frozen=True)
class OpenRound:
    """A round that began and is not over; it is resumed in its folder."""

    number: int
    is_collected: bool = False


@dataclass(frozen=True)
class State:
    """The state at the end of the last round, or of its last step."""

    next_number: int = 1
    due_at: float = 0.0  # unix seconds
    began_at: float | None = None  # of the last round that was played to its end
    published: int = 0  # rounds, in all
    skipped: int = 0
    failed: int = 0
    failed_in_row: int = 0
    since_cold: int = 0  # rounds published since the last one that began cold, with it
    is_cold_next: bool = False
    open: OpenRound | None = None
    last_number: int | None = None  # the round that was published last
    last_version: str | None = None
    last_data: str | None = None  # what it was trained on


def read_state(folder: Path) -> State:
    """Read the state in `folder`; without one, return that of a new schedule.

    Raises:
        RunFolderError: the file does not hold the state of a schedule.
    """
    path = folder / STATE_FILE
    try:
        stored = json.loads(path.read_text("utf-8"))
        open_round = stored.pop("open")
        return State(**stored, open=None if open_round is None else OpenRound(**open_round))
    except FileNotFoundError:
        return State()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunFolderError(
            f"{path}: expected the state of a schedule, got something else ({error}): delete it to begin anew"
        ) from error


def write_state(folder: Path, state: State) -> None:
    """Write the state into `folder`, whole or not at all."""
    write_json(folder / STATE_FILE, asdict(state))
