"""Thousands of strange queries against a real service: none may end in a 5xx, none may be answered with nothing: where
a search finds no item, it says what is popular.

The last line of the output is JSON: how many answers of each status there were, and the slowest.
"""

import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import httpx
import typer
from serve_process import running_service

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn

sys.path.append(str(Path(__file__).parents[1] / "tests" / "support"))
from strange_texts import strange_texts

_SHOWN = 10


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    queries: Annotated[int, typer.Option(min=1, help="How many.")] = 10_000,
    seed: Annotated[int, typer.Option(help="Of the texts.")] = 0,
) -> None:
    """Send them, count what comes back."""
    titles = TextColumn.read(resolve(bundle) / names.CATALOGUE / "title")
    known = sorted({word for row in range(min(len(titles), 2_000)) for word in (titles[row] or "").split()})
    statuses: Counter[int] = Counter()
    empty, not_found, unfounded, slowest = 0, 0, 0, 0.0
    with running_service(bundle) as service, httpx.Client(base_url=service.address, timeout=30) as client:
        for number, text in enumerate(strange_texts(queries, seed, known)):
            started = time.perf_counter()
            if number % 4:
                response = client.post("/recommend", json={"query": text, "k": _SHOWN})
            else:
                response = client.get("/suggest", params={"q": text})
            slowest = max(slowest, time.perf_counter() - started)
            statuses[response.status_code] += 1
            if response.status_code == 200 and number % 4:
                answer = response.json()
                unfounded += (answer["total"] > 0) != bool(answer["items"])
                empty += not (answer["items"] or answer["popular_items"])
                not_found += not answer["items"]
            elif response.status_code >= 500:
                print(f"{response.status_code}: {text!r}", flush=True)
    found = {
        "queries": queries,
        "statuses": dict(statuses),
        "empty_answers": empty,
        "not_found": not_found,
        "totals_without_items": unfounded,
        "slowest_ms": round(1e3 * slowest, 1),
    }
    print(json.dumps(found))
    if empty or unfounded or any(status >= 500 for status in statuses):
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
