"""A bundle whose parts are missing, unknown or newer, and one of the schema before, behind a real service."""

import json
import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from services_alone import services_alone
from starlette.applications import Starlette

from app.artifact import names
from app.artifact.manifest import list_files, read_manifest
from app.artifact.parts import PARTS, RANKER
from app.engine.gpu_retriever import Device
from app.engine.loading import golden_answers, golden_sets, load_snapshot, open_snapshot, read_warmup
from app.errors import BundleCorrupt, BundleUnfit, GoldenMismatch

Serve = Callable[[Path], AbstractContextManager[httpx.Client]]
Whole = tuple[dict[str, dict[str, Any]], dict[str, tuple[int, dict[str, Any]]]]  # calls, and their answers
ALL = {part.name: part.number for part in PARTS}
CHANGED = {
    "ranker": {"objective", "predict"},
    "search": {"title", "typo", "code"},
    "words": {"title", "typo", "code"},
    "meaning": {"title", "typo", "code"},
    "spelling": {"typo"},
    "suggest": {"suggest"},
    "gpu": set(),
    "display": set(),  # the shop has none
    "variants": set(),
    "synonyms": set(),
    "codes": {"code"},
    "chosen": set(),
    "place": set(),  # of items that are put while it is served
    "text_encoder": set(),  # no order is made of it yet
}
"""The answers that differ without a part."""


@pytest.fixture
def spoiled(encoded_bundle: Path, tmp_path: Path) -> Path:
    """A copy of a bundle that has all parts."""
    return Path(shutil.copytree(encoded_bundle, tmp_path / "bundle"))


@pytest.fixture(scope="module")
def serve(
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Serve:
    """Serves a bundle over HTTP."""

    def make(bundle: Path) -> AbstractContextManager[httpx.Client]:
        snapshot = load_snapshot(bundle)
        return listening(application_of(services=services_alone(snapshot, snapshot.manifest.cut or math.nan)))

    return make


def document_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    return document


def edit(folder: Path, **changes: Any) -> None:
    (folder / names.MANIFEST).write_text(json.dumps(document_of(folder) | changes), "utf-8")


def remove(folder: Path, part_name: str) -> None:
    """Take a part out of a bundle, as an exporter does that has nothing to write for it."""
    (part,) = (part for part in PARTS if part.name == part_name)
    for name in part.files:
        for path in folder.glob(f"{name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    numbers = {name: number for name, number in document_of(folder)["parts"].items() if name != part_name}
    sign_again(folder, parts=numbers)


def make_schema_5(folder: Path) -> None:
    """Turn a bundle into what the job of schema 5 exports: no parts, and the golden answers of the ranker alone."""
    for newer, older in (
        (names.GOLDEN_RANKED_ROWS, names.GOLDEN_ROWS),
        (names.GOLDEN_RANKED_SCORES, names.GOLDEN_SCORES),
    ):
        (folder / newer).replace(folder / older)
    document = document_of(folder)
    for key in ("parts", "measured_as", "catalogue_sequence", "catalogue_epoch"):
        del document[key]
    document["schema_version"] = 5
    document["files"] = {name: entry.model_dump() for name, entry in list_files(folder).items()}
    (folder / names.MANIFEST).write_text(json.dumps(document), "utf-8")


def sign_again(folder: Path, **changes: Any) -> None:
    edit(folder, files={name: entry.model_dump() for name, entry in list_files(folder).items()}, **changes)


def let_the_ranker_order(folder: Path) -> None:
    """The shop's ranker leaves the order to retrieval; let it order, with golden answers of that."""
    path = folder / names.RANKER
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | {"orders": True}), "utf-8")
    snapshot = open_snapshot(folder, read_manifest(folder), threads=1)
    retrieved, ranked = golden_sets(snapshot)
    before, after = (golden_answers(snapshot, read_warmup(folder), golden.stages) for golden in (retrieved, ranked))
    assert (before.rows != after.rows).any()
    np.save(folder / ranked.rows, after.rows.astype(np.int32))
    np.save(folder / ranked.scores, after.scores)
    sign_again(folder)


