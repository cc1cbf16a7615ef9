"""Reasons: they sum to the score, and each is what leaving out its piece takes away."""

import math
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.artifact.rank_features import FEATURES, GROUPS, rank_features
from app.artifact.search_features import SEARCH_FEATURES, TEXT_FEATURES
from app.engine.candidate_sources import union_of_sources
from app.engine.explain import contributions
from app.engine.loading import read_warmup
from app.engine.reasons import Kind, Reason, reasons_of_items, round_reasons
from app.engine.recommend import recommend as engine_recommend
from app.engine.recommend import retrieve
from app.engine.requests import OBJECTIVES, RequestBatch, user_context_of
from app.engine.scoring import list_of
from app.engine.search import features_of_search
from app.engine.snapshot import Snapshot

Recommend = Callable[..., dict[str, Any]]
Why = dict[str, Any]
EVENT_KINDS = {"view": "viewed", "cart": "carted", "purchase": "purchased"}
DEPTH = 200


def weights_of(item: dict[str, Any]) -> dict[tuple[str, str | None], float]:
    return {(why["kind"], why.get("item_id")): why["weight"] for why in item["reasons"]}


def check_sums(answer: dict[str, Any]) -> None:
    for item in answer["items"]:
        reasons = item["reasons"]
        assert sum(Decimal(str(why["weight"])) for why in reasons) == Decimal(str(item["score"])), item
        told = [why for why in reasons if why["kind"] != "base"]
        assert all(abs(one["weight"]) >= abs(other["weight"]) for one, other in pairwise(told))
        assert all(why["kind"] != "base" for why in reasons[:-1])
        assert all(why["weight"] for why in reasons if why["kind"] not in ("pin", "popular"))


@given(
    score=st.floats(-1e4, 1e4),
    pieces=st.lists(st.tuples(st.sampled_from(["viewed", "boost", "pin", "query_match"]), st.floats(-50, 50))),
)
def test_rounded_weights_sum_to_the_rounded_score(score: float, pieces: list[tuple[Kind, float]]) -> None:
    given_pieces = [Reason(kind, 0.0 if kind == "pin" else weight) for kind, weight in pieces]
    reasons = round_reasons(score, given_pieces)
    total = sum(Decimal(str(reason.weight)) for reason in reasons)
    assert total == Decimal(str(round(score * 1e6) / 1e6))
    told = [abs(reason.weight) for reason in reasons if reason.kind != "base"]
    assert told == sorted(told, reverse=True)
    assert [reason.kind for reason in reasons[:-1]].count("base") == 0
    assert sum(reason.kind == "pin" for reason in reasons) == sum(kind == "pin" for kind, _ in pieces)
    assert all(reason.weight for reason in reasons if reason.kind != "pin")


KINDS: list[Kind] = ["viewed", "boost", "pin", "query_match"]


@given(
    scores=st.lists(st.floats(-1e4, 1e4) | st.just(0.0), max_size=5),
    kinds=st.lists(st.sampled_from(KINDS), max_size=7),
    rest=st.sampled_from(["base", "popular"]),
    drawn=st.data(),
)
def test_reasons_of_many_items_are_those_of_each(
    scores: list[float], kinds: list[Kind], rest: Literal["base", "popular"], drawn: st.DataObject
) -> None:
    weight = st.floats(-50, 50) | st.sampled_from([0.0, -0.0, 2.5e-6, 1e-7, 7.0, -7.0])
    parts = [
        [Reason(kind, 0.0, row=place, position=item) for item in range(len(scores))] for place, kind in enumerate(kinds)
    ]
    weights = np.array([[0.0 if kind == "pin" else drawn.draw(weight) for _ in scores] for kind in kinds])
    weights = weights.reshape(len(kinds), len(scores))
    pinned = [[kind != "pin" or drawn.draw(st.booleans()) for _ in scores] for kind in kinds]
    told = [
        [part if is_there else None for part, is_there in zip(*line, strict=True)]
        for line in zip(parts, pinned, strict=True)
    ]
    reasons = reasons_of_items(np.array(scores, dtype=np.float64), weights, told, rest)
    one_by_one = [
        round_reasons(
            score,
            [
                line[item]._replace(weight=float(weights[place, item]))
                for place, line in enumerate(parts)
                if pinned[place][item]
            ],
            rest,
        )
        for item, score in enumerate(scores)
    ]
    assert repr(reasons) == repr(one_by_one)


