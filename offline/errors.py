"""Every error that only the offline job raises on purpose, as a branch of the tree of `app.errors`.

    AisleError
    ├── InputError                what somebody gave the job cannot be used
    │   ├── TeacherError          the folder of a teacher, or the packages that it wants
    │   ├── DatasetError          dataset.toml, or the files and columns that it names
    │   └── RunFolderError        a run folder is incomplete or of another data set
    │       └── FolderInUse       somebody else is at work in it
    ├── StorageError              a file cannot be written or read: no room, no permission, a broken disk
    ├── TrainingError             training cannot go on (no signal, a loss that is not a number)
    ├── RankLost                  a process of a training in several is gone
    └── PublishRefused            a bundle's figures speak against publishing it

Messages say what was expected, what was received, and what to do. The command line prints them and exits with status 1.
"""

from dataclasses import dataclass

from app.errors import AisleError


class InputError(AisleError):
    """What somebody gave the offline job cannot be used."""

    code = "invalid_input"


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong with a data set; its text is one line."""

    location: str  # such as `dataset.toml, line 7, events.user`
    expected: str
    got: str
    advice: str

    def __str__(self) -> str:
        return f"{self.location}: expected {self.expected}, got {self.got}: {self.advice}"


class DatasetError(InputError):
    """`dataset.toml`, or the files and columns that it names, are wrong.

    Args:
        causes: mistakes, or texts where there is nothing more to tell. The message has a line for each.
    """

    code = "invalid_dataset"

    def __init__(self, *causes: Mistake | str) -> None:
        super().__init__("\n".join(map(str, causes)))
        self.mistakes = tuple(cause for cause in causes if isinstance(cause, Mistake))


class TeacherError(InputError):
    """The folder of a teacher cannot be used, or the packages that it wants are missing."""

    code = "invalid_teacher"


class RunFolderError(InputError):
    """A run folder is in use, incomplete, or belongs to another data set."""

    code = "invalid_run_folder"


class FolderInUse(RunFolderError):
    """Somebody else is at work in the folder."""

    code = "folder_in_use"


class StorageError(AisleError):
    """The file system refuses: there is no room, no permission, or the disk is at fault.

    The message names the file or folder and what to do; see `offline.workspace.storage_errors`.
    """

    code = "storage_error"


class TrainingError(AisleError):
    """Training cannot go on."""

    code = "training_failed"


class RankLost(AisleError):
    """A process of a training in several is gone, and the others end with it."""

    code = "rank_lost"


class MigrationRefused(AisleError):
    """State must not be moved to another layout of keys now."""

    code = "migration_refused"


class PublishRefused(AisleError):
    """A bundle's figures speak against publishing it."""

    code = "publish_refused"
