"""Changes of items over HTTP: what follows one on the next request, in one process and on another replica."""

import json
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
from market import Market

_numbers = count(1)


@pytest.fixture
def kettle(market: Market) -> Iterator[str]:
    """An item that no bundle knows, with words of its own."""
    item_id = f"kettle-{next(_numbers)}"
    market.change(
        "PUT",
        item_id,
        title="Zorvex Gloamkettle 3000",
        brand="Zorvex",
        category="Kettles > Electric",
        price=12.5,
        in_stock=True,
        description="Boils quibblewater in a wink.",
    )
    yield item_id
    market.change("DELETE", item_id)


def test_a_new_item_is_searched_for_by_its_words(market: Market, kettle: str) -> None:
    for query in (
        "zorvex",
        "gloamkettle",
        "Zorvex Gloamkettle 3000",
        "quibblewater",
        "gloamket",
        kettle,
        "electric zorvex",
    ):
        answer = market.ask(query=query)
        assert answer["items"][0]["item_id"] == kettle, query
        assert answer["matched_by"].startswith("words"), query
        assert answer["corrected_query"] is None, query
    assert market.ids(query='"zorvex gloamkettle"') == [kettle]
    assert market.ids(query="zorvex -gloamkettle") == []


def test_a_new_word_is_known_to_spelling_and_suggested(market: Market, kettle: str) -> None:
    answer = market.ask(query="gloamketle")
    assert answer["corrected_query"] == "gloamkettle"
    assert [item["item_id"] for item in answer["items"]] == [kettle]
    assert "Zorvex Gloamkettle 3000" in market.suggested("gloam")
    assert "Zorvex" in market.suggested("zorv")
    assert "Zorvex Gloamkettle 3000" in market.suggested("gloamketl")


def test_what_was_suggested_before_a_change_is_not_suggested_after_it(market: Market, item_ids: list[str]) -> None:
    title = "Quillback Thornlight"
    for _ in range(2):  # the second answer of each question is one that was kept
        assert title not in market.suggested("quillb")
    market.change("PATCH", item_ids[5], title=title)
    for _ in range(2):
        assert market.suggested("quillb") == [title]
    market.change("PATCH", item_ids[5], hidden=True)
    for _ in range(2):
        assert title not in market.suggested("quillb")


def test_a_new_item_is_filtered_counted_sorted_and_grouped(market: Market, kettle: str) -> None:
    brand = {"field": "brand", "eq": "Zorvex"}
    answer = market.ask(filter=brand, facets=["brand", "category", "price"], fields=["title", "price", "brand"])
    assert [item["item_id"] for item in answer["items"]] == [kettle]
    assert answer["total"] == 1
    assert answer["items"][0]["fields"] == {"title": "Zorvex Gloamkettle 3000", "price": 12.5, "brand": "Zorvex"}
    assert answer["facets"]["brand"] == [{"value": "Zorvex", "count": 1}]
    assert answer["facets"]["category"] == [
        {"value": "Kettles", "count": 1},
        {"value": "Kettles > Electric", "count": 1},
    ]
    assert answer["facets"]["price"] == [{"from": 12.5, "to": 12.5, "count": 1}]
    assert market.ids(filter={"field": "category", "in": ["kettles"]}) == [kettle]
    assert market.ids(filter={"field": "item_id", "eq": kettle}) == [kettle]
    assert market.ids(sort="newest", k=1) == [kettle]
    everything = market.ask(sort="price_asc", k=200, fields=["price"])
    prices = [item["fields"]["price"] for item in everything["items"] if item["fields"]["price"] is not None]
    assert prices == sorted(prices)
    assert kettle in market.ids(group_by="brand", k=200, filter={"not": {"field": "brand", "in": ["Own"]}})
    assert market.facet("brand", filter=brand) == {"Zorvex": 1}


