"""Commands of a training run: all of it, single stages, figures, the report."""

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from offline.commands.options import (
    BadShare,
    Baselines,
    Bits,
    Budget,
    Data,
    Device,
    Dim,
    Epochs,
    MaxLoss,
    Out,
    Processes,
    Rate,
    Refit,
    Seed,
    Serve,
    ServedLog,
    Split,
    TeacherPath,
    Without,
)
from offline.commands.output import budget_seconds, overrides_of, print_json, show_against, show_report, shown
from offline.commands.processes import train_processes
from offline.commands.run_options import takes_run_options
from offline.dataset.spec import load_spec
from offline.options import Options

if TYPE_CHECKING:  # torch takes seconds, which --help should not
    from offline.training.ranks import Ranks

TRAINING_STAGES = ("train", "refit")
"""Those that several processes share."""


@takes_run_options()
def run(data: Data, out: Out, options: Options) -> None:
    """Every stage, from logs to an evaluated bundle; stages done before are left as they are.

    A run that was stopped goes on where it was when the same command is given again. The last line of the output is
    the headline figures as JSON: the version served, `measured_as`, the metrics by mask with their 95 % intervals, each
    baseline's first metric, the verdict, the paths of report, page and bundle, and the seconds of all stages. The whole
    evaluation is in OUT/report.json.
    """
    load_spec(data)  # before torch: what is wrong with it is said at once
    with train_processes(options.processes, options.device) as ranks:
        if ranks is not None:
            _run(data, out, options, ranks)


def _run(data: Path, out: Path, options: Options, ranks: "Ranks") -> None:
    from offline import job  # noqa: PLC0415 - torch takes seconds, which --help should not
    from offline.evaluation.serving_document import read_serving, serving_line  # noqa: PLC0415
    from offline.report.headline import headline  # noqa: PLC0415
    from offline.workspace.run_folder import RunFolder  # noqa: PLC0415

    folder = RunFolder(out)
    with shown() as display:
        document = job.run(data, folder, options, display, ranks=ranks)
        show_report(display, document)
        record = folder.record()
        minutes = sum(entry["seconds"] for entry in record.values()) / 60
        peak = max(entry["peak_memory_mb"] for entry in record.values())
        display.console.print(f"{minutes:.1f} minutes in all, peak memory {peak} MB", highlight=False)
        show_against(display, record["report"]["results"])
        summary = f"{record['report']['results']['verdict']}; the reasons, figures and plots: {out / 'report.html'}"
        display.console.print(summary, highlight=False, markup=False)
        display.console.print(serving_line(read_serving(folder.serving)), highlight=False, markup=False)
        display.console.print(f"serve it: aisle-serve --bundle {out / 'bundle'}", highlight=False)
    print_json(headline(folder))


def ingest(data: Data, out: Out, max_bad_share: BadShare = 0.05) -> None:
    """Read, check and clean the logs and the catalogue."""
    _one_stage("ingest", data, out, max_bad_share=max_bad_share)


def embed(data: Data, out: Out, teacher: TeacherPath = None, device: Device = "auto") -> None:
    """Embed the texts of the catalogue by the teacher, where one is named; texts embedded before are not read again."""
    _one_stage("embed", data, out, teacher=teacher, device=device)


def split(data: Data, out: Out, split: Split = None, seed: Seed = 0) -> None:
    """Cut the log into train, valid, context and test. Nothing else cuts."""
    _one_stage("split", data, out, split=split, seed=seed)


def graph(data: Data, out: Out, without: Without = None) -> None:
    """Build the heterogeneous graph from the train part and the catalogue."""
    _one_stage("graph", data, out, without=tuple(without or ()))


def train(
    data: Data,
    out: Out,
    seed: Seed = 0,
    device: Device = "auto",
    processes: Processes = None,
    budget: Budget = None,
    epochs: Epochs = None,
    dim: Dim = None,
    learning_rate: Rate = None,
    without: Without = None,
) -> None:
    """Train the network; a stopped training goes on from its last checkpoint."""
    _one_stage(
        "train",
        data,
        out,
        seed=seed,
        device=device,
        processes=processes,
        budget_s=budget_seconds(budget),
        overrides=overrides_of(epochs, dim, learning_rate),
        without=tuple(without or ()),
    )


def compress(
    data: Data,
    out: Out,
    weight_bits: Bits = 8,
    max_loss: MaxLoss = 0.005,
    device: Device = "auto",
    budget: Budget = None,
) -> None:
    """Measure smaller variants of the network on validation, and choose the smallest within the stated loss."""
    _one_stage(
        "compress",
        data,
        out,
        weight_bits=weight_bits,
        max_loss=max_loss,
        device=device,
        budget_s=budget_seconds(budget),
    )


