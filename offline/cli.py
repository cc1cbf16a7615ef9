"""`aisle-offline`: the job's commands."""

import getpass
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from app.artifact.redis_keys import PREFIX
from app.errors import AisleError
from offline.redis_options import (
    RedisCaFile,
    RedisDb,
    RedisPassword,
    RedisPrefix,
    RedisUrl,
    RedisUsername,
    address_of,
    connected,
    keys_of,
)
from offline.storage_errors import storage_errors

app = typer.Typer(
    name="aisle-offline",
    help="Reads a shop's logs and catalogue, trains, and exports the bundle that aisle-serve answers from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

Data = Annotated[Path, typer.Option("--data", help="dataset.toml, or the folder that holds it.")]
Out = Annotated[Path, typer.Option("--out", help="Run folder, such as runs/NAME; what is done there is kept.")]
Seed = Annotated[int, typer.Option("--seed", help="Of every random draw; recorded in the bundle.")]
Split = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="How to cut: column, time:F (F the share of events before the test), last or random. "
        "By default the first that the data allows.",
    ),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu or cuda.")]
Budget = Annotated[str | None, typer.Option("--budget", help="Time for training, such as 60s, 10m or 1h.")]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Most passes over the data.")]
Dim = Annotated[int | None, typer.Option("--dim", min=8, max=512, help="Numbers in a vector; a multiple of 8.")]
Rate = Annotated[
    float | None, typer.Option("--learning-rate", min=1e-6, max=1.0, help="Largest step of the optimiser.")
]
Bits = Annotated[int, typer.Option("--weight-bits", min=7, max=8, help="7 for x86 processors without VNNI, else 8.")]
MaxLoss = Annotated[
    float,
    typer.Option("--max-loss", min=0.0, max=1.0, help="Share of the validation metric that compression may cost."),
]
BadShare = Annotated[
    float, typer.Option("--max-bad-share", min=0.0, max=1.0, help="Share of bad rows past which ingest stops.")
]
KeepEvents = Annotated[
    int, typer.Option("--keep-events", envvar="AISLE_KEEP_EVENTS", min=1, help="Recent events kept, as in the service.")
]
UserDays = Annotated[
    float,
    typer.Option(
        "--user-ttl-days",
        envvar="AISLE_USER_TTL_DAYS",
        min=0,
        help="Days that users' keys live without a new event, as in the service; 0 for ever.",
    ),
]
Without = Annotated[
    list[str] | None,
    typer.Option(
        "--without",
        help="A piece to leave out, to see what it is worth: graph, aggregation, attention, text, attributes or "
        "behaviours. May be given several times.",
    ),
]
Refit = Annotated[
    bool, typer.Option(help="After validation has chosen, train the bundle's network on the validation events too.")
]
MaxDrop = Annotated[
    float,
    typer.Option(
        "--max-drop",
        min=0.0,
        max=1.0,
        help="Share by which the first metric may be below that of the version served now; a larger drop is refused "
        "where the two 95 % intervals do not meet, and both were measured on the same data set, cut and mask.",
    ),
]
Baselines = Annotated[bool, typer.Option(help="Score popularity and item-kNN beside the bundle.")]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what lies in the folder.")]


def cli() -> None:
    """The console script: intended errors are one line on standard error and exit code 1."""
    try:
        with storage_errors():
            app()
    except AisleError as error:
        sys.stderr.write(f"aisle-offline: {error.message}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("aisle-offline: stopped; run the same command again to go on\n")
        sys.exit(130)


@app.command()
def run(
    data: Data,
    out: Out,
    split: Split = None,
    seed: Seed = 0,
    device: Device = "auto",
    budget: Budget = None,
    epochs: Epochs = None,
    dim: Dim = None,
    learning_rate: Rate = None,
    without: Without = None,
    refit: Refit = True,
    weight_bits: Bits = 8,
    max_loss: MaxLoss = 0.005,
    max_bad_share: BadShare = 0.05,
    baselines: Baselines = True,
) -> None:
    """Every stage, from logs to an evaluated bundle; stages done before are left as they are.

    A run that was stopped goes on where it was when the same command is given again. The last line of the output is
    the evaluation as JSON.
    """
    from offline import job  # noqa: PLC0415 - torch takes seconds, which --help should not
    from offline.run_folder import RunFolder  # noqa: PLC0415

    options = job.Options(
        split=split,
        seed=seed,
        device=device,
        budget_s=_seconds(budget),
        overrides=_overrides(epochs, dim, learning_rate),
        without=tuple(without or ()),
        refit=refit,
        weight_bits=weight_bits,
        max_loss=max_loss,
        max_bad_share=max_bad_share,
        baselines=baselines,
    )
    with _display() as display:
        document = job.run(data, RunFolder(out), options, display)
        _show_report(display, document)
        record = RunFolder(out).record()
        minutes = sum(entry["seconds"] for entry in record.values()) / 60
        peak = max(entry["peak_memory_mb"] for entry in record.values())
        display.console.print(f"{minutes:.1f} minutes in all, peak memory {peak} MB", highlight=False)
        told = f"{record['report']['results']['verdict']}; the reasons, figures and plots: {out / 'report.html'}"
        display.console.print(told, highlight=False, markup=False)
        display.console.print(f"serve it: aisle-serve --bundle {out / 'bundle'}", highlight=False)
    _print_json(document)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with the shop's exports.")], force: Force = False
) -> None:
    """Look at the files of a folder and write a commented dataset.toml for them."""
    from offline.dataset_commands import init_command  # noqa: PLC0415 - as above

    _print_json(init_command(folder, force=force))


