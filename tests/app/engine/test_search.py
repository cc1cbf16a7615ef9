"""Search through the engine and over HTTP: words first, meaning where words fail, the user in both."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from app.engine import search as search_module
from app.engine.candidates import Candidates
from app.engine.kernels.words import Column
from app.engine.loading import read_warmup
from app.engine.recommend import recommend
from app.engine.requests import ItemMask, RequestBatch, Stages
from app.engine.snapshot import Snapshot
from app.engine.text.query_index import QueryIndex

DEPTH = 50
SLOW = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def search(snapshot: Snapshot) -> QueryIndex:
    assert snapshot.search is not None
    return snapshot.search


def asked(snapshot: Snapshot, texts: list[str | None], *, known: bool = False) -> RequestBatch:
    """Requests of the bundle's warm-up users, or of nobody, for a text each."""
    batch = read_warmup(snapshot.folder).take(np.arange(len(texts)))
    if not known:
        batch = replace(
            batch,
            event_rows=np.zeros_like(batch.event_rows),
            event_types=np.zeros_like(batch.event_types),
            long_weight=np.zeros_like(batch.long_weight),
        )
    assert snapshot.search is not None
    return replace(batch, matches=snapshot.search.matches(texts))


def title_words(snapshot: Snapshot, row: int) -> list[str]:
    return (snapshot.catalogue.texts["title"][row] or "").split()


def titled(snapshot: Snapshot) -> list[int]:
    """The rows of the items that have a title."""
    return [row for row in range(1, snapshot.items.count + 1) if snapshot.catalogue.texts["title"][row]]


queries = st.one_of(
    st.sampled_from(["trail shoes", "black", "rare zzzz", "lipstick red", "", "!!", "耳机", "grey body mist"]),
    st.text(max_size=40),
)


@SLOW
@given(texts=st.lists(st.one_of(st.none(), queries), min_size=2, max_size=6), known=st.booleans())
def test_a_search_is_answered_the_same_alone_and_in_any_batch(
    snapshot: Snapshot, texts: list[str | None], known: bool
) -> None:
    batch = asked(snapshot, texts, known=known)
    together = recommend(snapshot, batch, DEPTH)
    for line in range(len(texts)):
        alone = recommend(snapshot, batch.take(np.array([line])), DEPTH)
        assert alone.rows[0, :DEPTH].tolist() == together.rows[line, :DEPTH].tolist()
        assert np.array_equal(alone.scores[0, :DEPTH], together.scores[line, :DEPTH])


@SLOW
@given(share=st.floats(0.02, 0.9), seed=st.integers(0, 99), text=queries, known=st.booleans())
def test_no_item_outside_the_mask_or_among_the_excluded_is_found(
    snapshot: Snapshot, share: float, seed: int, text: str, known: bool
) -> None:
    mask = np.random.default_rng(seed).random(snapshot.items.selectable.shape) < share
    mask &= snapshot.items.selectable
    batch = asked(snapshot, [text], known=known)
    excluded = np.flatnonzero(mask[0])[:3]
    found = recommend(snapshot, replace(batch, exclude_rows=excluded[None, :]), DEPTH, item_mask=ItemMask(mask))
    rows = rows_of(found)
    assert mask[0, rows].all()
    assert not set(rows.tolist()) & set(excluded.tolist())
    assert len(set(rows.tolist())) == len(rows)
    assert batch.matches is not None
    assert batch.matches[0] is not None
    left = batch.matches[0].hits.items & mask[0]
    left[excluded] = False
    assert set(rows.tolist()) <= set(np.flatnonzero(left).tolist())
    assert len(rows) == min(DEPTH, int(left.sum()))


def test_an_item_is_found_by_its_title_and_counted(snapshot: Snapshot, search: QueryIndex) -> None:
    for row in titled(snapshot)[::60]:
        text = " ".join(title_words(snapshot, row))
        found = recommend(snapshot, asked(snapshot, [text]), DEPTH)
        assert row in rows_of(found)[:3]
        (match,) = search.matches([text])
        assert match is not None
        assert match.hits.items[row]
        assert found.matched_items is not None
        assert found.matched_items[0] is not None
        assert set(rows_of(found).tolist()) <= set(np.flatnonzero(found.matched_items[0]).tolist())


