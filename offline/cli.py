"""`aisle-offline`: the job's commands."""

import sys

import typer

from app.errors import AisleError
from offline.commands import data, live, training
from offline.workspace.storage_errors import storage_errors

app = typer.Typer(
    name="aisle-offline",
    help="Reads a shop's logs and catalogue, trains, and exports the bundle that aisle-serve answers from.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
app.command("run")(training.run)
app.command("report")(training.report)
app.command("init")(data.init)
app.command("check")(data.check)
app.command("synthesize")(data.synthesize)
app.command("ingest")(training.ingest)
app.command("split")(training.split)
app.command("graph")(training.graph)
app.command("train")(training.train)
app.command("compress")(training.compress)
app.command("rank")(training.rank)
app.command("refit")(training.refit)
app.command("export")(training.export)
app.command("evaluate")(training.evaluate)
app.command("cold-items")(training.cold_items)
app.command("publish")(live.publish)
app.command("collect")(live.collect)
app.command("online")(live.online)
app.command("schedule")(live.schedule)


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
