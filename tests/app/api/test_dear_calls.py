"""The dear calls that `benchmarks/neighbours.py` sends are taken as they are meant, and stay within the limits."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import islice

import httpx
import pytest
from dear_calls import KINDS, dear_calls
from shop_calls import Shop, shop_at
from starlette.applications import Starlette

from app.api.application import HttpOptions, make_application
from app.api.recommend_parsing import Limits
from app.serving.services import Services


@pytest.fixture(scope="module")
def client(
    services_of: Callable[..., Services], listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """A client of the shop's service with the limits that are set by default."""
    options = HttpOptions(limits=Limits(max_events=1_000, max_item_ids=1_000))
    with listening(make_application(services_of(), options)) as connected:
        connected.timeout = httpx.Timeout(60)
        yield connected


@pytest.fixture(scope="module")
def served_shop(client: httpx.Client) -> Shop:
    return shop_at(str(client.base_url))


@pytest.mark.parametrize("kind", KINDS)
def test_a_dear_call_is_answered_as_it_is_meant_and_differs_from_the_one_before_it(
    client: httpx.Client, served_shop: Shop, kind: str
) -> None:
    for call in islice(dear_calls(kind, served_shop, seed=1), 3):
        head, _, body = call.request.partition(b"\r\n\r\n")
        method, path, _ = head.decode().split("\r\n")[0].split(" ")
        assert f"content-length: {len(body)}\r\n" in f"{head.decode()}\r\n"
        response = client.request(method, path, content=body)
        assert response.status_code == call.status, response.text[:300]
        assert not response.json().get("degraded")
    requests = [call.request for call in islice(dear_calls(kind, served_shop, seed=1), 8)]
    assert len(set(requests)) == len(requests)
