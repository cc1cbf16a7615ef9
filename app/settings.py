"""Every knob of the service: read from `AISLE_*` variables, each with its unit and the reason for its default."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.artifact.object_store import EXPECTED, ObjectAddress, object_address
from app.artifact.redis_keys import PREFIX as PREFIX_OF_KEYS
from app.errors import SettingsError

PREFIX: Final = "AISLE_"
MAX_K: Final = 200  # the contract's largest `k`
MAX_QUERY: Final = 512  # characters of a query
MAX_HEADERS: Final = 128  # header lines of one request
MAX_PIPELINED: Final = 16  # requests read ahead of the answers of one connection
MAX_LIST: Final = 10_000  # the largest limit of a list: past it not even the entries are looked at


_LISTS_OF_SECRETS: Final = ("read_keys", "admin_keys", "cursor_secrets")


def _place_of(given: object) -> object:
    """The address of a store of objects where a text is one; else what is given, which is the path of a folder."""
    return (object_address(given) or given) if isinstance(given, str) else given


class Settings(BaseSettings):
    """What an operator may decide. `AISLE_PORT=8080` sets `port`; a command line option goes before the variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, allow_inf_nan=False)

    bundle: Annotated[
        Path | ObjectAddress | None,
        BeforeValidator(_place_of),
        Field(
            description="Folder of the bundle to serve, or of a store of bundles; or the address of a store among "
            f"objects ({EXPECTED}; needs `aisle[objects]`). There is no default."
        ),
    ] = None
    cache: Annotated[
        Path | None,
        Field(
            description="Folder in which versions of a store of objects are kept; `aisle` in the cache folder of the "
            "user (`$XDG_CACHE_HOME` or `~/.cache`) if left out. Each store has a folder of its own in it."
        ),
    ] = None
    cache_mb: Annotated[
        float,
        Field(
            gt=0,
            description="Megabytes that the versions of one store of objects may take on the disk. The oldest go "
            "first, never the one that is served or the one before; a version for which there is no room beside them "
            "is refused.",
        ),
    ] = 20_000.0
    object_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds that a small request to a store of objects may take, the look at the pointer say, and "
            "that nothing may arrive of a file.",
        ),
    ] = 10.0
    fetch_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds that the fetch of one version from a store of objects may take; the next one goes on "
            "where it was.",
        ),
    ] = 900.0
    host: Annotated[
        str, Field(description="Address to listen on; without keys only this machine's own are accepted.")
    ] = "127.0.0.1"
    reached_at: Annotated[
        str | None,
        Field(
            description="Address at which callers reach this service where something else listens for it, such as a "
            "container engine: without keys it must be this machine's own. `host` if left out."
        ),
    ] = None
    wait: Annotated[
        bool,
        Field(
            description="Whether to listen at once and answer 503 until there is a bundle, rather than to end: for "
            "containers that start before the first one is published."
        ),
    ] = False
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")] = 8000
    processes: Annotated[
        int,
        Field(
            ge=1,
            le=256,
            description="Processes that answer together at `port`, as many as cores that there are for them: one "
            "answers on about one core. They need Redis, which they share. Each has its metrics at a port of its own "
            "behind `port`, loads the bundle for itself, and is replaced where it is lost.",
        ),
    ] = 1
    threads: Annotated[
        int,
        Field(
            ge=0,
            description="Threads inside one run of a graph; 0 takes all cores. One, because up to some 100,000 items a "
            "run takes less than handing it over to other threads.",
        ),
    ] = 1
    device: Annotated[
        Literal["auto", "cpu", "cuda"],
        Field(
            description="Where retrieval runs: on the CPU in int8, or on an NVIDIA GPU (cuda) in half precision; auto "
            "takes a GPU where there is one that can be used. Below some 100,000 items a CPU is fast enough."
        ),
    ] = "auto"
    gpu_memory_mb: Annotated[
        int,
        Field(
            ge=0,
            description="Megabytes of the GPU that runs may take, beside the item matrix of 2 bytes a number; 0 for as "
            "many as they need.",
        ),
    ] = 0
    gpu_captures: Annotated[
        bool,
        Field(
            description="Whether the kernels of a run on the GPU are captured once for each combination of shapes and "
            "then replayed, in a third of the time. Turn it off where a driver or a runtime makes trouble of it."
        ),
    ] = True
    clock: Annotated[
        Literal["wall", "bundle"],
        Field(
            description="What 'now' is: the machine's clock, or (for old data sets and demos) the time of the bundle's "
            "newest event plus the seconds since it was loaded. A bundle without times has no clock either way."
        ),
    ] = "wall"
    retrieve_depth: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_K,
            description="Candidates of every request, and so the largest `k` and `total`: all of them are ranked, so "
            "more of them cost time and may find a better order.",
        ),
    ] = MAX_K
    list_depth: Annotated[
        int,
        Field(
            ge=1,
            le=10_000,
            description="Items in the list of a request with a query, a filter, rules or a sort: as far as its pages "
            "go, and as deep as an item may lie that a boost brings up. Other lists have `retrieve_depth`. Each page "
            "carries the rest of its list as a cursor, some 5 bytes an item.",
        ),
    ] = 1_000
    engine_threads: Annotated[
        int,
        Field(
            ge=1,
            le=256,
            description="Threads that work on requests, beside one for those that take long. One, because most of the "
            "work holds Python's lock, so that a second one adds no more than it costs.",
        ),
    ] = 1
    max_batch: Annotated[
        int,
        Field(
            ge=1,
            description="Requests answered in one run. Past 64 or so a run gains nothing and the first waits longer.",
        ),
    ] = 64
    max_pending: Annotated[
        int,
        Field(
            ge=1,
            description="Requests that may wait or be under way; more are answered 429. At some thousand a second "
            "these are those of a few tenths of a second.",
        ),
    ] = 1_024
    timeout_ms: Annotated[
        float,
        Field(gt=0, description="Milliseconds after which a request without `timeout_ms` gets what is popular."),
    ] = 1_000.0
    max_connections: Annotated[
        int,
        Field(
            ge=1,
            description="Open connections, as far as there are descriptors for them; for one more, the one that has "
            "been silent longest is closed.",
        ),
    ] = 4_096
    max_head_bytes: Annotated[
        int,
        Field(
            ge=1_024,
            le=1_048_576,
            description="Bytes of a request's address and headers; more is answered 414 or 431. The sizes of chunks, "
            "their extensions and trailers may take as many again.",
        ),
    ] = 32_768
    head_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds in which a head arrives, from its first byte, the first of a connection from its "
            "beginning; else 408.",
        ),
    ] = 10.0
    body_timeout_s: Annotated[
        float, Field(gt=0, description="Seconds in which a body arrives, from the end of its head; else 408.")
    ] = 30.0
    answer_timeout_s: Annotated[
        float, Field(gt=0, description="Seconds in which a client takes an answer; else the connection is closed.")
    ] = 30.0
    keep_alive_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds that a connection may stay idle: longer than by common proxies (60), so that it is "
            "they who close it.",
        ),
    ] = 75.0
    held_body_mb: Annotated[
        float,
        Field(
            gt=0,
            description="Megabytes of all request bodies that arrive, or are not answered yet, and of requests that "
            "are read ahead of answers; past that, those read ahead, then the largest that arrives, are answered 503.",
        ),
    ] = 64.0
    unread_answer_mb: Annotated[
        float,
        Field(
            gt=0,
            description="Megabytes of all answers that their clients do not take; past that, the connection with the "
            "largest is closed.",
        ),
    ] = 64.0
    max_body_bytes: Annotated[
        int, Field(ge=1, description="Bytes of a request body: a thousand events fit; more is answered 413.")
    ] = 1_048_576
    max_batch_bytes: Annotated[
        int,
        Field(
            ge=1,
            description="Bytes of the body of `POST /items/batch`; more is answered 413. Keep it below "
            "AISLE_HELD_BODY_MB.",
        ),
    ] = 33_554_432
    batch_timeout_s: Annotated[
        float, Field(gt=0, description="Seconds from the end of the head of such a request to the end of its body.")
    ] = 120.0
    max_batch_operations: Annotated[
        int, Field(ge=1, le=100_000, description="Operations of a batch in JSON; more are answered 422.")
    ] = 10_000
    max_batch_lines: Annotated[
        int, Field(ge=1, le=1_000_000, description="Operations of a batch with one a line; more are answered 422.")
    ] = 100_000
    max_item_bytes: Annotated[
        int, Field(ge=256, description="Bytes of the JSON of one item; a larger one is refused.")
    ] = 65_536
    catalogue_wait_ms: Annotated[
        float,
        Field(
            gt=0,
            description="Milliseconds that a call waits for changes of items that were accepted and are not served "
            "here yet, before it is answered without them (`degraded: catalogue`); at most half of its own time.",
        ),
    ] = 500.0
    catalogue_start_s: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds that a process which starts reads the live catalogue before it is ready without it.",
        ),
    ] = 60.0
    max_events: Annotated[
        int, Field(ge=0, le=MAX_LIST, description="Events in `recent_events`; the window of the model is far shorter.")
    ] = 1_000
    max_item_ids: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_LIST,
            description="Ids in `exclude_item_ids` and in `context.item_ids`, each: a large basket fits.",
        ),
    ] = 1_000
    max_conditions: Annotated[
        int,
        Field(
            ge=1,
            le=MAX_LIST,
            description="Conditions in `filter` and in the filters of all boosts of a request together; a filter alone "
            "may have 256. A hundred take some 3 milliseconds at 10,000 items.",
        ),
    ] = 512
    max_reasons: Annotated[
        int,
        Field(
            ge=1,
            description="Reasons that the answer to a request with `explain` may have: `k` times up to ten events, a "
            "query, popularity and each boost. A thousand take some 10 milliseconds.",
        ),
    ] = 4_000
    max_event_rows: Annotated[
        int, Field(ge=1, description="Events in one `POST /events`; they are written in one exchange.")
    ] = 1_000
    read_keys: Annotated[
        SecretStr | None,
        Field(description="Keys of storefronts, separated by commas: they ask for items and send events."),
    ] = None
    admin_keys: Annotated[
        SecretStr | None,
        Field(description="Keys of operators, separated by commas: they may make every call."),
    ] = None
    cursor_secrets: Annotated[
        SecretStr | None,
        Field(
            description="Secrets that sign cursors, separated by commas, at least 16 characters each: the first signs, "
            "all are accepted, so that one can be replaced. If left out, replicas on one Redis share one that the "
            "first of them makes, and without Redis each process has its own: after a restart its cursors have expired."
        ),
    ] = None
    allowed_hosts: Annotated[
        str | None,
        Field(
            description="Names, separated by commas, under which callers may reach a service without keys, beside "
            "localhost and this machine's own addresses: a browser must not be led here by a name of another's."
        ),
    ] = None
    rate_per_key: Annotated[
        float, Field(ge=0, description="Requests a second that each key may make, on average; 0 for any number.")
    ] = 0.0
    redis: Annotated[
        SecretStr | None,
        Field(
            description="Address of the store of user states: redis://HOST:PORT/DB, rediss:// for TLS, "
            "unix:///PATH?db=DB, redis+sentinel://HOST:PORT,HOST:PORT/SERVICE/DB, or "
            "redis+cluster://HOST:PORT,HOST:PORT (rediss+cluster:// for TLS). Without one, states live in this process."
        ),
    ] = None
    redis_username: Annotated[str | None, Field(description="ACL user; goes before what the address says.")] = None
    redis_password: Annotated[SecretStr | None, Field(description="Goes before what the address says.")] = None
    redis_db: Annotated[int | None, Field(ge=0, description="Database; goes before what the address says.")] = None
    redis_ca_file: Annotated[
        Path | None, Field(description="Certificates of who signed the server's, for rediss://; else the system's.")
    ] = None
    redis_prefix: Annotated[
        str, Field(min_length=1, description="What all keys begin with; every byte counts in the memory of each.")
    ] = PREFIX_OF_KEYS
    redis_timeout_ms: Annotated[
        float,
        Field(gt=0, description="Milliseconds that reading states may take before a request is answered without them."),
    ] = 100.0
    redis_write_timeout_ms: Annotated[
        float, Field(gt=0, description="Milliseconds that storing events may take before they are answered 503.")
    ] = 2_000.0
    redis_pool: Annotated[
        int, Field(ge=1, description="Connections to the store; one carries a whole batch, so few are needed.")
    ] = 16
    keep_events: Annotated[
        int, Field(ge=1, description="Recent events kept of a user; more than the model reads cost memory only.")
    ] = 100
    keep_items: Annotated[
        int,
        Field(
            ge=1,
            description="Items kept of a user's newest seen, and as many of those purchased; eight bytes each. What is "
            "older may be answered again where `exclude` asks for it to be left out.",
        ),
    ] = 10_000
    user_ttl_days: Annotated[
        float, Field(ge=0, description="Days after the last event that a user's state is kept in Redis; 0 for ever.")
    ] = 365.0
    event_stream_warning: Annotated[
        int, Field(ge=1, description="Events waiting for `aisle-offline collect` past which a warning is logged.")
    ] = 10_000_000
    impression_share: Annotated[
        float, Field(ge=0, le=1, description="Share of answers that are noted as shown; needs Redis.")
    ] = 1.0
    impression_cap: Annotated[
        int, Field(ge=0, description="Notes waiting for `aisle-offline collect`; more are dropped and counted.")
    ] = 1_000_000
    catalogue_change_cap: Annotated[
        int,
        Field(
            ge=1,
            description="Changes of the catalogue that a replica may be behind and still catch up with one by one; "
            "farther behind, it reads all live documents.",
        ),
    ] = 100_000
    activity_cap: Annotated[
        int, Field(ge=1, description="Newest events on live items that are kept for their popularity.")
    ] = 100_000
    online_window_s: Annotated[
        float,
        Field(
            gt=0,
            description="Seconds in which what a shopper does counts for the answer that it came from, in the metrics "
            "`aisle_online_*`.",
        ),
    ] = 1_800.0
    online_memory_mb: Annotated[
        float,
        Field(
            ge=0,
            description="Megabytes for the answers that are followed meanwhile: enough for some 16 a second; of more, "
            "a share is followed. 0 follows none.",
        ),
    ] = 24.0
    follow_s: Annotated[
        float, Field(ge=0, description="Seconds between looks at the pointer to the version to serve; 0 never looks.")
    ] = 1.0
    drain_s: Annotated[
        float,
        Field(
            ge=0,
            description="Seconds between SIGTERM and closing the door, in which `/readyz` says 503: as long as a load "
            "balancer needs to notice.",
        ),
    ] = 0.0
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Field(description="Least severe log line written; `debug` writes one a request, which costs throughput."),
    ] = "info"
    page: Annotated[
        bool, Field(description="Whether `/` and `/demo/users` answer; off for a service behind a shop.")
    ] = True
    shutdown_grace_s: Annotated[
        int, Field(ge=0, description="Seconds that requests in flight get after SIGTERM before they are dropped.")
    ] = 10


