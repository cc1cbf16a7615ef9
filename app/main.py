"""The composition root of the service, and `aisle-serve`. Nothing but this and `app.options` reads the settings."""

import gc
import hashlib
import logging
import os
import sys
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import redis
import typer
import uvicorn
from starlette.applications import Starlette

from app.api.application import make_application
from app.api.keys import Keyring
from app.api.origins import is_loopback
from app.api.rehearsal import rehearse
from app.api.startup import StartupApplication
from app.artifact.bundle_store import folder_of, is_bundle, version_in
from app.artifact.erasures import keeps_erasures
from app.artifact.object_store import ObjectAddress, ObjectLimits, ObjectStore
from app.artifact.redis_keys import Keys
from app.engine.kernels.library import kernel_kind, say_kernels
from app.errors import AisleError, BundleError, SettingsError
from app.options import (
    connection_bounds,
    cursor_keys,
    http_options,
    impression_options,
    redis_address,
    retention,
    service_limits,
)
from app.server.bounds import raise_descriptor_limit
from app.server.closing import ClosingServer, stop_on_signals
from app.server.connections import Connections
from app.server.processes import Place, Processes, bind, places, take_place
from app.server.protocol import protocol_of
from app.serving.cursor_keys import CursorKeys
from app.serving.first_fetch import first_fetch
from app.serving.live_catalogue import CatalogueWaits
from app.serving.release import DevicePolicy, LoadOptions, Release, load_release, load_version
from app.serving.services import Drain, FollowOptions, build_services
from app.settings import PREFIX, Settings, keys_in, read_settings
from app.stores.bundle_cache import MB, BundleCache
from app.stores.catalogue import CatalogueStore
from app.stores.memory import MemoryUserStore
from app.stores.memory_catalogue import MemoryCatalogueStore
from app.stores.object_models import ObjectModels
from app.stores.protocol import ModelStore, UserStore
from app.stores.published import FixedModels, FolderModels, RedisModels, model_from_manifest
from app.stores.redis_gate import kind_of
from app.stores.redis_link import RedisAddress, open_sync, redact
from app.stores.redis_stores import open_gate, redis_stores
from app.stores.shared_secret import SharedSecret
from app.telemetry.logs import configure_logs
from app.telemetry.metrics import Metrics

FIRST_LOOK_S = 2.0  # for the pointer, before the service listens
LOOK_S = 1.0  # between looks for the first bundle
BACKLOG = 2048
_COMMAND = (sys.executable, "-c", "from app.main import cli; cli()")  # this very one, whatever started it

log = logging.getLogger(__name__)


def make_app(
    settings: Settings, metrics: Metrics | None = None, drain: Drain | None = None, shared_port: int | None = None
) -> Starlette:
    """The application, with its bundle loaded, verified and warm.

    Args:
        settings: of the service.
        metrics: of this process.
        drain: tells that it ends.
        shared_port: at which other processes answer, too.

    Raises:
        SettingsError: no bundle is named, or settings contradict each other.
        RuntimeMissing: there is no ONNX Runtime.
        BundleError: the bundle must not be served.
    """
    if settings.bundle is None:
        raise SettingsError("no bundle to serve: give --bundle runs/NAME/bundle, or set AISLE_BUNDLE")

    metrics = metrics or Metrics()
    options = replace(http_options(settings), shared_port=shared_port)
    Keyring(options.read_keys, options.admin_keys)  # those that cannot be are refused before anything is loaded

    address, keys = redis_address(settings), Keys(settings.redis_prefix.encode())
    drain = drain or Drain()
    cache = _cache(settings, settings.bundle, drain) if isinstance(settings.bundle, ObjectAddress) else None
    place = settings.bundle if cache is None else cache.folder
    assert isinstance(place, Path)  # noqa: S101 - where it is no address
    folder = None if cache is None and is_bundle(place) else place
    load = LoadOptions(
        settings.threads,
        settings.clock,
        DevicePolicy(settings.device, settings.gpu_memory_mb, settings.gpu_captures),
        rehearse,
        cache,
    )
    release = load_release(place, load) if folder is None else _first_release(folder, address, keys, load, cache)
    cursors = cursor_keys(settings)
    store, catalogue, models = _stores(settings, address, keys, folder, cache, release, cursors, metrics)
    services = build_services(
        release,
        store,
        FollowOptions(models, folder, load, settings.follow_s),
        service_limits(settings),
        impression_options(settings),
        metrics,
        drain,
        cursors,
        erasures=release.snapshot.folder.parent,
        catalogue=catalogue,
        waits=CatalogueWaits(settings.catalogue_wait_ms / 1e3, settings.catalogue_start_s),
    )
    say_kernels()
    metrics.show_kernels(kernel_kind())
    _log_bundle(release, "in this process" if address is None else redact(address.url))
    application = make_application(services, options)
    # What is loaded stays: without this every full collection walks through all ids of the catalogue again, while
    # requests wait.
    gc.collect()
    gc.freeze()
    return application


