"""The stack, as far as no engine is needed to tell: what its files promise, and that they name what there is."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.settings import PREFIX, Settings

ROOT = Path(__file__).parents[1]
STACK = ROOT / "deploy"
STAGE = re.compile(r"^FROM (?P<base>\S+)(?: AS (?P<name>\S+))?$", re.MULTILINE)
HARDENED = ("offline", "schedule", "api", "api-gpu", "balancer", "load")


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
    return found


@pytest.fixture(scope="module")
def services(compose: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = compose["services"]
    return found


@pytest.fixture(scope="module")
def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def stages(dockerfile: str) -> dict[str, str]:
    """The text of each named stage."""
    found = list(STAGE.finditer(dockerfile))
    ends = [*(stage.start() for stage in found[1:]), len(dockerfile)]
    return {
        stage["name"]: dockerfile[stage.start() : end] for stage, end in zip(found, ends, strict=True) if stage["name"]
    }


def final_text(stages: dict[str, str], name: str) -> str:
    """All that makes the image of a target, but for what it copies from other stages."""
    match = STAGE.match(stages[name])
    assert match is not None
    return (final_text(stages, match["base"]) if match["base"] in stages else "") + stages[name]


def test_one_command_starts_redis_the_job_two_replicas_and_what_balances_them(services: dict[str, Any]) -> None:
    assert {name for name, service in services.items() if "profiles" not in service} == {
        "redis",
        "offline",
        "api",
        "balancer",
    }
    assert services["api"]["deploy"]["replicas"] == 2
    assert "/runs/shop/bundle" in services["api"]["environment"]["AISLE_BUNDLE"]
    (published,) = services["balancer"]["ports"]
    assert published == "${AISLE_HOST:-127.0.0.1}:${AISLE_PORT:-8000}:8000"
    assert [name for name, service in services.items() if "ports" in service] == ["balancer", "prometheus", "grafana"]


def test_more_is_asked_for_by_a_profile(services: dict[str, Any]) -> None:
    profiles = {name: service["profiles"] for name, service in services.items() if "profiles" in service}
    assert profiles == {
        "schedule": ["schedule"],
        "api-gpu": ["gpu"],
        "prometheus": ["observe"],
        "grafana": ["observe"],
        "load": ["load"],
    }


def test_redis_keeps_what_it_was_told_and_refuses_rather_than_forgets(services: dict[str, Any]) -> None:
    redis = services["redis"]
    for option in ("--appendonly yes", "--maxmemory-policy noeviction", "--maxmemory ${REDIS_MEMORY:-512mb}"):
        assert option in redis["command"]
    assert "redis:/data" in redis["volumes"]
    assert "healthcheck" in redis
    for name in ("offline", "schedule", "api", "api-gpu"):
        assert services[name]["depends_on"]["redis"] == {"condition": "service_healthy"}


def test_what_is_ours_may_write_to_volumes_alone_and_has_no_privileges(services: dict[str, Any]) -> None:
    for name in HARDENED:
        service = services[name]
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
    assert services["api"]["volumes"] == ["runs:/runs:ro"]


def test_every_setting_in_the_stack_is_one_of_the_service(services: dict[str, Any]) -> None:
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    for name in ("api", "api-gpu"):
        environment = services[name]["environment"]
        assert set(environment) <= known
        assert environment["AISLE_WAIT"] == "true"
        assert environment["AISLE_REACHED_AT"] == "${AISLE_HOST:-127.0.0.1}"


def test_every_file_and_target_that_the_stack_names_is_there(
    compose: dict[str, Any], services: dict[str, Any], stages: dict[str, str]
) -> None:
    for name, service in services.items():
        for volume in service.get("volumes", ()):
            source = volume.rsplit(":/", 1)[0]
            if source.startswith("./"):
                assert (ROOT / source).is_file(), name
            else:
                assert re.sub(r"\$\{\w+:-(\w+)\}", r"\1", source) in compose["volumes"], name
        if "build" in service:
            assert service["build"]["target"] in stages, name


def test_base_images_are_arguments(dockerfile: str, services: dict[str, Any]) -> None:
    names = set()
    for stage in STAGE.finditer(dockerfile):
        assert stage["base"] == "${PYTHON_IMAGE}" or stage["base"] in names
        names.add(stage["name"])
    assert "ARG PYTHON_IMAGE=python:3.11-slim-bookworm\n" in dockerfile
    for name, service in services.items():
        assert "build" in service or re.fullmatch(r"\$\{\w+_IMAGE:-[\w./:-]+\}", service["image"]), name


def test_nothing_in_the_images_needs_a_builder_of_its_own(dockerfile: str) -> None:
    for word in ("--mount", "<<", "--link", "--chmod", "--exclude", "# syntax"):
        assert word not in dockerfile


@pytest.mark.parametrize("target", ["serve", "serve-gpu", "offline", "load"])
def test_images_do_not_run_as_root_and_their_packages_come_from_the_lock(stages: dict[str, str], target: str) -> None:
    text = final_text(stages, target)
    assert re.findall(r"^USER (.*)$", text, re.MULTILINE)[-1] == "10001:10001"
    assert "pip install" not in text
    packages = stages[f"{target}-packages"]
    assert packages.count("install -c requirements.lock") == packages.count("/bin/pip install")
    assert f"COPY --from={target}-packages /opt/packages /opt/packages" in text


def test_the_service_is_well_when_it_is_ready(stages: dict[str, str]) -> None:
    for target in ("serve", "serve-gpu"):
        health = re.search(r"^HEALTHCHECK .*\n +CMD (?P<command>\[.*\])$", final_text(stages, target), re.MULTILINE)
        assert health is not None
        python, *_, program = json.loads(health["command"])
        assert python == "python"
        assert "/readyz" in program
        compile(program, "HEALTHCHECK", "exec")


def test_the_image_of_the_service_is_made_of_the_service_alone(stages: dict[str, str]) -> None:
    copied = re.findall(r"^COPY (?!--from)(.*)$", stages["serve-app"], re.MULTILINE)
    assert copied == ["pyproject.toml LICENSE hatch_build.py ./", "app ./app"]


def test_what_is_sent_to_the_engine_is_listed() -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    for name in ("app", "model", "offline", "pyproject.toml", "hatch_build.py", "requirements.lock", "LICENSE"):
        assert f"!{name}" in rules


def test_every_alert_says_what_it_means_and_what_to_do() -> None:
    (group,) = yaml.safe_load((STACK / "alerts.yml").read_text("utf-8"))["groups"]
    names = [rule["alert"] for rule in group["rules"]]
    assert len(set(names)) == len(names) > 5
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["action"]


def test_the_dashboard_shows_what_was_promised_and_is_provisioned(services: dict[str, Any]) -> None:
    dashboard = json.loads((STACK / "grafana" / "aisle.json").read_text("utf-8"))
    titles = " ".join(panel["title"] for panel in dashboard["panels"])
    for word in ("Requests a second", "p50 by stage", "p99 by stage", "Batch size", "Degraded answers", "Bundle"):
        assert word in titles
    for word in ("CTR", "Conversion", "MRR", "Age of the version", "Memory", "Store available"):
        assert word in titles
    (source,) = yaml.safe_load((STACK / "grafana" / "datasource.yml").read_text("utf-8"))["datasources"]
    assert {panel["datasource"]["uid"] for panel in dashboard["panels"]} == {source["uid"]}
    (provider,) = yaml.safe_load((STACK / "grafana" / "dashboards.yml").read_text("utf-8"))["providers"]
    mounted = [volume.split(":")[1] for volume in services["grafana"]["volumes"]]
    assert f"{provider['options']['path']}/aisle.json" in mounted


def test_prometheus_asks_each_replica_by_itself(services: dict[str, Any]) -> None:
    config = yaml.safe_load((STACK / "prometheus.yml").read_text("utf-8"))
    (job,) = config["scrape_configs"]
    (names,) = job["dns_sd_configs"]
    assert (names["names"], names["port"]) == (["api"], 8000)
    assert services["api-gpu"]["networks"]["default"]["aliases"] == ["api"]
    mounted = [volume.split(":")[1] for volume in services["prometheus"]["volumes"]]
    for file in config["rule_files"]:
        assert f"/etc/prometheus/{file}" in mounted