def distil(data: Data, out: Out, teacher: TeacherPath = None, seed: Seed = 0, device: Device = "auto") -> None:
    """Teach a small encoder to read as the teacher does, where one is named; a stopped course goes on where it was."""
    _one_stage("distil", data, out, teacher=teacher, seed=seed, device=device)


def rank(data: Data, out: Out, seed: Seed = 0, budget: Budget = None) -> None:
    """Train the ranker on validation targets, which the network has not seen."""
    _one_stage("rank", data, out, seed=seed, budget_s=budget_seconds(budget))


def refit(data: Data, out: Out, device: Device = "auto", processes: Processes = None, budget: Budget = None) -> None:
    """Train once more, on the train and validation events, as validation has chosen."""
    _one_stage("refit", data, out, device=device, processes=processes, budget_s=budget_seconds(budget))


def export(data: Data, out: Out, refit: Refit = True) -> None:
    """Write and verify the bundle of the chosen variant, which is measured; `serve` makes the one that goes out."""
    _one_stage("export", data, out, refit=refit)


def evaluate(
    data: Data,
    bundle: Annotated[Path, typer.Option("--bundle", help="A bundle, or a store such as runs/NAME/bundle.")],
    split: Split = None,
    baselines: Baselines = True,
) -> None:
    """Score a bundle on held-out data, through the engine that serves it.

    The data is cut as it was for the bundle's training. The last line of the output is the evaluation as JSON.
    """
    from offline.evaluation.fresh_data import evaluate_on  # noqa: PLC0415 - as above

    with shown() as display:
        display.stage("evaluate")
        document = evaluate_on(data, bundle, how=split, baselines=baselines, progress=display.work)
        show_report(display, document)
    print_json(document)


def serve(data: Data, out: Out, refit: Refit = True, seed: Seed = 0, serve: Serve = ServedLog.WHOLE) -> None:
    """Make the version that is served: the network that was measured, on the whole log, and how far it drifted."""
    _one_stage("serve", data, out, refit=refit, seed=seed, serve=serve.value)


def report(out: Out) -> None:
    """Write report.html of a run anew: whether to publish and why, figures, data, plots.

    The last line of the output is the verdict as JSON.
    """
    from offline.report.render import remake_report  # noqa: PLC0415 - as above
    from offline.workspace.run_folder import RunFolder  # noqa: PLC0415

    folder = RunFolder(out)
    verdict = remake_report(folder)
    print_json(
        {
            "page": str(folder.page),
            "verdict": verdict.decision,
            "reasons": verdict.sentences(),
            "findings": [finding.json() for finding in verdict.findings],
        }
    )


@takes_run_options(leave_out=("baselines", "serve"))
def cold_items(
    data: Data,
    out: Out,
    options: Options,
    share: Annotated[float, typer.Option("--share", help="Share of the items to withhold.")] = 0.1,
    how: Annotated[str, typer.Option("--how", help="random, or newest: whose first event is the latest.")] = "random",
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            help="Leave them out of the catalogue too, and put them into the bundle as a shop puts new items: placed "
            "by a network that has not read a word of them.",
        ),
    ] = False,
    reference: Annotated[
        Path | None,
        typer.Option("--beside", help="A bundle that `run` made of the same data and split, to compare with."),
    ] = None,
) -> None:
    """Withhold items from training, and score how well text and attributes alone place them.

    Trains without the events of train and valid on those items, then ranks the whole catalogue for the test targets
    that are among them. The last line of the output is the result as JSON. Use a run folder of its own.
    """
    load_spec(data)  # before torch, as in `run`
    from offline.commands import cold_items_run  # noqa: PLC0415 - as above

    with train_processes(options.processes, options.device) as ranks:
        if ranks is None:
            return
        with shown() as display:
            document = cold_items_run.run(
                data, out, options, display, ranks, how=how, share=share, live=live, reference=reference
            )
        print_json(document)


def _one_stage(stage: str, data: Path, out: Path, **options: Any) -> None:
    load_spec(data)  # before torch, as in `run`
    from offline import job  # noqa: PLC0415 - as above
    from offline.training.ranks import ALONE  # noqa: PLC0415
    from offline.workspace.run_folder import RunFolder  # noqa: PLC0415

    chosen = job.Options(**options)
    trains = stage in TRAINING_STAGES
    with train_processes(chosen.processes, chosen.device) if trains else nullcontext(ALONE) as ranks:
        if ranks is None:
            return
        with shown() as display:
            results = job.run_stage(stage, data, RunFolder(out), chosen, display, ranks)
        print_json(results)