def titled_item(folder: Path) -> tuple[str, str]:
    """Id and title of the first item that has a title."""
    snapshot = load_snapshot(folder)
    titles = ((row, snapshot.catalogue.values_of(row, ["title"])["title"]) for row in count(1))
    return next((snapshot.items.id_of(row), str(title)) for row, title in titles if title is not None)


def calls_of(folder: Path) -> dict[str, dict[str, Any]]:
    user = document_of(folder)["sample_users"][0]
    item_id, title = titled_item(folder)
    word = max(title.split(), key=len)
    return {
        "user": {"user_id": user, "k": 5},
        "title": {"query": title, "k": 5},
        "typo": {"query": word[:2] + word[3:] + " x", "k": 5},
        "code": {"query": item_id, "k": 5},
        "objective": {"user_id": user, "objective": "purchase", "k": 5},
    }


def answers(client: httpx.Client, calls: dict[str, dict[str, Any]]) -> dict[str, tuple[int, dict[str, Any]]]:
    """Status and document of what all parts answer, without what differs from call to call."""
    told = {name: client.post("/recommend", json=body) for name, body in calls.items()}
    user, items = calls["user"]["user_id"], [item["item_id"] for item in told["user"].json()["items"]]
    told["predict"] = client.post("/predict", json={"user_id": user, "item_ids": items})
    told["suggest"] = client.get("/suggest", params={"q": ""})
    changing = {"request_id", "next_cursor", "instance"}
    return {
        name: (response.status_code, {key: value for key, value in response.json().items() if key not in changing})
        for name, response in told.items()
    }


def items_of(answer: tuple[int, dict[str, Any]]) -> list[str]:
    status, document = answer
    assert status == 200
    return [item["item_id"] for item in document["items"]]


@pytest.fixture(scope="module")
def whole(serve: Serve, encoded_bundle: Path) -> Whole:
    """What the bundle answers with all of its parts."""
    folder = encoded_bundle
    calls = calls_of(folder)
    with serve(folder) as client:
        told = answers(client, calls)
        assert client.get("/readyz").json()["parts_off"] == {}
    assert {status for status, _ in told.values()} == {200}
    assert told["typo"][1]["corrected_query"]
    assert items_of(told["code"]) == [calls["code"]["query"]]
    assert told["suggest"][1]["suggestions"]
    return calls, told


def test_a_bundle_of_the_schema_before_answers_the_same(serve: Serve, spoiled: Path, whole: Whole) -> None:
    calls, before = whole
    make_schema_5(spoiled)
    with serve(spoiled) as client:
        assert answers(client, calls) == before
        assert client.get("/readyz").json()["parts_off"] == {}


def test_golden_answers_of_the_schema_before_are_those_of_the_ranker(spoiled: Path) -> None:
    let_the_ranker_order(spoiled)
    make_schema_5(spoiled)
    load_snapshot(spoiled)
    rows = np.load(spoiled / names.GOLDEN_ROWS)
    np.save(spoiled / names.GOLDEN_ROWS, np.roll(rows, 1, axis=0))
    sign_again(spoiled)
    with pytest.raises(GoldenMismatch, match=names.GOLDEN_ROWS):
        load_snapshot(spoiled)