def read_settings(overrides: Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of this process.

    Args:
        overrides: settings that go before the variables; `None` values do not count.
        environment: variables in which unknown names are looked for; those of the process by default.

    Raises:
        SettingsError: a variable is unknown (the message names the closest known one) or has a wrong value.
    """
    known = [PREFIX + name.upper() for name in Settings.model_fields]
    for name in sorted(os.environ if environment is None else environment):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            close = get_close_matches(name.upper(), known, n=1, cutoff=0.0)
            raise SettingsError(f"unknown setting {name}: did you mean {close[0]}? Unset it or correct its name")
    try:
        settings = Settings(**{name: value for name, value in overrides.items() if value is not None})
        _check_lists(settings)
        return settings
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise SettingsError(
            f"{name}: {first['msg']}, got {_describe(name, first['input'])}: correct it or unset it"
        ) from error


def _check_lists(settings: Settings) -> None:
    """Refuse a list without an entry: who gives one means to have keys, and must not be left without."""
    lists = {name: getattr(settings, name) for name in _LISTS_OF_SECRETS}
    entries = {name: keys_in(secret) for name, secret in lists.items() if secret is not None}
    if settings.allowed_hosts is not None:
        entries["allowed_hosts"] = hosts_in(settings.allowed_hosts)
    for name, given in entries.items():
        if not given:
            raise SettingsError(
                f"{PREFIX}{name.upper()}: expected at least one, separated by commas, got none: give one, or unset it"
            )


def _describe(name: str, value: object) -> str:
    """A value as it may stand in a message; that of a secret never does."""
    field = Settings.model_fields.get(name.removeprefix(PREFIX).lower())
    if field is not None and "SecretStr" in str(field.annotation):
        return "a secret"
    scheme, separator, rest = str(value).partition("://")
    # An address may have a user and a password in it.
    return repr(f"{scheme}{separator}{rest.rpartition('@')[2]}")


def hosts_in(text: str | None) -> list[str]:
    """The names in a list separated by commas."""
    return [host for part in (text or "").split(",") if (host := part.strip())]


def keys_in(secret: SecretStr | None) -> list[str]:
    """The keys in a list separated by commas."""
    return [] if secret is None else [key for part in secret.get_secret_value().split(",") if (key := part.strip())]
