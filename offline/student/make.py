"""A student is made: its lessons, its depth, its courses, its graph, and the kinds of the catalogue beside it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.artifact.text.meaning_arrays import EncoderSpec
from offline.student.batches import Tokens
from offline.student.depth import Depth, depths_of, try_depths
from offline.student.files import (
    CHECKPOINT,
    GRAPH_FILE,
    STUDENT,
    TOKENIZER_FILE,
    StudentFiles,
    read_student,
    write_arrays,
    write_description,
    write_weights,
)
from offline.student.kind_names import kind_names
from offline.student.kinds import kinds_of, nearest_kinds
from offline.student.lessons import LENGTHS, Curriculum, Lessons, steps_about, tokens_about
from offline.student.measure import Truth, is_faithful, measure
from offline.student.network import Student, begin_as
from offline.student.onnx_graph import student_graph
from offline.student.projection import projected, projection_of
from offline.student.shape import Shape
from offline.student.targets import QueryVectors
from offline.student.teach import RATE, Course, Taught, seconds_a_step, teach, vectors_of
from offline.student.texts import Drawn
from offline.student.tokenizer_file import write_tokenizer
from offline.teacher.encoder import Teacher
from offline.teacher.folder import TeacherFolder
from offline.teacher.texts import item_texts
from offline.training.checkpoint import load_weights, save_weights
from offline.workspace.atomic import atomic_file, write_json
from offline.workspace.durations import about
from offline.workspace.progress import Progress

MOST_STEPS: Final = 1_200
"""Of the long course."""
LEAST_STEPS: Final = 300
"""Of the long course of a small catalogue, whose rounds are short."""
_TRIED_STEPS: Final = 60
_ROUNDS: Final = 3
_AGAIN_ROUNDS: Final = 0.5
_MOST_AGAIN: Final = 200  # steps
_AGAIN_RATE: Final = RATE / 3
_DOCUMENTS: Final = 40_000  # whole texts of items
_GOLDEN: Final = 24
_DEPTH_FILE: Final = "depth.json"
_BEGIN_FILE: Final = "begin.safetensors"


@dataclass(frozen=True)
class Wishes:
    """What a student is made for."""

    key: str  # of what it is made of
    base: str  # of what it shares with those that it can go on from
    bits: int  # of its weights
    most_steps: int  # of the long course
    earlier: StudentFiles | None  # to go on from


@dataclass(frozen=True)
class _Class:
    """What is taught, to students that know the tokens of the lessons alone."""

    curriculum: Curriculum
    numbers: NDArray[np.int64]  # of those tokens, ascending
    weights: dict[str, Tensor]  # of the teacher
    projection: NDArray[np.float32]

    def begin(self, shape: Shape) -> Student:
        """The teacher's first layers."""
        table = "embeddings.word_embeddings.weight"
        student = Student(replace(shape, tokens=len(self.numbers)))
        own = self.weights | {table: self.weights[table][self.numbers]}
        begin_as(student, own, torch.from_numpy(self.projection))
        return student

    def go_on(self, earlier: StudentFiles) -> Student:
        """The student of an earlier run; the vectors of tokens that are new to it are the teacher's."""
        student = self.begin(earlier.shape)
        weights, numbers = earlier.weights()
        table = student.tokens.weight.detach().clone()
        _, here, there = np.intersect1d(self.numbers, numbers, assume_unique=True, return_indices=True)
        table[here] = weights["tokens.weight"][there]
        student.load_state_dict(weights | {"tokens.weight": table})
        return student

    def whole_table(self, student: Student) -> NDArray[np.float32]:
        """The vectors of all tokens, `[all tokens, hidden]`."""
        table = self.weights["embeddings.word_embeddings.weight"].float().numpy().copy()
        table[self.numbers] = student.tokens.weight.detach().numpy()
        return table


