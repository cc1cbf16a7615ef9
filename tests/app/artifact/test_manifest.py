"""What is read of a manifest of this schema, of the one before, and of a later writer; and what is written back."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.manifest import Manifest, read_manifest
from app.errors import BundleCorrupt
from offline.export.bundle import record_metrics


@pytest.fixture
def folder(shop_bundle: Path, tmp_path: Path) -> Path:
    """A folder with a copy of the manifest of the shop's bundle alone."""
    shutil.copyfile(resolve(shop_bundle) / names.MANIFEST, tmp_path / names.MANIFEST)
    return tmp_path


def document_of(folder: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / names.MANIFEST).read_text("utf-8"))
    return document


def write(folder: Path, document: dict[str, Any]) -> None:
    (folder / names.MANIFEST).write_text(json.dumps(document), "utf-8")


def test_a_new_bundle_numbers_its_parts(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest.schema_version == names.SCHEMA_VERSION
    assert manifest.parts == {
        "ranker": 1, "search": 5, "words": 2, "meaning": 1, "spelling": 1, "suggest": 1, "gpu": 1, "display": 1,
        "variants": 1, "synonyms": 1, "codes": 1, "chosen": 1, "place": 1,
    }  # fmt: skip
    assert manifest.measured_as is None
    assert (manifest.catalogue_sequence, manifest.catalogue_epoch) == (None, None)


def test_the_schema_before_gets_its_parts_by_its_files(folder: Path) -> None:
    document = document_of(folder)
    parts = document.pop("parts")
    for key in ("measured_as", "catalogue_sequence", "catalogue_epoch"):
        del document[key]
    document["schema_version"] = 5
    write(folder, document)
    parts = dict.fromkeys(parts, 1)  # all of them were in their first form then
    assert read_manifest(folder).parts == parts
    document["files"] = {name: entry for name, entry in document["files"].items() if not name.startswith("lexical/")}
    write(folder, document)
    assert read_manifest(folder).parts == {name: number for name, number in parts.items() if name != "words"}


def test_keys_of_a_later_writer_are_passed_over(folder: Path) -> None:
    document = document_of(folder)
    before = read_manifest(folder)
    document["signed_by"] = "somebody"
    document["shapes"]["code_columns"] = 2
    next(iter(document["files"].values()))["compressed"] = False
    write(folder, document)
    assert read_manifest(folder) == before


def test_a_slip_in_what_is_written_is_an_error(folder: Path) -> None:
    fields = read_manifest(folder).model_dump()
    with pytest.raises(ValidationError):
        Manifest(**fields, measured_at="v")


@pytest.mark.parametrize(
    "parts", [None, [], {"ranker": "new"}, {"ranker": 0}, {"ranker": -1}, {"ranker": 1.5}, {"ranker": None}]
)
def test_parts_that_are_no_numbers_by_name_are_refused(folder: Path, parts: object) -> None:
    write(folder, document_of(folder) | {"parts": parts})
    with pytest.raises(BundleCorrupt, match=r"not a manifest \(parts"):
        read_manifest(folder)


def test_a_manifest_of_this_schema_without_parts_is_refused(folder: Path) -> None:
    document = document_of(folder)
    del document["parts"]
    write(folder, document)
    with pytest.raises(BundleCorrupt, match=r"not a manifest \(parts: Field required\)"):
        read_manifest(folder)


@pytest.mark.parametrize("schema", names.READABLE_SCHEMAS)
def test_figures_are_recorded_and_all_else_of_a_manifest_stays(folder: Path, schema: int) -> None:
    document = document_of(folder) | {"schema_version": schema, "signed_by": "somebody"}
    write(folder, document)
    record_metrics(folder, {"value": 0.25})
    assert document_of(folder) == document | {"metrics": {"value": 0.25}}