def test_words_of_an_item_are_those_that_it_has(snapshot: Snapshot, search: QueryIndex) -> None:
    row = next(row for row in titled(snapshot) if all(word.isascii() for word in title_words(snapshot, row)))
    words = title_words(snapshot, row)
    (match,) = search.matches([f"{words[0]} nosuchwordatall {words[1]}"])
    assert match is not None
    assert match.words_of(row) == [words[0].lower(), words[1].lower()]
    assert match.hits.matched_by == "words"
    assert match.hits.dropped_words == ("nosuchwordatall",)


def test_either_source_can_be_left_out(snapshot: Snapshot) -> None:
    batch = asked(snapshot, ["grey shoes"])
    by_words = recommend(snapshot, batch, DEPTH, Stages(semantic=False))
    by_meaning = recommend(snapshot, batch, DEPTH, Stages(lexical=False))
    assert batch.matches is not None
    match = batch.matches[0]
    assert match is not None
    scores = match.lexical.scores
    assert set(rows_of(by_words).tolist()) <= set(scores.rows[scores.of(Column.COVERAGE) > 0].tolist())
    assert rows_of(by_meaning).tolist() != rows_of(by_words).tolist()


def test_the_user_moves_the_order_of_a_search_but_not_what_it_finds(snapshot: Snapshot) -> None:
    texts: list[str | None] = ["black"] * 8
    known, nobody = (recommend(snapshot, asked(snapshot, texts, known=each), DEPTH) for each in (True, False))
    assert known.matched_items is not None
    assert nobody.matched_items is not None
    assert all(
        np.array_equal(of_user, of_nobody)
        for of_user, of_nobody in zip(known.matched_items, nobody.matched_items, strict=True)
    )
    assert (known.rows != nobody.rows).any(axis=1).all()


@pytest.mark.parametrize("depth", [3, 50])
def test_who_asks_is_not_looked_for_where_all_that_is_found_are_candidates(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, depth: int
) -> None:
    titles = [title_words(snapshot, row) for row in titled(snapshot)[:12]]
    texts = [text for words in titles for text in (words[0], " ".join(words))]
    batch = asked(snapshot, list(texts[:24]), known=True)
    found = recommend(snapshot, batch, depth)
    asked_for: list[bool] = []

    def whoever(*arguments: Any) -> NDArray[np.int64]:
        *others, goes_on, mask = arguments
        asked_for.extend(goes_on.tolist())
        return retrieve(*others, np.ones_like(goes_on), mask)

    retrieve = search_module._retrieve_by_user
    monkeypatch.setattr(search_module, "_retrieve_by_user", whoever)
    expected = recommend(snapshot, batch, depth)
    assert found.scores.tobytes() == expected.scores.tobytes()
    assert np.array_equal(found.rows, expected.rows)
    assert not all(asked_for)
    assert any(asked_for) == (depth == 3)


def test_what_no_weight_reads_need_not_be_worked_out(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(title_words(snapshot, row)[:2]) for row in titled(snapshot)[:12]]
    for known in (False, True):
        batch = asked(snapshot, list(texts), known=known)
        found = recommend(snapshot, batch, DEPTH)
        with monkeypatch.context() as patch:
            patch.setattr(search_module, "plain_weights", lambda weights: None)
            expected = recommend(snapshot, batch, DEPTH)
        assert found.scores.tobytes() == expected.scores.tobytes()
        assert np.array_equal(found.rows, expected.rows)


@pytest.mark.parametrize("query", ["☃ \u202e !!", "qzxv wwwkk", ""])
def test_nonsense_finds_nothing_whoever_asks(
    recommend: Callable[..., dict[str, Any]], users: list[str], query: str
) -> None:
    for who in ({}, {"user_id": users[0]}):
        answer = recommend(query=query, k=10, fields=["title"], facets=["category"], **who)
        assert (answer["matched_by"], answer["total"], answer["items"]) == ("nothing", 0, [])
        assert answer["next_cursor"] is None
        assert answer["facets"] == {"category": []}
        assert answer["dropped_words"] == []
        popular = recommend(k=10, fields=["title"])["items"]
        assert [item["item_id"] for item in answer["popular_items"]] == [item["item_id"] for item in popular]
        assert answer["popular_items"][0]["fields"] == popular[0]["fields"]