@dataclass(frozen=True)
class Making:
    """The making of one student."""

    teacher: TeacherFolder
    shape: Shape  # of one with all of the teacher's layers
    items: pl.DataFrame
    vectors: NDArray[np.float32]  # [items, teacher's width]
    drawn: Drawn
    targets: QueryVectors
    device: torch.device
    progress: Progress
    seed: int

    def make(self, out: Path, wishes: Wishes, say: Callable[[str], None]) -> StudentFiles:
        """Make it, and write it to the folder of the stage."""
        folder = out / STUDENT
        say(self._announcement(wishes))
        meant = list(dict.fromkeys(self.drawn.meant))
        targets = self.targets.of(meant, self.progress, "embedding queries")
        places = {text: place for place, text in enumerate(meant)}
        targets = targets[[places[text] for text in self.drawn.meant]]
        lessons = self._class(targets, wishes.earlier)
        student, taught, tried = self._taught(lessons, targets, folder, wishes)
        kinds, names, centres = self._kinds()
        write_arrays(folder, lessons.projection, centres)
        write_weights(folder, student.state_dict(), lessons.numbers)
        write_tokenizer(self.teacher, folder / TOKENIZER_FILE)
        self.progress(0, 1, "measuring the student")
        model = self._graph(student, lessons, wishes.bits)
        with atomic_file(folder / GRAPH_FILE) as temporary:
            onnx.save(model, str(temporary))
        figures = self._measured(model, student, lessons, targets)
        self.targets.keep()
        write_description(
            folder,
            key=wishes.key,
            base=wishes.base,
            shape=student.shape,
            spec=self._spec(student.shape).model_dump(exclude_unset=True),
            kind_names=names,
            figures={
                "layers": student.shape.layers,
                "width": student.shape.width,
                **figures,
                "steps": taught.step,
                "course_s": round(taught.seconds, 1),
                "queries": len(self.drawn.shown),
                "embedded": self.targets.embedded,
                "kinds": len(centres),
                "items_of_a_kind": int((kinds >= 0).sum()),
                "is_used": is_faithful(figures),
                "warm": wishes.earlier is not None,
                "tried": [asdict(depth) for depth in tried],
                "history": taught.history,
            },
            golden=[*names[: _GOLDEN // 2], *self.drawn.shown[: _GOLDEN // 2]],
        )
        for name in (CHECKPOINT, _DEPTH_FILE, _BEGIN_FILE):
            (folder / name).unlink(missing_ok=True)
        finished = read_student(out)
        assert finished is not None  # noqa: S101 - it was written above
        return finished

    def _announcement(self, wishes: Wishes) -> str:
        missing = self.targets.missing(list(dict.fromkeys(self.drawn.meant)))
        again = wishes.earlier is not None
        tokens = tokens_about(self.drawn.shown[: self.drawn.learned])
        steps = _steps(steps_about(tokens), wishes)
        depths = depths_of(self.shape)
        tried = 0 if again else _TRIED_STEPS * len(depths)
        of_step = seconds_a_step(replace(self.shape, layers=depths[-1]), self.device, tokens // LENGTHS)
        seconds = (steps + tried) * of_step
        how = "goes on from the one before" if again else "is made"
        return (
            f"a student {how} of {len(self.drawn.shown):,} queries, {missing:,} of them to be embedded; its lessons, "
            f"{steps + tried:,} steps at most, take {about(seconds)} on top of the budget while the machine is as busy "
            "as now"
        )

    def _class(self, targets: NDArray[np.float32], earlier: StudentFiles | None) -> _Class:
        projection = projection_of(self.vectors, self.shape.width) if earlier is None else earlier.arrays()[0]
        exact = Teacher(self.teacher, torch.device("cpu"), exact=True)
        rows = np.flatnonzero(self.vectors.any(axis=1))
        rows = np.sort(np.random.default_rng([self.seed, 51]).permutation(rows)[:_DOCUMENTS])
        texts = item_texts(self.items)
        queries = Tokens.of(exact.tokens(self.drawn.shown, "query"))
        documents = Tokens.of(exact.tokens([texts[row] for row in rows], "document"))
        known = np.zeros(0, np.int64) if earlier is None else earlier.weights()[1]
        numbers = np.unique(np.concatenate([queries.ids, documents.ids, known]))
        places = np.zeros(self.shape.tokens, dtype=np.int64)
        places[numbers] = np.arange(len(numbers))
        items = projected(self.vectors[rows], projection)
        curriculum = Curriculum(
            Lessons(queries.numbered(places), projected(targets, projection)),
            self.drawn.held,
            Lessons(documents.numbered(places), items),
            items,
            self.seed,
        )
        return _Class(curriculum, numbers, exact.weights(), projection)

    def _taught(
        self, lessons: _Class, targets: NDArray[np.float32], folder: Path, wishes: Wishes
    ) -> tuple[Student, Taught, list[Depth]]:
        tried: list[Depth] = []
        a_round = lessons.curriculum.steps_a_round()
        if wishes.earlier is not None:
            student = lessons.go_on(wishes.earlier)
            course = Course(_steps(a_round, wishes), _AGAIN_RATE)
        else:
            student, tried = self._tried(lessons, targets, folder, wishes.bits)
            course = Course(_steps(a_round, wishes))
        taught = teach(
            student,
            lessons.curriculum,
            course,
            folder / CHECKPOINT,
            device=self.device,
            progress=self.progress,
            what=f"teaching {student.shape.layers} layers",
        )
        return student, taught, tried

    def _tried(
        self, lessons: _Class, targets: NDArray[np.float32], folder: Path, bits: int
    ) -> tuple[Student, list[Depth]]:
        """A student of the depth that does best, after its short course."""
        try:
            document = json.loads((folder / _DEPTH_FILE).read_text("utf-8"))
        except FileNotFoundError:
            document = None
        if document is None:
            weights, best, tried = try_depths(
                depths_of(self.shape), lambda layers: self._short(lessons, targets, layers, bits)
            )
            student = lessons.begin(replace(self.shape, layers=best.layers))
            student.load_state_dict(weights)
            save_weights(folder / _BEGIN_FILE, student)
            write_json(folder / _DEPTH_FILE, {"layers": best.layers, "tried": [asdict(depth) for depth in tried]})
            return student, tried
        student = lessons.begin(replace(self.shape, layers=document["layers"]))
        load_weights(folder / _BEGIN_FILE, student)
        return student, [Depth(**depth) for depth in document["tried"]]

    def _short(self, lessons: _Class, targets: NDArray[np.float32], layers: int, bits: int) -> tuple[Student, Depth]:
        student = lessons.begin(replace(self.shape, layers=layers))
        taught = teach(
            student,
            lessons.curriculum,
            Course(_TRIED_STEPS, validations=1),
            None,
            device=self.device,
            progress=self.progress,
            what=f"trying {layers} layers",
        )
        figures = self._measured(self._graph(student, lessons, bits), student, lessons, targets)
        return student, Depth(layers, round(taught.cosine, 4), round(taught.seconds, 1), taught.step, figures)

    def _kinds(self) -> tuple[NDArray[np.int64], list[str], NDArray[np.float32]]:
        """The kind of each item, -1 for none, their names, and their centres."""
        self.progress(0, 1, "kinds of items")
        centres = kinds_of(self.vectors, self.seed)
        kinds = np.full(len(self.vectors), -1, dtype=np.int64)
        has_text = self.vectors.any(axis=1)
        kinds[has_text] = nearest_kinds(self.vectors[has_text], centres)[0]

        def encode(texts: Sequence[str]) -> NDArray[np.float32]:
            return self.targets.of(texts, self.progress, "naming kinds")

        return kinds, kind_names(self.items, kinds, centres, encode), centres

    def _graph(self, student: Student, lessons: _Class, bits: int) -> onnx.ModelProto:
        weights = {name: value.detach().numpy() for name, value in student.state_dict().items()}
        return student_graph(weights, student.shape, lessons.whole_table(student), self.teacher.max_tokens, bits)

    def _measured(
        self, model: onnx.ModelProto, student: Student, lessons: _Class, targets: NDArray[np.float32]
    ) -> dict[str, Any]:
        """The figures of a graph, on the queries that are held out."""
        curriculum = lessons.curriculum
        rows = curriculum.held_rows()
        tokens = curriculum.queries.tokens
        truth = Truth(
            [lessons.numbers[tokens.ids[tokens.offsets[row] : tokens.offsets[row + 1]]].tolist() for row in rows],
            vectors_of(student, curriculum, rows, torch.device("cpu")),
            targets[rows],
            self.vectors,
            projected(self.vectors, lessons.projection),
            curriculum.queries.targets[rows],
        )
        return measure(model, truth, self.shape.tokens - 1)

    def _spec(self, shape: Shape) -> EncoderSpec:
        teacher = self.teacher
        return EncoderSpec(
            max_tokens=teacher.max_tokens,
            query_prefix=teacher.query_prefix,
            document_prefix=teacher.document_prefix,
            width=shape.width,
            layers=shape.layers,
            teacher=teacher.path.name,
        )


def _steps(a_round: int, wishes: Wishes) -> int:
    """Of the long course, by how many steps it takes to see every query once."""
    if wishes.earlier is not None:
        return max(1, min(int(_AGAIN_ROUNDS * a_round), _MOST_AGAIN, wishes.most_steps))
    return min(max(_ROUNDS * a_round, LEAST_STEPS), wishes.most_steps)
