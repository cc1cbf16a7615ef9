"""Commands about the live service: publish, collect, schedule speak to it through Redis; online counts its answers."""

import getpass
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from app.artifact.redis_keys import PREFIX
from offline.commands.options import (
    CatalogueFile,
    EarlierLogs,
    KeepEvents,
    KeepItems,
    MaxDrop,
    ObjectsAddress,
    OptionalRedisUrl,
    RedisCaFile,
    RedisDb,
    RedisPassword,
    RedisPrefix,
    RedisUrl,
    RedisUsername,
    Seed,
    UserDays,
    keys_of,
)
from offline.commands.output import print_json, say_on, shown
from offline.commands.run_options import takes_run_options
from offline.errors import InputError, StorageError
from offline.options import Options
from offline.workspace.redis_client import address_of, connected


def publish(
    bundle: Annotated[Path, typer.Option("--bundle", help="A bundle, or a store such as runs/NAME/bundle.")],
    redis: OptionalRedisUrl = None,
    to: ObjectsAddress = None,
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    keep_events: KeepEvents = 100,
    keep_items: KeepItems = 10_000,
    user_ttl_days: UserDays = 365.0,
    max_drop: MaxDrop = 0.05,
    force: Annotated[
        str | None,
        typer.Option("--force", help="Why to publish a bundle although its figures speak against it; written down."),
    ] = None,
    by: Annotated[str | None, typer.Option("--by", help="Who forces it; the name of your account if left out.")] = None,
    wait: Annotated[
        float,
        typer.Option(
            "--wait", min=0, help="Seconds to wait at most until a replica serves the version; 0 does not wait."
        ),
    ] = 10.0,
    catalogue_sequence: Annotated[
        str | None,
        typer.Option(
            "--catalogue-sequence",
            help="EPOCH:SEQUENCE of the last live change that the bundle's items have, where it was trained on other "
            "files than collect wrote; noted in its manifest. Without it such a bundle leaves out no change.",
        ),
    ] = None,
) -> None:
    """Seed Redis with a bundle, read it back, and make it the version to serve; or send it to a store of objects.

    With --to the bundle is sent there first: files before the manifest, each read back and compared; the object CURRENT
    names it once it is in Redis, too, or, without --redis, once it is there. Files that the store has of another
    version are copied by the store itself. An upload that was stopped goes on when the same command is given again.

    Until all is there, the version before it is served; a publication that was stopped goes on where it was when the
    same command is given again. Erased people are left out, and written down beside the bundles. Where no replica
    serves it within --wait seconds, a line says so, and why where the replicas know it. Changes of the live catalogue
    that this version and the one before have both are dropped from Redis. The last line of the output is what was
    published, as JSON.
    """
    from offline.publishing.erasures import write_down_erasures  # noqa: PLC0415 - as above
    from offline.publishing.live_changes import head_of  # noqa: PLC0415
    from offline.publishing.object_publish import objects_of, publish_objects  # noqa: PLC0415
    from offline.publishing.object_upload import point_objects, upload  # noqa: PLC0415
    from offline.publishing.publish import DAY_S, PublishConfig  # noqa: PLC0415
    from offline.publishing.publish import publish as publish_bundle  # noqa: PLC0415

    objects = None if to is None else objects_of(to)
    if redis is None and objects is None:
        raise InputError("expected --redis, --to or both, got neither: say where to publish")
    if redis is None:
        assert objects is not None  # noqa: S101 - as above
        with shown() as display:
            display.stage("publish")
            sent = publish_objects(
                bundle, objects, force=force, by=by or _account(), max_drop=max_drop, progress=display.work,
                say=say_on(display),
            )  # fmt: skip
        print_json(asdict(sent) | {"forced": None if sent.forced is None else sent.forced.model_dump()})
        return
    address = address_of(redis, redis_username, redis_password, redis_db, redis_ca_file)
    with shown() as display, connected(address) as client:
        display.stage("publish")
        uploaded = None if objects is None else upload(bundle, objects, display.work)
        config = PublishConfig(
            keep_events=keep_events,
            keep_items=keep_items,
            user_ttl_s=int(user_ttl_days * DAY_S),
            force=force,
            by=by or _account(),
            max_drop=max_drop,
            wait_s=wait,
            catalogue=None if catalogue_sequence is None else head_of(catalogue_sequence),
        )
        try:
            write_down_erasures(client, keys_of(prefix), bundle)
        except StorageError as error:  # a folder that is only read; Redis says who was erased, as long as it is there
            say_on(display)(f"erasures are not written down beside the bundles: {error.message}")
        published = publish_bundle(
            bundle, client, keys_of(prefix), config=config, progress=display.work, say=say_on(display)
        )
        if objects is not None:
            point_objects(bundle, objects)
    forced = None if published.forced is None else published.forced.model_dump()
    print_json(asdict(published) | {"forced": forced} | ({} if uploaded is None else {"objects": asdict(uploaded)}))


def migrate(
    redis: RedisUrl,
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    keep_events: KeepEvents = 100,
    keep_items: KeepItems = 10_000,
) -> None:
    """Bring what Redis holds of users from the layout of the Aisle before into that of this one, once.

    To be run when all replicas are of this Aisle: they serve meanwhile, and read both. Where replicas of the one before
    still run, nothing is moved. A migration that was stopped goes on when the same command is given again. The last
    line of the output is what was moved, as JSON.
    """
    from offline.publishing.migrate import MigrateConfig  # noqa: PLC0415 - as above
    from offline.publishing.migrate import migrate as migrate_keys  # noqa: PLC0415

    address = address_of(redis, redis_username, redis_password, redis_db, redis_ca_file)
    with shown() as display, connected(address) as client:
        display.stage("migrate")
        migrated = migrate_keys(
            client,
            keys_of(prefix),
            config=MigrateConfig(keep_events=keep_events, keep_items=keep_items),
            progress=display.work,
            say=say_on(display),
        )
    print_json(asdict(migrated))


