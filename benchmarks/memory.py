"""What a service takes of memory: at its start, after searches and recommendations, and once versions were swapped.

Copies of one bundle are published in a Redis of their own. Of each moment it tells the resident set and the part of it
that is no file: mapped files may leave memory again where it is short. The last line of the output is JSON.
"""

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from published_copies import published_copies
from serve_process import running_service
from shop_calls import shop_at

_FIELDS = {"VmRSS": "resident_mb", "RssAnon": "without_files_mb", "VmHWM": "largest_mb"}
_TIMEOUT_S = 60


@dataclass(frozen=True)
class Asked:
    """How much is asked for."""

    requests: int
    versions: int


def memory_of(pid: int) -> dict[str, int]:
    """Of a process, in MiB."""
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines())
    return {_FIELDS[name]: int(rest[0]) // 1024 for name, *rest in ((w[0].rstrip(":"), *w[1:]) for w in lines)
            if name in _FIELDS}  # fmt: skip


def measure(bundle: Path, asked: Asked) -> dict[str, Any]:
    """The figures of each moment."""
    rng = random.Random(1)
    with published_copies(bundle, asked.versions) as (store, redis_url, versions):
        with running_service(store, redis_url, clock="bundle") as service:
            pid = service.process.pid
            found: dict[str, Any] = {"start": memory_of(pid)}
            shop = shop_at(service.address)
            with httpx.Client(base_url=service.address, timeout=_TIMEOUT_S) as client:

                def ask() -> None:
                    for _ in range(asked.requests):
                        body: dict[str, Any] = shop.shopper(rng) | {"k": 20}
                        if rng.random() < 0.5:
                            body |= {"query": shop.query(rng), "facets": shop.facets}
                        if rng.random() < 0.3:
                            body |= {"filter": {"field": "price", "lte": rng.randint(20, 400)}}
                        client.post("/recommend", json=body).raise_for_status()

                ask()
                found["asked"] = memory_of(pid)
                for version in versions:
                    client.post(f"/models/{version}/activate").raise_for_status()
                    ask()
                found["swapped"] = memory_of(pid)
        size = sum(file.stat().st_size for file in (store / versions[0]).rglob("*") if file.is_file())
    return {"bundle_mb": round(size / 1e6, 1), **found}


def main(
    bundle: Annotated[Path, typer.Option(help="A bundle, or a store such as runs/NAME/bundle.")],
    requests: Annotated[int, typer.Option(help="Between two moments.")] = 1000,
    versions: Annotated[int, typer.Option(help="Copies of the bundle, each served once.")] = 4,
) -> None:
    """Measure the memory of one service."""
    sys.stdout.write(json.dumps(measure(bundle, Asked(requests, versions))) + "\n")


if __name__ == "__main__":
    typer.run(main)
