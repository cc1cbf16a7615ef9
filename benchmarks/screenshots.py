"""Pictures of the storefront before a real service, as the README shows them: `benchmarks/screenshots/*.png`.

    python benchmarks/screenshots.py --bundle runs/demo/bundle --query "trail shoes" --chinese-query 耳机

Its last line is JSON: the size of each picture in bytes.
"""

import argparse
import json
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

from chromium import running_chromium
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from serve_process import running_service

DESK = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
CARD = "#row .card:not(.skeleton)"


def open_page(browser: Browser, address: str, viewport: dict[str, int], **options: Any) -> Page:
    """The storefront as a new visitor sees it; nothing moves, so that a picture is taken of what stands."""
    context = browser.new_context(viewport=viewport, reduced_motion="reduce", **options)
    page = context.new_page()
    page.goto(address)
    expect(page.locator(CARD).first).to_be_visible()
    return page


def choose_shopper(page: Page, number: int) -> None:
    """One of the shoppers of the log."""
    user = page.locator("#shopper optgroup option").nth(number).get_attribute("value") or ""
    page.select_option("#shopper", user)
    expect(page.locator("#heading")).to_contain_text(user.removeprefix("user:"))


def search(page: Page, query: str) -> None:
    """Type it and wait for its results."""
    page.fill("#query", query)
    page.keyboard.press("Enter")
    expect(page.locator("#heading")).to_contain_text(query)


def choose_facet(page: Page, field: str) -> None:
    """The most frequent value of a field."""
    page.locator(f"[data-field='{field}'] .check").first.click()
    expect(page.locator("#chips")).to_be_visible()
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")


def open_item(page: Page, place: int) -> None:
    """The item of a card, with all that its page loads."""
    page.locator(f"{CARD} a").nth(place).click()
    expect(page.locator("#product ol.row").first.locator("a").first).to_be_visible()
    expect(page.locator("#product ol.row").last.locator("a").first).to_be_visible()


def main() -> None:
    """Take them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--query", required=True, help="a search of this shop, in English")
    parser.add_argument("--chinese-query", required=True, help="one in Chinese")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "screenshots")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    sizes: dict[str, int] = {}

    def take(page: Page, name: str) -> None:
        path = given.out / f"{name}.png"
        page.mouse.move(0, 0)
        Image.open(BytesIO(page.screenshot())).convert("RGB").save(path, optimize=True)
        sizes[path.name] = path.stat().st_size
        page.context.close()

    with running_service(given.bundle, clock="bundle") as service, running_chromium() as browser:
        address = service.address

        page = open_page(browser, address, DESK)
        choose_shopper(page, 0)
        search(page, given.query)
        choose_facet(page, "brand")
        take(page, "results")

        page = open_page(browser, address, DESK)
        page.fill("#query", given.query.split()[0])
        expect(page.locator("#suggestions")).to_be_visible()
        page.keyboard.press("ArrowDown")
        take(page, "suggestions")

        page = open_page(browser, address, DESK)
        choose_shopper(page, 0)
        search(page, given.query)
        open_item(page, 1)
        take(page, "product")

        page = open_page(browser, address, DESK)
        page.locator(f"{CARD} button").nth(2).click()
        expect(page.locator("#changed")).not_to_be_empty()
        take(page, "after-a-click")

        page = open_page(browser, address, DESK, locale="zh-CN")
        choose_shopper(page, 1)
        search(page, given.chinese_query)
        take(page, "chinese")

        page = open_page(browser, address, DESK, color_scheme="dark")
        choose_shopper(page, 2)
        open_item(page, 0)
        take(page, "dark")

        page = open_page(browser, address, PHONE, device_scale_factor=1.5)
        choose_shopper(page, 0)
        take(page, "phone")
    json.dump(sizes, sys.stdout)
    print()


if __name__ == "__main__":
    main()