def test_a_new_item_is_an_item_like_any_other(market: Market, kettle: str, item_ids: list[str]) -> None:
    assert market.reader.get(f"/items/{kettle}").json()["fields"]["title"] == "Zorvex Gloamkettle 3000"
    similar = market.reader.get(f"/items/{kettle}/similar", params={"k": 5}).json()
    assert len(similar["items"]) == 5
    assert kettle not in [item["item_id"] for item in similar["items"]]
    answer = market.ask(context={"item_ids": [kettle]}, k=5)
    assert answer["unknown_item_ids"] == []
    assert kettle not in [item["item_id"] for item in answer["items"]]
    assert market.ids(pin=[{"item_id": kettle, "position": 2}], k=5)[1] == kettle
    assert kettle in market.ids(boost=[{"filter": {"field": "brand", "eq": "Zorvex"}, "factor": 1000}], k=20)
    assert market.ids(query="zorvex", exclude_item_ids=[kettle]) == []
    recent = [{"item_id": kettle, "type": "view"}]
    assert kettle not in market.ids(recent_events=recent, exclude="seen", k=200)
    assert len(market.ids(recent_events=recent, k=5)) == 5
    predicted = market.reader.post("/predict", json={"item_ids": [kettle], "recent_events": recent}).json()
    assert [item["item_id"] for item in predicted["items"]] == [kettle]


def test_a_list_with_new_items_has_pages_without_those_that_are_gone(market: Market) -> None:
    names = [f"page-{next(_numbers)}" for _ in range(8)]
    for name in names:
        market.change("PUT", name, title="Pagewalker lamp", brand="Paginator")
    first = market.ask(query="pagewalker", k=3)
    shown = [item["item_id"] for item in first["items"]]
    gone = next(name for name in names if name not in shown)
    market.change("DELETE", gone)
    second = market.reader.post("/recommend", json={"cursor": first["next_cursor"], "k": 10}).json()
    assert sorted(item["item_id"] for item in second["items"]) == sorted(set(names) - {*shown, gone})
    assert [item["rank"] for item in second["items"]] == [4, 5, 6, 7]
    for name in names:
        market.change("DELETE", name)
    assert market.ids(query="pagewalker") == []


def test_a_price_and_a_stock_change_on_the_next_request(market: Market, item_ids: list[str]) -> None:
    item_id = item_ids[7]
    before = market.reader.get(f"/items/{item_id}").json()["fields"]
    market.change("PATCH", item_id, price=0.25, in_stock=False)
    after = market.reader.get(f"/items/{item_id}").json()["fields"]
    assert after == before | {"price": 0.25, "in_stock": False}
    assert market.ids(filter={"field": "price", "eq": 0.25}) == [item_id]
    assert market.ids(sort="price_asc", k=1) == [item_id]
    stocked = {"all": [{"field": "item_id", "eq": item_id}, {"field": "in_stock", "eq": False}]}
    assert market.ids(filter=stocked) == [item_id]
    assert market.ids(query=before["title"], k=1) == [item_id]
    market.change("PATCH", item_id, price=before["price"], in_stock=before.get("in_stock"))
    assert market.reader.get(f"/items/{item_id}").json()["fields"] == before
    assert market.ids(filter={"field": "price", "eq": 0.25}) == []


def test_an_item_of_the_bundle_is_found_by_its_new_words_and_no_more_by_the_old(
    market: Market, item_ids: list[str]
) -> None:
    item_id = item_ids[11]
    before = market.reader.get(f"/items/{item_id}").json()["fields"]
    assert item_id in market.ids(query=before["title"], k=50)
    market.change("PATCH", item_id, title="Wrombulator deluxe", brand="Wrombo", description=None)
    assert market.ids(query="wrombulator") == [item_id]
    assert market.ask(query="wrombulater")["corrected_query"] == "wrombulator"
    assert "Wrombulator deluxe" in market.suggested("wrombul")
    assert before["title"] not in market.suggested(before["title"])
    assert market.facet("brand", query="wrombulator") == {"Wrombo": 1}
    fields = {name: before.get(name) for name in ("title", "brand", "description")}
    market.change("PATCH", item_id, **fields)
    assert market.ids(query="wrombulator") == []
    assert market.ids(query=before["title"], k=1) == [item_id]


