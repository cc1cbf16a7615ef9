"""The lessons are taught: steps of descent, validated on held-out queries, checkpointed, resumable."""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from offline.errors import TrainingError
from offline.student.batches import batches_of
from offline.student.lessons import BATCH_TOKENS, Curriculum
from offline.student.loss import loss_of
from offline.student.network import Student
from offline.student.shape import Shape
from offline.training.checkpoint import load_checkpoint, save_checkpoint
from offline.workspace.progress import Progress

RATE: Final = 3e-4
_EMBEDDING_RATE: Final = 1e-4
_LEAST_RATE: Final = 0.02  # of the rate, at the end
_WARM_UP_STEPS: Final = 50
_ITEMS: Final = 512  # that a step compares with
_CHECKPOINT_EVERY_S: Final = 20.0
_LEAST_BETWEEN: Final = 25  # steps from one validation to the next: fewer bring too little to tell
_GAIN: Final = 0.001  # of the held-out cosine, below which a validation counts as idle
_IDLE: Final = 3  # validations
_FEW_TOKENS: Final = 64  # of the vocabulary of a student whose steps are timed
_TOKENS: Final = 8  # of each text then
_TIMED: Final = 5  # steps


@dataclass(frozen=True)
class Course:
    """How long teaching goes on: until the steps are done, or the student learns no more. No clock ends it, so that a
    busy machine makes the same student, later."""

    steps: int
    rate: float = RATE
    validations: int = 12  # evenly over the steps


@dataclass
class Taught:
    """How far teaching is, and how it went."""

    step: int = 0
    seconds: float = 0.0
    idle: int = 0  # validations in a row that brought nothing
    cosine: float = -1.0  # of held-out queries with the teacher's vectors
    history: list[dict[str, float]] = field(default_factory=list)  # of validations

    def json(self) -> dict[str, Any]:
        """The state as a checkpoint holds it."""
        return dict(vars(self))


def teach(
    student: Student,
    curriculum: Curriculum,
    course: Course,
    checkpoint: Path | None,
    *,
    device: torch.device,
    progress: Progress,
    what: str,
    now: Callable[[], float] = time.monotonic,
) -> Taught:
    """Teach a student, which is changed, going on from the checkpoint where there is one.

    The same lessons and course make the same student.

    Args:
        student: with the weights to begin with.
        curriculum: what it is taught.
        course: how long.
        checkpoint: file to go on from, and to write; None keeps none.
        device: to compute on.
        progress: called with the part that is done, in thousandths.
        what: is done, for the progress.
        now: returns seconds.

    Raises:
        TrainingError: the loss is not a number.
        RunFolderError: the checkpoint is unreadable or of another network.
    """
    student.to(device).train()
    optimizer = _optimizer(student, course.rate)
    state = Taught()
    if checkpoint is not None and checkpoint.exists():
        state = Taught(**load_checkpoint(checkpoint, student, optimizer))
    began = now() - state.seconds
    saved = now()
    every = max(_LEAST_BETWEEN, course.steps // course.validations)
    items = torch.from_numpy(curriculum.items).to(device)
    halves = _has_halves(device)
    for lessons, rows in itertools.islice(curriculum.steps(), state.step, None):
        share = state.step / course.steps
        if share >= 1 or state.idle >= _IDLE:
            break
        _set_rates(optimizer, course.rate, state.step, share)
        ids, targets = lessons.batch(rows)
        some = np.random.default_rng([curriculum.seed, state.step]).integers(len(items), size=_ITEMS)
        with torch.autocast(device.type, torch.bfloat16, enabled=halves):
            vectors = student(ids.to(device))
        loss = loss_of(vectors.float(), targets.to(device), items[torch.from_numpy(some).to(device)])
        if not torch.isfinite(loss):
            raise TrainingError(f"the student's loss is not a number after {state.step} steps: choose another teacher")
        weight = min(1.0, ids.numel() / BATCH_TOKENS)  # a text counts alike in a small batch
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss * weight)
        torch.nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        optimizer.step()
        state.step += 1
        state.seconds = now() - began
        progress(int(1000 * share), 1000, f"{what} (cosine {state.cosine:.3f})" if state.history else what)
        if state.step % every == 0:
            _validate(state, student, curriculum, device)
        if checkpoint is not None and now() - saved > _CHECKPOINT_EVERY_S:
            save_checkpoint(checkpoint, student, optimizer, state.json())
            saved = now()
    _validate(state, student, curriculum, device)
    student.cpu().eval()
    return state


def seconds_a_step(shape: Shape, device: torch.device, tokens: int = BATCH_TOKENS) -> float:
    """How long a step of so many tokens, or of a full batch, takes a student of a shape while the machine is as busy as
    now.
    """
    student = Student(replace(shape, tokens=_FEW_TOKENS)).to(device).train()
    texts = max(1, min(tokens, BATCH_TOKENS) // _TOKENS)
    ids = torch.zeros((texts, _TOKENS), dtype=torch.long, device=device)
    seconds = []
    for _ in range(_TIMED):
        began = time.monotonic()
        torch.autograd.backward(student(ids).square().sum())
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.monotonic() - began)
    return float(np.median(seconds))


def vectors_of(
    student: Student, curriculum: Curriculum, rows: NDArray[np.int64], device: torch.device
) -> NDArray[np.float32]:
    """What the student makes of some queries, `[rows, width]`."""
    vectors = np.zeros((len(rows), student.shape.width), dtype=np.float32)
    places = np.zeros(len(curriculum.queries.targets), dtype=np.int64)
    places[rows] = np.arange(len(rows))
    with torch.inference_mode():
        for batch in batches_of(curriculum.queries.tokens.lengths, rows, 4 * BATCH_TOKENS):
            ids, _ = curriculum.queries.batch(batch)
            vectors[places[batch]] = student(ids.to(device)).cpu().numpy()
    return vectors


def _validate(state: Taught, student: Student, curriculum: Curriculum, device: torch.device) -> None:
    rows = curriculum.held_rows()
    if not len(rows) or (state.history and state.history[-1]["step"] == state.step):
        return
    cosine = float((vectors_of(student, curriculum, rows, device) * curriculum.queries.targets[rows]).sum(1).mean())
    state.idle = 0 if cosine - state.cosine >= _GAIN else state.idle + 1
    state.cosine = cosine
    state.history.append({"step": state.step, "seconds": round(state.seconds, 1), "cosine": round(cosine, 4)})


def _has_halves(device: torch.device) -> bool:
    """Whether the device multiplies numbers of 16 bits faster than of 32; weights have 32 in any case."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())


def _optimizer(student: Student, rate: float) -> torch.optim.Optimizer:
    tables = [student.tokens.weight, student.positions.weight]
    known = {id(table) for table in tables}
    rest = [weight for weight in student.parameters() if id(weight) not in known]
    return torch.optim.AdamW(
        [{"params": rest, "lr": rate}, {"params": tables, "lr": rate}], weight_decay=0.01, fused=True
    )


def _set_rates(optimizer: torch.optim.Optimizer, rate: float, step: int, share: float) -> None:
    factor = min(1.0, (step + 1) / _WARM_UP_STEPS) * max(_LEAST_RATE, 1 - share)
    for group, base in zip(optimizer.param_groups, (rate, rate * _EMBEDDING_RATE / RATE), strict=True):
        group["lr"] = base * factor
