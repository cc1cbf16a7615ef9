"""The shopkeeper's corner of the storefront in a real Chromium: what is changed there is seen at once."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from starlette.applications import Starlette

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
Visit = Callable[..., AbstractContextManager[Page]]
CARD = "#row .card:not(.skeleton)"
ADMIN, READ = "boss-key", "shop-key"


@pytest.fixture(scope="module")
def open_shop(application_of: Callable[..., Starlette], listening: Listening) -> Iterator[httpx.Client]:
    """A service of this file's own, which anybody may change."""
    with listening(application_of()) as client:
        yield client


@pytest.fixture(scope="module")
def locked(application_of: Callable[..., Starlette], listening: Listening) -> Iterator[httpx.Client]:
    """A service with keys."""
    with listening(application_of(read_keys=[READ], admin_keys=[ADMIN])) as client:
        yield client


@pytest.fixture(scope="module")
def visit(browser: Browser) -> Visit:
    """A visit of a service; no script may fail, and nothing may be refused but what is `allowed`."""

    @contextmanager
    def visiting(client: httpx.Client, allowed: str = "^$", width: int = 1280, at: str = "") -> Iterator[Page]:
        faults: list[str] = []
        with browser.new_context(viewport={"width": width, "height": 900}, locale="en-US") as context:
            page = context.new_page()
            page.set_default_timeout(8_000)
            page.on("console", lambda said: faults.append(said.text) if said.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.goto(f"{client.base_url}/{at}")
            yield page
        assert [fault for fault in faults if not re.search(allowed, fault)] == []

    return visiting


def open_corner(page: Page) -> None:
    page.locator("#shopkeeper").click()
    expect(page.locator("#corner-work")).to_be_visible()


def card_of(page: Page, item_id: str) -> Locator:
    return page.locator(CARD).filter(has=page.locator(f"a[href='#/item/{item_id}']"))


def stocked(page: Page) -> str:
    """The id of the first item of the list that is to be had."""
    card = page.locator(f"{CARD}:not(.sold-out)").first
    expect(card).to_be_visible()
    address = card.locator("a").get_attribute("href")
    assert address is not None
    return address.removeprefix("#/item/")


def fields_of(client: httpx.Client, item_id: str) -> dict[str, object]:
    fields: dict[str, object] = client.get(f"/items/{item_id}").json()["fields"]
    return fields


def test_a_price_is_changed_by_keyboard_on_the_card_and_seen_at_once(visit: Visit, open_shop: httpx.Client) -> None:
    with visit(open_shop) as page:
        item_id = stocked(page)
        expect(page.locator(".keeper")).to_have_count(0)  # a shopper has none of it
        page.locator("#shopkeeper").focus()
        page.keyboard.press("Enter")
        expect(page.locator("#corner-work")).to_be_visible()
        card = card_of(page, item_id)
        card.locator(".keeper button").first.focus()
        page.keyboard.press("Enter")
        expect(card.get_by_label("Price")).to_be_focused()
        page.keyboard.press("Control+a")
        page.keyboard.type("3.25")
        page.keyboard.press("Enter")
        expect(page.locator("#changed")).to_contain_text("another price")
        expect(card.locator(".price")).to_have_text("3.25")
        expect(card.get_by_label("Price")).to_be_focused()
        assert fields_of(open_shop, item_id)["price"] == 3.25
        durable = page.locator("#corner-durable")
        expect(durable).to_contain_text("as long as this process")
        page.locator("#shopkeeper").click()
        expect(page.locator("#corner")).to_be_hidden()
        expect(page.locator(".keeper")).to_have_count(0)


def test_what_is_sold_out_says_so_and_is_not_sold(visit: Visit, open_shop: httpx.Client) -> None:
    with visit(open_shop) as page:
        item_id = stocked(page)
        card, stock = card_of(page, item_id), card_of(page, item_id).locator(".stock")
        total = page.locator("#count").inner_text()
        open_corner(page)
        card.locator(".keeper button").first.click()
        card.get_by_role("button", name="Mark as sold out", exact=True).click()
        expect(stock).to_have_text("Sold out")
        expect(card.locator("> button")).to_be_disabled()
        assert fields_of(open_shop, item_id)["in_stock"] is False

        page.locator("#in-stock").check()  # who looks for what is to be had does not see it
        expect(page.locator("#chips button")).to_have_text("In stock: yes ✕")
        expect(card).to_have_count(0)
        expect(page.locator(".card.sold-out")).to_have_count(0)
        page.locator("#in-stock").uncheck()
        expect(page.locator("#chips")).to_be_hidden()
        expect(page.locator("#count")).to_have_text(total)

        card.locator("a").click()
        expect(page.locator("#product .facts .stock")).to_have_text("Sold out")
        expect(page.locator("#add")).to_be_disabled()
        expect(page.locator("#buy")).to_be_disabled()
        page.locator("#product .facts .keeper button").first.click()
        page.locator("#product .facts").get_by_role("button", name="Back in stock", exact=True).click()
        expect(page.locator("#buy")).to_be_enabled()
        expect(page.locator("#product .facts .stock")).to_have_count(0)
        page.locator("#back").click()
        expect(stock).to_have_text("")
        expect(card.locator("> button")).to_be_enabled()


def test_a_new_item_is_found_and_hidden_and_shown_again_and_deleted(visit: Visit, open_shop: httpx.Client) -> None:
    with visit(open_shop) as page:
        stocked(page)
        open_corner(page)
        form = page.locator("#add-item")
        form.get_by_label("Title").fill("Zorvex <b>Gloamkettle</b>")
        form.get_by_label("Category").fill("Kettles > Electric")
        form.get_by_label("Brand").fill("Zorvex")
        form.get_by_label("Price").fill("12.5")
        page.keyboard.press("Enter")
        expect(page.locator("#corner-said")).to_contain_text("is new in the shop")
        expect(form.get_by_label("Title")).to_have_value("")
        page.locator("#query").press_sequentially("gloamkettle")
        expect(page.locator("#heading")).to_contain_text("gloamkettle")
        card = page.locator(CARD)
        expect(card).to_have_count(1)
        expect(card.locator("h3")).to_have_text("Zorvex <b>Gloamkettle</b>")
        expect(card.locator(".price")).to_have_text("12.50")

        card.locator(".keeper button").first.click()
        card.get_by_role("button", name="Hide", exact=True).click()
        expect(page.locator("#hidden-list li")).to_contain_text(["Gloamkettle"])
        expect(page.locator(CARD)).to_have_count(0)
        page.get_by_role("button", name=re.compile("Show again")).click()
        expect(card).to_have_count(1)
        expect(page.locator("#hidden-items")).to_be_hidden()

        card.locator("a").click()
        expect(page.locator("#product-title")).to_contain_text("Gloamkettle")
        page.locator("#product .facts .keeper button").first.click()
        facts = page.locator("#product .facts")
        facts.get_by_role("button", name="Delete", exact=True).click()
        facts.get_by_role("button", name="Delete for good?").click()
        expect(page.locator("#shelves")).to_be_visible()
        expect(page.locator("#none")).to_be_visible()
        expect(page.locator(CARD)).to_have_count(0)


def test_where_keys_are_needed_the_corner_asks_for_an_admin_key_of_its_own(visit: Visit, locked: httpx.Client) -> None:
    with visit(locked, allowed="401|403") as page:
        page.fill("#key-text", READ)
        page.keyboard.press("Enter")
        item_id = stocked(page)
        page.locator("#shopkeeper").click()
        expect(page.locator("#admin-key-text")).to_be_focused()
        expect(page.locator("#admin-key-note")).to_contain_text("takes an admin key")
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#admin-key-note")).to_contain_text("does not know this key")
        expect(page.locator("#corner-work")).to_be_hidden()
        page.fill("#admin-key-text", ADMIN)
        page.keyboard.press("Enter")
        expect(page.locator("#corner-work")).to_be_visible()
        expect(page.locator("#admin-key")).to_be_hidden()
        with page.expect_request("**/recommend") as asked:
            card = card_of(page, item_id)
            card.locator(".keeper button").first.click()
            card.get_by_role("button", name="Mark as sold out", exact=True).click()
        expect(card.locator(".stock")).to_have_text("Sold out")
        assert asked.value.headers["x-api-key"] == READ  # shoppers' calls have the shoppers' key
        kept = page.evaluate("() => [{...sessionStorage}, JSON.stringify(localStorage)]")
        assert sorted(kept[0].values()) == sorted([ADMIN, READ])
        assert ADMIN not in kept[1]


def test_what_the_service_refuses_is_said_beside_the_item(visit: Visit, open_shop: httpx.Client) -> None:
    with visit(open_shop, allowed="404|422|ERR_INTERNET_DISCONNECTED") as page:
        item_id = stocked(page)
        open_corner(page)
        card = card_of(page, item_id)
        card.locator(".keeper button").first.click()
        trouble, save = card.locator("[role=alert]"), card.get_by_role("button", name="Save", exact=True)
        page.context.set_offline(True)
        save.click()
        expect(trouble).to_have_text("The service does not answer.")
        page.context.set_offline(False)
        card.get_by_label("Price").fill("1e300")
        save.click()
        expect(trouble).to_contain_text("price: expected a number from 0 to 1e+15")
        card.get_by_label("Price").fill("7")
        open_shop.delete(f"/items/{item_id}")
        save.click()
        expect(trouble).to_contain_text("There is no such item.")


def test_the_corner_fits_a_phone_in_both_languages_and_all_of_it_has_a_name(
    visit: Visit, open_shop: httpx.Client
) -> None:
    with visit(open_shop, width=360) as page:
        stocked(page)
        open_corner(page)
        page.locator(f"{CARD} .keeper button").first.click()
        page.locator("[data-language=zh]").click()
        expect(page.locator("#add-item-title")).to_have_text("添加商品")
        expect(page.locator(".keeper label span").first).to_have_text("价格")
        assert page.evaluate("() => document.documentElement.scrollWidth - innerWidth") <= 0
        nameless = """() => {
          const isNamed = (e) => e.textContent.trim() || [...e.labels ?? []].some((label) => label.textContent.trim());
          return [...document.querySelectorAll(':is(#corner, .keeper) :is(button, input)')]
            .filter((e) => e.checkVisibility() && !isNamed(e)).map((e) => e.outerHTML);
        }"""
        assert page.evaluate(nameless) == []
