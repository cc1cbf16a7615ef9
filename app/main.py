"""The composition root of the service, and `aisle-serve`. Nothing else reads the settings."""

import gc
import logging
import socket
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn
from starlette.applications import Starlette

from app.api.application import make_application
from app.api.recommend_call import Limits
from app.engine.snapshot import load_snapshot
from app.errors import AisleError, SettingsError
from app.serving.clock import clock_of
from app.serving.service import RecommendService, bundled_users
from app.settings import Settings, read_settings
from app.stores.protocol import UserStore
from app.telemetry.logs import configure_logs
from app.telemetry.metrics import Metrics

KEEP_ALIVE_S = 75  # longer than the 60 s of common proxies, so that it is they who close an idle connection
BACKLOG = 2048

log = logging.getLogger(__name__)


def make_app(settings: Settings, users: UserStore | None = None) -> Starlette:
    """The application, with its bundle loaded, verified and warm.

    Args:
        settings: of this process.
        users: what is known of users; those of the bundle by default.

    Raises:
        SettingsError: no bundle is named.
        RuntimeMissing: there is no ONNX Runtime.
        BundleError: the bundle must not be served.
    """
    if settings.bundle is None:
        raise SettingsError("no bundle to serve: give --bundle runs/NAME/bundle, or set AISLE_BUNDLE")
    snapshot = load_snapshot(settings.bundle, settings.threads)
    metrics = Metrics()
    service = RecommendService(
        snapshot,
        users=bundled_users(snapshot) if users is None else users,
        clock=clock_of(settings.clock, snapshot.manifest.cut),
        depth=settings.retrieve_depth,
        max_batch=settings.max_batch,
        metrics=metrics,
    )
    log.info(
        "bundle loaded",
        extra={
            "version": snapshot.manifest.version,
            "dataset": snapshot.manifest.dataset,
            "items": snapshot.manifest.shapes.items,
            "users": snapshot.manifest.shapes.users,
        },
    )
    return make_application(
        service,
        metrics,
        limits=Limits(max_events=settings.max_events, max_item_ids=settings.max_item_ids),
        max_body_bytes=settings.max_body_bytes,
        page=settings.page,
    )


def serve(settings: Settings) -> None:
    """Load, then listen and answer until SIGTERM or SIGINT.

    Raises:
        SettingsError: the address cannot be listened on, or no bundle is named.
        RuntimeMissing: there is no ONNX Runtime.
        BundleError: the bundle must not be served.
    """
    with _bind(settings.host, settings.port) as listener:  # before loading: a taken port shows at once
        app = make_app(settings)
        # What is loaded stays: without this every full collection walks through all ids of the catalogue again, while
        # requests wait.
        gc.collect()
        gc.freeze()
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http="httptools",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=settings.shutdown_grace_s,
            backlog=BACKLOG,
        )
        listener.listen(BACKLOG)
        typer.echo(_announcement(listener))
        uvicorn.Server(config).run([listener])


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except OSError as error:
        bound.close()
        raise SettingsError(
            f"cannot listen on {host} port {port} ({error.strerror}): choose others with --host and --port"
        ) from error
    return bound


def _announcement(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    reach = (
        "only from this machine, since it has no keys yet (--host opens it)"
        if ip_address(host).is_loopback
        else "for whoever reaches this address: it has no keys yet, so keep it behind the shop"
    )
    return f"Aisle answers at http://{shown}:{port} {reach}; /docs lists the calls"


_app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@_app.command()
def _command(
    bundle: Annotated[
        Path | None, typer.Option(help="Bundle to serve, or store of bundles, such as runs/NAME/bundle [AISLE_BUNDLE].")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on; 127.0.0.1, only this machine, if left out [AISLE_HOST].")
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="TCP port; 8000 if left out, 0 takes a free one [AISLE_PORT].")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Threads inside one run of a graph; 1 if left out, 0 takes all cores [AISLE_THREADS]."),
    ] = None,
    clock: Annotated[
        str | None,
        typer.Option(
            help="What 'now' is: wall (the default), or bundle for old data sets and demos: the time of the newest "
            "event, going on from there [AISLE_CLOCK]."
        ),
    ] = None,
    log_level: Annotated[
        str | None, typer.Option(help="debug, info, warning or error; info if left out [AISLE_LOG_LEVEL].")
    ] = None,
) -> None:
    """Answer recommendation requests over HTTP from a bundle.

    The bundle is verified first: checksums, schema and golden answers. One that fails is refused.

    Every setting is also an AISLE_ variable, named in brackets; an option goes before its variable. More of them,
    without an option: AISLE_RETRIEVE_DEPTH, AISLE_MAX_BATCH, AISLE_MAX_BODY_BYTES, AISLE_MAX_EVENTS,
    AISLE_MAX_ITEM_IDS, AISLE_PAGE, AISLE_SHUTDOWN_GRACE_S.
    """
    given: dict[str, Any] = {
        "bundle": bundle,
        "host": host,
        "port": port,
        "threads": threads,
        "clock": clock,
        "log_level": log_level,
    }
    try:
        settings = read_settings(given)
        configure_logs(settings.log_level)
        serve(settings)
    except AisleError as error:
        typer.echo(f"aisle-serve: {' '.join(error.message.split())}", err=True)
        raise typer.Exit(1) from None


def cli() -> None:
    """Run `aisle-serve`."""
    _app()
