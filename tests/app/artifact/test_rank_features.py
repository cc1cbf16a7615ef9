"""The ranker's features against the slow obvious version, and against company."""

from dataclasses import replace

import numpy as np
import pytest
from rank_tables_made_up import made_up_batch, made_up_tables

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.rank_features import (
    DECAY,
    FEATURES,
    GROUPS,
    RECENT,
    CandidateList,
    UserContext,
    put_group,
    quantised_queries,
    rank_features,
)
from app.artifact.rank_tables import RankTables
from app.engine.requests import RequestBatch


def asked_of(batch: RequestBatch, queries: np.ndarray) -> UserContext:
    return UserContext(batch.event_rows, batch.event_types, batch.event_times, batch.now, queries)


def drawn_candidates(rng: np.random.Generator, size: int, items: int) -> CandidateList:
    chosen = [
        np.sort(rng.choice(np.arange(1, items + 1), int(rng.integers(0, 15)), replace=False)) for _ in range(size)
    ]
    offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in chosen])])
    rows = np.concatenate(chosen)
    lines = np.repeat(np.arange(size), np.diff(offsets))
    return CandidateList(lines, rows, np.ones(len(rows), np.uint8), offsets)


def one_by_one(tables: RankTables, candidates: CandidateList, asked: UserContext) -> list[dict[str, float]]:
    """Every candidate by itself, as the definitions read."""
    vectors = tables.vectors * tables.scales[:, None]
    content = tables.content * tables.content_scales[:, None]
    whole, units = quantised_queries(asked.query_vectors)
    searched = whole * units[:, None]
    strength = tables.score_scales / np.maximum(tables.scales, 1e-9)
    found = []
    for line, row in zip(candidates.request_index, candidates.rows, strict=True):
        events = [
            (int(item), int(kind), float(when))
            for item, kind, when in zip(
                asked.event_rows[line], asked.event_types[line], asked.event_times[line], strict=True
            )
            if item
        ][::-1]
        recent = events[:RECENT]
        weights = np.array([DECAY**place for place in range(len(recent))])
        weights = weights / weights.sum() if len(recent) else weights
        peers = candidates.rows[candidates.request_index == line]
        scores = {int(peer): float(searched[line] @ vectors[peer] * strength[peer]) for peer in peers}
        ranked = sorted(scores, key=lambda peer: (-scores[peer], peer))

        def like(space: np.ndarray, row: int = row, recent: list = recent) -> list[float]:
            return [float(space[row] @ space[item]) for item, _, _ in recent]

        def seen(prefix: str, values: list[float], weights: np.ndarray = weights) -> dict[str, float]:
            padded = values + [0.0] * (RECENT - len(values))
            return {
                f"{prefix}like_last": values[0] if values else 0.0,
                f"{prefix}like_recent": float(weights @ values) if values else 0.0,
                f"{prefix}like_nearest": max(padded),
            }

        together = []
        for item, _, _ in recent:
            near = tables.neighbours[item].tolist()
            together.append(float(tables.neighbour_weights[item][near.index(row)]) if row in near else 0.0)
        touched = [(place, kind, when) for place, (item, kind, when) in enumerate(events) if item == row]
        never_seen = tables.counts[row].sum() == 0
        touched_items = tables.counts.sum(axis=1) > 0
        typical = np.median(tables.counts[touched_items], axis=0), np.median(tables.popularity[touched_items])
        own_counts, popularity = typical if never_seen else (tables.counts[row], tables.popularity[row])
        views, carts, purchases = (float(count) for count in own_counts)
        prices = [float(tables.log_price[item]) for item, _, _ in recent]
        priced = [(weight, price) for weight, price in zip(weights, prices, strict=True) if np.isfinite(price)]
        habit = sum(w * p for w, p in priced) / sum(w for w, _ in priced) if priced else None
        own = float(tables.log_price[row])
        over = own - habit if habit is not None and np.isfinite(own) else 0.0
        category, brand = tables.codes[row]
        same = [
            [float(code != 0 and tables.codes[item][column] == code) for item, _, _ in recent]
            for column, code in ((0, category), (1, brand))
        ]

        def minutes(when: float, line: int = line) -> float:
            gone = (float(asked.now[line]) - when) / 60
            return float(np.log1p(max(gone, 0.0))) if np.isfinite(gone) else 0.0

        found.append(
            {
                "score": scores[row],
                "score_gap": scores[row] - max(scores.values()),
                "log_rank": np.log1p(ranked.index(row)),
                **seen("", like(vectors)),
                **seen("content_", like(content)),
                "with_last": np.sqrt(together[0]) if together else 0.0,
                "with_recent": np.sqrt(weights @ together) if together else 0.0,
                "with_nearest": np.sqrt(max(together, default=0.0)),
                "with_events": sum(value > 1e-4 for value in together) / RECENT,
                "viewed": np.log1p(sum(kind == VIEW for _, kind, _ in touched)),
                "carted": np.log1p(sum(kind == CART for _, kind, _ in touched)),
                "purchased": np.log1p(sum(kind == PURCHASE for _, kind, _ in touched)),
                "touched": float(bool(touched)),
                "log_events_since": np.log1p(touched[0][0] if touched else asked.event_rows.shape[1]),
                "log_minutes_since": minutes(touched[0][2]) if touched else 0.0,
                "log_popularity": np.log(popularity + 1e-5),
                "log_views": np.log1p(views),
                "log_carts": np.log1p(carts),
                "log_purchases": np.log1p(purchases),
                "carts_a_view": min((carts + 0.1) / (views + 5), 1.0),
                "purchases_a_view": min((purchases + 0.05) / (views + 5), 1.0),
                "same_category_last": same[0][0] if recent else 0.0,
                "same_category_recent": float(weights @ same[0]) if recent else 0.0,
                "same_brand_last": same[1][0] if recent else 0.0,
                "same_brand_recent": float(weights @ same[1]) if recent else 0.0,
                "category_missing": float(category == 0),
                "brand_missing": float(brand == 0),
                "price_over_habit": over,
                "price_off_habit": abs(over),
                "log_price": own if np.isfinite(own) else 0.0,
                "price_missing": float(not np.isfinite(own)),
                "log_events": np.log1p(len(events)),
                "log_distinct": np.log1p(len({item for item, _, _ in events})),
                "log_minutes_idle": minutes(float(asked.event_times[line, -1])),
            }
        )
    return found


