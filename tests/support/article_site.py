"""A made-up site of articles: readers view, like and share what their topic brings, and nothing has a price."""

import json
from pathlib import Path

import numpy as np
import polars as pl

TOPICS = {
    "Science": ("telescope", "protein", "glacier", "neutron"),
    "Cooking": ("sourdough", "braise", "saffron", "dumpling"),
    "Cycling": ("derailleur", "climb", "sprint", "gravel"),
    "Economy": ("inflation", "tariff", "ledger", "pension"),
    "Cinema": ("director", "screenplay", "premiere", "montage"),
}
_FORMS = ("A short history of the {}", "What the {} teaches us", "Notes on a {}", "The {} question, answered")
_EACH = 24  # articles a topic
_READERS = 160
_DAY_S = 86_400
_START = 1_760_000_000


def write_article_site(folder: Path, toml: str) -> Path:
    """`articles.jsonl`, `events.csv` and the given `dataset.toml`."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(11)
    articles = [_article(topic, words, number) for topic, words in TOPICS.items() for number in range(_EACH)]
    (folder / "articles.jsonl").write_text("".join(json.dumps(each) + "\n" for each in articles), encoding="utf-8")
    rows = [row for reader in range(_READERS) for row in _actions(reader, rng)]
    pl.DataFrame(rows, schema=["reader", "article", "action", "at"], orient="row").sort("at").write_csv(
        folder / "events.csv"
    )
    (folder / "dataset.toml").write_text(toml, encoding="utf-8")
    return folder


def _article(topic: str, words: tuple[str, ...], number: int) -> dict[str, object]:
    word = words[number % len(words)]
    others = " and ".join(words[(number + step) % len(words)] for step in (1, 2))
    return {
        "article": f"{topic.lower()}-{number}",
        "headline": _FORMS[number // len(words) % len(_FORMS)].format(word),
        "topic": topic,
        "author": f"{topic} desk {number % 3}",
        "summary": f"On {word}, {others}.",
        "body": f"This is an article about the {word}. It also speaks of {others}, as {topic.lower()} does.",
        "tags": [word, "long read" if number % 5 == 0 else "news"],
        "published": _START + number * _DAY_S // 2,
    }


def _actions(reader: int, rng: np.random.Generator) -> list[tuple[str, str, str, int]]:
    """What one reader does: mostly within a topic, in the order of a few favourite articles."""
    names = list(TOPICS)
    rows = []
    at = _START + int(rng.integers(20 * _DAY_S))
    place = int(rng.integers(_EACH))
    for _ in range(int(rng.integers(8, 18))):
        topic = names[reader % len(names)] if rng.random() < 0.85 else names[int(rng.integers(len(names)))]
        place = (place + int(rng.integers(1, 4))) % _EACH
        article = f"{topic.lower()}-{place}"
        at += int(rng.integers(60, _DAY_S // 2))
        rows.append((f"reader-{reader}", article, "view", at))
        if rng.random() < 0.4:
            rows.append((f"reader-{reader}", article, "like", at + 30))
            if rng.random() < 0.4:
                rows.append((f"reader-{reader}", article, "share", at + 60))
    return rows
