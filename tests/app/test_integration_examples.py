"""The examples of `app/INTEGRATING.md` and of the README, run as they stand there against a real service.

Only the address of the service and the ids are put in. The blocks of a language are one program; what it leaves in its
variables has the same names in every language, and must be the same things.
"""

import functools
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from chromium import find_chromium, running_chromium
from fenced_blocks import blocks_of, curl_calls_of
from playwright.sync_api import Browser
from quick_services import running_service

ROOT = Path(__file__).parents[2]
BLOCKS = blocks_of(ROOT / "app" / "INTEGRATING.md")
LOCAL = "localhost:8000"
CALLS = [call for page in ("README.md", "app/SEARCHING.md") for call in curl_calls_of(ROOT / page, LOCAL)]
KEY, ADMIN_KEY = "shop-key", "office-key"
LANGUAGES = {"sh": "sh", "js": "js", "node": "js", "python": "python"}
"""What a block's language is by what runs it."""
LANGUAGES_OF_GUIDE = ("sh", "js", "python")
CLICKED = 'aisle_online_answers_with_total.*type="click"'
NAMES = ("shelf", "found", "more", "completions", "taken", "odds")
OF_CHANGES = ("put", "patched", "seen", "batch", "changed", "deleted")
WITHIN_S = 60
FALLBACK: dict[str, Any] = {"items": []}
VIEW = {"type": "view", "user_id": "u1", "item_id": "p9"}

Run = Callable[..., dict[str, Any]]
"""Runs code that stands at an address, and gives what it leaves in the named variables."""


def missing(name: str) -> None:
    """What a test does without a program: a laptop may lack it, CI may not."""
    reason = f"no {name} on the PATH"
    pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)


def program(language: str, *, calls: bool = True) -> str:
    """All blocks of a language as one program, or only the first, which holds what the others call."""
    found = [code for named, code in BLOCKS if named == LANGUAGES[language]]
    return "\n".join(found if calls else found[:1])