@app.command()
def check(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="dataset.toml, or the folder that holds it.")],
    max_bad_share: BadShare = 0.05,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Bad rows shown of each file and kind of mistake.")] = 10,
) -> None:
    """Say everything that is wrong with a data set's files; exit code 1 when ingest would refuse them.

    The last line of the output is the findings as JSON.
    """
    from offline.dataset_commands import check_command  # noqa: PLC0415 - as above

    document = check_command(data, max_bad_share=max_bad_share, rows=rows)
    _print_json(document)
    if document["errors"]:
        raise typer.Exit(1)


@app.command()
def ingest(data: Data, out: Out, max_bad_share: BadShare = 0.05) -> None:
    """Read, check and clean the logs and the catalogue."""
    _one_stage("ingest", data, out, max_bad_share=max_bad_share)


@app.command()
def split(data: Data, out: Out, split: Split = None, seed: Seed = 0) -> None:
    """Cut the log into train, valid, context and test. Nothing else cuts."""
    _one_stage("split", data, out, split=split, seed=seed)


@app.command()
def graph(data: Data, out: Out, without: Without = None) -> None:
    """Build the heterogeneous graph from the train part and the catalogue."""
    _one_stage("graph", data, out, without=tuple(without or ()))


@app.command()
def train(
    data: Data,
    out: Out,
    seed: Seed = 0,
    device: Device = "auto",
    budget: Budget = None,
    epochs: Epochs = None,
    dim: Dim = None,
    learning_rate: Rate = None,
    without: Without = None,
) -> None:
    """Train the network; a stopped training goes on from its last epoch."""
    _one_stage(
        "train",
        data,
        out,
        seed=seed,
        device=device,
        budget_s=_seconds(budget),
        overrides=_overrides(epochs, dim, learning_rate),
        without=tuple(without or ()),
    )


@app.command()
def rank(data: Data, out: Out, seed: Seed = 0) -> None:
    """Train the ranker on validation targets, which the network has not seen."""
    _one_stage("rank", data, out, seed=seed)


@app.command()
def refit(data: Data, out: Out, device: Device = "auto") -> None:
    """Train once more, on the train and validation events, as validation has chosen."""
    _one_stage("refit", data, out, device=device)


@app.command()
def compress(data: Data, out: Out, weight_bits: Bits = 8, max_loss: MaxLoss = 0.005, device: Device = "auto") -> None:
    """Measure smaller variants of the network on validation, and choose the smallest within the stated loss."""
    _one_stage("compress", data, out, weight_bits=weight_bits, max_loss=max_loss, device=device)


@app.command()
def export(data: Data, out: Out, refit: Refit = True) -> None:
    """Write and verify the bundle of the chosen variant, and make it the current one."""
    _one_stage("export", data, out, refit=refit)


@app.command()
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

    with _display() as display:
        display.stage("evaluate")
        document = evaluate_on(data, bundle, how=split, baselines=baselines, progress=display.work)
        _show_report(display, document)
    _print_json(document)


