"""Pages: one frozen list, whatever happens between them; and cursors that are none are refused."""

import math
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_cursor_keys import CURSOR_KEYS
from starlette.applications import Starlette

from app.artifact.hashing import stable_hash
from app.errors import CursorExpired, InvalidCursor
from app.serving.cursor import LASTS_S, Rest, codes_of, read_cursor, write_cursor
from app.serving.cursor_keys import CursorKeys
from app.serving.release import Release
from app.serving.services import Services

Recommend = Callable[..., dict[str, Any]]
Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
ASKED: list[dict[str, Any]] = [
    {"query": "black shoes"},
    {"query": "grey", "user_id": "KNOWN"},
    {"user_id": "KNOWN"},
    {"filter": {"field": "price", "gte": 20}, "exclude": "seen", "user_id": "KNOWN"},
    {"sort": "price_desc"},
    {"group_by": "brand"},
    {"query": "red", "diversity": 0.5, "boost": [{"filter": {"field": "price", "lt": 50}, "factor": 3}]},
    {},
]


def rest_of(rows: list[int], **other: Any) -> Rest:
    codes, largest, smallest = codes_of(np.linspace(1, 0, len(rows)))
    given = {
        "version": 1,
        "fingerprint": 2,
        "expires": int(time.time()) + 60,
        "offset": 3,
        "total": 4,
        "flags": 1,
    } | other
    return Rest(
        **{"corrected_query": None, **given},
        rows=np.array(rows, dtype=np.int64),
        codes=codes,
        largest=largest,
        smallest=smallest,
    )


@given(
    rows=st.lists(st.integers(1, 2**31), min_size=1, max_size=40),
    corrected=st.none() | st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()),
    offset=st.integers(0, 1000),
)
def test_a_cursor_holds_what_was_put_into_it(rows: list[int], corrected: str | None, offset: int) -> None:
    rest = rest_of(rows, corrected_query=corrected, offset=offset)
    found = read_cursor(write_cursor(rest, CURSOR_KEYS), CURSOR_KEYS)
    assert found.rows.tolist() == rows
    assert (found.corrected_query, found.offset, found.total) == (corrected, offset, 4)
    assert np.abs(found.scores() - np.linspace(1, 0, len(rows))).max() < 1 / 500


@given(text=st.text(max_size=80), place=st.integers(0, 200), letter=st.sampled_from("AZaz09-_"))
def test_what_is_no_cursor_is_refused(text: str, place: int, letter: str) -> None:
    with pytest.raises(InvalidCursor):
        read_cursor(text, CURSOR_KEYS)
    whole = write_cursor(rest_of([5, 9, 200_000]), CURSOR_KEYS)
    place %= len(whole) - 1  # the last letter has bits that say nothing
    if whole[place] != letter:
        with pytest.raises(InvalidCursor):
            read_cursor(whole[:place] + letter + whole[place + 1 :], CURSOR_KEYS)


def test_what_others_signed_is_refused_and_secrets_may_be_replaced(client: httpx.Client, release: Release) -> None:
    rest = rest_of([1, 2, 3], version=stable_hash(release.version))
    forged = write_cursor(rest, CursorKeys())
    assert problem(client, cursor=forged, k=1) == (422, "cursor_expired", "cursor")
    older, newer, newest = (secret * 16 for secret in (b"a", b"b", b"c"))
    written = write_cursor(rest, CursorKeys([older]))
    keys = CursorKeys([newer, older])
    assert read_cursor(written, keys).rows.tolist() == [1, 2, 3]
    assert read_cursor(write_cursor(rest, keys), CursorKeys([newer])).rows.tolist() == [1, 2, 3]
    keys.take(newer)
    assert read_cursor(written, keys).rows.tolist() == [1, 2, 3]
    keys.take(newest)
    with pytest.raises(CursorExpired):
        read_cursor(written, keys)


def pages(post: Recommend, asked: dict[str, Any], sizes: list[int]) -> list[dict[str, Any]]:
    """All pages of a list, of these sizes again and again."""
    found = [post(**asked, k=sizes[0])]
    while found[-1]["next_cursor"]:
        size = sizes[len(found) % len(sizes)]
        found.append(post(cursor=found[-1]["next_cursor"], k=size))
        assert len(found[-1]["items"]) == size or found[-1]["next_cursor"] is None
    return found


def items_of(found: list[dict[str, Any]]) -> list[str]:
    return [item["item_id"] for page in found for item in page["items"]]


