"""The guides beside the code: what they name is there, every alert has its section, and their ACL is enough."""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
import typer.main
import yaml
from quick_services import running_service
from redis_process import HOST, RedisProcess

from app.artifact.redis_keys import Keys
from app.main import _app as serve_app
from app.settings import PREFIX, Settings
from app.stores import redis_gate
from app.telemetry.metrics import Metrics
from app.telemetry.online import OnlineMetrics
from offline.cli import app as offline_app
from offline.collecting.collect import collect
from offline.publishing.publish import PublishConfig, publish

ROOT = Path(__file__).parents[1]
GUIDES = sorted(path for folder in (".", "app", "deploy", "offline") for path in (ROOT / folder).glob("*.md"))
OPERATING = ROOT / "app" / "OPERATING.md"
SETTINGS = ROOT / "app" / "SETTINGS.md"
ALERTS = ROOT / "deploy" / "alerts.yml"
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
LINK = re.compile(r"\]\(([^)\s]+)\)")
CHANGELOG = ROOT / "CHANGELOG.md"
OF_NOW = [guide for guide in GUIDES if guide != CHANGELOG]  # which names what there was, too
FILE = re.compile(r"`((?:app|model|offline|tests|benchmarks|deploy)/[\w./*-]*)`")
MOVED = re.compile(r"^\| `([\w./]+)` \| `([\w./]+)` \|$", re.MULTILINE)


def anchors_of(path: Path) -> set[str]:
    """What a heading is reached by, as GitHub makes it of its text."""
    headings = HEADING.findall(re.sub(r"^```.*?^```$", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def section_of(path: Path, heading: str) -> str:
    """The text of a section, with what lies below it."""
    marks, title = heading.split(" ", 1)
    found = re.search(rf"^{marks} {title}$(.*?)(?=^#{{1,{len(marks)}}} |\Z)", path.read_text("utf-8"), re.M | re.S)
    assert found is not None, heading
    return found[1]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_link_leads_somewhere(guide: Path) -> None:
    for link in LINK.findall(guide.read_text("utf-8")):
        name, _, anchor = link.partition("#")
        if "://" in name:
            continue
        target = (guide.parent / name).resolve() if name else guide
        assert target.exists(), link
        assert not anchor or anchor in anchors_of(target), link


@pytest.mark.parametrize("guide", OF_NOW, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_file_that_is_named_is_there(guide: Path) -> None:
    assert [name for name in FILE.findall(guide.read_text("utf-8")) if not any(ROOT.glob(name.rstrip("/")))] == []


def test_what_moved_is_where_the_changelog_says_and_no_longer_where_it_was() -> None:
    moved = [(old, new) for old, new in MOVED.findall(CHANGELOG.read_text("utf-8")) if "/" in old]
    assert len(moved) > 100
    assert [old for old, _ in moved if (ROOT / old).exists()] == []
    assert [new for _, new in moved if not (ROOT / new).exists()] == []


def test_the_readme_shows_every_room_of_the_tree() -> None:
    tree = section_of(ROOT / "README.md", "## The tree")
    for package in ("app", "offline"):
        rooms = {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
        assert rooms <= set(re.findall(r"^ +(\w+)/ ", tree, re.MULTILINE)), package
    for name in ("app", "model", "offline", "benchmarks", "deploy", "tests"):
        assert re.search(rf"^ +{name}/ ", tree, re.MULTILINE), name


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_setting_and_metric_that_is_named_is_there(guide: Path) -> None:
    text = guide.read_text("utf-8")
    assert set(re.findall(rf"\b{PREFIX}[A-Z_]*[A-Z]\b", text)) <= {
        PREFIX + name.upper() for name in Settings.model_fields
    }
    metrics = Metrics()
    OnlineMetrics(metrics.registry)
    samples = {family.name + end for family in metrics.registry.collect() for end in ("", "_total", "_bucket")}
    assert set(re.findall(r"\baisle_[a-z_]*[a-z]\b(?!_)", text)) <= samples


def test_every_alert_has_its_section_in_the_runbook_and_every_section_its_alert() -> None:
    (group,) = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    runbooks = {rule["alert"]: rule["annotations"]["runbook"] for rule in group["rules"]}
    runbook = section_of(OPERATING, "## Runbook")
    assert re.findall(r"^### (.*)$", runbook, re.MULTILINE) == list(runbooks)
    for alert, place in runbooks.items():
        assert place == f"{OPERATING.relative_to(ROOT)}#{alert.lower()}"
        section = section_of(OPERATING, f"### {alert}")
        assert re.search(r"^Look", section, re.MULTILINE), alert
        assert re.search(r"^(Look and do|Do): ", section, re.MULTILINE), alert


def test_the_runbook_knows_every_word_for_what_is_wrong_with_redis() -> None:
    runbook = section_of(OPERATING, "## Runbook")
    words = {word for _, word in (*redis_gate._KINDS, *redis_gate._WORDS)} | {"breaker_open"}
    assert {word for word in words if f"`{word}`" not in runbook} == set()


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("timeout_ms", "1,000 ms"),
        ("redis_timeout_ms", "100 ms"),
        ("redis_write_timeout_ms", "2,000 ms"),
        ("max_pending", "1,024"),
        ("max_body_bytes", "1 MiB"),
    ],
)
def test_the_limits_are_the_defaults(name: str, shown: str) -> None:
    default = Settings.model_fields[name].default
    row = next(line for line in section_of(SETTINGS, "## What is bounded").splitlines() if name.upper() in line)
    assert f"| {shown} |" in row
    assert shown in {f"{default:,.0f}", f"{default:,.0f} ms", f"{default / 2**20:.0f} MiB"}


@pytest.fixture
def with_acl(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]],
) -> Iterator[tuple[RedisProcess, redis.Redis]]:
    """A Redis with the user of the guide, and a client of that user."""
    (line,) = re.findall(r"^ +ACL SETUSER (.*)$", OPERATING.read_text("utf-8"), re.MULTILINE)
    with start_redis("--appendonly", "yes") as server, server.client() as admin:
        admin.execute_command("ACL", "SETUSER", *line.replace("PASSWORD", "secret").split())
        with redis.Redis(host=HOST, port=server.port, username="aisle", password="secret", protocol=2) as client:
            yield server, client