@app.command("cold-items")
def cold_items(
    data: Data,
    out: Out,
    share: Annotated[float, typer.Option("--share", help="Share of the items to withhold.")] = 0.1,
    how: Annotated[str, typer.Option("--how", help="random, or newest: whose first event is the latest.")] = "random",
    beside: Annotated[
        Path | None,
        typer.Option("--beside", help="A bundle that `run` made of the same data and split, to compare with."),
    ] = None,
    split: Split = None,
    seed: Seed = 0,
    device: Device = "auto",
    budget: Budget = None,
    epochs: Epochs = None,
    dim: Dim = None,
    learning_rate: Rate = None,
) -> None:
    """Withhold items from training, and score how well text and attributes alone place them.

    Trains without the events of train and valid on those items, then ranks the whole catalogue for the test targets
    that are among them. The last line of the output is the result as JSON. Use a run folder of its own.
    """
    from offline import cold_run, job  # noqa: PLC0415 - as above

    options = job.Options(
        split=split,
        seed=seed,
        device=device,
        budget_s=_seconds(budget),
        overrides=_overrides(epochs, dim, learning_rate),
    )
    with _display() as display:
        document = cold_run.run(data, out, options, display, how=how, share=share, beside=beside)
    _print_json(document)


@app.command()
def report(out: Out) -> None:
    """Write report.html of a run anew: whether to publish and why, figures, data, plots.

    The last line of the output is the verdict as JSON.
    """
    from offline.report.render import remake_report  # noqa: PLC0415 - as above
    from offline.run_folder import RunFolder  # noqa: PLC0415

    folder = RunFolder(out)
    verdict = remake_report(folder)
    _print_json({"page": str(folder.page), "verdict": verdict.decision, "reasons": verdict.sentences()})


