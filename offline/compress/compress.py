"""The stage: search among the variants of a trained network, and write the choice, its table and its network."""

import shutil
from dataclasses import replace
from pathlib import Path

import torch

from offline.compress.choice import COMPRESS_FILE, MAX_LOSS, CompressionChoice
from offline.compress.recipe import Recipe
from offline.compress.sweep import Sweep, SweepResult
from offline.training.trained import Trained, save_trained
from offline.training.validation import Validation, load_validation
from offline.workspace.atomic import write_json
from offline.workspace.progress import Progress, silent

MOST_USERS = 10_000
"""Validation users that variants are judged by; more than training looks at, since the differences are small."""
_TRIED = "tried"


def compress(
    trained: Trained,
    split: Path,
    out: Path,
    *,
    weight_bits: int = 8,
    max_loss: float = MAX_LOSS,
    device: torch.device | None = None,
    progress: Progress | None = None,
) -> CompressionChoice:
    """Choose a variant of a trained network, and write it to `out`: `compress.json`, and the weights if it was cut.

    All of it is judged on validation; test is not read. A search that was stopped takes up the networks that were
    fine-tuned before. Where the split validates nobody, nothing is cut.

    Args:
        trained: a network that is not cut.
        weight_bits: of the item vectors.
        max_loss: share of the validation metric that compression may cost.
        device: of the fine-tuning; the CPU if left out.
    """
    report = progress or silent
    out.mkdir(parents=True, exist_ok=True)
    (out / COMPRESS_FILE).unlink(missing_ok=True)
    validation = load_validation(split, MOST_USERS, trained.settings.seed)
    if validation is None:
        name = f"int{weight_bits}"
        choice = CompressionChoice(name, Recipe(weight_bits=weight_bits), max_loss, None, 0, [])
    else:
        weights_folder = out / _TRIED
        weights_folder.mkdir(exist_ok=True)
        on_cpu = replace(trained, network=trained.network.cpu().eval(), known=trained.known.cpu())
        sweep = Sweep(
            on_cpu,
            split,
            validation,
            weight_bits=weight_bits,
            max_loss=max_loss,
            device=device or torch.device("cpu"),
            weights_folder=weights_folder,
            progress=report,
        )
        result = sweep.run()
        choice = _choice(result, validation, max_loss)
        if choice.recipe.cuts:
            save_trained(result.trained, out)
        shutil.rmtree(weights_folder)
    write_json(out / COMPRESS_FILE, choice.as_dict())
    report(1, 1, f"chosen: {choice.variant}")
    return choice


def _choice(result: SweepResult, validation: Validation, max_loss: float) -> CompressionChoice:
    chosen = result.chosen.variant
    return CompressionChoice(
        variant=chosen,
        recipe=result.recipe,
        max_loss=max_loss,
        metric=validation.metric,
        users=len(validation.cases),
        table=[variant.line(validation.metric, chosen) for variant in result.measured],
    )
