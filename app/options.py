"""What the settings say to each part of the service."""

from typing import Final

from app.api.application import HttpOptions
from app.api.batch_parsing import BatchLimits
from app.api.catalogue_routes import BATCH_PATH
from app.api.limits import LIMITS
from app.api.recommend_parsing import Limits
from app.errors import SettingsError
from app.server.bounds import ConnectionBounds
from app.serving.cursor_keys import CursorKeys
from app.serving.service import ServiceLimits
from app.serving.services import ImpressionOptions
from app.settings import Settings, hosts_in, keys_in
from app.stores.redis_link import RedisAddress
from app.stores.redis_store import Retention

DAY_S: Final = 86_400
MIN_SECRET: Final = 16  # characters of what signs cursors


def http_options(settings: Settings) -> HttpOptions:
    """Of the HTTP side."""
    return HttpOptions(
        limits=Limits(
            max_events=settings.max_events,
            max_item_ids=settings.max_item_ids,
            max_conditions=settings.max_conditions,
            max_reasons=settings.max_reasons,
        ),
        max_body_bytes=settings.max_body_bytes,
        max_event_rows=settings.max_event_rows,
        batches=BatchLimits(
            settings.max_batch_bytes, settings.max_item_bytes, settings.max_batch_operations, settings.max_batch_lines
        ),
        page=settings.page,
        read_keys=keys_in(settings.read_keys),
        admin_keys=keys_in(settings.admin_keys),
        rate_per_key=settings.rate_per_key,
        hosts=hosts_in(settings.allowed_hosts),
        limit_values={limit.setting: getattr(settings, limit.setting) for limit in LIMITS if limit.setting},
    )


def service_limits(settings: Settings) -> ServiceLimits:
    """What the process takes on."""
    return ServiceLimits(
        retrieve_depth=settings.retrieve_depth,
        list_depth=settings.list_depth,
        max_batch=settings.max_batch,
        max_pending=settings.max_pending,
        timeout_ms=settings.timeout_ms,
        engine_threads=settings.engine_threads,
    )


def impression_options(settings: Settings) -> ImpressionOptions:
    """Of what is kept of answers."""
    return ImpressionOptions(
        share=settings.impression_share,
        follow_s=settings.online_window_s,
        follow_bytes=settings.online_memory_mb * 1e6,
    )


def cursor_keys(settings: Settings) -> CursorKeys:
    """The keys that sign cursors.

    Raises:
        SettingsError: one of them is too short.
    """
    secrets = keys_in(settings.cursor_secrets)
    if short := [secret for secret in secrets if len(secret) < MIN_SECRET]:
        raise SettingsError(
            f"AISLE_CURSOR_SECRETS: expected at least {MIN_SECRET} characters each, got one of {len(short[0])}: make "
            "one with `openssl rand -hex 32`"
        )
    return CursorKeys([secret.encode() for secret in secrets])


def connection_bounds(settings: Settings) -> ConnectionBounds:
    """Of connections."""
    return ConnectionBounds(
        connections=settings.max_connections,
        head_bytes=settings.max_head_bytes,
        head_s=settings.head_timeout_s,
        body_bytes=settings.max_body_bytes,
        body_s=settings.body_timeout_s,
        large_path=BATCH_PATH,
        large_bytes=settings.max_batch_bytes,
        large_s=settings.batch_timeout_s,
        held_bytes=round(settings.held_body_mb * 1e6),
        answer_s=settings.answer_timeout_s,
        unread_bytes=round(settings.unread_answer_mb * 1e6),
        idle_s=settings.keep_alive_s,
    )


def redis_address(settings: Settings) -> RedisAddress | None:
    """Of Redis; None where states are in this process."""
    if settings.redis is None:
        return None
    password = settings.redis_password
    return RedisAddress(
        url=settings.redis.get_secret_value(),
        username=settings.redis_username,
        password=None if password is None else password.get_secret_value(),
        db=settings.redis_db,
        ca_file=None if settings.redis_ca_file is None else str(settings.redis_ca_file),
        timeout_s=None,  # the gate's limits hold
        connect_timeout_s=None,
        pool=settings.redis_pool,
    )


def retention(settings: Settings) -> Retention:
    """How much Redis keeps, and how long."""
    return Retention(
        events=settings.keep_events,
        items=settings.keep_items,
        user_s=round(settings.user_ttl_days * DAY_S),
        stream_warning=settings.event_stream_warning,
        impressions=settings.impression_cap,
        catalogue_changes=settings.catalogue_change_cap,
        activity=settings.activity_cap,
    )