@pytest.mark.parametrize("content", [4, 0])
@pytest.mark.parametrize("seed", range(4))
def test_features_are_those_of_the_slow_obvious_version(seed: int, content: int) -> None:
    rng = np.random.default_rng(seed)
    tables, batch = made_up_tables(rng, content=content), made_up_batch(rng, 9)
    queries = rng.normal(size=(9, 8)).astype(np.float32)
    candidates = drawn_candidates(rng, 9, 40)
    asked = asked_of(batch, queries)
    fast = rank_features(tables, candidates, asked)
    slow = one_by_one(tables, candidates, asked)
    for place, expected in enumerate(slow):
        for name, said in expected.items():
            value = 0.0 if name.startswith("content_") and not content else said
            assert fast[place, FEATURES.index(name)] == pytest.approx(value, abs=2e-3), name
    assert set(slow[0]) == set(FEATURES)


def test_features_are_the_same_alone_and_in_a_batch_to_the_last_bit() -> None:
    rng = np.random.default_rng(3)
    tables, batch = made_up_tables(rng), made_up_batch(rng, 20)
    queries = rng.normal(size=(20, 8)).astype(np.float32)
    candidates = drawn_candidates(rng, 20, 40)
    together = rank_features(tables, candidates, asked_of(batch, queries))
    for line in range(20):
        part = slice(candidates.offsets[line], candidates.offsets[line + 1])
        rows = candidates.rows[part]
        alone = CandidateList(
            np.zeros(len(rows), np.int64), rows, candidates.sources[part], np.array([0, len(rows)], np.int64)
        )
        single = batch.take(np.array([line]))
        found = rank_features(tables, alone, asked_of(single, queries[line : line + 1]))
        assert np.array_equal(found, together[part])


def test_no_candidates_have_no_features() -> None:
    rng = np.random.default_rng(0)
    tables, batch = made_up_tables(rng), made_up_batch(rng, 2)
    nobody = CandidateList(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(3, np.int64))
    asked = asked_of(replace(batch), np.zeros((2, 8), np.float32))
    assert rank_features(tables, nobody, asked).shape == (0, len(FEATURES))


@pytest.mark.parametrize("seed", range(5))
def test_some_of_a_list_are_compared_with_all_of_it(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tables, batch = made_up_tables(rng), made_up_batch(rng, 9)
    tables.vectors[20:30] = tables.vectors[20]  # equal scores go by row
    tables.score_scales[20:30] = tables.score_scales[20]
    asked = asked_of(batch, rng.normal(size=(9, 8)).astype(np.float32))
    whole = drawn_candidates(rng, 9, 40)
    kept = rng.random(len(whole)) < 0.4
    lines = whole.request_index[kept]
    some = CandidateList(lines, whole.rows[kept], whole.sources[kept], np.searchsorted(lines, np.arange(10)))
    assert np.array_equal(rank_features(tables, some, asked, whole), rank_features(tables, whole, asked)[kept])


@pytest.mark.parametrize("count", [len(GROUPS["user"]) - 1, len(GROUPS["user"]) + 1])
def test_a_group_with_one_value_too_few_or_too_many_is_refused(count: int) -> None:
    columns = np.zeros((len(FEATURES), 3), dtype=np.float32)
    with pytest.raises(ValueError, match=r"zip\(\)"):
        put_group(columns, "user", [np.ones(3, dtype=np.float32)] * count)
    put_group(columns, "user", [np.ones(3, dtype=np.float32)] * len(GROUPS["user"]))
    assert columns.sum() == 3 * len(GROUPS["user"])