def run(command: list[str], code: str) -> dict[str, Any]:
    """What a program writes as its last line, in JSON."""
    done = subprocess.run(
        command, input=code, capture_output=True, text=True, timeout=WITHIN_S, check=False, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return document


def run_sh(code: str, address: str, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    if shutil.which("curl") is None:
        missing("curl")
    wanted = ", ".join(f'"{name}": %s' for name in names)
    told = f"printf '{{{wanted}}}\\n' " + " ".join(f'"${name}"' for name in names)
    return run(["bash", "-u"], "\n".join([code.replace(f"http://{LOCAL}", address), told]))


def run_python(code: str, address: str, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    told = f"import json\nprint(json.dumps({{name: globals()[name] for name in {names!r}}}))"
    return run([sys.executable, "-W", "error", "-"], f"{code.replace(f'http://{LOCAL}', address)}\n{told}")


def run_node(code: str, address: str, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    if shutil.which("node") is None:
        pytest.skip("no node on the PATH; Chromium runs the same code")
    told = f"console.log(JSON.stringify({{{', '.join(names)}}}));"
    return run(["node", "--input-type=module", "-"], f"{code.replace(f'http://{LOCAL}', address)}\n{told}")


def run_js(browser: Browser, code: str, address: str, names: tuple[str, ...] = NAMES) -> dict[str, Any]:
    """In a page of the service itself where that answers, else in an empty one, so that nothing but it forbids."""
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(f"{address}/livez" if is_up(address) else "about:blank")
        code = code.replace(f"http://{LOCAL}", address)
        document: dict[str, Any] = page.evaluate(f"async () => {{ {code}\nreturn {{{', '.join(names)}}}; }}")
    return document


def is_up(address: str) -> bool:
    try:
        return httpx.get(f"{address}/livez", timeout=1).is_success
    except httpx.HTTPError:
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Callable[[], Browser]]:
    """Started when it is first asked for, and closed with this file."""
    with ExitStack() as opened:

        @functools.cache
        def get() -> Browser:
            binary = find_chromium()
            if binary is None:
                missing("chromium, chromium-browser or google-chrome")
            return opened.enter_context(running_chromium(binary))

        yield get


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def execute(language: str, browser: Callable[[], Browser]) -> Run:
    if language == "js":
        return functools.partial(run_js, browser())
    return {"sh": run_sh, "python": run_python, "node": run_node}[language]


@pytest.fixture(scope="module")
def address(shop_bundle: Path) -> Iterator[str]:
    with running_service(shop_bundle, clock="bundle", read_keys=KEY, admin_keys=ADMIN_KEY) as service:
        yield service.address


@pytest.fixture(scope="module")
def keyless(shop_bundle: Path) -> Iterator[str]:
    with running_service(shop_bundle, clock="bundle") as service:
        yield service.address


@pytest.fixture(scope="module")
def with_ids(users: list[str], item_ids: list[str]) -> Callable[[str], str]:
    """Puts ids of the test shop where the text has ids of its own."""
    ids = {"u1": users[0], "p3": item_ids[3], "p9": item_ids[9], "ID": item_ids[5]}

    def put(code: str) -> str:
        return re.sub(r"\b(u1|p3|p9|ID)(?=\")", lambda found: ids[found[0]], code)

    return put


def unhurried(code: str) -> str:
    """The program with longer waits for an answer, since a machine that tests may be busy for more than a second."""
    longer, count = re.subn(r"(timeoutMs = 1000|timeout_s=1\.0)", lambda wait: wait[0].replace("1", "20", 1), code)
    assert count == ("timeout" in code)
    return longer


def test_every_language_shows_the_same_steps() -> None:
    steps = [[language for language, _ in BLOCKS].count(name) for name in LANGUAGES_OF_GUIDE]
    assert steps == [5, 5, 5]


def test_the_examples_do_what_they_say(
    execute: Run, language: str, address: str, with_ids: Callable[[str], str], item_ids: list[str]
) -> None:
    clicked_before = counted(address, CLICKED)
    got = execute(unhurried(with_ids(program(language))), address, (*NAMES, *OF_CHANGES))

    shelf = [item["item_id"] for item in got["shelf"]["items"]]
    assert len(shelf) == len(set(shelf)) == 12
    assert item_ids[9] not in shelf
    assert all(item["fields"]["title"] and item["fields"]["price"] > 0 for item in got["shelf"]["items"])

    found, more = got["found"], got["more"]
    assert found["matched_by"] == "words"
    assert found["total"] >= 20  # two pages
    for item in found["items"]:
        assert item["fields"]["category"].startswith("Shoes")
        assert item["fields"]["price"] <= 120
    assert found["facets"]["category"][0] == {"value": "Shoes", "count": found["total"]}
    assert sum(brand["count"] for brand in found["facets"]["brand"]) == found["total"]

    assert [item["rank"] for item in (*found["items"], *more["items"])] == list(range(1, 21))
    assert len({item["item_id"] for item in (*found["items"], *more["items"])}) == 20
    assert more["request_id"] != found["request_id"]

    texts = [suggestion["text"].lower() for suggestion in got["completions"]["suggestions"]]
    assert texts
    assert all("trail" in text for text in texts)

    assert (got["taken"]["accepted"], got["taken"]["rejected"]) == (1, [])
    assert counted(address, CLICKED) == clicked_before + 1

    assert [item["item_id"] for item in got["odds"]["items"]] == [found["items"][0]["item_id"], item_ids[9]]
    for item in got["odds"]["items"]:
        assert 0 <= item["purchase"] <= item["cart"] <= item["view"] <= 1
    assert got["odds"]["unknown_item_ids"] == []
    check_changes(got)


def check_changes(got: dict[str, Any]) -> None:
    """What the block about changing items left."""
    assert got["put"]["applied"] == got["patched"]["applied"] == got["deleted"]["applied"] == 1
    (kettle,) = got["seen"]["items"]
    assert (kettle["item_id"], kettle["fields"]) == ("kettle-1", {"price": 35.0, "in_stock": False})
    assert (got["batch"]["applied"], got["batch"]["rejected_count"]) == (3, 1)
    assert [(row["index"], row["code"]) for row in got["batch"]["rejected"]] == [(2, "item_not_found")]
    assert [(item["item_id"], item["hidden"], item["deleted"]) for item in got["changed"]["items"]] == [
        ("kettle-1", True, False),
        ("pot-1", False, True),
    ]
    assert got["put"]["sequence"] < got["patched"]["sequence"] < got["deleted"]["sequence"]


def counted(address: str, sample: str) -> float:
    """The sum of all samples whose text fits."""
    lines = httpx.get(f"{address}/metrics").text.splitlines()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if re.match(sample, line))


@contextmanager
def closed() -> Iterator[str]:
    """An address at which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@contextmanager
def silent() -> Iterator[str]:
    """An address at which a connection is taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def shelf_program(language: str) -> str:
    return "\n".join([code for named, code in BLOCKS if named == LANGUAGES[language]][:2])


@pytest.mark.parametrize("gone", [closed, silent])
@pytest.mark.parametrize("language", LANGUAGES_OF_GUIDE, indirect=True)
def test_without_an_answer_in_time_the_fallback_is_shown(
    execute: Run, language: str, gone: Callable[[], AbstractContextManager[str]]
) -> None:
    with gone() as address:
        began = time.monotonic()
        assert execute(shelf_program(language), address, ("shelf",)) == {"shelf": FALLBACK}
        assert time.monotonic() - began < WITHIN_S / 2


@pytest.mark.parametrize("language", LANGUAGES_OF_GUIDE, indirect=True)
def test_a_wrong_key_is_no_error_for_the_shopper(execute: Run, language: str, address: str) -> None:
    wrong = shelf_program(language).replace(KEY, "another-key")
    assert execute(wrong, address, ("shelf",)) == {"shelf": FALLBACK}


TWICE = {
    "sh": "first=$(send 'VIEW')\nsecond=$(send 'VIEW')",
    "js": "const first = await send(VIEW);\nconst second = await send(VIEW);",
    "python": "first = send(VIEW)\nsecond = send(VIEW)",
}
REPORTED = {
    "sh": "send 'VIEW' && status=202 || status=503",
    "js": "let status = 202; try { await send(VIEW); } catch (error) { status = error.status; }",
    "python": "status = 202\ntry:\n  send(VIEW)\nexcept httpx.HTTPStatusError as error:\n"
    "  status = error.response.status_code",
}


def sending(language: str, how: dict[str, str]) -> str:
    """The block that says how to send, and calls of what it defines."""
    return program(language, calls=False) + "\n" + how[LANGUAGES[language]].replace("VIEW", json.dumps(VIEW))


@pytest.mark.parametrize("language", LANGUAGES_OF_GUIDE, indirect=True)
def test_a_key_that_calls_too_often_waits_as_it_is_told(execute: Run, language: str, shop_bundle: Path) -> None:
    with running_service(shop_bundle, clock="bundle", read_keys=KEY, rate_per_key=1) as service:
        got = execute(sending(language, TWICE), service.address, ("first", "second"))
        taken = [answer["accepted"] + answer["duplicates"] for answer in got.values()]
        assert taken == [1, 1]  # a duplicate: it was sent again, since its answer came late
        assert counted(service.address, 'aisle_requests_total.*status="429"') == 1


@pytest.mark.parametrize("language", LANGUAGES_OF_GUIDE, indirect=True)
def test_an_event_that_the_store_does_not_take_is_sent_again_and_then_reported(
    execute: Run, language: str, shop_bundle: Path
) -> None:
    with closed() as nobody:
        redis_url = nobody.replace("http", "redis")
        with running_service(shop_bundle, redis_url, clock="bundle", read_keys=KEY) as service:
            got = execute(sending(language, REPORTED), service.address, ("status",))
            assert got == {"status": 503}
            assert counted(service.address, 'aisle_requests_total.*"/events".*status="503"') == 4


@pytest.mark.parametrize("call", CALLS)
def test_the_calls_of_readme_and_reference_are_answered(
    call: str, keyless: str, with_ids: Callable[[str], str]
) -> None:
    if shutil.which("curl") is None:
        missing("curl")
    called = with_ids(call).replace("http://" + LOCAL, keyless).replace(LOCAL, keyless)
    done = subprocess.run(
        ["bash", "-c", f"{called} -sS -w '\\n%{{http_code}}'"], capture_output=True, text=True, timeout=WITHIN_S,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    body, status = done.stdout.rsplit("\n", 1)
    assert status in {"200", "202"}, body
    document = json.loads(body)
    if "/recommend" in call:
        assert document["items"]
    if "/events" in call:
        assert document["accepted"] == 1
    if "-X PUT" in call or "/batch" in call:
        assert document["applied"] == 1


def test_the_readme_shows_calls() -> None:
    assert any("/recommend" in call for call in CALLS)
