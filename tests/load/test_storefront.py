"""The load test itself: it reads a shop from its service, keeps count, and fails where a limit is not kept to."""

import json
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from limits import Limits, read_limits
from shop import Zipf

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "storefront_load.py"
FIGURES = {"search": {"requests": 1000, "failures": 1, "p50": 5.0, "p95": 40.0, "p99": 90.0}}


def load(bundle: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """A few seconds of it: its status, its figures and what it said."""
    found = subprocess.run(
        [sys.executable, str(PROGRAM), "--bundle", str(bundle), "--shoppers", "8", "--arrivals", "100", *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert found.stdout, found.stderr
    return found.returncode, json.loads(found.stdout.splitlines()[-1]), found.stderr


def test_shoppers_go_through_the_storefront_and_nothing_fails(shop_bundle: Path, tmp_path: Path) -> None:
    html = tmp_path / "reports" / "load.html"
    words = ["--seconds", "5", "--think", "0.01", "--p95-ms", "5000", "--p99-ms", "5000", "--html", str(html)]
    status, document, said = load(shop_bundle, *words)
    assert (status, document["broken_limits"], document["failures"]) == (0, [], []), said
    asked = {name for name, figures in document["scenarios"].items() if figures["requests"]}
    assert asked >= {"home", "suggest", "search", "item", "similar", "goes with this", "events", "basket"}
    assert "<html" in html.read_text("utf-8")


def test_a_limit_that_is_not_kept_to_fails_the_run(shop_bundle: Path) -> None:
    status, document, said = load(shop_bundle, "--seconds", "4", "--limit", "home:p95=0.1")
    assert status == 1
    assert any(line.startswith("home: p95 is ") for line in document["broken_limits"])
    assert "at most 0.1 ms may be" in said


def test_limits_are_of_all_scenarios_or_of_one() -> None:
    assert Limits(0.001, {"p95": 40.0, "p99": 90.0}, {}).broken_by(FIGURES) == []
    assert Limits(0.0, {}, {}).broken_by(FIGURES) == [
        "search: 0.10% of the requests failed, at most 0.00% may",
    ]
    assert Limits(1.0, {"p95": 10.0}, read_limits(["search:p95=50"])).broken_by(FIGURES) == []
    assert Limits(1.0, {}, read_limits(["home:p95=50"])).broken_by(FIGURES) == [
        "home: it has a limit, and no request was made"
    ]
    assert Limits(1.0, {}, {}).broken_by({}) == ["no request was made"]


@pytest.mark.parametrize("text", ["search", "search:p90=5", "search:p95=fast", ":p95=5"])
def test_a_limit_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected a limit"):
        read_limits([text])


def test_places_are_drawn_by_zipfs_law() -> None:
    rng = random.Random(1)
    zipf = Zipf(100)
    counted = Counter(zipf.draw(rng) for _ in range(20_000))
    assert counted[0] / counted[1] == pytest.approx(2.0, rel=0.15)
    assert counted[0] / counted[9] == pytest.approx(10.0, rel=0.25)