def test_an_item_that_is_hidden_or_deleted_is_answered_nowhere(market: Market, item_ids: list[str]) -> None:
    item_id = item_ids[3]
    before = market.reader.get(f"/items/{item_id}").json()["fields"]
    total = market.ask(filter={"field": "item_id", "exists": True}, k=1)["total"]
    for method, fields in (("PATCH", {"hidden": True}), ("DELETE", {})):
        market.change(method, item_id, **fields)
        assert market.reader.get(f"/items/{item_id}").status_code == 404
        assert item_id not in market.ids(query=before["title"], k=200)
        assert market.ids(query=item_id) == []
        assert market.ids(filter={"field": "item_id", "eq": item_id}) == []
        assert before["title"] not in market.suggested(before["title"])
        assert market.ask(filter={"field": "item_id", "exists": True}, k=1)["total"] == total - 1
        assert item_id not in market.ids(pin=[{"item_id": item_id, "position": 1}], k=200)
        assert item_id not in market.ids(context={"item_ids": [item_ids[4]]}, k=200)
        assert item_id not in market.ids(k=200)
        if method == "PATCH":
            market.change("PATCH", item_id, hidden=False)
            assert market.ids(query=before["title"], k=1) == [item_id]
    refused = market.writer.patch(f"/items/{item_id}", json={"price": 1.0})
    assert (refused.status_code, refused.json()["code"]) == (404, "item_not_found")
    market.change(
        "PUT", item_id, **{name: value for name, value in before.items() if value is not None and name != "attributes"}
    )
    assert market.ids(query=before["title"], k=1) == [item_id]


def test_a_batch_does_each_operation_whole_or_not_at_all(market: Market) -> None:
    one, two = (f"batch-{next(_numbers)}" for _ in range(2))
    operations: list[Any] = [
        {"put": {"item_id": one, "title": "Batchling red", "price": 3}},
        {"put": {"item_id": two, "title": "Batchling blue"}},
        {"patch": {"item_id": one, "price": 4}},
        {"patch": {"item_id": "nobody-knows", "price": 4}},
        {"put": {"item_id": "bad", "price": "cheap"}},
        {"put": {"item_id": "bad", "colour_of_doom": "x"}},
        {"put": {"title": "no id"}},
        {"remove": "x"},
        {"delete": two},
    ]
    answer = market.writer.post("/items/batch", json={"operations": operations}).json()
    assert (answer["applied"], answer["rejected_count"]) == (4, 5)
    assert [(entry["index"], entry["code"]) for entry in answer["rejected"]] == [
        (3, "item_not_found"),
        *((index, "invalid_item") for index in (4, 5, 6, 7)),
    ]
    assert "colour_of_doom" in answer["rejected"][2]["message"]
    assert market.ids(query="batchling") == [one]
    assert market.reader.get(f"/items/{one}").json()["fields"]["price"] == 4
    rows = [{"delete": one}, {"put": {"item_id": two, "title": "Batchling"}}]
    lines = json.dumps(rows[0]) + "\n\nno json\n" + json.dumps(rows[1])
    headers = {"content-type": "application/x-ndjson"}
    answer = market.writer.post("/items/batch", content=lines, headers=headers).json()
    assert (answer["applied"], [entry["index"] for entry in answer["rejected"]]) == (2, [1])
    assert market.ids(query="batchling") == [two]
    market.change("DELETE", two)


def test_the_catalogue_is_listed_as_it_is(market: Market, kettle: str, item_ids: list[str]) -> None:
    sequence = market.reader.get("/items", params={"limit": 1}).json()["sequence"]
    pages, after = [], None
    while True:
        page = market.reader.get("/items", params={"limit": 100} | ({} if after is None else {"after": after})).json()
        pages += page["items"]
        after = page["next_after"]
        if after is None:
            break
    listed = [item["item_id"] for item in pages]
    assert listed == sorted({*item_ids, kettle})
    mine = next(item for item in pages if item["item_id"] == kettle)
    assert mine["fields"]["category"] == "Kettles > Electric"
    market.change("PATCH", item_ids[0], hidden=True)
    other = f"later-{next(_numbers)}"
    market.change("PUT", other, title="Later")
    market.change("DELETE", other)
    changed = market.reader.get("/items", params={"changed_since": sequence}).json()["items"]
    assert {item["item_id"]: (item["deleted"], item["hidden"]) for item in changed} == {
        item_ids[0]: (False, True),
        other: (True, False),
    }
    market.change("PATCH", item_ids[0], hidden=False)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"title": 3}, "title"),
        ({"price": "12"}, "price"),
        ({"price": -1}, "price"),
        ({"in_stock": "yes"}, "in_stock"),
        ({"hidden": 1}, "hidden"),
        ({"category": {"a": 1}}, "category"),
        ({"attributes": ["red"]}, "attributes"),
        ({"attributes": {"no_such_attribute": "red"}}, "no_such_attribute"),
        ({"no_such_column": 1}, "no_such_column"),
        ({"added": "yesterday"}, "added"),
        ({"title": "a\u0000b"}, "title"),
        ({"item_id": "another"}, "item_id"),
        ({}, None),
    ],
)
def test_a_wrong_field_is_refused_by_name(market: Market, fields: dict[str, Any], named: str | None) -> None:
    response = market.writer.put("/items/wrong", json=fields)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == ([named] if named else [])
    assert market.reader.get("/items/wrong").status_code == 404


