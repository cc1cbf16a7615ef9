"""How long completions take in the engine, and what they weigh, on a made-up catalogue of 100,000 titles.

What is typed: every beginning of queries, brands, categories and of two words of a title, and the same with one typo,
each drawn by a seed; nothing is remembered between them. The last line of the output is JSON.

    python benchmarks/suggest.py
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import polars as pl
import typer

from app.artifact.names import SUGGEST, VOCABULARY
from app.artifact.text.vocabulary import read_vocabulary
from app.engine.text.suggest import Suggester, read_suggester
from offline.evaluation.typos import add_typos
from offline.export.suggest import write_suggest
from offline.export.vocabulary import write_vocabulary
from offline.synthetic.catalogue import make_catalogue

LONGEST: Final = 24  # characters that are typed
STEMS: Final = 30_000  # made-up words that tell the titles apart
PAGE: Final = os.sysconf("SC_PAGE_SIZE")


def main(
    items: Annotated[int, typer.Option(min=100, help="Titles of the catalogue.")] = 100_000,
    asks: Annotated[int, typer.Option(min=100, help="Beginnings that are completed, of each sort.")] = 5_000,
    limit: Annotated[int, typer.Option(min=1, max=20, help="Completions of each.")] = 8,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
) -> None:
    """Make a catalogue, write what a bundle has for completions, read it back and ask."""
    rng = np.random.default_rng(seed)
    table, queries = made_up(items, rng)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        started = time.perf_counter()
        write_vocabulary(folder, table, queries)
        index = write_suggest(folder, table, rng.pareto(1.5, items + 1).astype(np.float32), queries)
        written = time.perf_counter() - started
        assert index is not None
        files = {part: sum(path.stat().st_size for path in (folder / part).iterdir()) for part in (SUGGEST, VOCABULARY)}
        before = resident()
        vocabulary = read_vocabulary(folder)
        suggester = read_suggester(folder, vocabulary)
        assert suggester is not None
        loaded = resident() - before
        typed = typed_texts(table, queries, asks, rng)
        result: dict[str, Any] = {
            "items": items,
            "entries": len(index.texts),
            "beginnings": len(index.positions),
            "words": len(vocabulary.words),
            "write_s": round(written, 1),
            "files_mb": {part: round(size / 1e6, 1) for part, size in files.items()},
            "loaded_mb": round(loaded / 1e6, 1),
            "one_letter": timed(suggester, [text[0] for text in typed[: asks // 5]], limit),
            "as_typed": timed(suggester, typed, limit),
            "with_a_typo": timed(suggester, add_typos(typed, seed), limit),
            "all_used_mb": round((resident() - before) / 1e6, 1),
        }
    for name, each in result.items():
        print(f"{name}: {each}")
    print(json.dumps(result))


def made_up(items: int, rng: np.random.Generator) -> tuple[pl.DataFrame, list[tuple[str, int]]]:
    """The synthetic shop's catalogue, with made-up words in its titles, and queries with how often they were asked."""
    made = make_catalogue(items, rng)
    letters = np.array(list("aeiouaeioubcdfghklmnprstvz"))
    stems = np.array(["".join(rng.choice(letters, int(rng.integers(4, 10)))) for _ in range(STEMS)])
    often, seldom = np.minimum(rng.zipf(1.2, items) - 1, STEMS - 1), rng.integers(STEMS, size=items)
    titles = [f"{title} {stems[a]} {stems[b]}" for title, a, b in zip(made.table["title"], often, seldom, strict=True)]
    table = made.table.with_columns(
        pl.Series("title", titles),
        row=pl.int_range(1, items + 1),
        text=pl.col("description"),
        attributes=pl.lit(None, pl.List(pl.String)),
    )
    counted = made.queries.value_counts(sort=True).head(20_000)
    return table, list(counted.iter_rows())


def typed_texts(table: pl.DataFrame, queries: list[tuple[str, int]], asks: int, rng: np.random.Generator) -> list[str]:
    """Beginnings of what people look for, of one to `LONGEST` characters."""

    def draw() -> Iterator[str]:
        titles, brands = table["title"], table["brand"].unique(maintain_order=True)
        categories = table["category"].unique(maintain_order=True)
        while True:
            words = titles[int(rng.integers(len(titles)))].split()
            yield " ".join(words[place] for place in sorted(rng.choice(len(words), min(2, len(words)), replace=False)))
            yield queries[int(rng.integers(len(queries)))][0]
            yield brands[int(rng.integers(len(brands)))]
            yield categories[int(rng.integers(len(categories)))].split(" > ")[-1]

    texts = draw()
    return [
        text[: int(rng.integers(1, min(LONGEST, len(text)) + 1))] for text, _ in zip(texts, range(asks), strict=False)
    ]


def timed(suggester: Suggester, typed: list[str], limit: int) -> dict[str, float]:
    """Milliseconds of the wall and of the processor for each, and how many of the texts were completed at all."""
    for text in typed[:50]:
        suggester.suggest(text, limit)
    walls, processor, completed = [], [], 0
    for text in typed:
        wall, own = time.perf_counter(), time.thread_time()
        completed += bool(suggester.suggest(text, limit))
        processor.append(1e3 * (time.thread_time() - own))
        walls.append(1e3 * (time.perf_counter() - wall))
    return {
        "p50_ms": round(float(np.median(walls)), 3),
        "p99_ms": round(float(np.quantile(walls, 0.99)), 3),
        "processor_p50_ms": round(float(np.median(processor)), 3),
        "processor_p99_ms": round(float(np.quantile(processor, 0.99)), 3),
        "completed": round(completed / len(typed), 4),
    }


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


if __name__ == "__main__":
    typer.run(main)
