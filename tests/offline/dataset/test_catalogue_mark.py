"""`catalogue.json`: which change of the live catalogue the items of a data set go up to."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_up_catalogue import write_catalogue
from typer.testing import CliRunner

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from offline.cli import app
from offline.dataset.catalogue_mark import CatalogueMark, read_catalogue_mark
from offline.dataset.spec import load_spec
from offline.dataset.split_meta import read_split_meta
from offline.errors import DatasetError
from offline.job import data_key, run
from offline.options import Options
from offline.workspace.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_catalogue(tmp_path)


def say(folder: Path, document: object) -> None:
    (folder / "catalogue.json").write_text(json.dumps(document), "utf-8")


def check(folder: Path) -> list[dict[str, Any]]:
    result = CliRunner().invoke(app, ["check", str(folder)])
    findings: list[dict[str, Any]] = json.loads(result.stdout.strip().splitlines()[-1])["findings"]
    return findings


def test_a_bundle_says_which_change_its_items_were_collected_at(catalogue_run: Any, shop_run: Any) -> None:
    assert read_split_meta(catalogue_run.split).catalogue == CatalogueMark(epoch="1f9", sequence=7)
    manifest = read_manifest(resolve(catalogue_run.bundle))
    assert (manifest.catalogue_epoch, manifest.catalogue_sequence) == ("1f9", 7)
    assert read_split_meta(shop_run.split).catalogue is None


def test_a_later_change_makes_the_data_another(folder: Path) -> None:
    keys = [data_key(load_spec(folder))]
    for sequence in (7, 8, 7):
        say(folder, {"epoch": "a", "sequence": sequence})
        keys.append(data_key(load_spec(folder)))
    assert len(set(keys)) == 3
    assert keys[1] == keys[3]


@pytest.mark.parametrize(
    ("document", "got"),
    [
        ({"epoch": "a"}, "no sequence"),
        ({"epoch": "a", "sequence": "7"}, "'7' as sequence"),
        ({"epoch": "a", "sequence": -1}, "-1 as sequence"),
        ({"epoch": "", "sequence": 1}, "'' as epoch"),
        ({"epoch": 3, "sequence": 1}, "3 as epoch"),
    ],
)
def test_a_wrong_mark_is_named_by_check_and_stops_a_run(folder: Path, quiet: Any, document: object, got: str) -> None:
    say(folder, document)
    (finding,) = (finding for finding in check(folder) if finding["level"] == "error")
    assert finding["found"] == got
    with pytest.raises(DatasetError, match=r"catalogue\.json: expected `epoch`, a text, and `sequence`"):
        run(folder, RunFolder(folder / "run"), Options(), quiet)
    assert not (folder / "run" / "ingest").exists()


@pytest.mark.parametrize("document", [[{"id": "1"}], {"items": []}, "text", {"epoch_of": 1}])
def test_a_list_of_products_of_that_name_is_none(folder: Path, document: object) -> None:
    say(folder, document)
    assert read_catalogue_mark(folder) is None


def test_a_mark_is_no_table_that_nobody_reads(folder: Path) -> None:
    before = check(folder)
    say(folder, {"epoch": "a", "sequence": 1})
    assert check(folder) == before
