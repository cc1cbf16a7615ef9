"""`/docs` in a real Chromium: every call of the OpenAPI document is listed, opens, and shows all that belongs to it."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect
from starlette.applications import Starlette

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
Visit = Callable[..., AbstractContextManager[Page]]
REF = "#/components/schemas/"


@pytest.fixture(scope="module")
def address(application_of: Callable[..., Starlette], listening: Listening) -> Iterator[str]:
    with listening(application_of()) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str) -> Visit:
    """Opens `/docs`. No script may fail, and nothing but the service may be asked.

    Args:
        document: served instead of the service's own OpenAPI document.
        status: the HTTP status of that document.
        width: of the window, in CSS pixels.
    """

    @contextmanager
    def visiting(document: Any = None, status: int = 200, width: int = 1280) -> Iterator[Page]:
        faults: list[str] = []
        with browser.new_context(viewport={"width": width, "height": 900}) as context:
            page = context.new_page()
            page.set_default_timeout(8_000)
            page.on("console", lambda line: faults.append(line.text) if line.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on(
                "request",
                lambda request: None if request.url.startswith((address, "data:")) else faults.append(request.url),
            )
            if document is not None:
                page.route(
                    "**/openapi.json",
                    lambda route: route.fulfill(
                        status=status, body=json.dumps(document), content_type="application/json"
                    ),
                )
            page.goto(f"{address}/docs")
            expect(page.locator("#description")).not_to_have_text("loading…")
            yield page
        assert [fault for fault in faults if status == 200 or str(status) not in fault] == []

    return visiting


def calls_of(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of each call."""
    return [
        (method.upper(), path, operation)
        for path, operations in document["paths"].items()
        for method, operation in operations.items()
    ]


def names_in(schema: Any) -> set[str]:
    """The named schemas that a schema refers to, at any depth, by the text of the document alone."""
    if isinstance(schema, dict):
        here = {schema["$ref"].removeprefix(REF)} if "$ref" in schema else set()
        return here.union(*(names_in(value) for value in schema.values()))
    return set().union(*(names_in(value) for value in schema)) if isinstance(schema, list) else set()


def fields_in(schema: Any, schemas: dict[str, Any]) -> set[str]:
    """The fields of every object that a schema leads to."""
    names, new = set[str](), names_in(schema)
    while new:
        names |= new
        new = set().union(*(names_in(schemas[name]) for name in new)) - names
    return {field for name in names for field in schemas[name].get("properties", {})}


def test_every_call_is_listed_and_opens_with_all_that_belongs_to_it(visit: Visit, address: str) -> None:
    document = httpx.get(f"{address}/openapi.json").json()
    schemas, calls = document["components"]["schemas"], calls_of(document)
    with visit() as page:
        expect(page.locator("#description")).to_have_text(re.sub(r"\s+", " ", document["info"]["description"]))
        listed = page.locator("#calls details.call > summary")
        shown = [(row.locator(".verb").inner_text(), row.locator("code").inner_text()) for row in listed.all()]
        assert sorted(shown) == sorted((method, path) for method, path, _ in calls)
        for method, path, operation in calls:
            call = page.locator("#calls details.call").nth(shown.index((method, path)))
            inside = call.locator(".inside")
            expect(inside).to_be_hidden()
            call.locator("> summary").click()
            expect(inside).to_be_visible()
            fields = inside.locator("details > summary")
            if fields.count():
                fields.first.click()
                fields.evaluate_all("(others) => { for (const other of others.slice(1)) other.click(); }")
                assert inside.locator("details[open]").count() == fields.count()
            cells = set(inside.locator("td:first-child").all_inner_texts())
            titles = inside.locator("h3").all_inner_texts()
            assert {parameter["name"] for parameter in operation.get("parameters", [])} <= cells
            if "requestBody" in operation:
                content = operation["requestBody"]["content"]["application/json"]
                assert fields_in(content["schema"], schemas)
                assert fields_in(content["schema"], schemas) <= cells
                (title,) = [title for title in titles if title.startswith("Body: ")]
                assert all(form in title for form in operation["requestBody"]["content"])
                expect(inside.locator("textarea")).to_have_value(json.dumps(content["example"], indent=2))
            for status, response in operation["responses"].items():
                (content,) = response["content"].values()
                assert any(title.startswith(f"{status} ") for title in titles)
                assert fields_in(content["schema"], schemas) <= cells
            assert "undefined" not in inside.inner_text()


