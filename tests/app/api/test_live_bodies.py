"""What callers send about items: what is said twice, says nothing or cannot be read is refused plainly."""

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

LINES = {"content-type": "application/x-ndjson"}
LAMP = '{"put": {"item_id": "lamp", "title": "Lamp"}}'


@pytest.fixture(scope="module")
def client(
    application_of: Callable[..., Starlette], listening: Callable[..., AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    with listening(application_of()) as client:
        yield client


def stored(client: httpx.Client, item_id: str) -> dict[str, Any]:
    """The fields of an item as `GET /items` has them, without when it was added."""
    page = client.get("/items", params={"changed_since": 0, "limit": 1_000}).json()["items"]
    fields: dict[str, Any] = next(item["fields"] for item in page if item["item_id"] == item_id)
    return {name: value for name, value in fields.items() if name != "added"}


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ('{"price": 1, "price": 2}', "price"),
        ('{"title": "a", "attributes": {"colour": "red", "colour": "blue"}}', "colour"),
        ('{"title": "a: b", "colour": "red", "attributes": {"colour": "blue"}}', "colour"),
        ('{"attributes": {"colour": "blue"}, "attributes.colour": "red"}', "colour"),
        ('{"colour": "red", "attributes.colour": "red"}', "colour"),
        ('{"title": "a", "attributes": {}, "attributes": {}}', "attributes"),
        ('{"title": "a", "currency": "XXXXXXXXXXX"}', "currency"),
        ('{"title": "a", "currency": "€"}', "currency"),
        ('{"title": "a", "size": ' + "[" * 70 + "]" * 70 + "}", None),
        ('{"title": "   "}', None),
        ('{"title": "\\u2003\\n", "brand": ""}', None),
        ('{"hidden": null}', None),
        ('{"hidden": false}', None),
        ('{"hidden": true, "attributes": {"colour": []}}', None),
        ('{"attributes": null}', None),
    ],
)
def test_what_is_said_twice_or_says_nothing_is_refused(client: httpx.Client, body: str, named: str | None) -> None:
    response = client.put("/items/wrong", content=body)
    assert response.status_code == 422, response.text
    assert [error["field"] for error in response.json()["errors"]] == ([named] if named else [])
    assert client.get("/items/wrong").status_code == 404
    put = body.replace("{", '{"item_id": "wrong", ', 1)
    for content, headers in (
        (f'{{"put": {put}}}\n{LAMP}', LINES),
        (f'{{"operations": [{{"put": {put}}}, {LAMP}]}}', {}),
    ):
        answer = client.post("/items/batch", content=content, headers=headers)
        if "[[" in body and not headers:
            assert answer.status_code == 422
            continue
        assert answer.status_code == 200, answer.text
        assert (answer.json()["applied"], [entry["index"] for entry in answer.json()["rejected"]]) == (1, [0])
        assert (named or "") in answer.json()["rejected"][0]["message"]


def test_a_patch_clears_all_attributes_or_says_some(client: httpx.Client) -> None:
    client.put("/items/two", json={"title": "Two", "colour": "red", "size": [1, 1.0, True, "1", 2]})
    assert stored(client, "two")["attributes"] == {"colour": ["red"], "size": ["1", "true", "2"]}
    for body in ({"attributes": None, "colour": "blue"}, {"colour": "blue", "attributes": None}):
        response = client.patch("/items/two", json=body)
        assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "attributes")
    assert client.put("/items/two", json={"title": "Two", "attributes": None, "colour": "red"}).status_code == 200
    assert stored(client, "two") == {"title": "Two", "attributes": {"colour": ["red"]}}
    assert client.patch("/items/two", json={"attributes": None, "hidden": None}).status_code == 200
    assert stored(client, "two") == {"title": "Two"}


def test_columns_for_the_next_training_are_said_once(client: httpx.Client) -> None:
    keep = {"new_columns": "keep"}
    body = '{"title": "a", "wattage": 3, "attributes": {"wattage": 4}}'
    response = client.put("/items/novel", params=keep, content=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "wattage")
    body = '{"title": "a", "sizes": {"eu": 1, "eu": 2}}'
    response = client.put("/items/novel", params=keep, content=body)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "eu")


