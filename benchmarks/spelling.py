"""What typing mistakes cost the words of a query, and whether words that are right are left alone.

The vocabulary and the lexical index are those of a run's catalogue. One mistake (a letter left out, put in, replaced,
or two exchanged) is drawn into every word of four letters or more that two items have, alone and among two other words
of a title. A word counts as found when the terms that are searched for hold its own. The last line of the output is
JSON.

    python benchmarks/spelling.py runs/icecat/split/items.parquet
"""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer

from app.artifact.text.languages import ENGLISH
from app.artifact.text.words import read_words
from app.engine.text.lexical_index import read_lexical
from app.engine.text.spelling import Spelling
from offline.evaluation.typos import add_typos
from offline.export.lexical import write_lexical
from offline.export.vocabulary import write_vocabulary

SHORTEST = 4  # letters of a word that is add_typos
WORDS_BESIDE = 2


def main(
    items: Annotated[Path, typer.Argument(help="items.parquet of a run's split.")],
    titles: Annotated[int, typer.Option(min=1, help="Titles of which three words are asked.")] = 3_000,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
) -> None:
    """Read the catalogue, mistype its words, and read them again."""
    table = pl.read_parquet(items).sort("row")
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as name:
        vocabulary = write_vocabulary(Path(name), table)
        write_lexical(Path(name), table, vocabulary)
        lexical = read_lexical(Path(name), table.height + 1, np.zeros(table.height + 1, dtype=np.int32))
        spelling = Spelling(vocabulary, None if lexical is None else lexical.main.rows_of)
        every = [vocabulary.words[place] for place in np.flatnonzero(~vocabulary.codes).tolist()]
        often = [
            word
            for word in every
            if len(word) >= SHORTEST and word.isalpha() and vocabulary.documents[vocabulary.words.find(word)] > 1
        ]
        alone = list(zip(often, (f"{word} " for word in add_typos(often, seed)), strict=True))
        among = beside_others(table["title"].drop_nulls().to_list(), titles, rng, seed)
        result: dict[str, Any] = {
            "words": len(vocabulary.words),
            "add_typos": len(often),
            "alone": found(spelling, alone),
            "among_others": found(spelling, among),
            "left_alone": share(spelling.read(f"{word} ").corrected is None for word in often),
            "left_alone_of_all": share(spelling.read(f"{word} ").corrected is None for word in every),
            "titles_left_alone": share(
                spelling.read(title).corrected is None for title in table["title"].drop_nulls().head(titles)
            ),
        }
    for name, each in result.items():
        print(f"{name}: {each}")
    print(json.dumps(result))


def beside_others(titles: Sequence[str], most: int, rng: np.random.Generator, seed: int) -> list[tuple[str, str]]:
    """Words of titles, and each add_typos between two others of its title."""
    chosen = []
    for title in (titles[place] for place in rng.permutation(len(titles)).tolist()):
        words = list(dict.fromkeys(word.text for word in read_words(title) if word.kind == "word"))
        long = [word for word in words if len(word) >= SHORTEST and word.isalpha()]
        if long and len(words) > WORDS_BESIDE:
            word = long[int(rng.integers(len(long)))]
            others = [each for each in words if each != word]
            chosen.append((word, [others[place] for place in rng.choice(len(others), WORDS_BESIDE, replace=False)]))
        if len(chosen) == most:
            break
    slips = add_typos([word for word, _ in chosen], seed)
    return [(word, f"{first} {slip} {second}") for (word, (first, second)), slip in zip(chosen, slips, strict=True)]


def found(spelling: Spelling, asked: Sequence[tuple[str, str]]) -> dict[str, float]:
    """The share of add_typos words that are searched for, also of those whose slip is no other word; milliseconds."""
    hits, elsewhere, times = [], [], []
    for word, query in asked:
        started = time.thread_time()
        reading = spelling.read(query)
        times.append(1e3 * (time.thread_time() - started))
        hits.append(ENGLISH.stems(word)[0] in dict(reading.terms))
        elsewhere.append(all(spelling.is_known(each) for each in read_words(query)))
    plain = [hit for hit, other in zip(hits, elsewhere, strict=True) if not other]
    return {
        "queries": len(asked),
        "found": share(hits),
        "slips_that_are_words": share(elsewhere),
        "found_of_the_rest": share(plain),
        "processor_p50_ms": round(float(np.median(times)), 3),
        "processor_p99_ms": round(float(np.quantile(times, 0.99)), 3),
    }


def share(values: Any) -> float:
    """Of those that are true."""
    return round(float(np.mean(list(values))), 4)


if __name__ == "__main__":
    typer.run(main)
