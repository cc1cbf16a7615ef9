"""Every knob of the service: read from `AISLE_*` variables, each with its unit and the reason for its default."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import SettingsError

PREFIX: Final = "AISLE_"
MAX_K: Final = 200  # the contract's largest `k`


class Settings(BaseSettings):
    """What an operator may decide. `AISLE_PORT=8080` sets `port`; a command line option goes before the variable."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    bundle: Annotated[
        Path | None, Field(description="Folder of the bundle to serve, or of a store of bundles. There is no default.")
    ] = None
    host: Annotated[
        str, Field(description="Address to listen on. Only this machine by default, since there are no keys yet.")
    ] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="TCP port to listen on; 0 takes a free one.")] = 8000
    threads: Annotated[
        int,
        Field(
            ge=0,
            description="Threads inside one run of a graph; 0 takes all cores. One, because up to some 100,000 items a "
            "run takes less than handing it over to other threads.",
        ),
    ] = 1
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
    max_batch: Annotated[
        int,
        Field(
            ge=1,
            description="Requests answered in one run. Past 64 or so a run gains nothing and the first waits longer.",
        ),
    ] = 64
    max_body_bytes: Annotated[
        int, Field(ge=1, description="Bytes of a request body: a thousand events fit; more is answered 413.")
    ] = 1_048_576
    max_events: Annotated[
        int, Field(ge=0, description="Events in `recent_events`; the window of the model is far shorter.")
    ] = 1_000
    max_item_ids: Annotated[
        int, Field(ge=0, description="Ids in `exclude_item_ids` and in `context.item_ids`, each: a large basket fits.")
    ] = 1_000
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
        return Settings(**{name: value for name, value in overrides.items() if value is not None})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        name = PREFIX + str(first["loc"][0]).upper()
        raise SettingsError(f"{name}: {first['msg']}, came {str(first['input'])!r}; correct it or unset it") from error