def test_a_repeated_member_of_one_operation_rejects_that_one(client: httpx.Client) -> None:
    twice = '{"put": {"item_id": "a", "title": "A"}, "put": {"item_id": "b", "title": "B"}}'
    for content, headers in ((f"{twice}\n{LAMP}", LINES), (f'{{"operations": [{twice}, {LAMP}]}}', {})):
        answer = client.post("/items/batch", content=content, headers=headers).json()
        assert (answer["applied"], [entry["index"] for entry in answer["rejected"]]) == (1, [0])
        assert "put: expected once" in answer["rejected"][0]["message"]
    twice = f'{{"operations": [], "operations": [{LAMP}]}}'
    response = client.post("/items/batch", content=twice)
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "operations")


def test_colons_within_texts_and_large_numbers_are_none_of_it(client: httpx.Client) -> None:
    body = (
        '\ufeff{"title": "a: {\\"b\\": 1}", "description": "http://a:80", "price": 1e2, "size": 18446744073709551616}'
    )
    assert client.put("/items/colons", content=body.encode()).status_code == 422  # the size, as before
    body = body.replace("18446744073709551616", "12")
    assert client.put("/items/colons", content=body.encode()).status_code == 200
    assert stored(client, "colons") == {
        "title": 'a: {"b": 1}',
        "description": "http://a:80",
        "price": 100.0,
        "attributes": {"size": ["12"]},
    }


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_files_do_and_are_counted(client: httpx.Client, end: str) -> None:
    lines = [
        "\ufeff" + LAMP,
        "",
        "no json",
        '{"patch": {"item_id": "nobody", "price": 1}}',
        "  ",
        '{"delete": ""}',
        LAMP,
    ]
    answer = client.post("/items/batch", content=end.join(lines).encode(), headers=LINES).json()
    assert answer["applied"] == 2
    assert [(entry["index"], entry["line"]) for entry in answer["rejected"]] == [(1, 3), (2, 4), (3, 6)]
    assert "an empty text" in answer["rejected"][2]["message"]
    answer = client.post("/items/batch", json={"operations": [{"delete": ""}]}).json()
    assert answer["rejected"][0].keys() == {"index", "code", "message"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (f"[{LAMP}]", "a list"),
        (f'{{"operations": [{LAMP}]}}', "application/json"),
        ('{"item_id": "a", "title": "A"}\n{"item_id": "b", "title": "B"}', "'item_id', 'title'"),
        (json.dumps([json.loads(LAMP)], indent=1), "no JSON"),
        ("item_id;title\na;A", "no JSON"),
    ],
)
def test_a_body_of_which_no_line_is_an_operation_is_refused(client: httpx.Client, body: str, told: str) -> None:
    response = client.post("/items/batch", content=body, headers=LINES)
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert told in response.json()["detail"]
    assert "line 1" in response.json()["detail"]


def test_no_lines_are_no_operations(client: httpx.Client) -> None:
    answer = client.post("/items/batch", content="\n\n", headers=LINES).json()
    assert (answer["applied"], answer["rejected_count"]) == (0, 0)


def test_a_compressed_body_is_refused_by_every_call(client: httpx.Client) -> None:
    body = json.dumps({"title": "Zipped"}).encode()
    for coding, content in (("gzip", gzip.compress(body)), ("br", body), ("identity, gzip", body), ("GZIP", body)):
        response = client.put("/items/zipped", content=content, headers={"content-encoding": coding})
        assert (response.status_code, response.json()["code"]) == (415, "body_encoded"), coding
        assert response.headers["accept-encoding"] == "identity"
    for path in ("/recommend", "/events", "/predict", "/items/batch"):
        response = client.post(path, content=gzip.compress(b"{}"), headers={"content-encoding": "gzip"})
        assert (response.status_code, response.json()["code"]) == (415, "body_encoded"), path
    assert client.put("/items/zipped", content=body, headers={"content-encoding": "identity"}).status_code == 200
    assert client.delete("/items/zipped", headers={"content-encoding": "gzip"}).status_code == 200  # without a body
    documented = client.get("/openapi.json").json()["paths"]
    assert "415" in documented["/events"]["post"]["responses"]