def requests(users: list[str], item_ids: list[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Requests of all that gives a score."""
    item = st.sampled_from(item_ids)
    event = st.fixed_dictionaries({"item_id": item, "type": st.sampled_from(sorted(EVENT_KINDS))})
    cheap = {"field": "price", "lt": 60}
    who: st.SearchStrategy[dict[str, Any]] = st.one_of(
        st.just({}),
        st.fixed_dictionaries({"user_id": st.sampled_from(users)}),
        st.fixed_dictionaries({"recent_events": st.lists(event, max_size=14)}),
        st.fixed_dictionaries({"context": st.fixed_dictionaries({"item_ids": st.lists(item, max_size=3)})}),
    )
    rules = st.fixed_dictionaries(
        {"k": st.integers(1, 30)},
        optional={
            "query": st.sampled_from(["black", "grey shirt", "blakc", "qqqqq", "xylophone black"]),
            "objective": st.sampled_from(["view", "cart", "purchase", "revenue"]),
            "filter": st.just(cheap),
            "boost": st.lists(
                st.fixed_dictionaries({"filter": st.just(cheap), "factor": st.sampled_from([0.1, 3, 1000])}),
                min_size=1,
                max_size=2,
            ),
            "pin": st.builds(lambda item_id, place: [{"item_id": item_id, "position": place}], item, st.integers(1, 9)),
            "diversity": st.sampled_from([0.3, 1.0]),
        },
    )
    sorted_lists = st.fixed_dictionaries(
        {"k": st.integers(1, 9), "sort": st.sampled_from(["price_asc", "price_desc"])},
        optional={"query": st.just("black"), "group_by": st.just("brand")},
    )
    return st.builds(lambda *parts: {k: v for part in parts for k, v in part.items()}, who, rules | sorted_lists)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=st.data())
def test_reasons_sum_to_the_score_and_change_no_answer(
    drawn: st.DataObject, recommend: Recommend, users: list[str], item_ids: list[str]
) -> None:
    asked = drawn.draw(requests(users, item_ids))
    answer = recommend(**asked, explain=True)
    check_sums(answer)
    plain = recommend(**asked)
    without = [{name: item[name] for name in item if name != "reasons"} for item in answer["items"]]
    assert without == plain["items"]
    assert answer["total"] == plain["total"]


@pytest.mark.parametrize("query", [None, "black"])
def test_the_weight_of_an_event_is_what_leaving_it_out_takes_away(
    recommend: Recommend, item_ids: list[str], query: str | None
) -> None:
    rng = np.random.default_rng(3)
    asked = {} if query is None else {"query": query}
    for _ in range(5):
        chosen = [str(item_id) for item_id in rng.choice(item_ids, size=5, replace=False)]
        types = [str(kind) for kind in rng.choice(sorted(EVENT_KINDS), size=7)]
        ids = [*chosen, chosen[0], chosen[3]]  # two of them twice
        events = [
            {"item_id": item_id, "type": kind, "time": f"2024-05-0{place + 1}T00:00:00Z"}
            for place, (item_id, kind) in enumerate(zip(ids, types, strict=True))
        ]
        items = recommend(**asked, recent_events=events, explain=True, k=20)["items"]
        for item_id in chosen:
            fewer = [event for event in events if event["item_id"] != item_id]
            scores = {
                item["item_id"]: item["score"] for item in recommend(**asked, recent_events=fewer, k=200)["items"]
            }
            kind = EVENT_KINDS[types[max(place for place, each in enumerate(ids) if each == item_id)]]
            for item in items:
                if item["item_id"] in scores:
                    weight = weights_of(item).get((kind, item_id), 0.0)
                    assert item["score"] - scores[item["item_id"]] == pytest.approx(weight, abs=2e-4)


def test_an_event_of_nobody_else_gave_all_that_is_not_there_without_it(
    recommend: Recommend, item_ids: list[str]
) -> None:
    event = {"item_id": item_ids[7], "type": "cart"}
    for item in recommend(recent_events=[event], explain=True, k=5)["items"]:
        assert weights_of(item)[("carted", item_ids[7])] == pytest.approx(item["score"], abs=2e-4)


def test_of_a_long_history_the_newest_ten_items_are_told(recommend: Recommend, item_ids: list[str]) -> None:
    events = [{"item_id": item_id} for item_id in item_ids[:25]]
    named = {
        why["item_id"]
        for item in recommend(recent_events=events, explain=True, k=50)["items"]
        for why in item["reasons"]
        if why["kind"] == "viewed"
    }
    assert named == set(item_ids[15:25])


def test_nobody_gets_what_is_popular(recommend: Recommend, item_ids: list[str]) -> None:
    for item in recommend(explain=True, k=50)["items"]:
        assert item["reasons"] == [{"kind": "popular", "weight": item["score"]}]
    for item in recommend(user_id="nobody-has-this-id", query="qqqqqq", explain=True, k=5)["items"]:
        assert item["reasons"] == [{"kind": "popular", "weight": item["score"]}]
    for item in recommend(sort="price_asc", explain=True, k=5, context={"item_ids": item_ids[:1]})["items"]:
        assert {why["kind"] for why in item["reasons"]} <= {"popular"}


def test_a_search_names_the_words_that_an_item_has(recommend: Recommend, snapshot: Snapshot) -> None:
    assert snapshot.search is not None
    items = recommend(query="black wool xylophone", explain=True, k=50)["items"]
    seen = set()
    (match,) = snapshot.search.matches(["black wool xylophone"])
    assert match is not None
    for item in items:
        assert {why["kind"] for why in item["reasons"]} <= {"query_match", "popular", "base"}
        for why in item["reasons"]:
            if why["kind"] == "query_match":
                row = snapshot.items.row_of(item["item_id"])
                assert why["terms"] == match.words_of(row)
                seen.add(tuple(why["terms"]))
    assert any("black" in terms for terms in seen)


def test_a_search_by_somebody_tells_both(recommend: Recommend, item_ids: list[str]) -> None:
    events = [{"item_id": item_id, "type": "purchase"} for item_id in item_ids[:3]]
    kinds = {
        why["kind"]
        for item in recommend(query="black", recent_events=events, explain=True)["items"]
        for why in item["reasons"]
    }
    assert {"query_match", "purchased", "popular"} <= kinds


@pytest.mark.parametrize("who", [{}, {"query": "black"}, {"user_id": "KNOWN"}])
def test_boosts_and_pins_are_told(
    recommend: Recommend, users: list[str], item_ids: list[str], who: dict[str, Any]
) -> None:
    who = {name: users[1] if value == "KNOWN" else value for name, value in who.items()}
    answer = recommend(
        **who,
        k=30,
        boost=[{"filter": {"field": "price", "lt": 60}, "factor": 3}],
        pin=[{"item_id": item_ids[-1], "position": 2}],
        explain=True,
        fields=["price"],
    )
    check_sums(answer)
    for item in answer["items"]:
        weights = weights_of(item)
        pins = [why for why in item["reasons"] if why["kind"] == "pin"]
        assert pins == ([{"kind": "pin", "position": 2, "weight": 0.0}] if item["item_id"] == item_ids[-1] else [])
        cheap = (item["fields"]["price"] or math.inf) < 60
        if not cheap:
            assert ("boost", None) not in weights
        elif who:
            assert weights[("boost", None)] == pytest.approx(math.log(3), abs=1e-6)
        else:
            assert weights.get(("boost", None), 0.0) == pytest.approx(item["score"] * 2 / 3, abs=2e-6)
    assert answer["items"][1]["item_id"] == item_ids[-1]


def histories(snapshot: Snapshot, objective: str | None) -> RequestBatch:
    batch = read_warmup(snapshot.folder)
    batch = batch.take(np.flatnonzero(batch.has_events())[:12])
    code = OBJECTIVES[objective] if objective else 0
    return replace(batch, objective=np.full(len(batch), code, dtype=np.uint8))


@pytest.mark.parametrize("objective", ["purchase", "revenue"])
def test_the_ranker_is_asked_again_over_the_same_candidates(snapshot: Snapshot, objective: str) -> None:
    """Against the slow obvious way: one request and one piece at a time, features changed by hand."""
    ranker = snapshot.ranker
    assert ranker is not None
    batch = histories(snapshot, objective)
    found = engine_recommend(snapshot, batch, DEPTH)
    answered = list(found.rows[:, :15])
    whole = list(found.rows)
    given_ = contributions(snapshot, batch, answered, whole, DEPTH, DEPTH)
    columns = [FEATURES.index(name) for name in GROUPS["popularity"]]
    for line, of_line in enumerate(given_):
        one = batch.take(np.array([line]))
        listed = union_of_sources(one, retrieve(snapshot, one, DEPTH), snapshot.tables, snapshot.items.popular_rows)

        def scores(asking: RequestBatch, level: bool = False, line: int = line, listed: Any = listed) -> Any:
            vectors = snapshot.retriever.run(asking, 1).query_vectors * asking.has_signal()[:, None]
            features = rank_features(snapshot.tables, listed, user_context_of(asking, vectors.astype(np.float32)))
            if level:
                means = features[np.isin(listed.rows, whole[line])][:, columns]
                order = np.searchsorted(listed.rows, np.sort(whole[line]))
                means = features[order][:, columns].astype(np.float64).mean(axis=0)
                features[:, columns] = means.astype(np.float32)
            return ranker.scores(asking, listed, features)[np.searchsorted(listed.rows, answered[line])]

        full = scores(one)
        assert full == pytest.approx(found.scores[line, :15], abs=1e-5)
        for row, gave in zip(of_line.event_rows.tolist(), of_line.by_events, strict=True):
            assert full - scores(fewer_events(one, row)) == pytest.approx(gave, abs=1e-5)
        assert full - scores(one, level=True) == pytest.approx(of_line.by_popularity, abs=1e-4)
        assert not of_line.by_query.any()
    assert sum(float(np.abs(of_line.by_popularity).sum()) for of_line in given_) > 0


def fewer_events(one: RequestBatch, row: int) -> RequestBatch:
    """A request without the events on an item, rebuilt from lists."""
    events = [
        event
        for event in zip(one.event_rows[0], one.event_types[0], one.event_times[0], strict=True)
        if event[0] not in (0, row)
    ]
    blank = one.event_rows.shape[1] - len(events)
    rows, types, times = zip(*[(0, 0, math.nan)] * blank, *events, strict=True)
    changed = {
        "event_rows": np.array([rows], dtype=np.int32),
        "event_types": np.array([types], dtype=np.uint8),
        "event_times": np.array([times], dtype=np.float64),
    }
    return replace(one, **changed)


@pytest.mark.parametrize("objective", [None, "purchase"])
def test_query_and_popularity_of_a_search_gave_their_weighted_features(
    snapshot: Snapshot, objective: str | None
) -> None:
    search = snapshot.search
    assert search is not None
    batch = histories(snapshot, objective)
    matches = search.matches(["black", "grey shirt", "wool"] * 4)
    batch = replace(batch, matches=matches[: len(batch)])
    found = engine_recommend(snapshot, batch, 1000, rerank_depth=DEPTH)
    answered = [rows[rows > 0][:15] for rows in found.rows]
    whole = [rows[rows > 0] for rows in found.rows]
    given_ = contributions(snapshot, batch, answered, whole, 1000, DEPTH)
    for line, of_line in enumerate(given_):
        listed = list_of([whole[line]])
        one = batch.take(np.array([line]))
        context = user_context_of(one, found.query_vectors[line][None])
        features, _ = features_of_search(snapshot.tables, search, one, listed, context)
        at = np.searchsorted(listed.rows, answered[line])

        def gave(names: tuple[str, ...], features: NDArray[np.float32] = features) -> NDArray[np.float64]:
            lines = [features[SEARCH_FEATURES.index(name)] * search.spec.weights.get(name, 0.0) for name in names]
            return np.asarray(np.sum(lines, axis=0, dtype=np.float64))

        assert gave(TEXT_FEATURES)[at] == pytest.approx(of_line.by_query, abs=1e-4)
        if objective is None:
            popular = gave(GROUPS["popularity"])
            assert (popular - popular.mean())[at] == pytest.approx(of_line.by_popularity, abs=1e-4)


@pytest.mark.parametrize("objective", [None, "cart"])
@pytest.mark.parametrize("query", [None, "black"])
def test_what_is_explained_alone_is_explained_so_in_company(
    snapshot: Snapshot, objective: str | None, query: str | None
) -> None:
    batch = histories(snapshot, objective)
    if query is not None:
        assert snapshot.search is not None
        batch = replace(batch, matches=snapshot.search.matches([query, None] * 6)[: len(batch)])
    found = engine_recommend(snapshot, batch, 1000, rerank_depth=DEPTH)
    whole = [rows[rows > 0] for rows in found.rows]
    together = contributions(snapshot, batch, whole, whole, 1000, DEPTH)
    for line, of_line in enumerate(together):
        one = batch.take(np.array([line]))
        (alone,) = contributions(snapshot, one, [whole[line]], [whole[line]], 1000, DEPTH)
        for name, value in vars(alone).items():
            assert np.array_equal(value, getattr(of_line, name)), name


def test_explained_requests_say_how_long_it_took(client: httpx.Client, users: list[str]) -> None:
    asked = {"user_id": users[0], "k": 3}
    assert "explain" in client.post("/recommend", json=asked | {"explain": True}).headers["server-timing"]
    assert "explain" not in client.post("/recommend", json=asked).headers["server-timing"]


def test_variants_that_differ_in_events_alone_are_scored_as_any_others(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert snapshot.ranker is not None
    spec = snapshot.ranker.spec.model_copy(update={"orders": True})
    ordering = replace(snapshot, ranker=replace(snapshot.ranker, spec=spec))
    warmup = read_warmup(snapshot.folder)
    batch = warmup.take(np.flatnonzero(ordering.ranker.ranks(warmup))[:9])
    best = engine_recommend(ordering, batch, DEPTH)
    compared = best.compared_rows
    lists = [rows[rows != 0] for rows in best.rows]
    answered = [rows[: 3 + place] for place, rows in enumerate(lists)]
    for comparing in (compared, (None,) * len(batch)):
        told = contributions(ordering, batch, answered, lists, DEPTH, DEPTH, compared_rows=comparing)
        with monkeypatch.context() as patch:
            patch.setattr("app.engine.explain._orders_all", lambda *_: False)
            expected = contributions(ordering, batch, answered, lists, DEPTH, DEPTH, compared_rows=comparing)
        for one, other in zip(told, expected, strict=True):
            for name in ("event_rows", "behaviours", "by_events", "by_query", "by_popularity"):
                assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
