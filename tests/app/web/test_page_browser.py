"""The storefront at `/` in a real Chromium, before a real service: by mouse, by keyboard, on a phone, and refused."""

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
CARD = "#row .card:not(.skeleton)"
TITLES = "() => [...document.querySelectorAll('#row .card h3')].map((title) => title.textContent)"
IDS = "() => [...document.querySelectorAll('#row .card h3 a')].map((link) => link.getAttribute('href'))"


@pytest.fixture(scope="module")
def address(application_of: Callable[..., Starlette], listening: Listening) -> Iterator[str]:
    """Of a service of this file's own: what shoppers do here, others do not see."""
    with listening(application_of()) as client:
        yield str(client.base_url)


@pytest.fixture(scope="module")
def visit(browser: Browser, address: str) -> Visit:
    """A visit of somebody who was never here; no script may fail, and nothing but the service may be asked."""

    @contextmanager
    def visiting(at: str = "", where: str = address, allowed: str = "^$", **options: Any) -> Iterator[Page]:
        faults: list[str] = []
        with browser.new_context(
            **{"viewport": {"width": 1280, "height": 900}, "locale": "en-US"} | options
        ) as context:
            page = context.new_page()
            page.set_default_timeout(8_000)
            page.on("console", lambda said: faults.append(said.text) if said.type in {"error", "warning"} else None)
            page.on("pageerror", lambda error: faults.append(str(error)))
            page.on(
                "request", lambda asked: None if asked.url.startswith((where, "data:")) else faults.append(asked.url)
            )
            page.goto(f"{where}/{at}")
            yield page
        assert [fault for fault in faults if not re.search(allowed, fault)] == []

    return visiting


def shown(page: Page) -> list[str]:
    """The items of the list, as it stands once the answer is there."""
    expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
    expect(page.locator(CARD).first).to_be_visible()
    found: list[str] = page.evaluate(IDS)
    return found


def search(page: Page, text: str) -> None:
    """Type, and wait for the answer to what was typed."""
    page.locator("#query").press_sequentially(text)
    expect(page.locator("#heading")).to_contain_text(text)


def test_a_stranger_sees_what_is_popular_and_a_shopper_what_suits(visit: Visit, users: list[str]) -> None:
    with visit() as page:
        popular = shown(page)
        expect(page.locator("#heading")).to_have_text("Popular now")
        assert len(popular) == len(set(popular)) == 24
        page.select_option("#shopper", f"user:{users[0]}")
        expect(page.locator("#heading")).to_have_text(f"For {users[0]}")
        assert shown(page) != popular
        expect(page.locator("#changed")).to_contain_text("new")
        page.reload()
        expect(page.locator("#heading")).to_have_text(f"For {users[0]}")
        page.select_option("#shopper", "other")
        page.fill("#other-shopper", "nobody-knows-me")
        page.keyboard.press("Enter")
        expect(page.locator("#heading")).to_have_text("For nobody-knows-me")


def test_search_as_you_type_shows_what_was_typed(visit: Visit) -> None:
    with visit() as page:
        word = page.evaluate(TITLES)[0].split()[0] if shown(page) else ""
        search(page, word)
        assert shown(page)
        assert word in page.evaluate(TITLES)[0]
        assert page.evaluate("() => new URLSearchParams(location.hash.slice(3)).get('q')") == word
        page.reload()
        expect(page.locator("#query")).to_have_value(word)
        expect(page.locator("#heading")).to_have_text(f"“{word}”")


def test_words_that_no_item_has_find_nothing_and_the_page_shows_what_is_popular(visit: Visit) -> None:
    with visit() as page:
        shown(page)
        title = page.evaluate(TITLES)[0]
        search(page, "qqqxyzzy wwwkk")
        expect(page.locator("#searched")).to_contain_text("No item has these words")
        expect(page.locator("#none")).to_be_visible()
        expect(page.locator("#row li")).to_have_count(0)
        expect(page.locator("#beside")).to_be_visible()
        expect(page.locator("#beside-heading")).to_have_text("Popular now")
        expect(page.locator("#popular .card").first).to_be_visible()
        page.locator("#query").fill("")
        search(page, title.split()[0])
        expect(page.locator("#beside")).to_be_hidden()
        assert shown(page)


