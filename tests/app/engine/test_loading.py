"""A bundle that is spoiled is refused with the file's name and what to do; the whole one is not."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.artifact import names
from app.artifact.bundle_store import POINTER, current
from app.artifact.manifest import list_files
from app.engine.loading import load_snapshot
from app.errors import BundleCorrupt, BundleError, BundleSchema, GoldenMismatch


def edit_manifest(folder: Path, **changes: Any) -> None:
    path = folder / names.MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes), "utf-8")


def sign_again(folder: Path) -> None:
    """Make the checksums fit what lies there, as somebody would who exported a wrong bundle."""
    edit_manifest(folder, files={name: entry.model_dump() for name, entry in list_files(folder).items()})


def test_a_bundle_and_the_store_around_it_both_load(shop_bundle: Path, spoiled: Path) -> None:
    assert load_snapshot(spoiled).manifest == load_snapshot(shop_bundle).manifest


@pytest.mark.parametrize("name", [names.ITEM_VECTORS, names.RETRIEVE_GRAPH, names.GOLDEN_ROWS, names.USER_EVENT_ROWS])
def test_one_changed_byte_is_found_and_the_file_named(spoiled: Path, name: str) -> None:
    path = spoiled / name
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BundleCorrupt, match=rf"{name}: checksum differs .* export the bundle again"):
        load_snapshot(spoiled)


def test_a_missing_file_is_named(spoiled: Path) -> None:
    (spoiled / names.ITEM_SCALES).unlink()
    with pytest.raises(BundleCorrupt, match=rf"{names.ITEM_SCALES}: .*missing"):
        load_snapshot(spoiled)


@pytest.mark.parametrize(("schema", "remedy"), [(4, "export it again"), (7, "update this service, or export it again")])
def test_another_schema_is_refused_before_anything_else_is_read(spoiled: Path, schema: int, remedy: str) -> None:
    edit_manifest(spoiled, schema_version=schema, shapes="of another time")
    with pytest.raises(BundleSchema, match=rf"{names.MANIFEST}: bundle schema {schema}, .* reads 5 and 6: {remedy}$"):
        load_snapshot(spoiled)


def test_a_manifest_that_was_made_at_no_time_is_refused(spoiled: Path) -> None:
    edit_manifest(spoiled, created_at="yesterday")
    with pytest.raises(BundleCorrupt, match=rf"(?s){names.MANIFEST}: not a manifest .*created_at"):
        load_snapshot(spoiled)


def test_other_golden_answers_are_refused(spoiled: Path) -> None:
    path = spoiled / names.GOLDEN_ROWS
    rows = np.load(path, allow_pickle=False)
    np.save(path, np.roll(rows, 1, axis=0))
    sign_again(spoiled)
    with pytest.raises(GoldenMismatch, match=rf"{names.GOLDEN_ROWS}: .*export the bundle again"):
        load_snapshot(spoiled)


def test_other_item_vectors_do_not_pass_for_the_right_ones(spoiled: Path) -> None:
    path = spoiled / names.ITEM_VECTORS
    vectors = np.load(path, allow_pickle=False)
    np.save(path, np.roll(vectors, 1, axis=0))
    sign_again(spoiled)
    with pytest.raises(GoldenMismatch):
        load_snapshot(spoiled)


@pytest.mark.parametrize("folder", ["vocabulary", "suggest", "codes", "chosen"])
def test_texts_whose_offsets_lead_elsewhere_are_refused(spoiled: Path, folder: str) -> None:
    """Compiled code looks for texts by them."""
    for path in sorted((spoiled / folder).rglob("*.offsets.npy")):
        whole = path.read_bytes()
        offsets = np.load(path, allow_pickle=False).copy()
        if len(offsets) < 3:
            continue
        offsets[len(offsets) // 2] = 2**40
        np.save(path, offsets)
        sign_again(spoiled)
        with pytest.raises(BundleCorrupt, match=path.name):
            load_snapshot(spoiled)
        path.write_bytes(whole)
    sign_again(spoiled)
    load_snapshot(spoiled)


def test_a_graph_that_the_runtime_cannot_load_is_named(spoiled: Path) -> None:
    path = spoiled / names.RETRIEVE_GRAPH
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    sign_again(spoiled)
    with pytest.raises(BundleCorrupt, match=names.RETRIEVE_GRAPH):
        load_snapshot(spoiled)


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", f'{{"schema_version": {names.SCHEMA_VERSION}}}'])
def test_a_manifest_that_is_none_is_refused(spoiled: Path, content: str) -> None:
    (spoiled / names.MANIFEST).write_text(content, "utf-8")
    with pytest.raises(BundleCorrupt, match=names.MANIFEST):
        load_snapshot(spoiled)


def test_a_manifest_or_a_pointer_of_other_bytes_is_refused(spoiled: Path, tmp_path: Path) -> None:
    (spoiled / names.MANIFEST).write_bytes(b"\xff\xfe")
    with pytest.raises(BundleCorrupt, match=f"{names.MANIFEST}: not a manifest"):
        load_snapshot(spoiled)
    store = tmp_path / "store"
    store.mkdir()
    (store / POINTER).write_bytes(b"\xff\xfe")
    with pytest.raises(BundleCorrupt, match=f"{POINTER}: expected the name of a version"):
        load_snapshot(store)
    assert current(store) is None


def test_a_manifest_is_not_read_past_what_one_can_be(spoiled: Path) -> None:
    with (spoiled / names.MANIFEST).open("ab") as file:
        file.truncate(2**40)
    with pytest.raises(BundleCorrupt, match=f"{names.MANIFEST}: not a manifest .larger than"):
        load_snapshot(spoiled)


@pytest.mark.parametrize("name", [names.RANKER, names.SEARCH, f"{names.FILTERS}/columns.json"])
@pytest.mark.parametrize("content", ["[1, 2]", json.dumps([{"name": 1}] * 5_000), json.dumps({"features": [[]] * 999})])
def test_a_document_that_is_wrong_in_many_places_is_refused_in_a_line(spoiled: Path, name: str, content: str) -> None:
    (spoiled / name).write_text(content, "utf-8")
    sign_again(spoiled)
    with pytest.raises(BundleCorrupt) as refused:
        load_snapshot(spoiled)
    reason = refused.value.message
    assert "\n" not in reason
    assert len(reason) < 1_200
    assert reason.startswith(str(spoiled))
    assert reason.endswith("again")


@pytest.mark.slow
def test_no_spoiled_array_gets_past_as_a_foreign_error(spoiled: Path) -> None:
    whole = (spoiled / names.MANIFEST).read_bytes()
    files = json.loads(whole)["files"]
    content = b"no array"
    entry = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    for array in sorted(spoiled.rglob("*.npy")):
        before = array.read_bytes()
        array.write_bytes(content)
        edit_manifest(spoiled, files=files | {array.relative_to(spoiled).as_posix(): entry})
        if array.parent.name != "users":  # those are read by the store
            with pytest.raises(BundleError) as refused:
                load_snapshot(spoiled)
            assert "checksum" not in refused.value.message
        array.write_bytes(before)
    (spoiled / names.MANIFEST).write_bytes(whole)
    load_snapshot(spoiled)
