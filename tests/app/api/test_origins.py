"""A service without keys belongs to its machine: pages of other addresses and foreign names are refused."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser
from quick_services import running_service
from starlette.applications import Starlette

from app.api.origins import is_loopback

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
CALLS = [
    ("POST", "/recommend", {}),
    ("GET", "/recommend", None),
    ("POST", "/events", {"type": "view", "user_id": "u", "item_id": "i"}),
    ("POST", "/predict", {"item_ids": ["p1"]}),
    ("POST", "/users/u/merge", {"visitor_id": "v"}),
    ("DELETE", "/users/u", None),
    ("GET", "/users/u", None),
    ("GET", "/items/p1", None),
    ("GET", "/suggest", None),
    ("POST", "/models/reload", None),
    ("POST", "/models/v/activate", None),
    ("GET", "/models", None),
    ("GET", "/demo/users", None),
    ("GET", "/nowhere", None),
    ("OPTIONS", "/recommend", None),
]
OPEN = ["/livez", "/readyz", "/metrics", "/docs", "/openapi.json", "/"]


@pytest.fixture(scope="module")
def keyless(application_of: Callable[..., Starlette], listening: Listening) -> Iterator[httpx.Client]:
    with listening(application_of(hosts=["balancer"])) as client:
        yield client


def refusal_of(response: httpx.Response) -> str:
    assert response.status_code == 403, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert "AISLE_ADMIN_KEYS" in problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]
    code: str = problem["code"]
    return code


@pytest.mark.parametrize(("method", "path", "body"), CALLS)
@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Origin": "https://evil.example"}, "foreign_origin"),
        ({"Origin": "null"}, "foreign_origin"),
        ({"Origin": "http://127.0.0.1:1"}, "foreign_origin"),
        ({"Sec-Fetch-Site": "cross-site"}, "foreign_origin"),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, "foreign_origin"),
        ({"Host": "evil.example"}, "foreign_host"),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, "foreign_host"),
        ({"Host": "127.0.0.1.evil.example:8000"}, "foreign_host"),
        ({"Host": "localhost:80@evil.example"}, "foreign_host"),
        ({"Host": "10.0.0.7:8000"}, "foreign_host"),
        ({"Host": ""}, "foreign_host"),
    ],
    ids=str,
)
def test_what_a_foreign_page_or_name_asks_for_is_refused(
    keyless: httpx.Client, method: str, path: str, body: object, headers: dict[str, str], code: str
) -> None:
    assert refusal_of(keyless.request(method, path, json=body, headers=headers)) == code


@pytest.mark.parametrize("path", OPEN)
def test_what_is_open_to_all_is_open_to_pages_too(keyless: httpx.Client, path: str) -> None:
    for headers in ({"Origin": "https://evil.example"}, {"Host": "172.18.0.5:8000"}):
        assert keyless.get(path, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8000", "127.0.0.1", "127.1.2.3:1", "[::1]:8000", "balancer:8000"]
)
def test_this_machine_and_names_that_are_allowed_may_ask(keyless: httpx.Client, host: str) -> None:
    assert keyless.post("/recommend", json={}, headers={"Host": host}).status_code == 200
    own = {"Host": host, "Origin": f"http://{host}", "Sec-Fetch-Site": "same-origin"}
    assert keyless.post("/recommend", json={}, headers=own).status_code == 200


def test_a_link_on_another_page_may_be_followed(keyless: httpx.Client) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert keyless.get("/suggest", headers=link).status_code == 200
    assert refusal_of(keyless.post("/models/reload", headers=link)) == "foreign_origin"


def test_with_keys_nothing_of_this_counts(application_of: Callable[..., Starlette], listening: Listening) -> None:
    with listening(application_of(read_keys=["shop-key"])) as client:
        headers = {"Host": "shop.example", "Origin": "https://shop.example", "X-API-Key": "shop-key"}
        assert client.post("/recommend", json={}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("host", "is_own"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("localhost.", True), ("0.0.0.0", False),
     ("::", False), ("10.0.0.1", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_an_address_is_of_this_machine_alone_or_not(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own


def test_a_page_in_a_browser_can_neither_read_nor_change_anything_and_our_own_can(
    browser: Browser, shop_bundle: Path
) -> None:
    """Another port of the same machine is another page, as that of a stranger is."""
    ask = (
        "async (address) => { try { return (await fetch(address + '/recommend', {method: 'POST', body: '{}'})).status }"
    )
    ask += " catch { return 0 } }"
    with (
        running_service(shop_bundle, clock="bundle") as service,
        running_service(shop_bundle, clock="bundle") as other,
        browser.new_context() as context,
    ):
        page = context.new_page()
        page.goto(f"{service.address}/docs")
        assert page.evaluate(ask, service.address) == 200
        assert page.evaluate(ask, other.address.replace("127.0.0.1", "localhost")) == 0
        page.goto(f"{service.address}/")
        page.wait_for_selector("article, .item, li")
        counted = httpx.get(f"{other.address}/metrics").text
        assert 'route="/recommend",status="200"' not in counted
