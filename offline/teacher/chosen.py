"""Which teacher a run has: the one of the command line, else that of `dataset.toml`, else none."""

from pathlib import Path
from typing import Any

from offline.dataset.spec import DatasetSpec
from offline.errors import DatasetError, TeacherError
from offline.teacher.folder import TeacherFolder, read_teacher_folder, require_packages


def chosen_teacher(spec: DatasetSpec, given: Path | None) -> TeacherFolder | None:
    """The folder of the teacher; None without one.

    Args:
        spec: of the data set, whose `[text]` may name one.
        given: on the command line.

    Raises:
        TeacherError: the folder that was given cannot be used.
        DatasetError: that of `dataset.toml` cannot.
    """
    text = spec.text
    if given is None and text.teacher is None:
        return None
    path = spec.root / (text.teacher or "") if given is None else given
    try:
        folder = read_teacher_folder(
            path.absolute(), query_prefix=text.query_prefix, document_prefix=text.document_prefix
        )
        require_packages()
    except TeacherError as error:
        if given is not None:
            raise
        raise DatasetError(f"{spec.toml.location('text', 'teacher')}: {error.message}") from error
    return folder


def teacher_key(spec: DatasetSpec, given: Path | None) -> list[Any]:
    """What vectors of texts depend on; empty without a teacher."""
    folder = chosen_teacher(spec, given)
    return [] if folder is None else folder.state()