def collect(
    redis: RedisUrl,
    out: Annotated[Path, typer.Option("--out", help="Folder of the data set that grows.")],
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    base: EarlierLogs = None,
    name: Annotated[str | None, typer.Option("--name", help="Of the data set; that of --base or of --out.")] = None,
    items: CatalogueFile = None,
) -> None:
    """Move accepted events, and what was shown, from Redis into a data set that `run` reads.

    --base, --name and --items say what goes into its dataset.toml, which is written once. The last line of the output
    is what was collected, as JSON.
    """
    from offline.collecting.collect import CollectConfig  # noqa: PLC0415 - as above
    from offline.collecting.collect import collect as collect_streams  # noqa: PLC0415

    address = address_of(redis, redis_username, redis_password, redis_db, redis_ca_file)
    with shown() as display, connected(address) as client:
        display.stage("collect")
        collected = collect_streams(
            client,
            keys_of(prefix),
            out,
            config=CollectConfig(base=base, name=name, items=items),
            progress=display.work,
            say=say_on(display),
        )
    print_json(asdict(collected))


def online(
    logs: Annotated[Path, typer.Option("--logs", help="Folder that collect writes into.")],
    window: Annotated[
        str, typer.Option("--window", help="How long after an answer something counts for it: 30m, 24h.")
    ] = "30m",
    last: Annotated[
        str | None, typer.Option("--last", help="Count only answers of so long before the newest one: 24h, 168h.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option("--report", help="Page to write; online.html in that folder if left out.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Say what shoppers did with answers: CTR, conversion and MRR by version, with 95 % intervals.

    Events count for an answer by their request_id and item. The last version is compared with those before it. A page
    says the same with plots. The last line of the output is the figures, as JSON.
    """
    from offline.commands.durations import seconds_of  # noqa: PLC0415 - as above
    from offline.online_metrics.figures import evaluate_online  # noqa: PLC0415
    from offline.online_metrics.table import online_table  # noqa: PLC0415
    from offline.report.live_page import PAGE_FILE, write_online_page  # noqa: PLC0415

    window_s, last_s = seconds_of(window), None if last is None else seconds_of(last)
    with shown() as display:
        document = evaluate_online(logs, window_s, last_s, seed)
        display.console.print(online_table(document))
        page = report or logs / PAGE_FILE
        write_online_page(document, logs, page)
        say_on(display)(f"the page: {page}")
    print_json(document)


@takes_run_options(leave_out=("processes",))
def schedule(
    redis: RedisUrl,
    logs: Annotated[Path, typer.Option("--logs", help="Folder of the data set that grows, as collect's --out.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the rounds and of the bundles that are served.")],
    options: Options,
    every: Annotated[str, typer.Option("--every", help="From the beginning of a round to the next: 24h, 6h.")] = "24h",
    once: Annotated[bool, typer.Option("--once", help="Play one round now and end, for cron.")] = False,
    prefix: RedisPrefix = PREFIX,
    redis_username: RedisUsername = None,
    redis_password: RedisPassword = None,
    redis_db: RedisDb = None,
    redis_ca_file: RedisCaFile = None,
    base: EarlierLogs = None,
    items: CatalogueFile = None,
    to: ObjectsAddress = None,
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="As of run. last, the default, trains on all but each user's last event, so that a round learns what "
            "happened since the one before; time:F is the fairer test and holds the newest events out.",
        ),
    ] = "last",
    keep: Annotated[
        int, typer.Option("--keep", min=1, help="Rounds' folders to keep, and versions in each store; at least two.")
    ] = 3,
    cold_every: Annotated[
        int | None,
        typer.Option("--cold-every", min=1, help="Begin afresh after so many rounds; by default never."),
    ] = None,
    warm_epochs: Annotated[
        int | None, typer.Option("--warm-epochs", min=1, help="Of a warm start; a third of a cold one's if left out.")
    ] = None,
    max_drop: MaxDrop = 0.05,
    keep_events: KeepEvents = 100,
    keep_items: KeepItems = 10_000,
    user_ttl_days: UserDays = 365.0,
) -> None:
    """Collect, run and publish again and again, one round at a time, until SIGTERM.

    A round without new events is skipped; one that fails leaves the version before it, and is tried again. Training
    begins with the weights of the round published last. A line of JSON a round goes to the output; with --once, the
    exit code is 1 when the round failed. Start the service with --bundle OUT/bundle, or with the address of --to.
    """
    from offline.commands.durations import seconds_of  # noqa: PLC0415 - as above
    from offline.publishing.object_publish import objects_of  # noqa: PLC0415
    from offline.scheduling.command import schedule as play_rounds  # noqa: PLC0415
    from offline.scheduling.loop import Timing  # noqa: PLC0415
    from offline.scheduling.plan import ScheduleConfig  # noqa: PLC0415

    keys_of(prefix)
    if to is not None:
        objects_of(to)  # one that cannot be used is refused before a round
    config = ScheduleConfig(
        address=address_of(redis, redis_username, redis_password, redis_db, redis_ca_file),
        prefix=prefix,
        logs=logs,
        out=out,
        base=base,
        items=items,
        options=replace(options, split=split, warm_epochs=warm_epochs),
        max_drop=max_drop,
        keep=keep,
        keep_events=keep_events,
        keep_items=keep_items,
        user_ttl_s=int(user_ttl_days * 86_400),
        to=to,
    )
    if not play_rounds(config, Timing(seconds_of(every), cold_every, once)) and once:
        raise typer.Exit(1)


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user often has no name
        return f"user {os.getuid()}"
