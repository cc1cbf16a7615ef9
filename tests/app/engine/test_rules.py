"""Pins and diversity: the functions against their promises, and both through HTTP."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.engine.loading import read_warmup
from app.engine.recommend import recommend as engine_recommend
from app.engine.requests import OBJECTIVES, RequestBatch
from app.engine.rules import Pin
from app.engine.rules.diversity import diversified
from app.engine.rules.pin import with_pins
from app.engine.scoring import list_of, score_list
from app.engine.snapshot import Snapshot

Recommend = Callable[..., dict[str, Any]]


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def mean_distance(vectors: NDArray[np.floating]) -> float:
    """The slow obvious mean over pairs of `1 - cosine`."""
    units = [vector / max(float(np.linalg.norm(vector)), 1e-9) for vector in vectors.astype(np.float64)]
    pairs = [1.0 - float(one @ other) for at, one in enumerate(units) for other in units[:at]]
    return float(np.mean(pairs)) if pairs else 0.0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    count=st.integers(1, 40),
    dim=st.integers(1, 6),
    k=st.integers(1, 20),
    ties=st.booleans(),
)
def test_more_diversity_is_never_less_diverse(seed: int, count: int, dim: int, k: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = np.sort(rng.integers(0, 4, count).astype(float) if ties else rng.normal(size=count))[::-1]
    vectors = rng.normal(0, 40, (count, dim)).clip(-127, 127).astype(np.int8)
    vectors[rng.random(count) < 0.3] = vectors[0]
    before = -1.0
    for diversity in np.linspace(0, 1, 21):
        order = diversified(scores, vectors, k, float(diversity))
        assert sorted(order.tolist()) == list(range(count))
        now = mean_distance(vectors[order[:k]])
        assert now >= before - 1e-7
        before = now
    assert diversified(scores, vectors, k, 0.0).tolist() == list(range(count))


@given(
    count=st.integers(0, 30),
    places=st.lists(st.integers(1, 60), unique=True, max_size=10),
    shuffled=st.randoms(use_true_random=False),
)
def test_pins_stand_at_their_places_and_the_others_keep_their_order(
    count: int, places: list[int], shuffled: Any
) -> None:
    pins = [Pin(1000 + place, place) for place in places]
    shuffled.shuffle(pins)
    rows, scores = np.arange(1, count + 1), -np.arange(count, dtype=float)
    found, found_scores = with_pins(rows, scores, pins, [float(pin.row) for pin in pins])
    assert [row for row in found.tolist() if row < 1000] == rows.tolist()
    assert found_scores[found >= 1000].tolist() == found[found >= 1000].astype(float).tolist()
    pinned = [row - 1000 for row in found.tolist() if row >= 1000]
    assert pinned == sorted(places)
    for place in places:
        at = found.tolist().index(1000 + place) + 1
        assert at == place or (at < place and all(row >= 1000 for row in found.tolist()[at:]))


def test_a_pinned_item_stands_at_its_place_once(recommend: Recommend, users: list[str], item_ids: list[str]) -> None:
    for fields in ({"user_id": users[0]}, {}, {"query": "black"}, {"user_id": users[1], "objective": "purchase"}):
        plain = ids_of(recommend(k=30, **fields))
        outside = next(item_id for item_id in item_ids if item_id not in plain)
        pins = [{"item_id": plain[7], "position": 2}, {"item_id": outside, "position": 5}]
        answer = recommend(k=30, pin=pins, **fields)
        found = ids_of(answer)
        assert (found[1], found[4]) == (plain[7], outside)
        others = [item_id for item_id in found if item_id not in (plain[7], outside)]
        assert others == [item_id for item_id in plain if item_id != plain[7]][:28]
        assert len(set(found)) == 30
        scores = {item["item_id"]: item["score"] for item in answer["items"]}
        assert scores[plain[7]] == pytest.approx(recommend(k=30, **fields)["items"][7]["score"])
        assert scores[outside] <= max(scores.values())


def test_a_pinned_item_that_must_not_be_answered_is_not(
    recommend: Recommend, users: list[str], item_ids: list[str]
) -> None:
    plain = ids_of(recommend(user_id=users[0]))
    for hidden in ({"exclude_item_ids": [item_ids[3]]}, {"context": {"item_ids": [item_ids[3]]}}):
        pins = [{"item_id": item_ids[3], "position": 1}, {"item_id": plain[4], "position": 1 + 1}]
        found = ids_of(recommend(user_id=users[0], pin=pins, **hidden))
        assert item_ids[3] not in found
        assert found[1] == plain[4]
    seen = ids_of(recommend(user_id=users[0], pin=[{"item_id": "no-such-item", "position": 1}]))
    assert seen == plain


def test_pins_beyond_the_end_stand_at_the_end(recommend: Recommend, item_ids: list[str]) -> None:
    few = {"exclude_item_ids": item_ids[5:]}
    pins = [{"item_id": item_ids[0], "position": 200}, {"item_id": item_ids[1], "position": 150}]
    assert ids_of(recommend(pin=pins, k=20, **few))[-2:] == [item_ids[1], item_ids[0]]


@pytest.mark.parametrize(
    ("pins", "field"),
    [
        ([{"item_id": "a", "position": 1}, {"item_id": "b", "position": 1}], "pin.1.position"),
        ([{"item_id": "a", "position": 1}, {"item_id": "a", "position": 2}], "pin.1.item_id"),
        ([{"item_id": "a", "position": 0}], "pin.0.position"),
        ([{"item_id": "a", "position": 201}], "pin.0.position"),
        ([{"item_id": "", "position": 1}], "pin.0.item_id"),
        ([{"position": 1}], "pin.0.item_id"),
        ([{"item_id": "a", "position": 1, "until": 5}], "pin.0.until"),
        ({"item_id": "a", "position": 1}, "pin"),
    ],
)
def test_pins_that_contradict_each_other_are_refused(client: httpx.Client, pins: Any, field: str) -> None:
    problem = client.post("/recommend", json={"pin": pins}).json()
    assert (problem["status"], problem["errors"][0]["field"]) == (422, field)


@pytest.mark.parametrize("diversity", [-0.1, 1.1, "much", [1]])
def test_a_diversity_outside_its_bounds_is_refused(client: httpx.Client, diversity: Any) -> None:
    problem = client.post("/recommend", json={"diversity": diversity}).json()
    assert (problem["status"], problem["errors"][0]["field"]) == (422, "diversity")


def test_answers_differ_more_the_more_diversity_is_asked_for(
    recommend: Recommend, snapshot: Snapshot, users: list[str], client: httpx.Client
) -> None:
    for fields in ({"user_id": users[0]}, {}, {"query": "black shoes", "user_id": users[1]}):
        plain = ids_of(recommend(k=12, **fields))
        distances = []
        for diversity in (0.0, 0.2, 0.5, 0.8, 1.0):
            found = ids_of(recommend(k=12, diversity=diversity, **fields))
            assert len(set(found)) == 12
            assert found[0] == plain[0]
            distances.append(mean_distance(snapshot.items.vectors_of(snapshot.items.rows_of(found))))
        assert ids_of(recommend(k=12, diversity=0.0, **fields)) == plain
        assert all(later >= earlier - 1e-6 for earlier, later in pairwise(distances))
        assert distances[-1] > distances[0]
    by_get = client.get("/recommend", params={"user_id": users[0], "diversity": 0.5}).json()
    assert by_get["items"] == recommend(user_id=users[0], diversity=0.5)["items"]


def warmup(snapshot: Snapshot, *, ranked: bool) -> RequestBatch:
    batch = read_warmup(snapshot.folder)
    if not ranked:
        return batch
    return replace(batch, objective=np.full(len(batch), OBJECTIVES["purchase"], dtype=np.uint8))


@pytest.mark.parametrize("ranked", [False, True])
def test_a_deep_list_goes_on_where_the_ranker_stops(snapshot: Snapshot, ranked: bool) -> None:
    batch = warmup(snapshot, ranked=ranked)
    shallow = engine_recommend(snapshot, batch, 40)
    deep = engine_recommend(snapshot, batch, snapshot.items.count, rerank_depth=40)
    assert np.array_equal(deep.rows[:, :40], shallow.rows)
    assert np.array_equal(deep.scores[:, :40], shallow.scores)
    for line in range(len(batch)):
        rows, scores = deep.rows[line], deep.scores[line]
        real = rows > 0
        assert len(set(rows[real].tolist())) == int(real.sum())
        excluded = np.unique(batch.exclude_rows[line])
        wanted = snapshot.items.count - int(snapshot.items.selectable[0, excluded].sum())
        assert int(real.sum()) == wanted
        assert (np.diff(scores[real]) <= 0).all()
        alone = engine_recommend(snapshot, batch.take(np.array([line])), snapshot.items.count, rerank_depth=40)
        assert np.array_equal(alone.rows[0], rows)


@pytest.mark.parametrize("ranked", [False, True])
def test_named_items_are_scored_as_candidates_are(snapshot: Snapshot, ranked: bool) -> None:
    batch = warmup(snapshot, ranked=ranked)
    found = engine_recommend(snapshot, batch, 1000, rerank_depth=1000)
    listed = list_of(list(found.rows))
    scores = score_list(snapshot, batch, listed, found.query_vectors)
    for line in range(len(batch)):
        part = slice(int(listed.offsets[line]), int(listed.offsets[line + 1]))
        by_row = dict(zip(listed.rows[part].tolist(), scores[part].tolist(), strict=True))
        rows = found.rows[line][found.rows[line] > 0]
        assert [by_row[row] for row in rows.tolist()] == pytest.approx(
            found.scores[line, : len(rows)].tolist(), abs=1e-4
        )
