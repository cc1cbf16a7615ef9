"""One run of the job: which stages are done already, the others in their order, and the record of each."""

import json
import resource
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from offline.dataset.erased import digest_of, known_erasures
from offline.dataset.spec import load_spec
from offline.dataset.synonyms import read_synonyms
from offline.errors import InputError, RunFolderError
from offline.estimates import sizes_of
from offline.evaluation.timings import cut_short
from offline.options import Options
from offline.run_clock import RunClock
from offline.stage import Display, Stage, StageContext, data_key, stage_keys
from offline.stages import STAGE_NAMES, STAGES, VERSION
from offline.teacher.chosen import chosen_teacher
from offline.training.ranks import ALONE, Ranks
from offline.workspace.budget import Allowance
from offline.workspace.durations import about, duration
from offline.workspace.run_folder import RunFolder
from offline.workspace.run_folder_errors import run_folder_errors
from offline.workspace.storage_errors import storage_errors

__all__ = ["STAGES", "STAGE_NAMES", "Display", "Options", "choose_device", "data_key", "run", "run_stage"]


def run(
    data: Path,
    folder: RunFolder,
    options: Options,
    display: Display,
    upto: str | None = None,
    ranks: Ranks = ALONE,
) -> dict[str, Any]:
    """Run all stages, or those up to `upto`; one that was done before with the same data and options is skipped.

    Returns:
        The evaluation of the exported bundle; with `upto`, the results of the last stage that was not skipped.

    Raises:
        AisleError: a stage cannot go on.
    """
    with storage_errors(folder.path), folder.locked():
        last = len(STAGES) if upto is None else STAGE_NAMES.index(upto) + 1
        stages = [stage for stage in STAGES[:last] if options.refit or stage.name != "refit"]
        return _run(data, folder, options, display, stages, ranks, again=False)


def run_stage(
    name: str, data: Path, folder: RunFolder, options: Options, display: Display, ranks: Ranks = ALONE
) -> dict[str, Any]:
    """Run one stage, even if it was done before; the stages before it must be done.

    Raises:
        AisleError: the stage cannot go on.
    """
    with storage_errors(folder.path), folder.locked():
        index = STAGE_NAMES.index(name)
        _refuse_other_versions(folder, STAGE_NAMES[:index])
        return _run(data, folder, options, display, STAGES[index : index + 1], ranks, again=True)


def _refuse_other_versions(folder: RunFolder, stages: Sequence[str]) -> None:
    """Return when this version of the code can read what the stages have written.

    Raises:
        RunFolderError: one of the stages was done by code that writes something else.
    """
    record = folder.record()
    for name in stages:
        if name in record and record[name].get("version") != VERSION:
            raise RunFolderError(
                f"{folder.path}: expected the stage {name} of this version of Aisle ({VERSION}), got one of version "
                f"{record[name].get('version')}: `aisle-offline run` does it anew, and all that follows"
            )


def choose_device(name: str) -> torch.device:
    """The device of that name; `auto` takes CUDA where it is available.

    Raises:
        InputError: there is no such device here.
    """
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"expected --device auto, cpu or cuda, got {name!r}: choose one")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("expected a CUDA device for --device cuda, got none: use --device cpu or auto")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _run(
    data: Path,
    folder: RunFolder,
    options: Options,
    display: Display,
    stages: Sequence[Stage],
    ranks: Ranks,
    *,
    again: bool,
) -> dict[str, Any]:
    spec = load_spec(data)
    read_synonyms(spec)  # a line that says nothing is better told now than after training
    teacher = chosen_teacher(spec, options.teacher)
    device = choose_device(options.device)
    options = replace(options, erased=digest_of(known_erasures(spec.root, folder.bundles)))
    keys = stage_keys(STAGES, spec, options)
    outputs = [path for stage in STAGES for path in stage.outputs(folder)]
    last_results: dict[str, Any] = {}
    clock = RunClock(folder, keys, [stage.name for stage in stages], options.budget_s)
    clock.know(sizes_of(spec, folder.split))
    display.begin(clock)
    is_too_short = again or _say_times(clock, display)
    if teacher is not None and not again:
        display.say(
            f"the texts of the catalogue are embedded by {teacher.path}, and a small encoder learns from it, both on "
            "top of that; each says how long it takes before it begins"
        )
    for stage in stages:
        key = keys[stage.name]
        if not again and folder.is_done(stage.name, key) and stage.marker(folder).exists():
            display.skipped(stage.name)
            continue
        display.stage(stage.name)
        with run_folder_errors(folder, outputs), clock.stage(stage.name, again=again):
            context = StageContext(spec, folder, options, device, display, key, clock, ranks)
            allowance = context.allowance
            last_results = stage.run(context)
            _record(folder, stage.name, key, clock, allowance, last_results)
        if stage.name == "split":
            clock.know(sizes_of(spec, folder.split))
        if stage.name == "graph":  # how fast this machine is shows by now
            is_too_short = is_too_short or _say_if_too_short(clock, display)
        for line in cut_short(last_results):
            display.say(f"{stage.name:<9} cut short: {line}")
        if stage.name == "refit" and clock.budget_s is not None and not again:
            display.say(f"the budget was {duration(clock.budget_s)}, it took {duration(clock.bounded_s())}")
    if not again and stages[-1].name == STAGE_NAMES[-1]:
        with run_folder_errors(folder, outputs):
            document: dict[str, Any] = json.loads(folder.report.read_text("utf-8"))
        return document
    return dict(last_results)


def _record(
    folder: RunFolder, stage: str, key: str, clock: RunClock, allowance: Allowance, results: dict[str, Any]
) -> None:
    """Record a finished stage with its results, its seconds, those of a stopped attempt with them, and memory."""
    entry: dict[str, Any] = {"key": key, "version": VERSION}
    entry |= {"seconds": round(clock.seconds(), 2), "peak_memory_mb": _peak_memory_mb()}
    if clock.bounds(stage):
        entry |= {"allowance_s": round(allowance.seconds or 0.0, 2)}
    folder.note(stage, entry | {"results": results})


def _say_times(clock: RunClock, display: Display) -> bool:
    """Say before the first stage how long it may take; whether the budget is known to be too short."""
    if clock.budget_s is None:
        display.say(f"the whole run takes {about(clock.left_s())}; --budget bounds it")
        return False
    display.say(
        f"train, compress, rank and refit take {duration(clock.budget_s)} together; the other stages come on top, "
        f"{about(clock.on_top_s())}"
    )
    return _say_if_too_short(clock, display)


def _say_if_too_short(clock: RunClock, display: Display) -> bool:
    """Say where a budget does not last for one pass of each stage that it bounds; whether it is so."""
    if clock.budget_s is None or clock.least_s() <= clock.budget_s:
        return False
    display.say(
        f"a budget of {duration(clock.budget_s)} can hardly be kept to: one pass of each of the four takes "
        f"{about(clock.least_s())} on this data and machine"
    )
    return True


def _peak_memory_mb() -> int:
    """Most memory that this process has used so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak / (2**20 if sys.platform == "darwin" else 2**10))
