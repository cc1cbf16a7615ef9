"""What operators watch: every alert and panel names what a real service tells, and a real Prometheus finds it there."""

import json
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from promql import spoken_of
from published_copies import published_copies
from quick_services import running_service

ROOT = Path(__file__).parents[1]
STACK = ROOT / "deploy"
WITHIN_S = 60
OF_PROMETHEUS = {"up": set[str](), "ALERTS": {"alertname", "alertstate", "severity"}}
OF_TARGETS = {"job", "instance"}


def panels() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((STACK / "grafana" / "aisle.json").read_text("utf-8"))["panels"]
    return found


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((STACK / "alerts.yml").read_text("utf-8"))["groups"]
    found: list[dict[str, Any]] = group["rules"]
    return found


def expressions() -> dict[str, str]:
    """Of every alert and panel, by what it is of."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in rules()}
    for panel in panels():
        found |= {f"panel {panel['title']}, {target['refId']}": target["expr"] for target in panel["targets"]}
    return found


class Shop:
    """A real service with a real Redis and two versions."""

    def __init__(self, address: str, versions: list[str]) -> None:
        self.address = address
        self._versions = versions
        self._client = httpx.Client(base_url=address)
        self._visits = 0

    def visit(self) -> None:
        """Shoppers who click, buy and err, an answer that comes late, a change of an item, and one of version."""
        ask = self._client.post
        self._visits += 1
        version = self._versions[self._visits % 2]
        assert ask(f"/models/{version}/activate").status_code == 200
        who = {"user_id": f"u{self._visits}"}
        answer = ask("/recommend", json=who | {"k": 5}).json()
        clicked = {"item_id": answer["items"][1]["item_id"]}
        view = who | clicked | {"type": "view", "event_id": f"{self._visits}", "request_id": answer["request_id"]}
        events = [view, view, who | clicked | {"type": "cart"}, who | clicked | {"type": "purchase"}]
        assert ask("/events", json=[*events, view | {"event_id": None, "request_id": "?"}, {}]).json()["rejected"]
        assert ask("/recommend", json={"query": "shoes", "facets": ["brand"]}).status_code == 200
        price = {"price": float(self._visits)}
        assert self._client.patch(f"/items/{clicked['item_id']}", json=price).status_code == 200
        assert ask("/recommend", json={"k": 0}).status_code == 422
        late = ask("/recommend", json={"timeout_ms": 1e-6}).json()["degraded"]
        assert [part for part in late if part != "catalogue"] == ["timeout"]  # 10 ms to look at it may be too few
        assert self._client.get(f"/items/{clicked['item_id']}/similar").status_code == 200
        assert self._client.get("/suggest?q=s").status_code == 200

    def samples(self) -> list[Any]:
        """All that it tells."""
        text = self._client.get("/metrics").text
        return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


@pytest.fixture(scope="module")
def served(shop_bundle: Path, start_redis: Callable[..., Any]) -> Iterator[Shop]:
    with (
        published_copies(shop_bundle, 2) as (store, url, versions),
        running_service(store, url, clock="bundle", follow_s=0) as service,
    ):
        yield Shop(service.address, versions)


def test_every_expression_names_metrics_labels_and_values_that_the_service_tells(served: Shop) -> None:
    served.visit()
    samples = served.samples()
    labels = {name: set(known) for name, known in OF_PROMETHEUS.items()}
    for sample in samples:
        labels.setdefault(sample.name, set()).update(sample.labels)
    for where, expression in expressions().items():
        spoken = spoken_of(expression)
        assert spoken.selectors, where
        grouped = set(OF_TARGETS)
        for selector in spoken.selectors:
            assert selector.name in labels, where
            grouped |= labels[selector.name]
            for label, operator, value in selector.matchers:
                assert label in labels[selector.name] | OF_TARGETS, where
                if operator == "=" and label not in {"status", "job"}:  # a refusal takes a broken Redis
                    found = {sample.labels[label] for sample in samples if sample.name == selector.name}
                    assert value in found, where
        assert spoken.grouping <= grouped, where


def test_legends_and_summaries_name_labels_that_are_left() -> None:
    for panel in panels():
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouping = spoken_of(target["expr"]).grouping
            assert named <= (grouping or OF_TARGETS), panel["title"]
    for rule in rules():
        named = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert named <= OF_TARGETS | spoken_of(rule["expr"]).grouping, rule["alert"]


def test_panels_have_ids_of_their_own_and_do_not_lie_on_each_other() -> None:
    assert len({panel["id"] for panel in panels()}) == len(panels())
    taken: set[tuple[int, int]] = set()
    for panel in panels():
        place = panel["gridPos"]
        cells = {(x + place["x"], y + place["y"]) for x in range(place["w"]) for y in range(place["h"])}
        assert max(x for x, _ in cells) < 24
        assert not cells & taken, panel["title"]
        taken |= cells


def needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"no {program} on the PATH (Debian: apt-get install prometheus)")
    return found


def test_alerts_fire_when_they_should_and_only_then() -> None:
    promtool = needs("promtool")
    for command in (["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]):
        done = subprocess.run([promtool, *command], cwd=STACK, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    tested = (STACK / "alerts_test.yml").read_text("utf-8")
    assert [rule["alert"] for rule in rules() if f'alertname="{rule["alert"]}"' not in tested] == []


@contextmanager
def running_prometheus(binary: str, target: str, folder: Path) -> Iterator[httpx.Client]:
    """A real Prometheus with our alerts, which asks one service every second."""
    job = {"job_name": "aisle", "static_configs": [{"targets": [target.removeprefix("http://")]}]}
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(STACK / "alerts.yml")],
        "scrape_configs": [job],
    }
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    options = [f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/db"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen([binary, *options, f"--web.listen-address={address}"], stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://{address}") as client:
                yield client
        finally:
            process.kill()
            process.wait()


def test_a_real_prometheus_finds_every_panel_filled_and_every_rule_right(served: Shop, tmp_path: Path) -> None:
    left = {where: expression for where, expression in expressions().items() if where.startswith("panel")}
    deadline = time.monotonic() + WITHIN_S
    with running_prometheus(needs("prometheus"), served.address, tmp_path) as prometheus:
        while left:
            assert time.monotonic() < deadline, sorted(left)
            served.visit()
            try:
                left = {where: each for where, each in left.items() if not is_filled(prometheus, each)}
            except httpx.TransportError:  # it is not up yet
                continue
        (group,) = prometheus.get("/api/v1/rules").json()["data"]["groups"]
        assert {rule["name"]: rule.get("lastError") for rule in group["rules"] if rule["health"] != "ok"} == {}
        assert {rule["name"] for rule in group["rules"]} == {rule["alert"] for rule in rules()}


def is_filled(prometheus: httpx.Client, expression: str) -> bool:
    """Whether an expression has a value; all are valid."""
    response = prometheus.get("/api/v1/query", params={"query": expression})
    if response.status_code == 503:
        return False
    answer = response.json()
    assert answer["status"] == "success", answer
    return any(not isnan(float(series["value"][1])) for series in answer["data"]["result"])
