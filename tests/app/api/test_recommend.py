"""`/recommend` over HTTP, from a real bundle."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.engine.snapshot import Snapshot

Recommend = Callable[..., dict[str, Any]]


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_an_answer_has_every_field_of_the_contract(recommend: Recommend, users: list[str], snapshot: Snapshot) -> None:
    answer = recommend(user_id=users[0], k=7)
    assert list(answer) == [
        "request_id",
        "model_version",
        "items",
        "total",
        "next_cursor",
        "facets",
        "corrected_query",
        "matched_by",
        "dropped_words",
        "query_kinds",
        "similar_queries",
        "popular_items",
        "degraded",
        "unknown_item_ids",
    ]
    assert answer["model_version"] == snapshot.manifest.version
    assert [item["rank"] for item in answer["items"]] == list(range(1, 8))
    assert answer["degraded"] == []
    assert answer["unknown_item_ids"] == []
    scores = [item["score"] for item in answer["items"]]
    assert scores == sorted(scores, reverse=True)
    assert len(set(ids_of(answer))) == 7


def test_unknown_items_of_the_context_are_said_and_count_for_nothing(
    client: httpx.Client, recommend: Recommend, users: list[str], item_ids: list[str]
) -> None:
    mixed = ["gone", item_ids[3], "gone", "p?/&", item_ids[5]]
    answer = recommend(user_id=users[0], context={"item_ids": mixed})
    assert answer["unknown_item_ids"] == ["gone", "p?/&"]
    known = recommend(user_id=users[0], context={"item_ids": [item_ids[3], item_ids[5]]})
    assert known["unknown_item_ids"] == []
    assert ids_of(known) == ids_of(answer)
    by_get = client.get("/recommend", params={"user_id": users[0], "context.item_ids": ",".join(mixed)}).json()
    assert (by_get["unknown_item_ids"], ids_of(by_get)) == (answer["unknown_item_ids"], ids_of(answer))
    late = recommend(context={"item_ids": mixed}, timeout_ms=1e-6)
    assert (late["degraded"], late["unknown_item_ids"]) == (["timeout"], ["gone", "p?/&"])
    search = recommend(query="tent", context={"item_ids": ["gone"]}, k=2)
    assert search["unknown_item_ids"] == ["gone"]
    assert recommend(cursor=search["next_cursor"], k=2)["unknown_item_ids"] == []
    others = {"recent_events": [{"item_id": "gone"}], "exclude_item_ids": ["gone"]}
    assert recommend(**others, pin=[{"item_id": "gone", "position": 1}])["unknown_item_ids"] == []
    similar = client.get(f"/items/{item_ids[3]}/similar").json()
    assert similar["unknown_item_ids"] == []


def test_users_get_other_items_than_each_other_and_than_nobody(
    recommend: Recommend, users: list[str], popular: list[str]
) -> None:
    answers = {tuple(ids_of(recommend(user_id=user))) for user in users}
    assert len(answers) == len(users)
    assert tuple(popular[:20]) not in answers


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"user_id": None, "context": None, "recent_events": None},
        {"user_id": "nobody-has-this-id"},
        {"visitor_id": "nobody-has-this-id"},
        {"recent_events": []},
        {"recent_events": [{"item_id": "no-such-item"}]},
        {"context": {"item_ids": ["no-such-item"]}},
        {"context": {}},
        {"exclude_item_ids": ["no-such-item"]},
    ],
)
def test_nothing_known_gets_popular_items(recommend: Recommend, popular: list[str], fields: dict[str, Any]) -> None:
    assert ids_of(recommend(**fields)) == popular[:20]


def test_an_empty_body_gets_popular_items(client: httpx.Client, popular: list[str]) -> None:
    assert ids_of(client.post("/recommend").json()) == popular[:20]


def test_an_unknown_user_with_a_known_visitor_is_answered_as_the_visitor(
    client: httpx.Client, recommend: Recommend, users: list[str], item_ids: list[str], popular: list[str]
) -> None:
    client.post("/events", json=[{"type": "view", "visitor_id": "seen-before", "item_id": item_ids[3]}])
    expected = recommend(visitor_id="seen-before")["items"]
    assert [item["item_id"] for item in expected] != popular[:20]
    assert recommend(user_id="nobody-has-this-id", visitor_id="seen-before")["items"] == expected
    assert recommend(user_id=users[0], visitor_id="seen-before")["items"] == recommend(user_id=users[0])["items"]


def test_a_visitor_with_the_id_of_a_user_is_nobody_known(
    recommend: Recommend, users: list[str], popular: list[str]
) -> None:
    assert ids_of(recommend(user_id=users[0])) != popular[:20]
    shown = recommend(visitor_id=users[0], explain=True)
    assert ids_of(shown) == popular[:20]
    assert {reason["kind"] for item in shown["items"] for reason in item["reasons"]} <= {"popular", "base"}


def test_recent_events_replace_the_stored_history(
    recommend: Recommend, users: list[str], item_ids: list[str], popular: list[str]
) -> None:
    events = [{"item_id": item_ids[3]}, {"item_id": item_ids[9], "type": "purchase"}]
    given = recommend(user_id=users[0], recent_events=events)["items"]
    assert given == recommend(recent_events=events)["items"]
    assert given != recommend(user_id=users[0])["items"]
    assert ids_of(recommend(user_id=users[0], recent_events=[])) == popular[:20]


def test_events_with_times_are_put_in_order(recommend: Recommend, item_ids: list[str]) -> None:
    events = [{"item_id": item_ids[row], "time": f"2024-01-0{row}T10:00:00Z"} for row in (1, 2, 3)]
    assert recommend(recent_events=events)["items"] == recommend(recent_events=events[::-1])["items"]


def test_a_time_may_be_iso_seconds_or_milliseconds(recommend: Recommend, item_ids: list[str]) -> None:
    answers = [
        recommend(recent_events=[{"item_id": item_ids[5], "time": time}])["items"]
        for time in ("2024-03-01T12:00:00Z", "2024-03-01T13:00:00+01:00", 1709294400, 1709294400000)
    ]
    assert all(answer == answers[0] for answer in answers)


def test_excluded_items_are_never_answered_and_the_others_move_up(recommend: Recommend, users: list[str]) -> None:
    for fields in ({"user_id": users[0]}, {}):
        before = ids_of(recommend(k=40, **fields))
        gone = before[0:20:2]
        after = recommend(k=30, exclude_item_ids=gone, **fields)
        assert ids_of(after) == [item_id for item_id in before if item_id not in gone][:30]


def test_items_of_the_context_are_never_answered_and_change_the_answer(
    recommend: Recommend, users: list[str], item_ids: list[str]
) -> None:
    for item_id in item_ids[:20]:
        answer = ids_of(recommend(user_id=users[0], context={"item_ids": [item_id]}, k=200))
        assert item_id not in answer
        assert len(answer) == 200
    assert ids_of(recommend(context={"item_ids": item_ids[:1]})) != ids_of(
        recommend(context={"item_ids": item_ids[9:10]})
    )


def test_fewer_items_than_k_only_when_fewer_are_left(
    recommend: Recommend, item_ids: list[str], users: list[str]
) -> None:
    kept = item_ids[:5]
    for fields in ({"user_id": users[0]}, {}):
        answer = recommend(k=50, exclude_item_ids=item_ids[5:], **fields)
        assert sorted(ids_of(answer)) == sorted(kept)
        assert answer["total"] == 5


def test_the_best_items_are_the_same_at_every_k(recommend: Recommend, users: list[str], item_ids: list[str]) -> None:
    longest = recommend(user_id=users[2], k=200)
    for k in (1, 2, 19, 64, 199):
        answer = recommend(user_id=users[2], k=k)
        assert answer["items"] == longest["items"][:k]
        assert answer["total"] == longest["total"] == len(item_ids)


@pytest.mark.parametrize("k", [0, -1, 201, "many", 1.5, None])
def test_k_outside_its_bounds_is_refused(client: httpx.Client, k: Any) -> None:
    response = client.post("/recommend", json={"k": k})
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == "k"


def test_a_depth_below_k_is_said(application_of: Callable[..., Any], listening: Callable[..., Any]) -> None:
    with listening(application_of(depth=10)) as client:
        response = client.post("/recommend", json={"k": 11})
    assert response.status_code == 422
    assert "at most 10" in response.json()["detail"]


def test_fields_are_answered_as_the_catalogue_has_them(
    recommend: Recommend, client: httpx.Client, users: list[str]
) -> None:
    for item in recommend(user_id=users[0], fields=["title", "price"], k=5)["items"]:
        whole = client.get(f"/items/{item['item_id']}").json()["fields"]
        assert item["fields"] == {"title": whole["title"], "price": whole["price"]}
    assert recommend(fields=[])["items"][0]["fields"] == {}
    assert "fields" not in recommend()["items"][0]


def test_a_column_that_the_catalogue_lacks_is_refused_and_the_others_named(client: httpx.Client) -> None:
    problem = client.post("/recommend", json={"fields": ["flavour"]}).json()
    assert problem["status"] == 422
    assert "'flavour'" in problem["detail"]
    assert "title" in problem["detail"]


def test_reasons_name_items_of_the_history(recommend: Recommend, item_ids: list[str]) -> None:
    kinds = {item_ids[1]: ("view", "viewed"), item_ids[2]: ("cart", "carted"), item_ids[3]: ("purchase", "purchased")}
    events = [{"item_id": item_id, "type": type_} for item_id, (type_, _) in kinds.items()]
    items = recommend(recent_events=events, explain=True)["items"]
    reasons = [reason for item in items for reason in item["reasons"]]
    assert {reason["kind"] for reason in reasons} - {"base"} == {"viewed", "carted", "purchased"}
    for reason in reasons:
        assert reason["kind"] == ("base" if "item_id" not in reason else kinds[reason["item_id"]][1])
    assert "reasons" not in recommend(recent_events=events)["items"][0]


def test_popular_items_are_called_so(recommend: Recommend) -> None:
    assert recommend(explain=True, k=1)["items"][0]["reasons"] == [{"kind": "popular", "weight": 1.0}]


def test_get_answers_like_post(
    client: httpx.Client, recommend: Recommend, users: list[str], item_ids: list[str]
) -> None:
    asked = {
        "user_id": users[1],
        "visitor_id": "v",
        "context.item_ids": f"{item_ids[0]},{item_ids[1]}",
        "exclude_item_ids": [item_ids[2], item_ids[3]],
        "k": 9,
        "fields": "title,price",
        "explain": "true",
    }
    response = client.get("/recommend", params=asked)
    posted = recommend(
        user_id=users[1],
        visitor_id="v",
        context={"item_ids": item_ids[:2]},
        exclude_item_ids=item_ids[2:4],
        k=9,
        fields=["title", "price"],
        explain=True,
    )
    own = {"request_id": "", "next_cursor": ""}  # a cursor says when it expires
    assert response.json() | own == posted | own