def test_words_that_were_left_out_are_named(visit: Visit) -> None:
    with visit() as page:
        shown(page)
        word = page.evaluate(TITLES)[0].split()[0].lower()
        search(page, f"{word} qqqxyzzy")
        expect(page.locator("#searched")).to_contain_text("searched without qqqxyzzy")
        assert shown(page)


def test_a_suggestion_is_taken_by_keyboard(visit: Visit) -> None:
    with visit() as page:
        shown(page)
        word = page.evaluate(TITLES)[0].split()[0].lower()
        page.locator("#query").fill(word[:4])  # at once: what is suggested for fewer letters may not come in between
        options = page.locator("#suggestions [role=option]")
        expect(options.first).to_be_visible()
        page.keyboard.press("ArrowUp")  # from the field to the last one
        page.keyboard.press("ArrowDown")  # back to the field
        page.keyboard.press("ArrowDown")
        expect(options.first).to_have_attribute("aria-selected", "true")
        expect(page.locator("#query")).to_have_attribute("aria-activedescendant", "suggestion-0")
        page.keyboard.press("Escape")
        expect(page.locator("#suggestions")).to_be_hidden()
        expect(page.locator("#query")).to_have_value(word[:4])
        page.keyboard.press("ArrowDown")
        expect(options.first).to_be_visible()
        page.keyboard.press("ArrowDown")
        text = options.first.locator("span").inner_text()
        page.keyboard.press("Enter")
        expect(page.locator("#suggestions")).to_be_hidden()
        expect(page.locator("#heading, #product-title").filter(visible=True)).to_contain_text(text)


def test_what_is_typed_never_becomes_markup(visit: Visit) -> None:
    with visit() as page:
        search(page, "<img src=x onerror=document.title='broken'>")
        expect(page.locator("#none")).to_be_visible()
        assert page.locator("img").count() == 0
        assert page.title() != "broken"


def test_a_facet_narrows_the_list_and_its_chip_widens_it_again(visit: Visit) -> None:
    with visit() as page:
        before = shown(page)
        brands = page.locator("[data-field=brand] .check")
        brand, count = brands.first.locator(".value").inner_text(), brands.first.locator(".figure").inner_text()
        brands.first.locator("input").focus()
        page.keyboard.press("Space")
        chip = page.locator("#chips button").first
        expect(chip).to_have_text(f"Brand: {brand} ✕")
        expect(page.locator("#count")).to_have_text(re.compile(rf" of {count} items$"))
        shown(page)
        assert all(place.startswith(brand) for place in page.locator(f"{CARD} .place").all_inner_texts())
        expect(brands.first.locator("input")).to_be_focused()  # by keyboard one goes on where one was
        brands.nth(1).locator("input").check()  # a second value widens: the counts are those without its own choice
        expect(page.locator("#chips button")).to_have_count(3)
        page.go_back()
        expect(page.locator("#chips button")).to_have_count(1)
        chip.click()
        expect(page.locator("#chips")).to_be_hidden()
        assert shown(page) == before


def test_a_category_opens_its_levels_and_a_price_has_two_ends(visit: Visit) -> None:
    with visit() as page:
        shown(page)
        page.locator("[data-field=category] .check").first.click()
        deeper = page.locator("[data-field=category] .check[style*='--depth: 1']")
        expect(deeper.first).to_be_visible()
        deeper.first.click()
        expect(page.locator("#chips button")).to_have_count(3)
        page.locator("#chips button").last.click()
        expect(page.locator("#chips")).to_be_hidden()
        page.get_by_label("Price, from").fill("20")
        page.get_by_label("Price, to").fill("60")
        page.keyboard.press("Enter")
        expect(page.locator("#chips button")).to_have_text("Price: 20 to 60 ✕")
        page.select_option("#sort", "price_asc")
        expect(page.locator("#sort")).to_have_value("price_asc")
        shown(page)
        page.wait_for_function("() => location.hash.includes('price_asc')")
        expect(page.locator("#results")).to_have_attribute("aria-busy", "false")
        prices = [float(text) for text in page.locator(f"{CARD} .price").all_inner_texts()]
        assert prices == sorted(prices)
        assert all(20 <= price <= 60 for price in prices)


def test_what_passes_no_filter_says_so_and_offers_a_way_out(visit: Visit) -> None:
    with visit("#/?in.price=1000000..") as page:
        expect(page.locator("#none")).to_contain_text("Nothing passes these filters")
        page.locator("#none button").click()
        assert len(shown(page)) == 24


