"""Text to query vectors: alone as in a batch, safe for any text, and refused where it would read otherwise."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette

from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from app.engine.text.text_query import TextQuery, check_golden_texts, read_text_query, write_golden_texts
from app.errors import GoldenMismatch
from app.serving.release import release_of
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, build_services
from app.stores.memory import MemoryUserStore
from app.stores.published import FixedModels, model_from_manifest

RNG = np.random.default_rng(0)
WORDS = TextQuery(
    RNG.integers(-127, 128, (64, 16)).astype(np.int8),
    RNG.random(64).astype(np.float32),
    np.where(np.arange(64) % 4, RNG.random(64) + 1, 0).astype(np.float32),
)


@given(texts=st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_a_text_reads_the_same_alone_and_in_any_batch(texts: list[str]) -> None:
    together = WORDS.vectors_of(texts)
    for line, text in enumerate(texts):
        assert np.array_equal(together[line], WORDS.vectors_of([text])[0])


@given(text=st.text(max_size=200))
def test_any_text_has_a_vector_of_length_one_or_says_nothing(text: str) -> None:
    (vector,) = WORDS.vectors_of([text])
    length = float(np.linalg.norm(vector.astype(np.float64)))
    assert length == pytest.approx(1, abs=1e-5) or not vector.any()


def test_texts_without_words_or_without_known_words_say_nothing() -> None:
    unknown = TextQuery(WORDS.vectors, WORDS.scales, np.zeros(64, np.float32))
    assert not WORDS.vectors_of(["", " !? ", "\x00"]).any()
    assert not unknown.vectors_of(["shoe"]).any()
    assert WORDS.vectors_of([]).shape == (0, 16)


def test_a_bundle_that_reads_words_otherwise_is_refused(tmp_path: Path) -> None:
    write_golden_texts(tmp_path, ["trail shoe", "运动鞋"], WORDS)
    check_golden_texts(tmp_path, WORDS)
    other = TextQuery(np.roll(WORDS.vectors, 1, axis=0), WORDS.scales, WORDS.idf)
    with pytest.raises(GoldenMismatch, match="splits text differently"):
        check_golden_texts(tmp_path, other)


def test_a_folder_without_words_has_no_text_path(tmp_path: Path) -> None:
    assert read_text_query(tmp_path) is None


def test_bundles_trained_on_events_read_text_too(snapshot: Snapshot) -> None:
    assert snapshot.text_query is not None
    assert snapshot.text_query.vectors_of(["x"]).shape == (1, snapshot.manifest.shapes.dim)


@pytest.fixture
def answers(
    catalogue_run: Any,
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Any:
    """The snapshot of a catalogue without events, and a client of a service on it."""
    snapshot = load_snapshot(catalogue_run.bundle)
    release = release_of(snapshot, lambda: 1_700_000_000.0)
    fixed = FixedModels(model_from_manifest(snapshot.manifest))
    following = FollowOptions(fixed, None)
    services = build_services(release, MemoryUserStore(), following, ServiceLimits(), ImpressionOptions())
    with listening(application_of(services=services)) as client:
        yield snapshot, client


def test_a_service_on_a_catalogue_without_events_answers(answers: tuple[Snapshot, httpx.Client]) -> None:
    snapshot, client = answers
    first = client.post("/recommend", json={"k": 5})
    assert first.status_code == 200, first.text
    assert [item["item_id"] for item in first.json()["items"]] == [snapshot.items.id_of(row) for row in range(1, 6)]
    asked = snapshot.items.id_of(9)
    similar = client.post("/recommend", json={"context": {"item_ids": [asked]}, "k": 5, "fields": ["category"]})
    assert similar.status_code == 200, similar.text
    assert asked not in [item["item_id"] for item in similar.json()["items"]]
    category = snapshot.catalogue.texts["category"][9]
    assert [item["fields"]["category"] for item in similar.json()["items"]].count(category) >= 4
    event = {"event_id": "e", "type": "view", "user_id": "u", "item_id": asked}
    assert client.post("/events", json=event).status_code in (200, 202)
    assert (
        client.post("/recommend", json={"user_id": "u", "k": 3}).json()["items"][0]["item_id"]
        != first.json()["items"][0]["item_id"]
    )