def test_the_acl_of_the_guide_lets_service_and_job_do_all_they_do_and_nobody_flush(
    with_acl: tuple[RedisProcess, redis.Redis], shop_bundle: Path, tmp_path: Path
) -> None:
    server, client = with_acl
    keys = Keys()
    published = publish(shop_bundle, client, keys, config=PublishConfig(force="for a test"))
    address = f"redis://aisle:secret@{HOST}:{server.port}/0"
    with (
        running_service(shop_bundle, address, clock="bundle") as service,
        httpx.Client(base_url=service.address) as shop,
    ):
        assert shop.get("/readyz").json()["store_available"] is True
        view = {"type": "view", "visitor_id": "v1", "item_id": "p1", "event_id": "e1"}
        assert shop.post("/events", json=view).json()["durable"] is True
        assert shop.post("/users/u1/merge", json={"visitor_id": "v1"}).json()["merged"]["events"] == 1
        assert shop.post("/recommend", json={"user_id": "u1"}).json()["degraded"] == []
        assert shop.get("/users/u1").json()["seen"] == 1
        assert shop.delete("/users/u1").json()["removed"]["events"] == 1
        assert shop.get("/models").json()["models"][0]["version"] == published.version
        assert shop.post(f"/models/{published.version}/activate").status_code == 200
    collected = collect(client, keys, tmp_path / "logs")
    assert (collected.merged, collected.erased) == (1, 1)
    publish(shop_bundle, client, keys, config=PublishConfig(force="again, for a test"))
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.flushall()
    with pytest.raises(redis.exceptions.NoPermissionError):
        client.get("another")


def commands_of(path: Path) -> list[str]:
    """What a guide has as code: spans, and lines of blocks, without the comments behind them."""
    text = path.read_text("utf-8")
    fenced = [line for block in re.findall(r"^```.*?^```$", text, re.M | re.S) for line in block.splitlines()[1:-1]]
    indented = re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)
    return [line.split(" # ", 1)[0] for line in (*fenced, *indented, *re.findall(r"`([^`\n]+)`", text))]


def options_of(command: Any) -> set[str]:
    return {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}


@pytest.mark.parametrize("guide", OF_NOW, ids=lambda guide: str(guide.relative_to(ROOT)))
def test_every_command_option_target_and_program_that_is_named_is_there(guide: Path) -> None:
    offline: Any = typer.main.get_command(offline_app)
    serve: Any = typer.main.get_command(serve_app)
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for line in commands_of(guide):
        if found := re.search(r"\baisle-(offline|serve)\b(?: ([a-z][a-z-]*))?(.*)", line):
            command = serve
            if found[1] == "offline" and found[2]:
                assert found[2] in offline.commands, line
                command = offline.commands[found[2]]
            elif found[1] == "offline":
                command = offline
            named = re.findall(r"(?<![\w-])--[a-z-]+", found[3])
            assert set(named) <= options_of(command), line
        if found := re.match(r"make ([a-z]+)", line):
            assert found[1] in targets, line
        for program in re.findall(r"\b(?:benchmarks|tests)/\w+(?:/\w+)*\.py\b", line):
            assert (ROOT / program).is_file(), line
