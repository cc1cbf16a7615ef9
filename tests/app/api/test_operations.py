"""What the service tells about itself: ids, times, metrics, health, pages, its own description."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.openapi.models import OpenAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

from app.api import catalogue_schemas, demo_routes, event_schemas, predict_schemas, schemas, suggest_schemas
from app.engine.snapshot import Snapshot

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
PARTS = Path(demo_routes.__file__).parents[1] / "web"  # of the storefront
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")


def test_a_request_id_is_echoed_everywhere(client: httpx.Client) -> None:
    response = client.post("/recommend", json={}, headers={"X-Request-ID": "order-7/a"})
    assert response.headers["x-request-id"] == response.json()["request_id"] == "order-7/a"


def test_a_request_without_an_id_or_with_a_wild_one_gets_its_own(client: httpx.Client) -> None:
    answers = [client.post("/recommend", json={}, headers=headers) for headers in ({}, {"X-Request-ID": "a b<script>"})]
    ids = [answer.headers["x-request-id"] for answer in answers]
    assert all(ULID.fullmatch(request_id) for request_id in ids)
    assert ids == [answer.json()["request_id"] for answer in answers]
    assert len(set(ids)) == 2


@pytest.mark.parametrize("path", ["/livez", "/nowhere", "/items/no-such-item", "/docs"])
def test_every_answer_carries_id_and_timing(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-request-id"]
    assert headers["server-timing"].startswith("total;dur=")


def test_server_timing_names_the_stages_and_they_do_not_exceed_the_total(
    client: httpx.Client, users: list[str]
) -> None:
    response = client.post("/recommend", json={"user_id": users[0]})
    stages = [part.split(";dur=") for part in response.headers["server-timing"].split(", ")]
    assert [name for name, _ in stages] == [
        "look",
        "parse",
        "wait",
        "state",
        "assemble",
        "engine",
        "answer",
        "encode",
        "total",
    ]
    *parts, total = [float(milliseconds) for _, milliseconds in stages]
    assert all(part >= 0 for part in parts)
    assert sum(parts) <= total + 0.01


def test_metrics_count_requests_batches_and_stages(
    application_of: Callable[..., Starlette], listening: Listening, snapshot: Snapshot
) -> None:
    with listening(application_of()) as client:
        for _ in range(3):
            client.post("/recommend", json={})
        client.get("/recommend?k=0")
        client.get("/nowhere")
        client.request("PROPFIND", "/anywhere")
        response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }

    def value(name: str, **labels: str) -> float:
        return samples[name, tuple(sorted(labels.items()))]

    assert value("aisle_requests_total", method="POST", route="/recommend", status="200") == 3
    assert value("aisle_requests_total", method="GET", route="/recommend", status="422") == 1
    assert value("aisle_requests_total", method="any", route="unmatched", status="404") == 2
    assert value("aisle_batch_size_count") == 3
    assert value("aisle_batch_size_sum") == 3
    for stage in ("state", "assemble", "engine", "answer"):
        assert value("aisle_stage_seconds_count", stage=stage) == 3
    assert value("aisle_stage_seconds_count", stage="total") == 6
    assert (
        value("aisle_bundle", version=snapshot.manifest.version, dataset=snapshot.manifest.dataset, device="cpu") == 1
    )
    made = value("aisle_bundle_created_timestamp_seconds", version=snapshot.manifest.version)
    assert datetime.fromtimestamp(made, UTC) == datetime.fromisoformat(snapshot.manifest.created_at)
    newest = value("aisle_bundle_newest_event_timestamp_seconds", version=snapshot.manifest.version)
    assert newest == snapshot.manifest.cut
    assert value("aisle_bundle_loads_total", outcome="refused") == 0
    assert value("process_resident_memory_bytes") > 1e7


def test_health_is_answered(client: httpx.Client, snapshot: Snapshot) -> None:
    assert client.get("/livez").json()["status"] == "alive"
    assert client.get("/readyz").json() == {
        "status": "ready",
        "model_version": snapshot.manifest.version,
        "store": "memory",
        "store_available": True,
        "store_warnings": [],
        "refused": {},
        "parts_off": {"text_encoder": "the bundle does not have it; off is: meaning by a text encoder"},
    }


def test_the_demo_starts_with_users_that_have_a_history(
    client: httpx.Client, recommend: Callable[..., dict[str, Any]], popular: list[str]
) -> None:
    demo = client.get("/demo/users").json()
    assert demo["users"]
    for user in demo["users"]:
        items = recommend(user_id=user, fields=demo["fields"])["items"]
        assert [item["item_id"] for item in items] != popular[:20]


def test_the_demo_names_what_lists_can_be_narrowed_by_and_ordered_for(
    client: httpx.Client, recommend: Callable[..., dict[str, Any]]
) -> None:
    demo = client.get("/demo/users").json()
    kinds = {facet["field"]: facet["kind"] for facet in demo["facets"]}
    assert list(kinds)[:3] == ["category", "brand", "price"]
    assert {"title", "description"}.isdisjoint(kinds)
    counted = recommend(facets=list(kinds), k=1)["facets"]
    for field, kind in kinds.items():
        first = counted[field][0]
        assert ("from" in first) == (kind == "number")
        assert isinstance(first.get("value"), bool) == (kind == "boolean")
    for objective in demo["objectives"]:
        assert recommend(objective=objective, k=1)["items"]


class Resources(HTMLParser):
    """Addresses that a page loads by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [
            value or "" for name, value in attrs if name == "src" or (name == "href" and tag not in {"a", "area"})
        ]