def test_every_limit_is_shown_with_what_becomes_of_more(visit: Visit, address: str) -> None:
    limits = httpx.get(f"{address}/openapi.json").json()["x-limits"]
    with visit() as page:
        rows = [row.split("\t") for row in page.locator("#bounds tr").all_inner_texts()][1:]
    assert [row[0] for row in rows] == [limit["bounds"].replace("`", "") for limit in limits]
    body = next(row for row in rows if row[0] == "a request body")
    assert body == ["a request body", f"{1_048_576:,} bytes", "AISLE_MAX_BODY_BYTES", "413, body_too_large"]


def test_a_body_of_one_or_many_says_so_and_can_be_sent(visit: Visit) -> None:
    with visit() as page:
        call = page.locator("details.call", has=page.locator("summary code", has_text=re.compile("^/events$")))
        call.locator("> summary").click()
        expect(call.locator("h3").first).to_have_text(
            "Body: Event or list of Event (at least 1 in the list) (application/json)"
        )
        assert "item_id" in call.locator("table").first.inner_text()
        call.get_by_role("button", name="Send").click()
        expect(call.locator("form pre")).to_contain_text("202 Accepted")


FORMS = [
    ({"$ref": REF + "Node"}, "Node"),
    ({"anyOf": [{"$ref": REF + "Node"}, {"type": "null"}]}, "Node"),
    ({"oneOf": [{"type": "string"}, {"type": "array", "items": {"$ref": REF + "Node"}}]}, "string or list of Node"),
    ({"allOf": [{"$ref": REF + "Node"}, {"type": "object"}]}, "Node and object"),
    ({"type": "array", "prefixItems": [{"type": "integer"}, {"$ref": REF + "Node"}]}, "list of integer, Node"),
    ({"type": "array"}, "list of any"),
    ({"type": ["string", "null"]}, "string or null"),
    ({"type": "object", "additionalProperties": {"$ref": REF + "Node"}}, "object of Node"),
    ({"type": "object", "additionalProperties": True}, "object"),
    ({"type": "object", "properties": {"nested": {"type": "integer", "maximum": 3}}}, "object"),
    ({"const": 7}, "7"),
    ({"enum": ["a", "b"]}, "a | b"),
    ({}, "any"),
    (True, "any"),
]


def test_every_form_that_a_schema_can_have_is_shown_wherever_it_stands(visit: Visit) -> None:
    node = {"type": "object", "properties": {"leaf": True, "next": {"$ref": REF + "Node"}}, "required": ["leaf"]}
    paths = {
        f"/form{number}": {
            "post": {
                "tags": ["Forms"],
                "summary": "A form",
                "description": "A form.",
                "parameters": [{"in": "query", "name": "asked", "description": "A parameter", "schema": schema}],
                "requestBody": {"content": {"application/json": {"schema": schema}}},
                "responses": {
                    "200": {"description": "An answer", "content": {"application/json": {"schema": schema}}},
                    "204": {"description": "No answer"},
                },
            }
        }
        for number, (schema, _) in enumerate(FORMS)
    }
    document = {"info": {"title": "T", "version": "1", "description": "D"}, "paths": paths}
    with visit(document | {"components": {"schemas": {"Node": node}}}) as page:
        expect(page.locator("#description")).to_have_text("D")
        expect(page.locator("details.call")).to_have_count(len(FORMS))
        for call, (schema, expected) in zip(page.locator("details.call").all(), FORMS, strict=True):
            call.locator("> summary").click()
            titles = call.locator("h3").all_inner_texts()
            assert f"Body: {expected} (application/json)" in titles
            assert f"200 An answer: {expected} (application/json)" in titles
            assert "204 No answer" in titles
            rows = [row.split("\t")[:2] for row in call.locator(".inside > table tr").all_inner_texts()]
            assert ["asked", expected] in rows
            assert (["leaf", "any, required"] in rows) == (REF in json.dumps(schema))
            assert (["nested", "integer"] in rows) == ("nested" in json.dumps(schema))


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_never_scrolls_sideways(visit: Visit, width: int) -> None:
    with visit(width=width) as page:
        page.locator("summary").evaluate_all("(all) => { for (const one of all) one.parentElement.open = true; }")
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0


def test_a_document_that_does_not_come_is_told_with_its_status(visit: Visit) -> None:
    with visit({"code": "overloaded"}, status=503) as page:
        expect(page.locator("#description")).to_contain_text("The service does not answer: 503")
        expect(page.locator("details.call")).to_have_count(0)