def test_load_more_repeats_nothing(visit: Visit, users: list[str]) -> None:
    with visit() as page:
        page.select_option("#shopper", f"user:{users[0]}")
        expect(page.locator("#heading")).to_have_text(f"For {users[0]}")
        first = shown(page)
        page.locator("#more").click()
        expect(page.locator(CARD)).to_have_count(48)
        page.locator("#more").click()
        expect(page.locator(CARD)).to_have_count(72)
        found = shown(page)
        assert found[:24] == first
        assert len(set(found)) == 72


def test_more_diversity_and_another_objective_order_anew(visit: Visit, users: list[str]) -> None:
    with visit() as page:
        page.select_option("#shopper", f"user:{users[0]}")
        expect(page.locator("#heading")).to_have_text(f"For {users[0]}")
        before = shown(page)
        page.locator("#try summary").click()
        page.locator("#diversity").focus()
        for _ in range(8):
            page.keyboard.press("ArrowRight")
        expect(page.locator("#changed")).to_contain_text("Diversity")
        assert shown(page) != before
        page.select_option("#objective", "purchase")
        expect(page.locator("#changed")).to_contain_text("Order for more")
        page.select_option("#sort", "newest")  # an order by relevance there is none then, nor anything to bend
        expect(page.locator("#diversity")).to_be_disabled()
        expect(page.locator("#objective")).to_be_disabled()
        assert shown(page)
        expect(page.locator("#trouble")).to_be_hidden()


def test_an_item_is_opened_and_left_by_keyboard_and_says_why_in_both_languages(visit: Visit, users: list[str]) -> None:
    with visit() as page:
        page.select_option("#shopper", f"user:{users[0]}")
        expect(page.locator("#heading")).to_have_text(f"For {users[0]}")
        before = shown(page)
        link = page.locator(f"{CARD} a").nth(1)
        link.focus()
        page.keyboard.press("Enter")
        expect(page.locator("#product-title")).to_be_focused()
        expect(page.locator(".why-panel .sentence").first).to_have_text(re.compile("^(Because you|You |Popular now)"))
        expect(page.locator("#product [aria-labelledby=goes-title] .card a").first).to_be_visible()
        page.locator("[data-language=zh]").focus()
        page.keyboard.press("Enter")
        expect(page.locator("html")).to_have_attribute("lang", "zh-Hans")
        expect(page.locator(".why-panel .sentence").first).to_have_text(re.compile("^(因为您|您|当前热门)"))
        expect(page.locator("#goes-title")).to_have_text("搭配推荐")
        page.go_back()
        expect(page.locator(f"#row a[href='{before[1]}']")).to_be_focused()
        expect(page.locator("#changed")).to_contain_text("您浏览了")  # what was viewed counts at once
        page.reload()
        expect(page.locator("#query")).to_have_attribute("placeholder", "搜索商品")  # the language is remembered


def test_adding_to_the_basket_changes_the_next_answer_before_ones_eyes(visit: Visit) -> None:
    with visit() as page:
        before = shown(page)
        with page.expect_request("**/events") as told:
            page.locator(f"{CARD} button").nth(2).click()
        expect(page.locator("#changed")).to_contain_text("into the basket")
        assert shown(page) != before
        event = told.value.post_data_json
        assert (event["type"], event["position"]) == ("cart", 3)
        assert event["visitor_id"]
        assert event["event_id"]
        assert event["request_id"]
        expect(page.locator("#heading")).to_have_text("For you")
        assert page.locator(".badge:not(:empty)").count() > 0


def test_a_card_keeps_the_focus_while_it_moves(visit: Visit) -> None:
    with visit() as page:
        shown(page)
        page.locator(f"{CARD} button").nth(5).focus()
        page.keyboard.press("Enter")
        expect(page.locator("#changed")).to_contain_text("into the basket")
        assert page.evaluate("() => document.activeElement.textContent") in {"In the basket", ""}  # "" if the card left