def test_popular_items_beside_nothing_pass_the_filter(recommend: Callable[..., dict[str, Any]]) -> None:
    shoes = {"field": "category", "eq": "Shoes"}
    beside = recommend(query="qzxv", k=5, filter=shoes)["popular_items"]
    assert [item["item_id"] for item in beside] == [item["item_id"] for item in recommend(k=5, filter=shoes)["items"]]
    nowhere = {"field": "price", "lt": -1}
    beside = recommend(query="qzxv", k=5, filter=nowhere)["popular_items"]
    assert [item["item_id"] for item in beside] == [item["item_id"] for item in recommend(k=5)["items"]]
    assert recommend(query="shoes", k=5)["popular_items"] is None


def test_where_nothing_is_found_other_searches_are_named_that_find_something(
    client: httpx.Client, recommend: Callable[..., dict[str, Any]]
) -> None:
    typed = client.get("/suggest", params={"q": "bo", "limit": 20}).json()["suggestions"]
    word = next(each["text"].split()[0] for each in typed if each["kind"] == "query")
    answer = recommend(query=f"{word[:4]}qzxq wxvz", k=5)
    assert (answer["items"], answer["total"], answer["matched_by"]) == ([], 0, "nothing")
    assert 1 <= len(answer["similar_queries"]) <= 5
    assert all(recommend(query=query, k=1)["total"] > 0 for query in answer["similar_queries"])
    assert recommend(query="qzxv wwwkk", k=5)["similar_queries"] == []
    assert recommend(query=word, k=5)["similar_queries"] is None


def test_meaning_finds_what_lies_above_its_floor(snapshot: Snapshot, search: QueryIndex) -> None:
    text = "qshoesq"
    (of_all,) = search.matches([text])
    assert of_all is not None
    (near,) = search.nearest(of_all.vector[None])
    assert len(near.rows) > 20
    floor = float(near.cosines[10])
    low, none = (replace(search, spec=search.spec.model_copy(update={"meaning_floor": each})) for each in (floor, None))
    (found,), (nothing,) = low.matches([text]), none.matches([text])
    assert found is not None
    assert nothing is not None
    assert found.hits.matched_by == "meaning"
    assert set(np.flatnonzero(found.hits.items)) == set(near.rows[near.cosines >= np.float32(floor)])
    assert (nothing.hits.matched_by, int(nothing.hits.items.sum())) == ("nothing", 0)
    batch = replace(asked(snapshot, [text]), matches=(found,))
    ranked = recommend(replace(snapshot, search=low), batch, DEPTH)
    assert set(rows_of(ranked).tolist()) == set(np.flatnonzero(found.hits.items).tolist())


def test_words_with_items_that_meaning_adds_are_told_apart(search: QueryIndex) -> None:
    low = replace(search, spec=search.spec.model_copy(update={"meaning_floor": -1.0}))
    (match,) = low.matches(["black shoes"])
    assert match is not None
    assert match.hits.matched_by == "words_and_meaning"
    assert match.hits.items.sum() > match.lexical.hits.sum() > 0


def test_a_query_says_how_it_was_matched_and_how_much_it_found(recommend: Callable[..., dict[str, Any]]) -> None:
    answer = recommend(query="black shoes", k=5)
    assert answer["matched_by"] == "words"
    assert answer["total"] >= 5
    assert recommend(k=5)["matched_by"] is None


def test_a_query_is_served_by_get_too(client: httpx.Client, recommend: Callable[..., dict[str, Any]]) -> None:
    by_get = client.get("/recommend", params={"query": "black shoes", "k": 7}).json()
    assert by_get["items"] == recommend(query="black shoes", k=7)["items"]


def test_a_query_that_is_too_long_is_refused(client: httpx.Client) -> None:
    assert client.post("/recommend", json={"query": "a" * 512}).status_code == 200
    problem = client.post("/recommend", json={"query": "a" * 513}).json()
    assert (problem["status"], problem["errors"][0]["field"]) == (422, "query")


def rows_of(found: Candidates) -> NDArray[np.int64]:
    """Of the first request, without padding."""
    return found.rows[0][found.rows[0] > 0]
