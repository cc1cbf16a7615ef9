"""A made-up shop whose log is all searches: words say colour and kind, and every shopper keeps to one style."""

from pathlib import Path

import numpy as np
import polars as pl

COLOURS = ("red", "blue", "green", "black", "white")
KINDS = ("shoes", "hats", "bags", "coats", "belts")
STYLES = 3
NEW = (("red", "bags"), ("black", "hats"))
"""What only test searches for in these words."""


def write_search_shop(folder: Path, shoppers: int = 150, searches: int = 10) -> Path:
    """Events and `dataset.toml`; the items have no text of their own."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(5)
    rows = []
    for shopper in range(shoppers):
        style = shopper % STYLES
        for _ in range(searches):
            colour, kind = COLOURS[rng.integers(5)], KINDS[rng.integers(5)]
            whole = f"{colour} {kind}"
            if (colour, kind) in NEW or rng.random() < 0.3:
                whole = colour if rng.random() < 0.5 else kind
            rows.append((f"u{shopper}", f"{colour}-{kind}-{style}", "purchase", whole, "train"))
        for colour, kind in NEW:
            rows.append((f"u{shopper}", f"{colour}-{kind}-{style}", "purchase", f"{colour} {kind}", "test"))
    columns = ["user_id", "item_id", "event_type", "query", "split"]
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(folder / "events.parquet")
    (folder / "dataset.toml").write_text(
        'name = "search_shop"\n[events]\npath = "events.parquet"\n'
        '[evaluation]\ntask = "search"\nmask = ["none"]\nmetrics = ["mrr", "hr@3", "ndcg@10"]\n'
    )
    return folder