def _stores(
    settings: Settings,
    address: RedisAddress | None,
    keys: Keys,
    folder: Path | None,
    cache: BundleCache | None,
    release: Release,
    cursors: CursorKeys,
    metrics: Metrics,
) -> tuple[UserStore, CatalogueStore, ModelStore]:
    """The stores of user states, items and versions: in Redis where there is an address, else in this process."""
    models: ModelStore
    if cache is not None:
        models = ObjectModels(cache, metrics.show_bundle_store)
    elif folder is not None:
        models = FolderModels(folder)
    else:
        models = FixedModels(model_from_manifest(release.snapshot.manifest))
    if address is None:
        users = MemoryUserStore(settings.keep_events, keep_items=settings.keep_items, erased=release.erasures)
        return users, MemoryCatalogueStore(settings.activity_cap), models
    gate = open_gate(
        address,
        keys,
        settings.redis_timeout_ms / 1e3,
        settings.redis_write_timeout_ms / 1e3,
        metrics.count_background_failure,
    )
    store, catalogue = redis_stores(gate, keys, retention(settings))
    # A cache has the list of the last fetch, which nobody adds to while this process does not run.
    store.knows_erasures = cache is None and keeps_erasures(release.snapshot.folder.parent)
    if settings.cursor_secrets is None:
        SharedSecret(gate, keys.cursor_secret, cursors.take)
    return store, catalogue, models if folder is None else RedisModels(gate, keys)


def _log_bundle(release: Release, store: str) -> None:
    manifest = release.snapshot.manifest
    log.info(
        "bundle loaded",
        extra={
            "version": release.version,
            "dataset": manifest.dataset,
            "items": manifest.shapes.answerable,
            "users": manifest.shapes.users,
            "device": release.snapshot.retriever.device,
            "store": store,
        },
    )


def _cache(settings: Settings, address: ObjectAddress, drain: Drain) -> BundleCache:
    """The cache of a store of objects: a folder of its own in the folder of caches."""
    limits = ObjectLimits(settings.object_timeout_s, settings.fetch_timeout_s)
    name = hashlib.sha256(str(address).encode()).hexdigest()[:16]
    return BundleCache(
        ObjectStore(address, limits),
        (settings.cache or _user_cache()) / name,
        settings.cache_mb * MB,
        settings.fetch_timeout_s,
        lambda: drain.begun,
    )


def _user_cache() -> Path:
    """The folder of caches where no setting names one."""
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "aisle"
    except RuntimeError as error:  # a container's user often has no home
        raise SettingsError("the user that this runs as has no home to keep versions in: set AISLE_CACHE") from error


def _first_release(
    folder: Path, address: RedisAddress | None, keys: Keys, load: LoadOptions, cache: BundleCache | None
) -> Release:
    """The bundle to begin with: the one that Redis points to where Redis answers and it is here, else the store's."""
    version = None if address is None else _redis_version(folder, address, keys, cache)
    if cache is not None:
        return first_fetch(cache, version, load)
    return load_release(folder, load) if version is None else load_version(folder, version, load)


