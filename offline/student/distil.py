"""The stage `distil`: a small encoder that reads queries as the teacher does, and the kinds of the catalogue."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import polars as pl
import torch

from offline.student.files import QUERIES, STUDENT, StudentFiles, read_student
from offline.student.known_words import near_words, with_known_words, words_of
from offline.student.make import MOST_STEPS, Making, Wishes
from offline.student.projection import WIDTH
from offline.student.shape import shape_of
from offline.student.targets import QueryVectors
from offline.student.texts import draw_texts, logged_texts
from offline.teacher.embed import teacher_vectors
from offline.teacher.folder import TeacherFolder
from offline.teacher.texts import item_texts
from offline.workspace.progress import Progress
from offline.workspace.run_folder import key_of, reset_if_stale

_VERSION: Final = 2


@dataclass(frozen=True)
class Places:
    """What the stage reads."""

    split: Path
    embed: Path
    earlier: Path | None = None  # the folder of this stage of an earlier run, to go on from its student


def distil(
    places: Places,
    teacher: TeacherFolder,
    out: Path,
    *,
    seed: int,
    bits: int,
    device: torch.device,
    say: Callable[[str], None],
    progress: Progress,
    width: int = WIDTH,
    most_steps: int = MOST_STEPS,
) -> StudentFiles | str:
    """Write the student and the kinds to `out`; or why there is no student of this teacher.

    It can be killed at any time, and goes on where it was. What is there already for the same texts stays.

    Args:
        places: what is read.
        teacher: the folder of the encoder.
        out: folder to write to.
        seed: draws texts, and their order.
        bits: of the weights.
        device: to teach on.
        say: told what is to be done, and how long it takes at most, before it begins.
        progress: called with each step.
        width: numbers of a vector.
        most_steps: of the long course.

    Raises:
        TeacherError: the teacher cannot be read.
        RunFolderError: an earlier stage's files are missing or damaged.
        TrainingError: the loss is not a number.
    """
    progress(0, 1000, "reading the teacher")
    config = json.loads((teacher.model_path / "config.json").read_text("utf-8"))
    shape = shape_of(config, teacher.pooling, min(width, int(config.get("hidden_size", width))))
    if isinstance(shape, str):
        return shape
    items = pl.read_parquet(places.split / "items.parquet").sort("row")
    vectors = teacher_vectors(places.embed, items)[1:]
    if not vectors.any():
        return "no item of the catalogue has a text"
    drawn = draw_texts(items, logged_texts(places.split), seed)
    fingerprint = teacher.fingerprint()
    base = key_of(_VERSION, fingerprint, teacher.query_prefix, shape.width)
    key = key_of(base, seed, bits, most_steps, drawn.shown, drawn.meant, drawn.held, item_texts(items))
    known = read_student(out)
    if known is not None and known.document["key"] == key:
        say("the student of this teacher and these texts is there already")
        return known
    earlier = None if places.earlier is None else read_student(places.earlier)
    earlier = earlier if earlier is not None and earlier.document["base"] == base else None
    reset_if_stale(out / STUDENT, key)
    queries = [] if places.earlier is None else [places.earlier / QUERIES]
    targets = QueryVectors(teacher, fingerprint, out / QUERIES, queries, device)
    words = words_of(teacher)[: drawn.learned // 2]  # of a small catalogue fewer: they are no more than its own texts
    missing = targets.missing(words)
    if missing:
        say(f"{missing:,} words that the teacher knows are embedded, to choose those that are near to the catalogue")
    drawn = with_known_words(drawn, near_words(words, targets, vectors[vectors.any(axis=1)], progress), seed)
    making = Making(teacher, shape, items, vectors, drawn, targets, device, progress, seed)
    return making.make(out, Wishes(key, base, bits, most_steps, earlier), say)
