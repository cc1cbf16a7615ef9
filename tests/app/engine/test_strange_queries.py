"""Whatever is typed, a search answers; and it never reads more into a text than words."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
from strange_texts import strange_texts

from app.engine.snapshot import Snapshot

COUNT = 400


@pytest.fixture(scope="module")
def known(snapshot: Snapshot) -> list[str]:
    titles = (snapshot.catalogue.texts["title"][row] or "" for row in range(1, 60))
    return sorted({word for title in titles for word in title.split()})


def test_strange_texts_are_answered(client: httpx.Client, known: list[str]) -> None:
    for text in strange_texts(COUNT, 0, known):
        response = client.post("/recommend", json={"query": text, "k": 5})
        assert response.status_code == 200, (text, response.text)
        answer = response.json()
        assert (len(answer["items"]) > 0) == (answer["total"] > 0) == (answer["matched_by"] != "nothing"), text
        assert len(answer["items"] or answer["popular_items"]) == min(5, answer["total"] or 5), text


def test_strange_parameters_are_answered(client: httpx.Client, known: list[str]) -> None:
    for text in strange_texts(COUNT // 4, 1, known):
        response = client.get("/recommend", params={"query": text, "k": 5})
        assert response.status_code == 200, (text, response.text)


@pytest.mark.parametrize("body", [b'{"query": "\\ud800"}', b'{"query": "a\\udfffb", "k": 3}'])
def test_half_a_character_is_answered_or_refused_but_breaks_nothing(client: httpx.Client, body: bytes) -> None:
    assert client.post("/recommend", content=body).status_code in {200, 422}


def test_signs_that_are_no_operators_are_read_as_punctuation(recommend: Callable[..., dict[str, Any]]) -> None:
    plain = recommend(query="black shoes", k=20)
    for written in (
        "+black +shoes",
        "black shoes*",
        "(black) | [shoes]~",
        "black\x00shoes",
        '"black shoes',
        "- black shoes -",
    ):
        found = recommend(query=written, k=20)
        assert [each["item_id"] for each in found["items"]] == [each["item_id"] for each in plain["items"]], written
