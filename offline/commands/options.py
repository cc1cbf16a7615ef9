"""Options that several commands take, and what they mean where that takes more than a type."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from app.artifact.redis_keys import Keys
from app.stores.redis_link import EXPECTED


class ServedLog(StrEnum):
    """The values of `--serve`."""

    WHOLE = "whole"
    MEASURED = "measured"


def _data_place(text: str) -> Path:
    from offline.dataset.object_folder import data_place  # noqa: PLC0415 - only where a command reads data

    return data_place(text)


Data = Annotated[
    Path,
    typer.Option(
        "--data",
        parser=_data_place,
        metavar="DATA",
        help="dataset.toml, or the folder that holds it; or the same in a store of objects, such as s3://BUCKET/PATH.",
    ),
]
DataArgument = Annotated[
    Path,
    typer.Argument(
        parser=_data_place,
        metavar="DATA",
        help="dataset.toml, or the folder that holds it; or the same in a store of objects, such as s3://BUCKET/PATH.",
    ),
]
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
Processes = Annotated[
    int | None,
    typer.Option(
        "--processes",
        min=1,
        help="Processes on this machine that train the network together, each on its share of every step. "
        "One a GPU by default, and one without a GPU.",
    ),
]
Budget = Annotated[
    str | None,
    typer.Option(
        "--budget",
        help="Time for train, compress, rank and refit together, such as 60s, 10m or 1h; one pass of each is done in "
        "any case, and the other stages come on top. Of a command that does one stage: for that stage.",
    ),
]
Epochs = Annotated[int | None, typer.Option("--epochs", min=1, help="Most passes over the data.")]
Dim = Annotated[int | None, typer.Option("--dim", min=8, max=512, help="Numbers in a vector; a multiple of 8.")]
Rate = Annotated[
    float | None, typer.Option("--learning-rate", min=1e-6, max=1.0, help="Largest step of the optimiser.")
]
Bits = Annotated[int, typer.Option("--weight-bits", min=7, max=8, help="7 for x86 processors without VNNI, else 8.")]
MaxLoss = Annotated[
    float,
    typer.Option(
        "--max-loss",
        min=0.0,
        max=1.0,
        help="Share of the validation metric that compression may cost; the 95 % interval of the loss ends within it.",
    ),
]
BadShare = Annotated[
    float, typer.Option("--max-bad-share", min=0.0, max=1.0, help="Share of bad rows past which ingest stops.")
]
KeepEvents = Annotated[
    int, typer.Option("--keep-events", envvar="AISLE_KEEP_EVENTS", min=1, help="Recent events kept, as in the service.")
]
KeepItems = Annotated[
    int,
    typer.Option(
        "--keep-items",
        envvar="AISLE_KEEP_ITEMS",
        min=1,
        help="Items kept of a user's newest seen, and as many of those purchased, as in the service.",
    ),
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
EarlierLogs = Annotated[
    Path | None,
    typer.Option("--base", help="dataset.toml, or its folder, of the shop's earlier logs, which come first."),
]
ObjectsAddress = Annotated[
    str | None,
    typer.Option(
        "--to",
        help="Store of objects that services read bundles from: s3://BUCKET/PATH, gs://BUCKET/PATH or "
        "az://CONTAINER/PATH. The version is sent and read back before anything points to it.",
    ),
]
CatalogueFile = Annotated[str | None, typer.Option("--items", help="File of the catalogue, for dataset.toml.")]
Baselines = Annotated[bool, typer.Option(help="Score popularity and item-kNN beside the bundle.")]
Serve = Annotated[
    ServedLog,
    typer.Option(
        "--serve",
        help="What the version that is served knows: the whole log, by the network that was measured, or only what the "
        "measured version does.",
    ),
]
TeacherPath = Annotated[
    Path | None,
    typer.Option(
        "--teacher",
        help="Folder of a text encoder, in the layout of sentence-transformers; goes before the one of dataset.toml.",
    ),
]
Force = Annotated[bool, typer.Option("--force", help="Overwrite what lies in the folder.")]

# The variables are the service's own, so that both find the same keys.
RedisUrl = Annotated[str, typer.Option("--redis", envvar="AISLE_REDIS", help=f"Address of the store: {EXPECTED}.")]
OptionalRedisUrl = Annotated[
    str | None,
    typer.Option(
        "--redis", envvar="AISLE_REDIS", help=f"Address of the store: {EXPECTED}. It may be left out with --to."
    ),
]
RedisPrefix = Annotated[
    str, typer.Option("--prefix", envvar="AISLE_REDIS_PREFIX", help="What all keys begin with, as in the service.")
]
RedisUsername = Annotated[
    str | None, typer.Option("--redis-username", envvar="AISLE_REDIS_USERNAME", help="ACL user; goes before the URL's.")
]
RedisPassword = Annotated[
    str | None,
    typer.Option(
        "--redis-password",
        envvar="AISLE_REDIS_PASSWORD",
        help="Goes before the URL's. Other people on this machine may see what is typed here: set the variable.",
    ),
]
RedisDb = Annotated[
    int | None, typer.Option("--redis-db", envvar="AISLE_REDIS_DB", min=0, help="Database; goes before the URL's.")
]
RedisCaFile = Annotated[
    Path | None,
    typer.Option(
        "--redis-ca-file",
        envvar="AISLE_REDIS_CA_FILE",
        exists=True,
        dir_okay=False,
        help="Certificates of who signed the server's, for rediss://; else the system's.",
    ),
]


def keys_of(prefix: str) -> Keys:
    """Return the names of the keys that begin with the prefix.

    Raises:
        BadParameter: the prefix is empty.
    """
    if not prefix:
        raise typer.BadParameter("expected at least one character, such as ai:", param_hint="--prefix")
    return Keys(prefix.encode())