def test_columns_that_the_catalogue_lacks_are_kept_where_it_is_said(market: Market) -> None:
    refused = market.writer.put("/items/novel", json={"title": "Novelty", "wattage": 30})
    assert refused.status_code == 422
    assert "title" in refused.json()["detail"]
    kept = market.writer.put("/items/novel", params={"new_columns": "keep"}, json={"title": "Novelty", "wattage": 30})
    assert kept.status_code == 200
    listed = market.reader.get("/items", params={"after": "nove", "limit": 1}).json()["items"]
    assert listed[0]["fields"]["wattage"] == 30
    market.change("DELETE", "novel")


def test_a_new_item_is_recommended_to_those_whose_taste_is_near(market: Market, item_ids: list[str]) -> None:
    liked = market.reader.get(f"/items/{item_ids[20]}").json()["fields"]
    name = f"twin-{next(_numbers)}"
    attributes = {"attributes": {}}
    for pair in liked.pop("attributes", None) or []:
        attribute, _, value = pair.partition("=")
        attributes["attributes"].setdefault(attribute, []).append(value)
    fields = {key: value for key, value in liked.items() if value is not None} | attributes
    market.change("PUT", name, **fields)
    similar = [item["item_id"] for item in market.reader.get(f"/items/{item_ids[20]}/similar?k=20").json()["items"]]
    assert name in similar
    market.change("DELETE", name)


def test_what_never_was_may_be_deleted_or_come_hidden_and_searches_with_a_filter_go_on(
    market: Market, item_ids: list[str]
) -> None:
    title = market.reader.get(f"/items/{item_ids[3]}").json()["fields"]["title"]
    asked: dict[str, Any] = {"query": title, "filter": {"field": "price", "gte": 0}, "exclude_item_ids": [item_ids[5]]}
    before = market.ids(**asked)
    market.change("DELETE", f"never-{next(_numbers)}")
    assert market.ids(**asked) == before
    secret = f"secret-{next(_numbers)}"
    market.change("PUT", secret, title=title, price=1, hidden=True)
    assert market.ids(**asked) == before
    assert market.ids(**asked, sort="price_asc")
    market.change("DELETE", secret)


def test_the_fields_of_answers_follow_every_change(market: Market, kettle: str, item_ids: list[str]) -> None:
    """Through columns and attributes, of new items and of those of the bundle, and back to what the bundle says."""

    def shown(item_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Of an item and its neighbour, which nobody changes; the second time from what was kept."""
        here = {"field": "item_id", "in": [item_id, item_ids[1]]}
        answers = [market.ask(filter=here, fields=["title", "price", "colour", "added"]) for _ in range(2)]
        assert [item["fields"] for item in answers[0]["items"]] == [item["fields"] for item in answers[1]["items"]]
        by_id = {item["item_id"]: item["fields"] for item in answers[0]["items"]}
        return by_id[item_id], by_id[item_ids[1]]

    market.change("PATCH", kettle, attributes={"colour": ["seven"]})
    try:
        (own, neighbour), (bundled, _) = shown(kettle), shown(item_ids[0])
        assert (own["price"], own["colour"]) == (12.5, "seven")
        market.change("PATCH", item_ids[0], price=3.25, title="Another")
        market.change("PATCH", kettle, attributes={"colour": ["red"]}, price=1.0)
        assert shown(kettle)[1] == neighbour
        assert [shown(kettle)[0][name] for name in ("price", "colour")] == [1.0, "red"]
        assert [shown(item_ids[0])[0][name] for name in ("price", "title")] == [3.25, "Another"]
    finally:
        market.change("PATCH", item_ids[0], price=bundled["price"], title=bundled["title"])
    assert shown(item_ids[0])[0]["price"] == bundled["price"]