def test_a_ranker_of_the_schema_before_that_is_no_longer_read_is_off(
    spoiled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_the_ranker_order(spoiled)
    make_schema_5(spoiled)
    later = tuple(replace(part, numbers=(2,)) if part.name == RANKER else part for part in PARTS)
    monkeypatch.setattr("app.artifact.parts.PARTS", later)
    snapshot = load_snapshot(spoiled)
    assert snapshot.ranker is None
    assert "export the bundle again" in snapshot.parts.off[RANKER]


def test_golden_answers_of_the_ranker_are_compared_while_it_is_used(spoiled: Path) -> None:
    let_the_ranker_order(spoiled)
    load_snapshot(spoiled)
    np.save(spoiled / names.GOLDEN_RANKED_ROWS, np.roll(np.load(spoiled / names.GOLDEN_RANKED_ROWS), 1, axis=0))
    sign_again(spoiled)
    with pytest.raises(GoldenMismatch, match=names.GOLDEN_RANKED_ROWS):
        load_snapshot(spoiled)
    edit(spoiled, parts=ALL | {"ranker": ALL["ranker"] + 1})
    assert load_snapshot(spoiled).ranker is None


def test_an_unknown_part_is_ignored_but_its_files_are_compared(serve: Serve, spoiled: Path, whole: Whole) -> None:
    calls, before = whole
    (spoiled / "smell.onnx").write_bytes(b"a graph of later days")
    sign_again(spoiled, parts=ALL | {"smell": 2})
    with serve(spoiled) as client:
        assert answers(client, calls) == before
        off = client.get("/readyz").json()["parts_off"]
        assert list(off) == ["smell"]
        assert "does not know it" in off["smell"]
    (spoiled / "smell.onnx").write_bytes(b"a graph of wrong days")
    with pytest.raises(BundleCorrupt, match=r"smell\.onnx: checksum differs"):
        load_snapshot(spoiled)


@pytest.mark.slow
@pytest.mark.parametrize("part", ALL)
@pytest.mark.parametrize("is_newer", [True, False])
def test_without_a_part_its_feature_is_off_and_the_rest_answers(
    serve: Serve, spoiled: Path, whole: Whole, part: str, is_newer: bool
) -> None:
    calls, before = whole
    if is_newer:
        edit(spoiled, parts=ALL | {part: ALL[part] + 1})
    else:
        remove(spoiled, part)
    with serve(spoiled) as client:
        off = client.get("/readyz").json()["parts_off"]
        now = answers(client, calls)
    assert list(off) == [part]
    assert ("update this service" if is_newer else "does not have it") in off[part]
    assert now["user"] == before["user"]  # its ranker leaves the order to retrieval
    changed = {name for name in now if now[name] != before[name]}
    assert changed == CHANGED[part]
    if part == "ranker":
        assert now["predict"][0] == now["objective"][0] == 422
        assert ("update this service" in now["predict"][1]["detail"]) == is_newer
        assert ("update this service" in now["objective"][1]["detail"]) == is_newer
    elif part == "suggest":
        assert now["suggest"] == (200, {"suggestions": []})
    elif part == "search":
        assert now["title"][1]["items"]
        assert items_of(now["title"]) == items_of(now["typo"])
    elif part == "spelling":
        assert items_of(now["title"]) == items_of(before["title"])
        assert now["typo"][1]["corrected_query"] is None
    elif part == "gpu":
        with pytest.raises(BundleUnfit, match="serve with --device cpu"):
            load_snapshot(spoiled, device=Device("cpu"))


def test_a_ranker_of_a_later_number_is_not_even_read(
    serve: Serve, spoiled: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (spoiled / names.RANKER).write_text('{"orders": "by the moon"}', "utf-8")
    (spoiled / names.RANK_GRAPH).write_bytes(b"no graph")
    sign_again(spoiled, parts=ALL | {"ranker": ALL["ranker"] + 1})
    with serve(spoiled) as client:
        assert client.post("/recommend", json={}).status_code == 200
    (line,) = (record.getMessage() for record in caplog.records if record.name == "app.engine.loading")
    assert line.startswith("a part of the bundle is off: ranker: the bundle has number 2 of it, this service reads 1")


@pytest.mark.parametrize("part", [name for name in ALL if name != "gpu"])
def test_a_part_that_is_numbered_and_not_there_is_refused(spoiled: Path, part: str) -> None:
    remove(spoiled, part)
    edit(spoiled, parts=ALL)
    with pytest.raises(BundleCorrupt, match=r"export it again|export the bundle again"):
        load_snapshot(spoiled)