def resources_of(text: str) -> list[str]:
    found = Resources()
    found.feed(text)
    return found.found


def test_the_docs_are_one_file_that_loads_nothing_from_outside(client: httpx.Client) -> None:
    response = client.get("/docs")
    assert response.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert resources_of(response.text) == ["data:,"]
    assert "innerHTML" not in response.text  # a title from a shop's feed must not become markup


def test_the_storefront_loads_its_own_files_only_and_runs_nothing_else(client: httpx.Client) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert "style=" not in page.text
    own = [path for path in resources_of(page.text) if path != "data:,"]
    assert own
    for path in own:
        part = client.get(f"/{path}")
        assert part.status_code == 200
        own += [f"web/{name}" for name in re.findall(r'from "\./([^"]+)"', part.text) if f"web/{name}" not in own]
        assert part.headers["content-type"].startswith("text/css" if path.endswith(".css") else "text/javascript")
        for text in (part.text, page.text):
            assert "http://" not in text
            assert "https://" not in text
            # A title from a shop's feed must not become markup, nor a program.
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|parseFromString|document\.write|eval\(", text)
    assert set(own) == {f"web/{path.name}" for path in PARTS.iterdir() if path.suffix != ".html"}


def test_the_demo_can_be_switched_off(application_of: Callable[..., Starlette], listening: Listening) -> None:
    with listening(application_of(page=False)) as client:
        assert client.get("/").status_code == client.get("/demo/users").status_code == 404
        assert client.get("/docs").status_code == 200
        assert "/demo/users" not in client.get("/openapi.json").json()["paths"]


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def test_the_openapi_document_is_valid_and_complete(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    OpenAPI.model_validate(document)
    found = [(method, path) for path, method, _ in operations(document)]
    assert sorted(found) == [
        ("delete", "/items/{item_id}"),
        ("delete", "/users/{user_id}"),
        ("get", "/demo/users"),
        ("get", "/items"),
        ("get", "/items/{item_id}"),
        ("get", "/items/{item_id}/similar"),
        ("get", "/livez"),
        ("get", "/metrics"),
        ("get", "/models"),
        ("get", "/readyz"),
        ("get", "/recommend"),
        ("get", "/suggest"),
        ("get", "/users/{user_id}"),
        ("patch", "/items/{item_id}"),
        ("post", "/events"),
        ("post", "/items/batch"),
        ("post", "/models/reload"),
        ("post", "/models/{version}/activate"),
        ("post", "/predict"),
        ("post", "/recommend"),
        ("post", "/users/{user_id}/merge"),
        ("put", "/items/{item_id}"),
    ]
    schemas_ = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= schemas_
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(set(ids)) == len(ids)


def model_of(reference: str) -> Any:
    """The schema that a reference of the document stands for."""
    name = reference.rsplit("/", maxsplit=1)[-1]
    modules = (schemas, catalogue_schemas, event_schemas, predict_schemas, suggest_schemas)
    return next(getattr(module, name) for module in modules if hasattr(module, name))


def test_every_call_has_examples_that_keep_its_schema(client: httpx.Client) -> None:
    for path, _, operation in operations(client.get("/openapi.json").json()):
        success = next(status for status in operation["responses"] if status.startswith("2"))
        content = operation["responses"][success]["content"]
        (shown,) = content.values()
        assert shown["example"], path
        reference = shown["schema"].get("$ref")
        if reference is not None:
            model_of(reference).model_validate(shown["example"])
        for parameter in operation.get("parameters", ()):
            assert "example" in parameter, path
        if "requestBody" in operation:
            asked = operation["requestBody"]["content"]["application/json"]
            wanted = asked["schema"].get("$ref") or asked["schema"]["anyOf"][0]["$ref"]
            model_of(wanted).model_validate(asked["example"])
        for status, response in operation["responses"].items():
            if status != success:
                problem = schemas.Problem.model_validate(response["content"]["application/problem+json"]["example"])
                assert problem.status == int(status)


@pytest.fixture
def own_client(
    application_of: Callable[..., Starlette], listening: Callable[..., AbstractContextManager[httpx.Client]]
) -> Iterator[httpx.Client]:
    """A client of a service whose items may be changed."""
    with listening(application_of()) as client:
        yield client


def test_the_document_describes_the_parameters_that_are_read(
    own_client: httpx.Client, item_ids: list[str], users: list[str], snapshot: Snapshot
) -> None:
    client = own_client
    for path, method, operation in operations(client.get("/openapi.json").json()):
        if method == "delete":
            continue  # what is deleted could not be asked for
        query = {
            parameter["name"]: parameter["example"]
            for parameter in operation.get("parameters", ())
            if parameter["in"] == "query"
        }
        address = path.replace("{item_id}", item_ids[0]).replace("{user_id}", users[0])
        address = address.replace("{version}", snapshot.manifest.version)
        content = operation.get("requestBody", {}).get("content", {"application/json": {"example": None}})
        response = client.request(method, address, params=query, json=content["application/json"]["example"])
        assert response.is_success, (path, response.text)