@app.command()
def synthesize(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the shop to.")],
    users: Annotated[int, typer.Option("--users", min=1, help="How many shoppers.")] = 1_000,
    items: Annotated[int, typer.Option("--items", min=20, help="How many items.")] = 10_000,
    events: Annotated[
        int | None, typer.Option("--events", min=1, help="How many events; 50 a user if left out.")
    ] = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Make up a shop: catalogue, shoppers and their log, in the layout that the other commands read."""
    from offline.synthetic.synthesize import synthesize as make_shop  # noqa: PLC0415 - as above

    with _display() as display:
        display.stage("synthesize")
        make_shop(users, items, seed, out, events, progress=display.work, force=force)
        display.console.print(f"wrote {out}; train on it: aisle-offline run --data {out} --out runs/{out.name}")


@app.command()
def publish(
    bundle: Annotated[Path, typer.Option("--bundle", help="A bundle, or a store such as runs/NAME/bundle.")],
    redis: RedisUrl,
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    keep_events: KeepEvents = 100,
    user_ttl_days: UserDays = 365.0,
    max_drop: MaxDrop = 0.05,
    force: Annotated[
        str | None,
        typer.Option("--force", help="Why to publish a bundle although its figures speak against it; written down."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who forces it; the name of your account if left out.")] = None,
) -> None:
    """Seed Redis with a bundle, read it back, and make it the version to serve.

    Until all is there, the version before it is served; a publication that was stopped goes on where it was when the
    same command is given again. The last line of the output is what was published, as JSON.
    """
    from offline.publishing.publish import DAY_S  # noqa: PLC0415 - as above
    from offline.publishing.publish import publish as publish_bundle  # noqa: PLC0415

    address = address_of(redis, redis_username, redis_password, redis_db, redis_ca_file)
    with _display() as display, connected(address) as client:
        display.stage("publish")
        published = publish_bundle(
            bundle,
            client,
            keys_of(prefix),
            keep_events=keep_events,
            user_ttl_s=int(user_ttl_days * DAY_S),
            force=force,
            by=by or _account(),
            max_drop=max_drop,
            progress=display.work,
            say=_say_on(display),
        )
    _print_json(asdict(published) | {"forced": None if published.forced is None else published.forced.model_dump()})


@app.command()
def collect(
    redis: RedisUrl,
    out: Annotated[Path, typer.Option("--out", help="Folder of the data set that grows.")],
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="dataset.toml, or its folder, of the shop's earlier logs, which come first."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the data set; that of --base or of --out.")] = None,
    items: Annotated[str | None, typer.Option("--items", help="File of the catalogue, for dataset.toml.")] = None,
) -> None:
    """Move accepted events, and what was shown, from Redis into a data set that `run` reads.

    --base, --name and --items say what goes into its dataset.toml, which is written once. The last line of the output
    is what was collected, as JSON.
    """
    from offline.collecting.collect import collect as collect_streams  # noqa: PLC0415 - as above

    address = address_of(redis, redis_username, redis_password, redis_db, redis_ca_file)
    with _display() as display, connected(address) as client:
        display.stage("collect")
        collected = collect_streams(
            client,
            keys_of(prefix),
            out,
            base=base,
            name=name,
            items=items,
            progress=display.work,
            say=_say_on(display),
        )
    _print_json(asdict(collected))


@app.command()
def schedule(
    redis: RedisUrl,
    logs: Annotated[Path, typer.Option("--logs", help="Folder of the data set that grows, as collect's --out.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the rounds and of the bundles that are served.")],
    every: Annotated[str, typer.Option("--every", help="From the beginning of a round to the next: 24h, 6h.")] = "24h",
    once: Annotated[bool, typer.Option("--once", help="Play one round now and end, for cron.")] = False,
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    base: Annotated[
        Path | None,
        typer.Option("--base", help="dataset.toml, or its folder, of the shop's earlier logs, which come first."),
    ] = None,
    items: Annotated[str | None, typer.Option("--items", help="File of the catalogue, for dataset.toml.")] = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="As of run. last, the default, trains on all but each user's last event, so that a round learns what "
            "happened since the one before; time:F is the fairer test and holds the newest events out.",
        ),
    ] = "last",
    keep: Annotated[int, typer.Option("--keep", min=1, help="Rounds' folders to keep.")] = 3,
    cold_every: Annotated[
        int | None,
        typer.Option("--cold-every", min=1, help="Begin afresh after so many rounds; by default never."),
    ] = None,
    warm_epochs: Annotated[
        int | None, typer.Option("--warm-epochs", min=1, help="Of a warm start; a third of a cold one's if left out.")
    ] = None,
    seed: Seed = 0,
    device: Device = "auto",
    budget: Budget = None,
    epochs: Epochs = None,
    dim: Dim = None,
    learning_rate: Rate = None,
    weight_bits: Bits = 8,
    max_bad_share: BadShare = 0.05,
    max_drop: MaxDrop = 0.05,
    keep_events: KeepEvents = 100,
    user_ttl_days: UserDays = 365.0,
) -> None:
    """Collect, run and publish again and again, one round at a time, until SIGTERM.

    A round without new events is skipped; one that fails leaves the version before it, and is tried again. Training
    begins with the weights of the round published last. A line of JSON a round goes to the output; with --once, the
    exit code is 1 when the round failed. Start the service with --bundle OUT/bundle.
    """
    from offline.durations import seconds_of  # noqa: PLC0415 - as above
    from offline.scheduling.command import schedule as play_rounds  # noqa: PLC0415
    from offline.scheduling.loop import Timing  # noqa: PLC0415
    from offline.scheduling.plan import Wishes  # noqa: PLC0415

    keys_of(prefix)
    wishes = Wishes(
        address=address_of(redis, redis_username, redis_password, redis_db, redis_ca_file),
        prefix=prefix,
        logs=logs,
        out=out,
        base=base,
        items=items,
        split=split,
        seed=seed,
        device=device,
        budget_s=_seconds(budget),
        overrides=_overrides(epochs, dim, learning_rate),
        warm_epochs=warm_epochs,
        weight_bits=weight_bits,
        max_bad_share=max_bad_share,
        max_drop=max_drop,
        keep=keep,
        keep_events=keep_events,
        user_ttl_s=int(user_ttl_days * 86_400),
    )
    if not play_rounds(wishes, Timing(seconds_of(every), cold_every, once)) and once:
        raise typer.Exit(1)


def _one_stage(stage: str, data: Path, out: Path, **options: Any) -> None:
    from offline import job  # noqa: PLC0415 - as above
    from offline.run_folder import RunFolder  # noqa: PLC0415

    with _display() as display:
        results = job.run_stage(stage, data, RunFolder(out), job.Options(**options), display)
    _print_json(results)


def _overrides(epochs: int | None, dim: int | None, learning_rate: float | None) -> dict[str, Any] | None:
    given = {"epochs": epochs, "dim": dim, "learning_rate": learning_rate}
    return {name: value for name, value in given.items() if value is not None} or None


def _seconds(budget: str | None) -> float | None:
    from offline.durations import seconds_of  # noqa: PLC0415 - beside its only use

    return None if budget is None else seconds_of(budget)


@contextmanager
def _display() -> Iterator[Any]:
    from offline.display import RichDisplay  # noqa: PLC0415 - as above

    with RichDisplay() as display:
        yield display


def _say_on(display: Any) -> Callable[[str], None]:
    def say(line: str) -> None:
        display.console.print(line, highlight=False, markup=False)

    return say


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"user {os.getuid()}"


def _show_report(display: Any, document: dict[str, Any]) -> None:
    from offline.evaluation.table import report_table  # noqa: PLC0415 - as above

    display.console.print(report_table(document))


def _print_json(document: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stdout.flush()