def _redis_version(folder: Path, address: RedisAddress, keys: Keys, cache: BundleCache | None) -> str | None:
    """The version that Redis points to; `None` where it does not answer, names none, or one that is not here."""
    hasty = replace(address, timeout_s=FIRST_LOOK_S, connect_timeout_s=FIRST_LOOK_S)
    version = None
    try:
        with open_sync(hasty) as client:
            content = client.get(keys.pointer)
        version = version_in(content, f"{keys.pointer.decode()} in Redis") if isinstance(content, bytes) else None
        if version is not None and cache is None:
            folder_of(folder, version)
    except (redis.RedisError, OSError) as error:
        log.warning("the store does not answer yet", extra={"kind": kind_of(error), "store": redact(address.url)})
    except BundleError as error:  # the follower looks again, and says so, too
        log.warning("the bundle that Redis points to is not here", extra={"reason": error.message})
        version = None
    return version


def serve(settings: Settings, place: Place | None = None) -> None:
    """Load, then listen and answer until SIGTERM or SIGINT.

    Args:
        settings: of the service.
        place: of this process among several.

    Raises:
        SettingsError: the address cannot be listened on, or no bundle is named.
        RuntimeMissing: there is no ONNX Runtime.
        BundleError: the bundle must not be served.
    """
    _refuse_open_access(settings)
    if place is None and settings.processes > 1:
        _serve_in_processes(settings)
        return
    raise_descriptor_limit()
    with ExitStack() as doors:  # before loading: a taken port shows at once
        port = settings.port if place is None else place.port
        listener = doors.enter_context(bind(settings.host, port, is_shared=place is not None))
        listeners = [listener]
        if place is not None:
            listeners.append(doors.enter_context(bind(settings.host, place.own_port)))
        drain, metrics = Drain(), Metrics()
        make = partial(make_app, settings, metrics, drain, None if place is None else place.port)

        def give_up() -> None:
            server.should_exit = True

        connections = Connections(connection_bounds(settings), metrics)
        startup = StartupApplication(make, LOOK_S, metrics, give_up) if settings.wait else None
        config = uvicorn.Config(
            startup or make(),
            loop="uvloop",
            http=protocol_of(connections),
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,  # nothing reads who the client is
            timeout_graceful_shutdown=settings.shutdown_grace_s,
            backlog=BACKLOG,
        )
        server = ClosingServer(config, drain, connections, settings.drain_s)
        stop_on_signals(server)
        for door in listeners:
            door.listen(BACKLOG)
        typer.echo(_announcement(listener.getsockname()[1], settings))
        server.run(listeners)
        if startup is not None and startup.failure is not None:
            raise startup.failure


def _refuse_open_access(settings: Settings) -> None:
    reached_at = settings.reached_at or settings.host
    if not (keys_in(settings.read_keys) or keys_in(settings.admin_keys)) and not is_loopback(reached_at):
        raise SettingsError(
            f"without keys this service listens on 127.0.0.1 only, got host {reached_at}: set AISLE_ADMIN_KEYS "
            "(operators) and AISLE_READ_KEYS (storefronts), or leave --host out"
        )


def _serve_in_processes(settings: Settings) -> None:
    if settings.redis is None:
        raise SettingsError(
            f"{settings.processes} processes without Redis would each know other shoppers and other items: name one "
            "with --redis, or leave --processes out"
        )
    where = places(settings.host, settings.port, settings.processes)
    processes = Processes([*_COMMAND, *sys.argv[1:]], where)
    ports = f"{', '.join(str(place.own_port) for place in where[:-1])} and {where[-1].own_port}"
    how = f", by {len(where)} processes, each with metrics of its own, at ports {ports}"
    if not processes.run(lambda: typer.echo(_announcement(where[0].port, settings, how))):
        raise typer.Exit(1)  # whoever failed has said why


