"""Commands on data sets: describe, check, make one up."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from offline.commands.options import BadShare, DataArgument, Force, Seed
from offline.commands.output import print_json, shown


def init(
    folder: Annotated[
        str, typer.Argument(metavar="DIR", help="Folder with the shop's exports, or s3://BUCKET/PATH and the like.")
    ],
    force: Force = False,
) -> None:
    """Look at the files of a folder and write a commented dataset.toml for them.

    It knows the exports of Shopify, WooCommerce, Magento, BigCommerce, GA4 and public data sets by their headers, and
    guesses the rest by names in several languages and by contents: which tables join (order lines, orders, customers;
    codes and their names), lists of records, variants, returns, ratings, what is sold. Names, mail addresses, phones
    and addresses of people are left out. Every line of the file says why; correct what is wrong, then run check.
    """
    from offline.commands.data_sets import init_command  # noqa: PLC0415 - as above
    from offline.dataset.object_folder import data_place, put_back  # noqa: PLC0415 - as above
    from offline.dataset.spec import SPEC_FILE  # noqa: PLC0415 - as above

    document = init_command(data_place(folder), force=force)
    written = put_back(folder, SPEC_FILE, Path(document["written"]))
    print_json(document | ({} if written is None else {"written": written}))


def check(
    data: DataArgument,
    max_bad_share: BadShare = 0.05,
    rows: Annotated[int, typer.Option("--rows", min=1, help="Bad rows shown of each file and kind of mistake.")] = 10,
) -> None:
    """Say everything that is wrong with a data set's files; exit code 1 when ingest would refuse them.

    The last line of the output is the findings as JSON.
    """
    from offline.commands.data_sets import check_command  # noqa: PLC0415 - as above

    document = check_command(data, max_bad_share=max_bad_share, rows=rows)
    print_json(document)
    if document["errors"]:
        raise typer.Exit(1)


def synthesize(
    out: Annotated[Path, typer.Option("--out", help="Folder to write the shop to.")],
    users: Annotated[int, typer.Option("--users", min=1, help="How many shoppers.")] = 1_000,
    items: Annotated[int, typer.Option("--items", min=20, help="How many items.")] = 10_000,
    events: Annotated[
        int | None, typer.Option("--events", min=1, help="How many events; 50 a user if left out.")
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            "--until", formats=["%Y-%m-%d"], help="Day before which its log ends, such as today; in 2025 if left out."
        ),
    ] = None,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """Make up a shop: catalogue, shoppers and their log, in the layout that the other commands read."""
    from offline.synthetic.synthesize import synthesize as make_shop  # noqa: PLC0415 - as above

    with shown() as display:
        display.stage("synthesize")
        last_day = None if until is None else until.date()
        make_shop(users, items, seed, out, events, until=last_day, progress=display.work, force=force)
        display.console.print(f"wrote {out}; train on it: aisle-offline run --data {out} --out runs/{out.name}")
