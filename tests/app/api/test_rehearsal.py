"""A bundle answers requests of every kind before it is served; what fails then is a refusal, and is freed."""

import asyncio
import gc
import json
import weakref
from pathlib import Path
from typing import Any

import pytest
from bundle_damages import Damage, all_damages, damaged

from app.api.rehearsal import answers_of, rehearse
from app.artifact import names
from app.artifact.bundle_store import resolve
from app.engine.catalogue import Catalogue
from app.errors import BundleCorrupt, BundleError
from app.serving.release import LoadOptions, Release, load_release

REHEARSED = LoadOptions(clock="bundle", rehearse=rehearse)
EVERY = 71  # damages of which one is tried here; the slow test tries all
SHARES = 10  # of all damages, each within the time that one test has


def test_every_kind_is_answered_and_fits_the_bundle(release: Release) -> None:
    answers = asyncio.run(answers_of(release))
    assert [answer for answer in answers if answer.status not in {200, 202}] == []
    assert {answer.kind for answer in answers} == {
        "nobody in particular", "a user", "a page of items", "a history", "an objective", "a query", "a user's query",
        "a filter", "a filter for nobody", "a boost", "a pin", "an order", "groups", "a request by address",
        "a prediction", "a completion", "similar items", "an item", "the demo's users", "further items", "an event",
        "a visitor with an event", "a merge", "a user's past", "an erasure",
    }  # fmt: skip
    items = [len(answer.document["items"]) for answer in answers if answer.kind in {"a user", "a pin"}]
    assert min(items) == 5
    searches = [answer.document for answer in answers if answer.kind == "a query"]
    assert all(search["items"] or len(search["popular_items"]) == 5 for search in searches)
    assert searches[0]["items"]  # a title of the catalogue


def test_a_catalogue_without_events_is_rehearsed_too(catalogue_run: Any) -> None:
    answers = asyncio.run(answers_of(load_release(catalogue_run.bundle, LoadOptions())))
    assert {answer.status for answer in answers} == {200, 202}


def test_what_was_rehearsed_and_is_not_served_is_freed_at_once(shop_bundle: Path) -> None:
    gc.collect()
    gc.disable()
    try:
        release = load_release(shop_bundle, REHEARSED)
        kept: weakref.ref[Catalogue] = weakref.ref(release.snapshot.catalogue)
        del release
        assert kept() is None
    finally:
        gc.enable()


def change_manifest(**changes: Any) -> Damage:
    def apply(folder: Path) -> None:
        path = folder / names.MANIFEST
        document = json.loads(path.read_text("utf-8")) | changes
        path.unlink()
        path.write_text(json.dumps(document), "utf-8")

    return Damage("manifest", apply)


def test_a_request_that_would_fail_refuses_the_bundle_and_is_named(shop_bundle: Path, tmp_path: Path) -> None:
    folder = damaged(resolve(shop_bundle), tmp_path / "b", change_manifest(metrics={"behaviours": ["view"]}))
    with pytest.raises(
        BundleCorrupt, match=r"expected an answer to a prediction, got AttributeError .* export it again"
    ):
        load_release(folder, REHEARSED)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("window", 5, r"retrieve\.onnx: expected the input event_vectors as .*\[any, 5, "),
        ("dim", 8, r"items/vectors\.npy: expected int8 \[\d+, 8\], got int8 \["),
        ("rows", 7, r"manifest\.json: expected more rows than the \d+ items, got 7"),
        ("users", 1, r"users/hashes\.npy: expected uint64 \[1\], got"),
    ],
)
def test_a_manifest_that_contradicts_its_files_is_refused_with_what_it_says(
    shop_bundle: Path, tmp_path: Path, field: str, value: int, words: str
) -> None:
    bundle = resolve(shop_bundle)
    shapes = json.loads((bundle / names.MANIFEST).read_text("utf-8"))["shapes"]
    folder = damaged(bundle, tmp_path / "b", change_manifest(shapes=shapes | {field: value}))
    with pytest.raises(BundleCorrupt, match=f"{words}.*export the bundle again"):
        load_release(folder, REHEARSED)


def get_past(bundle: Path, folder: Path, damages: list[Damage]) -> list[str]:
    """Damages that end in anything but a refusal that says what to do, or a release that answers all kinds."""
    wrong = []
    for number, damage in enumerate(damages):
        copy = damaged(bundle, folder / str(number), damage)
        try:
            load_release(copy, REHEARSED)
        except BundleError as error:
            if not any(word in error.message for word in ("export", "copy", "update", "take")):
                wrong.append(f"{damage.name}: {error.message}")
        except Exception as error:
            wrong.append(f"{damage.name}: {error!r}")
    return wrong


def test_damages_of_all_sorts_are_refused_or_harmless(shop_bundle: Path, tmp_path: Path) -> None:
    bundle = resolve(shop_bundle)
    assert get_past(bundle, tmp_path, list(all_damages(bundle))[::EVERY]) == []


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_every_damage_of_every_file_is_refused_or_harmless(shop_bundle: Path, tmp_path: Path, share: int) -> None:
    bundle = resolve(shop_bundle)
    assert get_past(bundle, tmp_path, list(all_damages(bundle))[share::SHARES]) == []