@pytest.mark.parametrize(("motion", "moves"), [("no-preference", True), ("reduce", False)])
def test_cards_move_to_their_new_places_unless_one_prefers_stillness(visit: Visit, motion: str, moves: bool) -> None:
    with visit(reduced_motion=motion) as page:
        shown(page)
        page.evaluate(
            """() => {
              const animate = Element.prototype.animate;
              window.moved = 0;
              Element.prototype.animate = function (...given) { window.moved++; return animate.apply(this, given); };
            }"""
        )
        page.locator(f"{CARD} button").nth(2).click()
        expect(page.locator("#changed")).to_contain_text("into the basket")
        assert (page.evaluate("() => window.moved") > 0) == moves


def test_who_comes_by_keyboard_sees_where_they_are_and_can_skip_ahead(visit: Visit) -> None:
    with visit() as page:
        shown(page)
        page.keyboard.press("Tab")
        expect(page.locator("#skip")).to_be_focused()
        assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        expect(page.locator("#results")).to_be_focused()


@pytest.mark.parametrize("width", [360, 390])
def test_a_phone_never_scrolls_sideways(visit: Visit, width: int) -> None:
    overflow = "() => document.documentElement.scrollWidth - innerWidth"
    with visit(viewport={"width": width, "height": 740}) as page:
        shown(page)
        assert page.evaluate(overflow) <= 0
        page.locator(f"{CARD} a").first.click()
        expect(page.locator("#product [aria-labelledby=similar-title] .card a").first).to_be_visible()
        assert page.evaluate(overflow) <= 0


