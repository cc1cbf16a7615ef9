"""The storefront of a shop with images and a currency, in a real Chromium."""

import base64
import json
import math
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, Route, expect
from services_alone import services_alone
from starlette.applications import Starlette
from variant_bundle import with_variants

from app.artifact.bundle_store import resolve
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot

CARD = "#row .card:not(.skeleton)"
DOT = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
FROM_OUTSIDE = "https://images.example/"
NEVER_ASKED = (  # nothing of these is an address of an image
    "javascript:document.title='broken'",
    "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' onload='document.title=1'/>",
    "blob:https://images.example/1",
    "https://user:pass@images.example/secret.jpg",
    "no image yet",
    "<img src=x onerror=document.title='broken'>",
    7,
    None,
)


@pytest.fixture(scope="module")
def popular_rows(snapshot: Snapshot) -> list[int]:
    return [int(row) for row in snapshot.items.popular_rows[:24]]


@pytest.fixture(scope="module")
def address(
    shop_bundle: Path,
    snapshot: Snapshot,
    popular_rows: list[int],
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Of a service whose most popular items have images of all kinds, the others none."""
    images: list[object] = [None] * snapshot.items.last_row
    shown = [
        f"{FROM_OUTSIDE}first.png?v=1",
        [f"{FROM_OUTSIDE}list.png", "x"],
        {"src": f"{FROM_OUTSIDE}object.png"},
        f"{FROM_OUTSIDE}several.png, {FROM_OUTSIDE}other.png",
        "/media/own.png",
        f"{FROM_OUTSIDE}gone.png",
        *NEVER_ASKED,
    ]
    for row, image in zip(popular_rows, shown, strict=False):
        images[row - 1] = image
    display = {"Image Src": images, "Image Alt Text": ["a view"] * len(images)}
    display["url"] = ["https://shop.example/p/1"] * len(images)
    folder = tmp_path_factory.mktemp("pictures") / "bundle"
    bundle = load_snapshot(with_variants(resolve(shop_bundle), folder, {}, display, ["EUR"] * len(images)))
    with listening(application_of(services=services_alone(bundle, bundle.manifest.cut or math.nan))) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str) -> Callable[..., AbstractContextManager[tuple[Page, list[Request]]]]:
    """A visit, and the requests for images that it makes; one of them is not there."""

    @contextmanager
    def visiting(at: str = "", **options: str) -> Iterator[tuple[Page, list[Request]]]:
        faults: list[str] = []
        asked: list[Request] = []

        def answer(route: Route) -> None:
            asked.append(route.request)
            if "gone" in route.request.url:
                route.fulfill(status=404, body="")
            else:
                route.fulfill(status=200, body=DOT, content_type="image/png")

        with browser.new_context(viewport={"width": 1280, "height": 900}, locale=options.get("locale", "en-US")) as it:
            page = it.new_page()
            page.set_default_timeout(8_000)
            page.on("console", lambda said: faults.append(said.text) if said.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.route(re.compile(r"images\.example|/media/"), answer)
            page.goto(f"{address}/{at}")
            expect(page.locator(CARD if not at else "#product-title").first).to_be_visible()
            yield page, asked
        assert [fault for fault in faults if "404" not in fault] == []

    return visiting


def test_images_are_shown_and_where_there_is_none_or_it_does_not_come_a_generated_picture(
    visit: Callable[..., AbstractContextManager[tuple[Page, list[Request]]]],
) -> None:
    with visit() as (page, asked):
        expect(page.locator(f"{CARD} img")).to_have_count(5)
        expect(page.locator(f"{CARD} div.tile")).to_have_count(19)
        images = page.locator(f"{CARD} img").all()
        for image in images:
            image.scroll_into_view_if_needed()
            expect(image).to_have_js_property("complete", True)
            assert image.evaluate("image => image.naturalWidth") == 1
            title = image.evaluate("image => image.closest('.card').querySelector('h3').textContent")
            assert image.get_attribute("alt") == title
            assert (image.get_attribute("loading"), image.get_attribute("referrerpolicy")) == ("lazy", "no-referrer")
        names = {request.url.rpartition("/")[2] for request in asked}
        assert names == {"first.png?v=1", "list.png", "object.png", "several.png", "own.png", "gone.png"}
        assert not any("referer" in request.all_headers() for request in asked)
        assert page.title() != "broken"


def test_prices_are_written_in_their_currency_and_told_with_events(
    visit: Callable[..., AbstractContextManager[tuple[Page, list[Request]]]],
) -> None:
    with visit() as (page, _):
        assert all(re.fullmatch(r"€[\d,]+\.\d\d|", text) for text in page.locator(f"{CARD} .price").all_inner_texts())
        with page.expect_request("**/events") as told:
            page.locator(f"{CARD} button").first.click()
        event = json.loads(told.value.post_data or "")
        assert event["currency"] == "EUR"
        page.get_by_role("button", name="中文").click()
        expect(page.locator(f"{CARD} .price").first).to_have_text(re.compile(r"^€[\d,]+\.\d\d$"))


def test_an_item_shows_its_image_and_links_to_its_address(
    visit: Callable[..., AbstractContextManager[tuple[Page, list[Request]]]],
    snapshot: Snapshot,
    popular_rows: list[int],
) -> None:
    with visit(f"#/item/{snapshot.items.id_of(popular_rows[0])}") as (page, _):
        expect(page.locator(".one img.tile")).to_have_attribute("src", f"{FROM_OUTSIDE}first.png?v=1")
        link = page.locator(".details a")
        expect(link).to_have_attribute("href", "https://shop.example/p/1")
        expect(link).to_have_attribute("rel", "noreferrer")
        expect(page.locator(".details dt", has_text="Image Src")).to_have_count(0)


def test_only_a_shop_with_columns_for_display_lets_its_page_ask_for_images(client: httpx.Client, address: str) -> None:
    plain, pictured = (httpx.get(f"{url}/").headers["content-security-policy"] for url in (client.base_url, address))
    assert "img-src data:;" in plain
    assert "img-src data: 'self' https: http:;" in pictured
    assert plain == pictured.replace(" 'self' https: http:;", ";")
    assert "script-src 'self'" in pictured