def _announcement(port: int, settings: Settings, how: str = "") -> str:
    address = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"Aisle answers at http://{address}:{port}{_reach(settings.host, settings)}{how}; /docs lists the calls"


def _reach(host: str, settings: Settings) -> str:
    """From where a service without keys is reached."""
    if keys_in(settings.read_keys) or keys_in(settings.admin_keys):
        return ""
    if is_loopback(host):
        return " only from this machine, since it has no keys (AISLE_ADMIN_KEYS opens it)"
    return (
        " from every network of this machine or container, without keys: whatever listens for it at "
        f"{settings.reached_at} has to keep others out, or AISLE_ADMIN_KEYS to be set"
    )


def _list_settings(is_given: bool) -> None:
    if not is_given:
        return
    for name, field in Settings.model_fields.items():
        typer.echo(f"{PREFIX}{name.upper()} (default {field.default!r}): {field.description}")
    raise typer.Exit


_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@_app.command()
def _command(
    bundle: Annotated[
        str | None,
        typer.Option(
            help="Bundle to serve, or store of bundles, such as runs/NAME/bundle or s3://BUCKET/PATH [AISLE_BUNDLE]."
        ),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1, only this machine, if left out [AISLE_HOST].")
    ] = None,
    redis: Annotated[
        str | None,
        typer.Option(
            help="Redis that holds user states, such as redis://localhost:6379/0; in this process if left out "
            "[AISLE_REDIS]."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port; 8000 if left out, 0 takes a free one [AISLE_PORT].")
    ] = None,
    processes: Annotated[
        int | None,
        typer.Option(
            help="Processes that answer together, as many as cores that there are for them; needs --redis, which they "
            "share; 1 if left out [AISLE_PROCESSES]."
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads inside one run of a graph; 1 if left out, 0 takes all cores [AISLE_THREADS]."),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Where retrieval runs: cpu, cuda (an NVIDIA GPU, with 'aisle[gpu]'), or auto, a GPU where one can be "
            "used; auto if left out [AISLE_DEVICE]."
        ),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            help="What 'now' is: wall (the default), or bundle for old data sets and demos: the time of the newest "
            "event, going on from there [AISLE_CLOCK]."
        ),
    ] = None,
    settings: Annotated[  # noqa: ARG001 - answered by its callback
        bool, typer.Option("--settings", callback=_list_settings, is_eager=True, help="List all settings and exit.")
    ] = False,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error; info if left out [AISLE_LOG_LEVEL].")
    ] = None,
) -> None:
    """Answer recommendation requests over HTTP from a bundle.

    The bundle is verified first: checksums, schema and golden answers. One that fails is refused.

    Every setting is also an AISLE_ variable, named in brackets; an option goes before its variable. --settings lists
    all variables with their meaning, unit and default: keys, Redis, limits, timeouts.
    """
    options: dict[str, Any] = {
        "bundle": bundle,
        "redis": redis,
        "host": host,
        "port": port,
        "processes": processes,
        "threads": threads,
        "device": device,
        "clock": clock,
        "log_level": log_level,
    }
    try:
        place = take_place(os.environ)
        service_settings = read_settings(options)
        configure_logs(service_settings.log_level)
        serve(service_settings, place)
    except typer.Exit:
        raise
    except AisleError as error:
        typer.echo(f"aisle-serve: {' '.join(error.message.split())}", err=True)
        raise typer.Exit(1) from None
    except Exception as error:
        log.debug("the start failed", exc_info=error)
        reason = " ".join(f"{type(error).__name__} {error}".split())
        typer.echo(f"aisle-serve: cannot start ({reason}): see where with AISLE_LOG_LEVEL=debug", err=True)
        raise typer.Exit(1) from None


def cli() -> None:
    """Run `aisle-serve`."""
    _app()
