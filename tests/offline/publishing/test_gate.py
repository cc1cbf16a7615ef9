"""The gate against a drop: a bundle surely worse than the one served now is refused, in figures of both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.published_model import Figures
from app.artifact.redis_keys import Keys
from offline.errors import PublishRefused
from offline.evaluation.document import EvaluationDocument
from offline.publishing.gate import drop_of, figures_of
from offline.publishing.publish import PublishConfig, publish


def document(value: float, width: float = 0.01, **dataset: str) -> dict[str, Any]:
    """An evaluation whose first metric is that."""
    report = {"protocol": "seen", "metrics": {"hr@10": value}, "ci95": {"hr@10": [value - width, value + width]}}
    return {"dataset": {"name": "shop", "part": "test", "how": "last"} | dataset, "reports": [report]}


def figures(value: float, width: float, **dataset: str) -> Figures:
    found = figures_of(EvaluationDocument.of(document(value, width, **dataset)))
    assert found is not None
    return found


@given(st.floats(0.01, 1), st.floats(0.01, 1), st.floats(0, 0.2), st.floats(0, 0.2), st.floats(0, 1))
def test_a_drop_counts_beyond_the_margin_and_both_intervals(
    now: float, before: float, width: float, width_before: float, max_drop: float
) -> None:
    said = drop_of(figures(now, width), figures(before, width_before), max_drop)
    assert (said is not None) == (now < before * (1 - max_drop) and now + width < before - width_before)


@pytest.mark.parametrize("other", [{"name": "another"}, {"part": "valid"}, {"how": "time:0.8"}])
def test_figures_of_something_else_say_nothing(other: dict[str, str]) -> None:
    assert drop_of(figures(0.1, 0.0), figures(0.5, 0.0, **other), 0.05) is None
    assert drop_of(figures(0.1, 0.0), figures(0.5, 0.0), 0.05) is not None
    assert drop_of(None, figures(0.5, 0.0), 0.05) is None
    assert drop_of(figures(0.1, 0.0), None, 0.05) is None


@pytest.mark.parametrize("metrics", [{}, {"reports": [{"metrics": {"hr@10": 0.1}}]}, {"reports": []}])
def test_what_was_not_measured_has_no_figures(metrics: dict[str, Any]) -> None:
    assert figures_of(EvaluationDocument.of(metrics)) is None


def test_a_bundle_below_the_one_served_is_refused_with_both_figures_unless_forced(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path]
) -> None:
    publish(bundle_named("good", metrics=document(0.30)), client, keys)
    worse = bundle_named("worse", metrics=document(0.20))
    with pytest.raises(PublishRefused, match=r"hr@10 is 0\.2000 \[0\.19.*0\.3000 \[0\.29.*33\.3% less.*--force"):
        publish(worse, client, keys)
    assert client.get(keys.pointer) == b"good"
    publish(worse, client, keys, config=PublishConfig(max_drop=0.5))
    assert client.get(keys.pointer) == b"worse"
    worst = bundle_named("worst", metrics=document(0.10))
    forced = publish(worst, client, keys, config=PublishConfig(force="fewer items are sold", by="ada")).forced
    assert forced is not None
    assert "0.1000" in forced.refusal
    assert client.get(keys.pointer) == b"worst"