FAULTS = """() => {
  const faults = [], seen = (e) => e.checkVisibility({visibilityProperty: true, opacityProperty: false});
  const nameOf = (e) => e.getAttribute('aria-label') || [...(e.labels ?? [])].map((l) => l.textContent).join(' ').trim()
    || e.textContent.trim() || e.getAttribute('title');
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of ids.filter((id, place) => ids.indexOf(id) !== place)) faults.push(`id twice: ${id}`);
  for (const e of document.querySelectorAll('[aria-controls], [aria-labelledby], label[for]')) {
    for (const name of ['aria-controls', 'aria-labelledby', 'for']) {
      const id = e.getAttribute(name);
      if (id && !document.getElementById(id)) faults.push(`${name} leads nowhere: ${id}`);
    }
  }
  const named = 'a, button, input, select, summary, [role]:not([role=status], [role=alert])';
  for (const e of document.querySelectorAll(named)) {
    if (seen(e) && !e.closest('[aria-hidden=true]') && !nameOf(e)) faults.push(`no name: ${e.outerHTML.slice(0, 120)}`);
  }
  for (const e of document.querySelectorAll('img:not([alt])')) faults.push(`no alt: ${e.src}`);
  if (document.querySelectorAll('h1').length !== 1) faults.push('not one h1');
  if ([...document.querySelectorAll('main')].filter(seen).length !== 1) faults.push('not one main');
  if (!document.documentElement.lang) faults.push('no lang');
  const parts = (colour) => { const [r, g, b, a = 1] = colour.match(/[\\d.]+/g).map(Number); return [r, g, b, a]; };
  const linear = (c) => c <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
  const light = ([r, g, b]) => .2126 * linear(r / 255) + .7152 * linear(g / 255) + .0722 * linear(b / 255);
  const unread = '.unseen, [aria-hidden=true], option, noscript, :disabled';
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const e = walker.currentNode.parentElement, style = getComputedStyle(e);
    if (!walker.currentNode.textContent.trim() || !seen(e) || e.closest(unread)) continue;
    let below = e;
    while (below.parentElement && parts(getComputedStyle(below).backgroundColor)[3] < 1) below = below.parentElement;
    const [ink, ground] = [style.color, getComputedStyle(below).backgroundColor].map((colour) => light(parts(colour)));
    const isLarge = parseFloat(style.fontSize) >= 24 || parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700;
    const contrast = (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05);
    if (contrast < (isLarge ? 3 : 4.5)) faults.push(`contrast ${contrast}: ${e.textContent.trim().slice(0, 40)}`);
  }
  return faults;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everything_has_a_name_and_enough_contrast(visit: Visit, scheme: str) -> None:
    with visit(color_scheme=scheme) as page:
        shown(page)
        page.locator("#try summary").click()
        page.locator(f"{CARD} button").nth(2).click()
        expect(page.locator("#changed")).to_contain_text("into the basket")
        page.locator("[data-language=zh]").click()
        assert page.evaluate(FAULTS) == []
        page.locator(f"{CARD} a").first.click()
        expect(page.locator("#product [aria-labelledby=similar-title] .card a").first).to_be_visible()
        assert page.evaluate(FAULTS) == []


def test_every_sentence_is_there_in_both_languages_with_the_same_gaps(visit: Visit) -> None:
    with visit() as page:
        english, chinese = page.evaluate(
            """async () => {
              const {LANGUAGES} = await import('./web/strings.js');
              const gaps = (words) => words.call ? 'made' : (words.match(/\\{\\w+\\}/g) ?? []).sort().join();
              const all = ({words}) => Object.entries(words).map(([key, words]) => [key, gaps(words)]);
              return [LANGUAGES.en, LANGUAGES.zh].map(all);
            }"""
        )
        assert [key for key, _ in english] == [key for key, _ in chinese]
        made = {key for key, gaps in (*english, *chinese) if gaps == "made"}
        assert [one for one in english if one[0] not in made] == [one for one in chinese if one[0] not in made]


def test_what_the_shop_decided_is_told_beside_what_the_model_found(visit: Visit) -> None:
    with visit() as page:
        sentences = page.evaluate(
            """async () => {
              const {reasonList} = await import('./web/reasons.js');
              const reasons = [
                {kind: 'base', weight: .1}, {kind: 'viewed', item_id: 'p1', weight: 1e-4}, {kind: 'boost', weight: -.2},
                {kind: 'query_match', terms: ['trail', 'shoe'], weight: .7}, {kind: 'pin', position: 1, weight: 0},
              ];
              const list = reasonList({item_id: 'p9', reasons});
              return [...list.querySelectorAll('.sentence')].map((sentence) => sentence.textContent);
            }"""
        )
        assert sentences == [
            "Placed here by the shop",
            "Matches “trail”, “shoe”",
            "Held back by the shop",
            "Smaller reasons together: 1",
            "All else the model knows",
        ]


def test_an_address_of_no_item_says_so_with_the_request(visit: Visit) -> None:
    with visit("#/item/no-such-item", allowed="404") as page:
        trouble = page.locator("#trouble")
        expect(trouble).to_contain_text("There is no such item")
        expect(trouble).to_contain_text(re.compile("Request 01[0-9A-Z]+"))


def test_what_the_service_refuses_is_told_and_can_be_taken_back(visit: Visit) -> None:
    with visit("#/?in.no-such-column=1..2", allowed="422") as page:
        expect(page.locator("#trouble")).to_contain_text("no column or attribute 'no-such-column'")
        page.locator("#chips button").click()
        assert len(shown(page)) == 24
        expect(page.locator("#trouble")).to_be_hidden()


def test_a_service_that_is_gone_is_told_and_asked_again_on_demand(
    visit: Visit, application_of: Callable[..., Starlette], listening: Listening
) -> None:
    with listening(application_of()) as client:
        where = str(client.base_url)
        with visit(where=where, allowed="ERR_INTERNET_DISCONNECTED") as page:
            before = shown(page)
            page.context.set_offline(True)
            page.locator("#query").fill("boots")
            expect(page.locator("#trouble")).to_contain_text("does not answer")
            assert page.evaluate(IDS) == before  # what was there stays
            page.context.set_offline(False)
            page.locator("#trouble button").click()
            expect(page.locator("#trouble")).to_be_hidden()
            expect(page.locator("#heading")).to_contain_text("boots")


def test_where_keys_are_needed_the_page_asks_for_one_and_keeps_it_in_the_tab(
    visit: Visit, application_of: Callable[..., Starlette], listening: Listening
) -> None:
    with (
        listening(application_of(read_keys=["right"], admin_keys=["boss"])) as client,
        visit(where=str(client.base_url), allowed="401") as page,
    ):
        expect(page.locator("#key-text")).to_be_focused()
        page.keyboard.type("wrong")
        page.keyboard.press("Enter")
        expect(page.locator("#key-note")).to_contain_text("does not know")
        page.fill("#key-text", "right")
        page.keyboard.press("Enter")
        assert len(shown(page)) == 24
        expect(page.locator("#key")).to_be_hidden()
        page.reload()
        assert len(shown(page)) == 24
        assert page.evaluate("() => [sessionStorage.length, JSON.stringify(localStorage).includes('right')]") == [
            1,
            False,
        ]
