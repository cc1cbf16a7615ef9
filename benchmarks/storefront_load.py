"""A storefront under load: the scenarios of `tests/load`, against any service or one of its own.

Locust's shoppers (home, search as they type, filters, further pages, product page, basket, order) against `--base`, or
against a real `aisle-serve` with `--bundle`. The status is 1 where a limit was not kept to. The last line of the output
is JSON: figures by scenario, and the limits that were broken.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from serve_process import running_service

SCENARIOS = Path(__file__).parents[1] / "tests" / "load" / "storefront.py"


def main(
    base: Annotated[str | None, typer.Option(help="Address of a service, http://HOST:PORT.")] = None,
    bundle: Annotated[Path | None, typer.Option(help="Serve this one instead, on a free port.")] = None,
    redis: Annotated[str | None, typer.Option(help="Redis of that service; in the process if left out.")] = None,
    shoppers: Annotated[int, typer.Option(min=1, help="At the same time.")] = 100,
    arrivals: Annotated[float, typer.Option(min=0.1, help="Shoppers that begin in a second.")] = 20.0,
    seconds: Annotated[int, typer.Option(min=1, help="Length of the run.")] = 60,
    think: Annotated[float, typer.Option(min=0.0, help="Seconds between two steps of a shopper, on average.")] = 2.0,
    max_error_share: Annotated[float, typer.Option(min=0.0, help="Of the requests of each scenario.")] = 0.001,
    p95_ms: Annotated[float, typer.Option(min=0.0, help="Largest p95 of each scenario.")] = 100.0,
    p99_ms: Annotated[float, typer.Option(min=0.0, help="Largest p99 of each scenario.")] = 250.0,
    limit: Annotated[list[str] | None, typer.Option(help="Of one scenario, instead: search:p95=80.")] = None,
    html: Annotated[Path | None, typer.Option(help="File for Locust's report.")] = None,
) -> None:
    """Let shoppers into a storefront. A read key is taken from the variable LOAD_KEY."""
    if (base is None) == (bundle is None):
        raise typer.BadParameter("expected one of --base and --bundle")
    with _address(base, bundle, redis) as address, tempfile.TemporaryDirectory(prefix="aisle-load-") as folder:
        figures = Path(folder) / "figures.json"
        words = [
            "--host",
            address,
            "--users",
            str(shoppers),
            "--spawn-rate",
            str(arrivals),
            "--run-time",
            f"{seconds}s",
        ]
        words += ["--think", str(think), "--max-error-share", str(max_error_share), "--figures", str(figures)]
        words += ["--p95-ms", str(p95_ms), "--p99-ms", str(p99_ms)]
        words += [word for each in limit or [] for word in ("--limit", each)]
        if html is not None:
            html.parent.mkdir(parents=True, exist_ok=True)
            words += ["--html", str(html)]
        command = [
            sys.executable,
            "-m",
            "locust",
            "-f",
            str(SCENARIOS),
            "--headless",
            "--only-summary",
            "--reset-stats",
        ]
        status = subprocess.run([*command, *words], check=False).returncode
        if not figures.is_file():
            raise typer.Exit(status or 1)
        document = json.loads(figures.read_text("utf-8"))
    for broken in document["broken_limits"]:
        print(broken, file=sys.stderr)
    told = {"base": address, "shoppers": shoppers, "seconds": seconds, "command": " ".join(sys.argv)}
    print(json.dumps(document | told))
    raise typer.Exit(status)


@contextmanager
def _address(base: str | None, bundle: Path | None, redis: str | None) -> Iterator[str]:
    if bundle is None:
        yield (base or "").rstrip("/")
        return
    with running_service(bundle, redis, clock="bundle") as service:
        yield service.address


if __name__ == "__main__":
    typer.run(main)
