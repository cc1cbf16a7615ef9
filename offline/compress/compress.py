"""The stage: search among the variants of a trained network, and write the choice, its table and its network."""

import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import onnx
import torch

from offline.compress.choice import COMPRESS_FILE, MAX_LOSS, CompressionChoice
from offline.compress.judges import load_judges, users_within
from offline.compress.outcomes import Outcomes
from offline.compress.recipe import Recipe
from offline.compress.sweep import Sweep, SweepResult
from offline.compress.variant_session import open_variant, top_rows, tower_model
from offline.training.trained import Trained, save_trained
from offline.training.validation import DEPTH, Validation, load_validation
from offline.workspace.atomic import write_json
from offline.workspace.budget import Allowance
from offline.workspace.progress import Progress, silent

_TRIED = "tried"


def compress(
    trained: Trained,
    split: Path,
    out: Path,
    *,
    weight_bits: int = 8,
    max_loss: float = MAX_LOSS,
    device: torch.device | None = None,
    allowance: Allowance | None = None,
    progress: Progress | None = None,
) -> CompressionChoice:
    """Choose a variant of a trained network, and write it to `out`: `compress.json`, and the weights if it was cut.

    All of it is judged on validation: by users, and where the log has them by searches too, each of which has to be
    within the loss. Test is not read. A search that was stopped goes on with the first variant that it had not
    measured. Where the split validates nobody, or is there to be searched and validates no search, nothing is cut.

    Args:
        trained: a network that is not cut.
        weight_bits: of the item vectors.
        max_loss: share of the validation metric that compression may cost.
        device: of the fine-tuning; the CPU if left out.
        allowance: the seconds of the search; it stops where the next variant would not fit.
    """
    report = progress or silent
    allowance = allowance or Allowance.of(None)
    out.mkdir(parents=True, exist_ok=True)
    (out / COMPRESS_FILE).unlink(missing_ok=True)
    on_cpu = replace(trained, network=trained.network.cpu().eval(), known=trained.known.cpu())
    outcomes = Outcomes(out / _TRIED)
    model, judges = None, load_judges(split, on_cpu.graph, 1, trained.settings.seed)
    if judges:
        model = tower_model(on_cpu)
        judges = _judges(on_cpu, model, split, outcomes, allowance)
    if model is None:
        name = f"int{weight_bits}"
        choice = CompressionChoice(name, Recipe(weight_bits=weight_bits), max_loss, None, 0, [])
    else:
        sweep = Sweep(
            on_cpu,
            model,
            split,
            judges,
            weight_bits=weight_bits,
            max_loss=max_loss,
            device=device or torch.device("cpu"),
            outcomes=outcomes,
            allowance=allowance,
            progress=report,
        )
        result = sweep.run()
        choice = _choice(result, judges, max_loss)
        if choice.recipe.cuts:
            save_trained(result.trained, out)
    shutil.rmtree(outcomes.folder)
    write_json(out / COMPRESS_FILE, choice.as_dict())
    report(1, 1, f"chosen: {choice.variant}")
    return choice


def _judges(
    trained: Trained, model: onnx.ModelProto, split: Path, outcomes: Outcomes, allowance: Allowance
) -> list[Validation]:
    seed, graph = trained.settings.seed, trained.graph
    with tempfile.TemporaryDirectory(prefix=".probe.", dir=outcomes.folder) as folder:

        def probe(users: int) -> None:
            few = load_validation(split, users, seed)
            assert few is not None  # noqa: S101 - somebody is validated
            top_rows(open_variant(trained, model, 8, Path(folder) / "probe.onnx"), few, DEPTH)

        users = users_within(allowance, graph.items, outcomes, probe)
    return load_judges(split, graph, users, seed)


def _choice(result: SweepResult, judges: Sequence[Validation], max_loss: float) -> CompressionChoice:
    chosen = result.chosen.variant
    return CompressionChoice(
        variant=chosen,
        recipe=result.recipe,
        max_loss=max_loss,
        metric=judges[0].metric,
        users=sum(len(judge.cases) for judge in judges),
        table=[variant.line(judges[0].metric, chosen) for variant in result.measured],
        make_s=round(result.make_s, 2),
        cut_short=result.cut_short,
    )
