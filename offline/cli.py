"""`aisle-offline`: the job's commands."""

import sys

import typer

from app.errors import AisleError
from offline.commands import catalogue, data, live, training
from offline.commands.processes import LOST, is_launched
from offline.errors import RankLost
from offline.workspace.stop import Stopped, end, how_to_go_on, interrupts, same_command, stops
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
app.command("embed")(training.embed)
app.command("split")(training.split)
app.command("graph")(training.graph)
app.command("train")(training.train)
app.command("compress")(training.compress)
app.command("distil")(training.distil)
app.command("rank")(training.rank)
app.command("refit")(training.refit)
app.command("export")(training.export)
app.command("evaluate")(training.evaluate)
app.command("serve")(training.serve)
app.command("cold-items")(training.cold_items)
app.command("publish")(live.publish)
app.command("migrate")(live.migrate)
app.command("sync")(catalogue.sync)
app.command("collect")(live.collect)
app.command("online")(live.online)
app.command("schedule")(live.schedule)


def cli() -> None:
    """The console script: intended errors and a stop are one line on standard error.

    The exit code is 1 for an error, 130 after SIGINT and 143 after SIGTERM.
    """
    line = "" if is_launched() else how_to_go_on(sys.argv[1:])
    try:
        with stops(line), storage_errors(), interrupts():
            app()
    except RankLost as error:
        if is_launched():
            sys.exit(LOST)
        sys.stderr.write(f"aisle-offline: {error.message}; to go on: {same_command(sys.argv[1:])}\n")
        sys.exit(1)
    except AisleError as error:
        sys.stderr.write(f"aisle-offline: {error.message}\n")
        sys.exit(1)
    except Stopped as stop:
        end(stop.number, line)
