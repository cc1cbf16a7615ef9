"""Keys: which call needs which, however it is written; what is refused says how to do it right, and logs no key."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.api import demo_routes
from app.api.direct_route import DirectRoute
from app.api.keys import KeyCheckMiddleware, Keyring, Kind, Need, need_of
from app.api.middleware import RequestTelemetryMiddleware
from app.api.problems import PROBLEM_HANDLERS
from app.api.rate_limit import RateLimit
from app.errors import SettingsError
from app.telemetry.metrics import Metrics

READ, ADMIN, UNKNOWN = "read-key-6f1c", "admin-key-93d0", "another-key-77aa"
PARTS = Path(demo_routes.__file__).parents[1] / "web"  # of the storefront
CALLS = [
    ("GET", "/", Need.NOTHING),
    *(("GET", f"/web/{path.name}", Need.NOTHING) for path in sorted(PARTS.iterdir()) if path.suffix != ".html"),
    ("GET", "/livez", Need.NOTHING),
    ("GET", "/readyz", Need.NOTHING),
    ("GET", "/metrics", Need.NOTHING),
    ("GET", "/docs", Need.NOTHING),
    ("GET", "/openapi.json", Need.NOTHING),
    ("GET", "/recommend", Need.READING),
    ("POST", "/recommend", Need.READING),
    ("POST", "/predict", Need.READING),
    ("GET", "/suggest", Need.READING),
    ("GET", "/demo/users", Need.READING),
    ("GET", "/items/{item_id:path}/similar", Need.READING),
    ("GET", "/items/{item_id:path}", Need.READING),
    ("POST", "/events", Need.ANY_KEY),
    ("PUT", "/items/{item_id:path}", Need.ADMIN_KEY),
    ("PATCH", "/items/{item_id:path}", Need.ADMIN_KEY),
    ("DELETE", "/items/{item_id:path}", Need.ADMIN_KEY),
    ("POST", "/items/batch", Need.ADMIN_KEY),
    ("GET", "/items", Need.ADMIN_KEY),
    ("GET", "/users/{user_id:path}", Need.ADMIN_KEY),
    ("DELETE", "/users/{user_id:path}", Need.ADMIN_KEY),
    ("POST", "/users/{user_id:path}/merge", Need.ADMIN_KEY),
    ("GET", "/models", Need.ADMIN_KEY),
    ("POST", "/models/reload", Need.ADMIN_KEY),
    ("POST", "/models/{version}/activate", Need.ADMIN_KEY),
]


async def reached(request: Request) -> Response:
    return PlainTextResponse(f"{request.method} {request.scope['route'].path}")


def application(
    read: list[str], admin: list[str], per_second: float = 0.0, clock: Callable[[], float] = lambda: 0.0
) -> Starlette:
    """Every call of the contract, each answering with its own name, behind the check."""
    made = Starlette(
        routes=[DirectRoute(method, path, reached) for method, path, _ in CALLS],
        middleware=[
            Middleware(RequestTelemetryMiddleware, metrics=Metrics()),
            Middleware(KeyCheckMiddleware, keyring=Keyring(read, admin), rate=RateLimit(per_second, clock)),
        ],
        exception_handlers=PROBLEM_HANDLERS,
    )
    made.router.redirect_slashes = False
    return made


def answers(app: Starlette, *calls: tuple[str, str, dict[str, str]]) -> list[httpx.Response]:
    async def run() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://aisle") as client:
            return [await client.request(method, path, headers=headers) for method, path, headers in calls]

    return asyncio.run(run())


def bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def expected(need: Need, key: str | None, has_read: bool, has_admin: bool) -> int:
    """The status by the rules as they are told to operators."""
    known = (has_read and key == READ) or (has_admin and key == ADMIN)
    if need is Need.NOTHING or not (has_read or has_admin):
        return 200
    if need is Need.READING and not has_read:
        return 200
    if not known:
        return 401
    return 403 if need is Need.ADMIN_KEY and key != ADMIN else 200


@pytest.mark.parametrize("has_read", [False, True])
@pytest.mark.parametrize("has_admin", [False, True])
@pytest.mark.parametrize("key", [None, UNKNOWN, READ, ADMIN])
def test_every_call_needs_what_the_rules_say(has_read: bool, has_admin: bool, key: str | None) -> None:
    app = application([READ] if has_read else [], [ADMIN] if has_admin else [])
    addresses = [path.replace(":path", "").format(item_id="p/1", user_id="u/1", version="v1") for _, path, _ in CALLS]
    wanted = [(method, address, bearer(key)) for (method, _, _), address in zip(CALLS, addresses, strict=True)]
    for (method, path, need), response in zip(CALLS, answers(app, *wanted), strict=True):
        assert response.status_code == expected(need, key, has_read, has_admin), (method, path)
        if response.status_code == 200:
            assert response.text == f"{method} {path}"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Authorization": f"Bearer {ADMIN}"}, 200),
        ({"authorization": f"bearer   {ADMIN} "}, 200),
        ({"X-API-Key": ADMIN}, 200),
        ({"Authorization": "Basic dXNlcjpwYXNz", "X-API-Key": ADMIN}, 200),
        ({"Authorization": f"Bearer {READ}", "X-API-Key": ADMIN}, 200),
        ({"Authorization": f"Bearer {ADMIN}", "X-API-Key": UNKNOWN}, 200),
        ({"X-API-Key": READ}, 403),
        ({"Authorization": ADMIN}, 401),
        ({"Authorization": f"Basic {ADMIN}"}, 401),
        ({"Authorization": "Bearer"}, 401),
        ({"Authorization": "Bearer "}, 401),
        ({"Authorization": f"Bearer {ADMIN[:-1]}"}, 401),
        ({"Authorization": f"Bearer {ADMIN}x"}, 401),
        ({"Authorization": f"Bearer {ADMIN} {ADMIN}"}, 401),
        ({"X-API-Key": ADMIN.upper()}, 401),
        ({"X-API-Key": ""}, 401),
        ({"X-API-Key": "ÿ"}, 401),
    ],
)
def test_a_key_comes_as_a_bearer_or_in_its_own_header(headers: dict[str, str], status: int) -> None:
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    (response,) = answers(application([READ], [ADMIN]), ("GET", "/models", raw))  # type: ignore[arg-type]
    assert response.status_code == status


def test_several_keys_of_a_kind_count_each() -> None:
    app = application([READ, "second-read"], [ADMIN, "second-admin"])
    keys = [READ, "second-read", ADMIN, "second-admin"]
    found = answers(app, *(("GET", "/users/u1", {"X-API-Key": key}) for key in keys))
    assert [response.status_code for response in found] == [403, 403, 200, 200]


def test_a_refusal_is_a_problem_that_says_how_to_do_it_right() -> None:
    none, unknown, reading = answers(
        application([READ], [ADMIN]),
        ("GET", "/users/u1", {"X-Request-ID": "mine"}),
        ("POST", "/recommend", bearer(UNKNOWN)),
        ("DELETE", "/users/u1", bearer(READ)),
    )
    for response, status, code in (
        (none, 401, "key_missing"),
        (unknown, 401, "key_missing"),
        (reading, 403, "key_forbidden"),
    ):
        assert response.headers["content-type"] == "application/problem+json"
        problem = response.json()
        assert set(problem) == {"type", "title", "status", "detail", "code", "request_id", "errors"}
        assert (response.status_code, problem["status"], problem["code"]) == (status, status, code)
        assert problem["request_id"] == response.headers["x-request-id"]
        assert ("www-authenticate" in response.headers) == (status == 401)
    assert none.json()["request_id"] == "mine"
    assert none.headers["www-authenticate"] == "Bearer"
    assert "an admin key, got none" in none.json()["detail"]
    assert "X-API-Key" in none.json()["detail"]
    assert "got one that is not known" in unknown.json()["detail"]
    assert "got a read key" in reading.json()["detail"]


def test_no_key_is_ever_logged_or_sent_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    app = application([READ], [ADMIN], per_second=1)
    keys = [READ, ADMIN, UNKNOWN]
    found = answers(app, *(("DELETE", "/users/u1", bearer(key)) for key in keys * 3))
    told = [*(response.text for response in found), *(str(record.__dict__) for record in caplog.records)]
    told += [repr(Keyring([READ], [ADMIN])), *(str(vars(Keyring([READ], [ADMIN]))) for _ in range(1))]
    assert caplog.records
    assert {response.status_code for response in found} == {200, 401, 403, 429}
    assert not [text for text in told for key in keys if key in text]


@pytest.mark.parametrize(
    ("read", "admin"),
    [([""], []), ([], ["two words"]), (["tab\t"], []), ([], ["schlüssel"]), ([READ], [READ]), ([READ], ["new\nline"])],
)
def test_a_key_that_cannot_be_one_is_refused_without_being_shown(read: list[str], admin: list[str]) -> None:
    with pytest.raises(SettingsError, match="AISLE_READ_KEYS and AISLE_ADMIN_KEYS") as refused:
        Keyring(read, admin)
    assert not [key for key in (*read, *admin) if key and key in refused.value.message]


def test_a_key_is_found_with_its_kind() -> None:
    keyring = Keyring([READ], [ADMIN])
    kinds = [(key := keyring.find(given.encode())) and key.kind for given in (READ, ADMIN, UNKNOWN, "")]
    assert kinds == [Kind.READ, Kind.ADMIN, None, None]


PIECES = [
    "/",
    "//",
    "users",
    "models",
    "items",
    "recommend",
    "events",
    "predict",
    "livez",
    "docs",
    "x",
    "p1",
    ".",
    "..",
]
PIECES += ["%2F", "%0A", "%0a", "%00", "%20", "%75sers", "%6Dodels", "%25", ";", "similar", "merge", "reload", "batch"]
PIECES += ["activate", "Users", "MODELS", "\u212a", "%c0%af", "?", "demo", "metrics", "openapi.json", "\\"]
ADDRESSES = st.tuples(
    st.sampled_from(["", "/", "%2F", "x"]),
    st.sampled_from(
        ["users/u1", "users/u1/merge", "models", "models/reload", "models/v1/activate", "items/p1", "events"]
    ),
    st.sampled_from(["", "", "/", "%0A", "%20", "/merge", "?x"]),
).map("".join)
NEEDS = {f"{method} {path}": need for method, path, need in CALLS}


def test_however_a_call_is_written_it_is_not_reached_without_the_key_that_it_needs() -> None:
    app = application([READ], [ADMIN])

    async def status_and_text(method: str, path: str, root: str, key: str | None) -> tuple[int, str]:
        """What comes of a call whose path a server has decoded, as servers do."""
        parts = {"status": b"", "body": b""}
        headers = [(b"x-api-key", key.encode())] if key else []
        plain = unquote(path.partition("?")[0])
        scope = {"type": "http", "method": method, "path": root + plain, "root_path": root, "headers": headers}
        scope |= {"raw_path": path.encode(), "query_string": b"", "http_version": "1.1", "scheme": "http"}

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, object]) -> None:
            if message["type"] == "http.response.start":
                parts["status"] = str(message["status"]).encode()
            else:
                parts["body"] += bytes(message.get("body", b""))  # type: ignore[call-overload]

        await app(scope, receive, send)  # type: ignore[arg-type]
        return int(parts["status"]), parts["body"].decode()

    @settings(deadline=None)  # the machine may be busy
    @given(
        st.sampled_from(["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "get", "PROPFIND"]),
        st.lists(st.sampled_from(PIECES), max_size=6).map("".join) | ADDRESSES,
        st.sampled_from(["", "/shop", "/users", "/"]),
        st.sampled_from([None, READ]),
    )
    def check(method: str, path: str, root: str, key: str | None) -> None:
        status, text = runner.run(status_and_text(method, f"/{path}", root, key))
        allowed = {Need.NOTHING} if key is None else {Need.NOTHING, Need.READING, Need.ANY_KEY}
        assert status in {200, 401, 403, 404, 405}
        assert status != 200 or NEEDS[text.replace("HEAD ", "GET ", 1)] in allowed  # a HEAD is a GET
        assert key is not None or status != 404 or need_of(method, f"/{path}") is Need.NOTHING

    with asyncio.Runner() as runner:
        check()


@pytest.mark.parametrize(
    ("method", "path", "need"),
    [
        ("GET", "/users", Need.ADMIN_KEY),
        ("HEAD", "/users/u1", Need.ADMIN_KEY),
        ("OPTIONS", "/models", Need.ADMIN_KEY),
        ("get", "/items/p1", Need.ADMIN_KEY),
        ("HEAD", "/items", Need.ADMIN_KEY),
        ("GET", "/items/", Need.READING),
        ("GET", "/items/batch", Need.READING),
        ("PUT", "/items/a/similar", Need.ADMIN_KEY),
        ("PUT", "/items", Need.ADMIN_KEY),
        ("POST", "/livez", Need.ANY_KEY),
        ("POST", "/search", Need.ANY_KEY),
        ("PUT", "/recommend", Need.ANY_KEY),
        ("GET", "/events", Need.READING),
        ("GET", "/search", Need.READING),
        ("GET", "", Need.READING),
    ],
)
def test_a_call_that_is_in_no_list_needs_a_key_all_the_same(method: str, path: str, need: Need) -> None:
    assert need_of(method, path) is need


def test_below_another_address_the_same_rules_hold() -> None:
    async def run() -> list[int]:
        transport = httpx.ASGITransport(application([READ], [ADMIN]), root_path="/shop")
        async with httpx.AsyncClient(transport=transport, base_url="http://aisle") as client:
            paths = ("/shop/users/u1", "/shop/models", "/shop/livez", "/shop/recommend")
            found = [await client.get(path, headers=headers) for path in paths for headers in ({}, bearer(READ))]
            return [response.status_code for response in found]

    assert asyncio.run(run()) == [401, 403, 401, 403, 200, 200, 401, 200]


@pytest.mark.parametrize("path", ["/users", "//users/x", "/users%2Fx", "/%75sers/x", "/users/x%0A", "/models%0A", "/x"])
def test_odd_addresses_are_refused_by_a_real_server_too(
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]], path: str
) -> None:
    with listening(application([READ], [ADMIN])) as client:
        url = client.base_url.copy_with(raw_path=path.encode())
        assert client.get(url).status_code == 401
        assert client.get(url, headers=bearer(READ)).status_code in {403, 404}
        assert client.get(url, headers=bearer(ADMIN)).status_code in {200, 404}


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_key_that_calls_too_often_is_told_when_to_go_on() -> None:
    clock = Clock()
    app = application([READ], [ADMIN], per_second=0.25, clock=clock)
    call = ("GET", "/recommend", bearer(READ))
    first, second, others, open_to_all = answers(
        app, call, call, ("GET", "/recommend", bearer(ADMIN)), ("GET", "/livez", bearer(READ))
    )
    assert [first.status_code, second.status_code, others.status_code, open_to_all.status_code] == [200, 429, 200, 200]
    assert second.json()["code"] == "overloaded"
    assert second.headers["retry-after"] == "4"
    assert second.json()["request_id"] == second.headers["x-request-id"]
    clock.now += int(second.headers["retry-after"])
    assert answers(app, call)[0].status_code == 200


def test_a_key_that_is_refused_uses_nothing_up() -> None:
    app = application([READ], [ADMIN], per_second=1)
    refused, served = answers(app, ("GET", "/models", bearer(READ)), ("GET", "/recommend", bearer(READ)))
    assert [refused.status_code, served.status_code] == [403, 200]


def test_no_call_of_the_service_is_open_by_oversight(
    application_of: Callable[..., Starlette], listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> None:
    app = application_of(read_keys=[READ], admin_keys=[ADMIN])
    calls = [(method, route.path) for route in app.routes if isinstance(route, Route) for method in route.methods or ()]
    assert len(calls) > 15
    open_to_all = {path for _, path, need in CALLS if need is Need.NOTHING}
    for_operators = ("/users", "/models")
    with listening(app) as client:
        for method, path in calls:
            none, read = (client.request(method, path, headers=headers).status_code for headers in ({}, bearer(READ)))
            changes_items = path.startswith("/items/") and method not in {"GET", "HEAD"}
            assert (none == 401) == (path not in open_to_all), (method, path)
            assert (read == 403) == (path.startswith(for_operators) or path == "/items" or changes_items), (
                method,
                path,
            )
