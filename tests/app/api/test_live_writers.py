"""Many writers of one item: none is turned away, and no change is lost."""

import threading
from collections.abc import Callable, Iterator, Sequence

import httpx
import pytest
from market import Market

OTHERS = ["other-0", "other-1", "other-2"]
WRITERS = 8
WRITTEN = 15  # changes of each
WITHIN_S = 60


@pytest.fixture
def addresses(market: Market) -> Iterator[list[str]]:
    """Of all replicas; the items that were written are gone afterwards."""
    yield [str(market.writer.base_url), str(market.reader.base_url)]
    gone = [{"delete": item_id} for item_id in ("hot", "fleeting", *OTHERS)]
    assert market.writer.post("/items/batch", json={"operations": gone}).status_code == 200


def at_once(addresses: Sequence[str], work: Callable[[httpx.Client, int], None]) -> None:
    """Have some writers work, half of them at each replica."""
    failures: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            with httpx.Client(base_url=addresses[number % len(addresses)], timeout=WITHIN_S) as client:
                work(client, number)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def test_patches_of_one_item_are_all_made(addresses: list[str]) -> None:
    fields = ["title", "brand", "description", "price", "in_stock", "category", "hidden", "added"]

    def write(client: httpx.Client, number: int) -> None:
        for place in range(WRITTEN):
            values = [f"t{place}", f"b{place}", f"d{place}", place, place % 2 == 0, f"c{place}", False, place + 1]
            response = client.patch("/items/hot", json={fields[number]: values[number]})
            assert response.status_code == 200, response.text

    with httpx.Client(base_url=addresses[0], timeout=WITHIN_S) as client:
        begin = client.put("/items/hot", json={"title": "Hot"}).json()["sequence"]
        at_once(addresses, write)
        (item,) = client.get("/items", params={"changed_since": begin}).json()["items"]
        assert item["sequence"] == begin + WRITERS * WRITTEN
        last = WRITTEN - 1
        assert item["fields"] == {
            "title": f"t{last}",
            "brand": f"b{last}",
            "description": f"d{last}",
            "price": last,
            "in_stock": last % 2 == 0,
            "category": f"c{last}",
            "added": last + 1,
        }


def test_puts_patches_and_batches_of_one_item_go_one_after_the_other(addresses: list[str]) -> None:
    def write(client: httpx.Client, number: int) -> None:
        for place in range(WRITTEN):
            if number % 3 == 0:
                response = client.put("/items/hot", json={"title": f"Hot {place}"})
            elif number % 3 == 1:
                response = client.patch("/items/hot", json={"price": place})
            else:
                others = [{"put": {"item_id": other, "title": "Other"}} for other in OTHERS]
                patch = {"patch": {"item_id": "hot", "brand": f"b{place}"}}
                response = client.post("/items/batch", json={"operations": [*others, patch]})
                assert response.json()["rejected"] == []
            assert response.status_code == 200, response.text

    with httpx.Client(base_url=addresses[-1], timeout=WITHIN_S) as client:
        client.put("/items/hot", json={"title": "Hot"})
        at_once(addresses, write)
        assert client.get("/items/hot").json()["fields"]["title"].startswith("Hot")


def test_a_patch_of_what_another_deletes_is_made_or_said_not_to_be(addresses: list[str]) -> None:
    told: list[int] = []

    def write(client: httpx.Client, number: int) -> None:
        for _ in range(WRITTEN):
            if number % 2:
                assert client.delete("/items/fleeting").status_code == 200
                assert client.put("/items/fleeting", json={"title": "Fleeting"}).status_code == 200
            else:
                batch = {"operations": [{"patch": {"item_id": "fleeting", "price": 3}}]}
                answer = client.post("/items/batch", json=batch).json()
                assert answer["applied"] + answer["rejected_count"] == 1
                told.append(answer["applied"])

    at_once(addresses, write)
    assert len(told) == WRITERS // 2 * WRITTEN
