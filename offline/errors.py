"""Every error that only the offline job raises on purpose, as a branch of the tree of `app.errors`.

    AisleError
    ├── InputError                what somebody gave the job cannot be used
    │   ├── DatasetError          dataset.toml, or the files and columns that it names
    │   └── RunFolderError        a run folder is incomplete or of another data set
    │       └── FolderInUse       somebody else is at work in it
    ├── StorageError              a file cannot be written or read: no room, no permission, a broken disk
    ├── TrainingError             training cannot go on (no signal, a loss that is not a number)
    └── PublishRefused            a bundle's figures speak against publishing it

Messages say what was expected, what came, and what to do. The command line prints them and exits with status 1.
"""

from app.errors import AisleError


class InputError(AisleError):
    """What somebody gave the offline job cannot be used."""

    code = "invalid_input"


class DatasetError(InputError):
    """`dataset.toml`, or the files and columns that it names, are wrong."""

    code = "invalid_dataset"


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


class PublishRefused(AisleError):
    """A bundle's figures speak against publishing it."""

    code = "publish_refused"
