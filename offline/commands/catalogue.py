"""The command that brings a shop's export into the live catalogue."""

from contextlib import ExitStack
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.artifact.redis_keys import PREFIX
from app.stores.redis_link import EXPECTED
from offline.commands.options import (
    BadShare,
    RedisCaFile,
    RedisDb,
    RedisPassword,
    RedisPrefix,
    RedisUsername,
    keys_of,
)
from offline.commands.output import print_json, shown
from offline.errors import InputError
from offline.workspace.redis_client import address_of, connected


class NewColumns(StrEnum):
    """The values of `--new-columns`."""

    KEEP = "keep"
    REFUSE = "refuse"


def sync(
    items: Annotated[
        str | None,
        typer.Option("--items", help="File, pattern or URL of the export. Without --data, init's guess reads it."),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", help="dataset.toml, or its folder, whose [items] says how to read --items, or its own files."
        ),
    ] = None,
    url: Annotated[
        str | None, typer.Option("--url", help="Address of a service, such as http://localhost:8000.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key",
            envvar="AISLE_ADMIN_KEYS",
            help="Admin key for --url, the first of several with commas between. Other people on this machine may see "
            "what is typed here: set the variable.",
        ),
    ] = None,
    redis: Annotated[
        str | None, typer.Option("--redis", envvar="AISLE_REDIS", help=f"Instead of --url: {EXPECTED}.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(
            "--bundle",
            help="With --redis: the bundle that is served, or its store, which says what the items are that were not "
            "changed.",
        ),
    ] = None,
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    delete_missing: Annotated[
        bool, typer.Option("--delete-missing", help="Delete live items that the export lacks, but for hidden ones.")
    ] = False,
    delete_most: Annotated[
        bool, typer.Option("--delete-most", help="Do so even where more than a fifth of the items would go.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent, and send nothing.")] = False,
    rate: Annotated[float | None, typer.Option("--rate", min=0.1, help="Most operations a second.")] = None,
    new_columns: Annotated[
        NewColumns,
        typer.Option(
            "--new-columns",
            help="Columns that the served bundle does not know: kept for the next training, or refused.",
        ),
    ] = NewColumns.KEEP,
    max_bad_share: BadShare = 0.05,
) -> None:
    """Send the difference between a shop's export and the live catalogue: new items, changed fields.

    The export is read as run reads it: by dataset.toml, or as init guesses it. Of an item that is known only the fields
    that differ are sent, and nothing of what the export has no column for. The same command a second time sends
    nothing, so that one that was stopped can be repeated. The exit code is 1 where a row or an item was not taken. The
    last line of the output is what was done, as JSON.
    """
    from offline.sync.export_file import read_export  # noqa: PLC0415 - as above
    from offline.sync.http_target import HttpTarget  # noqa: PLC0415
    from offline.sync.redis_target import RedisTarget  # noqa: PLC0415
    from offline.sync.sync import SyncConfig  # noqa: PLC0415
    from offline.sync.sync import sync as sync_items  # noqa: PLC0415
    from offline.sync.target import Target  # noqa: PLC0415

    if url is None and redis is None:
        raise InputError("expected --url ADDRESS of a service, or --redis ADDRESS with --bundle, got neither")
    if url is None and bundle is None:
        raise InputError(
            "expected --bundle beside --redis, the bundle that is served: it says what the items are that were not "
            "changed; or give --url instead"
        )
    config = SyncConfig(dry_run, delete_missing, delete_most, rate)
    with shown() as display, ExitStack() as stack:
        display.stage("sync")
        exported = read_export(items, data, max_bad_share, display.work, display.say)  # before anything is asked for
        keep = new_columns is NewColumns.KEEP
        target: Target
        if url is not None:
            target = stack.enter_context(HttpTarget(url, key and key.partition(",")[0].strip(), keep_new=keep))
        else:
            assert redis is not None  # noqa: S101 - one of both is given
            assert bundle is not None  # noqa: S101 - as above
            address = address_of(redis, redis_username, redis_password, redis_db, redis_ca_file)
            target = RedisTarget(stack.enter_context(connected(address)), keys_of(prefix), bundle, keep_new=keep)
        synced = sync_items(exported, target, config, display.work, display.say)
    print_json(asdict(synced))
    if not synced.is_whole:
        raise typer.Exit(1)
