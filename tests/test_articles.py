"""A site of articles, from its files to answered requests: the guide's `dataset.toml` alone says what is what."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from article_site import TOPICS, write_article_site
from fenced_blocks import blocks_of, curl_calls_of
from job_process import job, job_here
from quick_services import running_service

from offline.dataset.spec import EvaluationSpec, EventsSpec, ItemsSpec, UsersSpec, load_spec
from offline.onboarding.init import init

GUIDE = Path(__file__).parents[1] / "offline" / "YOUR_DATA.md"
LOCAL = "localhost:8000"
SMALL = ("--epochs", "1", "--dim", "32", "--device", "cpu", "--max-loss", "0", "--no-baselines", "--no-refit")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the guide describes, with its own `dataset.toml`."""
    (toml,) = [code for language, code in blocks_of(GUIDE) if language == "toml" and "like" in code]
    return write_article_site(tmp_path_factory.mktemp("site") / "articles", toml)


@pytest.fixture(scope="module")
def client(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A service that answers from what the job made of them."""
    run = tmp_path_factory.mktemp("runs") / "articles"
    code, lines = job("check", site)
    assert (code, json.loads(lines[-1])["findings"]) == (0, []), lines
    code, lines = job_here("run", "--data", site, "--out", run, *SMALL)
    assert code == 0, lines
    with (
        running_service(run / "bundle", clock="bundle") as service,
        httpx.Client(base_url=service.address, timeout=30) as client,
    ):
        yield client


def ask(client: httpx.Client, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(path, json=body)
    assert response.is_success, response.text
    document: dict[str, Any] = response.json()
    return document


def topics_of(answer: dict[str, Any]) -> list[str]:
    return [item["fields"]["category"] for item in answer["items"]]


def test_likes_and_shares_count_by_their_own_names(client: httpx.Client) -> None:
    for place, word in enumerate(("view", "like", "share")):
        event = {"type": word, "visitor_id": "new", "item_id": f"cooking-{place}", "event_id": word}
        assert ask(client, "/events", **event)["accepted"] == 1
    stored = client.get("/users/new?kind=visitor").json()
    assert [event["type"] for event in stored["events"]] == ["view", "cart", "purchase"]
    assert (stored["seen"], stored["purchased"]) == (3, 1)
    response = client.post("/events", json={"type": "applaud", "visitor_id": "new", "item_id": "cooking-1"})
    assert response.status_code == 422
    assert "'view', 'like', 'share'" in response.json()["detail"]


def test_a_reader_is_recommended_what_their_topic_has(client: httpx.Client) -> None:
    for number, topic in enumerate(TOPICS):
        for place in range(3):
            event = {"type": "like", "visitor_id": f"v{number}", "item_id": f"{topic.lower()}-{place + 8}"}
            ask(client, "/events", **event)
        answer = ask(client, "/recommend", visitor_id=f"v{number}", k=10, fields=["category"], exclude="seen")
        assert topics_of(answer).count(topic) >= 6
        assert not {item["item_id"] for item in answer["items"]} & {
            f"{topic.lower()}-{place + 8}" for place in range(3)
        }


def test_articles_are_searched_filtered_and_counted(client: httpx.Client) -> None:
    found = ask(client, "/recommend", query="sourdough", k=3, fields=["category", "brand"], facets=["brand"])
    assert found["matched_by"] == "words"
    assert topics_of(found) == ["Cooking"] * 3
    assert {item["fields"]["brand"] for item in found["items"]} <= {f"Cooking desk {number}" for number in range(3)}
    assert sum(author["count"] for author in found["facets"]["brand"]) == found["total"]
    misspelled = ask(client, "/recommend", query="suordough ", k=3, fields=["category"])
    assert (misspelled["corrected_query"], topics_of(misspelled)) == ("sourdough", ["Cooking"] * 3)
    long_reads = {"all": [{"field": "tags", "eq": "long read"}, {"field": "category", "eq": "Cooking"}]}
    newest = ask(client, "/recommend", filter=long_reads, sort="newest", k=20)
    assert [item["item_id"] for item in newest["items"]] == [f"cooking-{place}" for place in (20, 15, 10, 5, 0)]
    texts = [each["text"] for each in client.get("/suggest", params={"q": "cook"}).json()["suggestions"]]
    assert "Cooking" in texts


def test_likes_and_shares_are_predicted_as_what_they_count_for(client: httpx.Client) -> None:
    answer = ask(client, "/predict", user_id="reader-1", item_ids=["cooking-3", "cinema-3", "no-such-article"])
    assert answer["behaviours"] == ["view", "cart", "purchase"]
    assert [item["item_id"] for item in answer["items"]] == ["cooking-3", "cinema-3"]
    assert answer["unknown_item_ids"] == ["no-such-article"]
    for item in answer["items"]:
        assert 0 <= item["purchase"] <= item["cart"] <= item["view"] <= 1
    shared = ask(client, "/recommend", user_id="reader-1", objective="purchase", k=5)
    assert len(shared["items"]) == 5


@pytest.mark.parametrize("call", curl_calls_of(GUIDE, LOCAL))
def test_the_calls_of_the_guide_are_answered(client: httpx.Client, call: str) -> None:
    if shutil.which("curl") is None:
        pytest.fail("no curl on the PATH") if os.environ.get("CI") else pytest.skip("no curl on the PATH")
    command = f"{call.replace(LOCAL, str(client.base_url))} -sS --fail-with-body"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    answer = json.loads(done.stdout)
    assert answer.get("items") or answer.get("accepted") == 1


TABLES = {"events": EventsSpec, "items": ItemsSpec, "users": UsersSpec, "evaluation": EvaluationSpec}


@pytest.mark.parametrize("table", TABLES)
def test_the_guide_has_every_key_with_its_default(table: str) -> None:
    section = GUIDE.read_text("utf-8").split(f"### `[{table}]`\n", 1)[1].split("\n### ", 1)[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*?)\|", section, re.MULTILINE))
    fields = TABLES[table].model_fields
    assert list(rows) == list(fields)
    for key, field in fields.items():
        if field.is_required():
            assert rows[key].strip() == "needed"
            continue
        default = field.get_default(call_default_factory=True)
        words = [] if default in (None, {}) else [default] if isinstance(default, str) else list(default)
        assert re.findall(r"`([^`]+)`", rows[key]) == words, key


def test_init_finds_all_but_what_likes_and_shares_mean(site: Path, tmp_path: Path) -> None:
    for name in ("articles.jsonl", "events.csv"):
        (tmp_path / name).write_bytes((site / name).read_bytes())
    done = init(tmp_path)
    assert done.unknown_words == ["like", "share"]
    text = done.path.read_text("utf-8")
    for word in ("like", "share"):  # as the lines say to do
        text = text.replace(f'# {word} = "view"', f'{word} = "{"cart" if word == "like" else "purchase"}"')
    done.path.write_text(text, encoding="utf-8")
    guessed, written = load_spec(tmp_path), load_spec(site)
    assert guessed.events is not None
    assert guessed.items is not None
    assert written.events is not None
    assert written.items is not None
    assert guessed.events.types == written.events.types
    for role in ("user", "item", "type", "time"):
        assert getattr(guessed.events, role) == getattr(written.events, role)
    assert sorted(guessed.items.text) == sorted(written.items.text)
    for role in ("id", "title", "category", "brand", "added"):
        assert getattr(guessed.items, role) == getattr(written.items, role), role