def test_an_id_with_the_name_of_a_call_is_asked_for_with_its_slash_encoded(client: httpx.Client) -> None:
    client.put("/items/lamp", json={"title": "Lamp"})
    for name in ("lamp/similar", "similar", "x/similar/similar"):
        path = f"/items/{name.replace('/', '%2F')}"
        assert client.put(path, json={"title": "Called so"}).status_code == 200
        assert client.get(path).json()["item_id"] == name
        answer = client.get(f"{path}/similar", params={"k": 3})
        assert len(answer.json()["items"]) == 3
        assert client.delete(path).status_code == 200
        assert client.get(path).status_code == 404
    assert len(client.get("/items/lamp/similar", params={"k": 2}).json()["items"]) == 2


def test_several_categories_filter_all_and_show_the_first(client: httpx.Client) -> None:
    client.put("/items/both", json={"title": "Both", "category": ["Aaa > Bbb", "Ccc"]})
    assert client.get("/items/both").json()["fields"]["category"] == "Aaa > Bbb"
    for category in ("aaa", "ccc"):
        body = {"filter": {"field": "category", "in": [category]}}
        assert [item["item_id"] for item in client.post("/recommend", json=body).json()["items"]] == ["both"]
    assert stored(client, "both")["category"] == ["Aaa > Bbb", "Ccc"]


def test_a_new_item_was_added_when_the_clock_of_the_bundle_says(client: httpx.Client) -> None:
    before = {item["item_id"]: item for item in client.get("/items", params={"limit": 1_000}).json()["items"]}
    newest = max(item["fields"].get("added", 0.0) for item in before.values() if item["sequence"] is None)
    client.put("/items/clocked", json={"title": "Clocked"})
    listed = client.get("/items", params={"changed_since": 0, "limit": 1_000}).json()["items"]
    added = next(item["fields"]["added"] for item in listed if item["item_id"] == "clocked")
    assert newest <= added < newest + 86_400


def test_a_completion_is_never_longer_than_a_search_box(client: httpx.Client) -> None:
    title = "Zangeldorf " + " ".join(f"word{number}" for number in range(300))
    word = "mukrophite" + "x" * 3_000
    assert client.put("/items/long", json={"title": title}).status_code == 200
    assert client.put("/items/word", json={"title": word}).status_code == 200
    assert (
        client.put("/items/brand", json={"title": "Brivelkant", "brand": "brivelkant" + "y" * 300}).status_code == 200
    )
    for typed, item_id in (("zangeld", "long"), ("mukrophitexx", "word")):
        (entry,) = client.get("/suggest", params={"q": typed}).json()["suggestions"]
        assert entry["item_id"] == item_id
        assert len(entry["text"]) <= 240
        assert entry["text"].endswith("…")
        assert entry["highlight"] == [[0, len(typed)]]
    texts = [entry["text"] for entry in client.get("/suggest", params={"q": "brivelk"}).json()["suggestions"]]
    assert texts == ["Brivelkant"]
    assert len(client.get("/suggest").content) < 20_000


def test_what_is_answered_nowhere_is_no_reason(client: httpx.Client, item_ids: list[str]) -> None:
    gone, hidden, there = item_ids[40], item_ids[41], item_ids[42]
    recent = [{"item_id": item_id, "type": "view"} for item_id in (gone, hidden, there)]
    events = [{"item_id": item_id, "type": "view", "user_id": "explained"} for item_id in (gone, hidden, there)]
    assert client.post("/events", json=events).json()["accepted"] == 3
    client.put("/items/fleeting", json={"title": "Fleeting"})
    recent.append({"item_id": "fleeting", "type": "cart"})
    asked = [{"recent_events": recent}, {"user_id": "explained"}]
    named = [named_items(client, body) for body in asked]
    assert {gone, hidden, there} <= named[0] & named[1]
    client.delete(f"/items/{gone}")
    client.patch(f"/items/{hidden}", json={"hidden": True})
    client.delete("/items/fleeting")
    for body in asked:
        assert named_items(client, body) == {there}
    client.patch(f"/items/{hidden}", json={"hidden": False})
    assert named_items(client, asked[1]) == {there, hidden}


def named_items(client: httpx.Client, body: dict[str, Any]) -> set[str]:
    """The items that the reasons of an answer name; the reasons of each item add up to its score."""
    answer = client.post("/recommend", json=body | {"explain": True, "k": 20}).json()
    for item in answer["items"]:
        assert sum(round(reason["weight"] * 1e6) for reason in item["reasons"]) == round(item["score"] * 1e6)
    return {reason["item_id"] for item in answer["items"] for reason in item["reasons"] if "item_id" in reason}
