"""A made-up catalogue without any events, with text queries and judgments."""

import itertools
import json
from pathlib import Path

import polars as pl

_THINGS = {
    "Laptop": "portable computer with a folding screen and keyboard",
    "Headphones": "listen to music over the ears without wires",
    "Printer": "puts documents and pictures on paper with toner",
    "Camera": "takes photographs and films through a lens",
    "Router": "connects the home to the internet by radio",
    "Monitor": "wide display for the desk with sharp pixels",
}
_COLOURS = ("black", "silver", "crimson", "turquoise")
_MAKERS = ("Northwind", "Bluepeak", "Ostrich")

_TOML = """
name = "catalogue"
[items]
path = "items.parquet"
text = ["description"]
attributes = ["attributes_json"]
[evaluation]
task = "graded_search"
metrics = ["ndcg@10", "mrr", "recall@10"]
"""


_PLAIN = ("monitors", "camera", "headphones")  # asked without a mistake, beside some with one


def write_catalogue(folder: Path, *, queries: list[str] | None = None, relevance: int = 2) -> Path:
    """72 items, a third of them described; `queries` ask for kinds of things, all of which are worth `relevance`."""
    folder.mkdir(parents=True, exist_ok=True)
    made = list(itertools.product(_THINGS, _COLOURS, _MAKERS))
    models = [f"{thing[:2].upper()}{7 * place + 113}x" for place, (thing, _, _) in enumerate(made)]
    pl.DataFrame(
        {
            "item_id": [f"p{place}" for place in range(len(made))],
            "title": [
                f"{maker} {model} {thing} {colour}" for (thing, colour, maker), model in zip(made, models, strict=True)
            ],
            "brand": [maker for _, _, maker in made],
            "category": [f"Electronics > {thing}" for thing, _, _ in made],
            "description": [_THINGS[thing] if maker == _MAKERS[0] else None for thing, _, maker in made],
            "price": [10.0 + place for place in range(len(made))],
            "attributes_json": [
                json.dumps({"colour": colour, "wireless": place % 2 == 0}) for place, (_, colour, _) in enumerate(made)
            ],
        }
    ).write_parquet(folder / "items.parquet")
    asked = ["laptop", "hedphones", "priner", "nothing like that", *_PLAIN] if queries is None else queries
    pl.DataFrame({"query_id": range(len(asked)), "query": asked}).write_parquet(folder / "queries.parquet")
    judged = [
        (query, f"p{place}", relevance if thing == wanted else 0)
        for query, wanted in enumerate(("Laptop", "Headphones", "Printer", None, "Monitor", "Camera", "Headphones"))
        for place, (thing, _, _) in enumerate(made)
        if wanted is not None and query < len(asked)
    ]
    pl.DataFrame(judged, schema=["query_id", "item_id", "relevance"], orient="row").write_parquet(
        folder / "judgments.parquet"
    )
    (folder / "dataset.toml").write_text(_TOML)
    return folder