@settings(max_examples=12, deadline=None)
@given(number=st.integers(0, len(ASKED) - 1), sizes=st.lists(st.integers(1, 90), min_size=1, max_size=4))
def test_pages_of_any_size_are_the_list_without_repeat_or_skip(
    recommend: Recommend, users: list[str], number: int, sizes: list[int]
) -> None:
    asked = {name: users[0] if value == "KNOWN" else value for name, value in ASKED[number].items()}
    if "diversity" in asked:  # which looks at the first page
        sizes = [20, *sizes]
    found = pages(recommend, asked, sizes)
    again = pages(recommend, asked, [20 if "diversity" in asked else 200])
    assert items_of(found) == items_of(again)
    assert len(set(items_of(found))) == len(items_of(found))
    assert [item["rank"] for page in found for item in page["items"]] == list(range(1, 1 + len(items_of(found))))
    assert {page["total"] for page in found} == {found[0]["total"]}
    assert {page["matched_by"] for page in found} == {found[0]["matched_by"]}
    assert len(items_of(found)) <= found[0]["total"] or not asked.get("query")


def test_a_list_of_fewer_than_its_depth_ends_with_its_last_item(recommend: Recommend) -> None:
    found = pages(recommend, {"query": "shoes"}, [60])
    assert len(items_of(found)) == min(found[0]["total"], 1_000)
    assert recommend(query="shoes", k=200, filter={"field": "price", "lt": 1})["next_cursor"] is None


def with_version(release: Release, version: str) -> Release:
    manifest = release.snapshot.manifest.model_copy(update={"version": version})
    return replace(release, snapshot=replace(release.snapshot, manifest=manifest))


def test_nothing_that_happens_between_pages_moves_the_list(
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Listening,
    release: Release,
    users: list[str],
    item_ids: list[str],
) -> None:
    services = services_of()
    other = with_version(release, "another")
    with listening(application_of(services=services)) as client:

        def post(**fields: Any) -> dict[str, Any]:
            answer = client.post("/recommend", json=fields)
            assert answer.status_code == 200, answer.text
            found: dict[str, Any] = answer.json()
            return found

        before = items_of(pages(post, {"user_id": users[0]}, [50]))
        first = post(user_id=users[0], k=50)
        events = [{"type": "view", "user_id": users[0], "item_id": item_id} for item_id in item_ids[:5]]
        assert client.post("/events", json=events).status_code == 202
        second = post(cursor=first["next_cursor"], k=50)
        services.recommender.swap(other)
        third = post(cursor=second["next_cursor"], k=100)
        assert items_of([first, second, third]) == before
        assert third["model_version"] == release.version
        assert post(user_id=users[0], k=50)["model_version"] == "another"
        services.recommender.swap(with_version(release, "a third"))
        gone = client.post("/recommend", json={"cursor": second["next_cursor"]}).json()
        assert (gone["status"], gone["code"]) == (422, "cursor_expired")


def problem(client: httpx.Client, **fields: Any) -> tuple[int, str, str]:
    answer = client.post("/recommend", json=fields).json()
    return answer["status"], answer["code"], answer["errors"][0]["field"]


def test_a_cursor_goes_with_its_own_request_or_alone(
    client: httpx.Client, recommend: Recommend, users: list[str]
) -> None:
    asked = {"query": "black", "user_id": users[0], "filter": {"field": "price", "gte": 1}}
    cursor = recommend(**asked, k=5, facets=["brand"], explain=True)["next_cursor"]
    alone = recommend(cursor=cursor, k=7, fields=["title"], user_id=None, filter=None)
    repeated = recommend(**asked, cursor=cursor, k=7, fields=["title"])
    by_get = client.get("/recommend", params={"cursor": cursor, "k": 7, "fields": "title"}).json()
    assert alone["items"] == repeated["items"] == by_get["items"]
    assert alone["items"][0]["fields"].keys() == {"title"}
    assert problem(client, **{**asked, "query": "red"}, cursor=cursor) == (422, "invalid_cursor", "cursor")


def test_damaged_old_and_foreign_cursors_are_refused(client: httpx.Client, release: Release) -> None:
    version = stable_hash(release.version)
    assert problem(client, cursor="abc") == (422, "invalid_cursor", "cursor")
    assert problem(client, cursor="") == (422, "invalid_cursor", "cursor")
    old = write_cursor(rest_of([1, 2], version=version, expires=1), CURSOR_KEYS)
    assert problem(client, cursor=old) == (422, "cursor_expired", "cursor")
    foreign = write_cursor(rest_of([1, 2], version=version + 1), CURSOR_KEYS)
    assert problem(client, cursor=foreign) == (422, "cursor_expired", "cursor")
    good = rest_of([1, 2, 3], version=version)
    assert client.post("/recommend", json={"cursor": write_cursor(good, CURSOR_KEYS), "k": 1}).status_code == 200
    for forged in (
        {"offset": 2**32 - 2},
        {"largest": math.inf},
        {"smallest": math.nan},
        {"smallest": 2.0},
        {"total": 2**32 - 1},
        {"flags": 5},
        {"expires": int(time.time()) + 2 * LASTS_S},
        {"rows": np.array([1, 2, 10_000_000])},
        {"rows": np.array([1, 0, 2])},
    ):
        written = write_cursor(replace(good, **forged), CURSOR_KEYS)
        assert problem(client, cursor=written, k=1) == (422, "invalid_cursor", "cursor"), forged
    assert problem(client, cursor="A" * 70_000) == (422, "invalid_request", "cursor")
