"""Whether counts, pages, orders and groups of searches speak of one set of items, in a real service.

The queries are spans of titles of the bundle, with and without a word that no item has. Checked of each query:

- every page of it together holds as many items as its `total` says, each once,
- a list by price holds the very items of the list by relevance,
- the count of every value of a facet is the `total` with that value as a filter,
- with groups and a pin each group stands once, and `total` counts them.

The last line of the output is JSON: how many checks of each kind hold, of how many. Exit code 1 where one does not.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from serve_process import running_service

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn

DEPTH = 1_000  # items of a list, and so of all of its pages
VALUES = 4  # of each facet that are filtered by
ABSENT = "qzxvw"
PATIENCE_MS = 20_000  # of each answer: past its time it says what is popular, and nothing of the query


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    queries: Annotated[int, typer.Option(min=1, help="How many.")] = 100,
    facets: Annotated[str, typer.Option(help="Columns to count, separated by commas.")] = "category,brand,in_stock",
    group: Annotated[str, typer.Option(help="A column of text to group by.")] = "brand",
) -> None:
    """Ask them, and say what does not hold."""
    titles = TextColumn.read(resolve(bundle) / names.CATALOGUE / "title")
    held: Counter[str] = Counter()
    checked: Counter[str] = Counter()
    with running_service(bundle) as service, httpx.Client(base_url=service.address, timeout=30) as client:
        for query in _queries(titles, queries):
            for kind, holds, detail in _checks(client, query, facets.split(","), group):
                checked[kind] += 1
                held[kind] += holds
                if not holds:
                    print(f"{query!r}: {kind}: {detail}", flush=True)
    print(json.dumps({kind: {"hold": held[kind], "of": checked[kind]} for kind in checked}))
    if held != checked:
        raise typer.Exit(1)


def _queries(titles: TextColumn, count: int) -> list[str]:
    """One to three words of a title each; every fifth with a word that no item has."""
    rng = np.random.default_rng(0)
    queries: dict[str, None] = {}
    while len(queries) < count:
        words = (titles[int(rng.integers(1, len(titles)))] or "").split()
        if not words:
            continue
        wanted = int(rng.integers(1, 4))
        first = int(rng.integers(0, max(1, len(words) - wanted + 1)))
        query = " ".join(words[first : first + wanted])
        queries[f"{query} {ABSENT}" if len(queries) % 5 == 4 else query] = None
    return list(queries)


def _checks(client: httpx.Client, query: str, facets: list[str], group: str) -> list[tuple[str, bool, str]]:
    """The kind of each check of a query, whether it holds, and what came."""
    answer = _ask(client, query=query, k=1, facets=facets)
    total = answer["total"]
    by_relevance = _all_of(client, query=query)
    by_price = _all_of(client, query=query, sort="price_asc")
    ids = [item["item_id"] for item in by_relevance]
    checks = [
        ("pages", len(ids) == len(set(ids)) == min(total, DEPTH), f"{len(ids)} of {total}"),
        ("orders", total > DEPTH or {item["item_id"] for item in by_price} == set(ids), f"{len(by_price)} by price"),
    ]
    for field in facets:
        for value in answer["facets"][field][:VALUES]:
            drilled = _ask(client, query=query, k=1, filter={"field": field, "eq": value["value"]})["total"]
            checks.append(("facets", drilled == value["count"], f"{field} {value}: total {drilled}"))
    if len(ids) > 1:
        rules = {"query": query, "group_by": group, "pin": [{"item_id": ids[1], "position": 1}]}
        grouped = _all_of(client, fields=[group], **rules)
        values = [item["fields"][group] for item in grouped if item["fields"][group] is not None]
        wanted = min(DEPTH, _ask(client, k=1, **rules)["total"])
        holds = len(values) == len(set(values)) and len(grouped) == wanted
        checks.append(("groups", holds, f"{len(grouped)} groups, total {wanted}"))
    return checks


def _ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/recommend", json={"timeout_ms": PATIENCE_MS, **body})
    response.raise_for_status()
    answer: dict[str, Any] = response.json()
    if answer["degraded"]:
        raise SystemExit(
            f"expected whole answers, got {answer['degraded']} in `degraded`: ask on a machine with less to do"
        )
    return answer


def _all_of(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    """The items of every page."""
    answer = _ask(client, k=200, **body)
    items = list(answer["items"])
    while answer["next_cursor"]:
        answer = _ask(client, k=200, cursor=answer["next_cursor"])
        items += answer["items"]
    return items


if __name__ == "__main__":
    typer.run(main)
