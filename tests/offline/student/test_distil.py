"""The stage `distil`, by `aisle-offline`: a shop with a teacher has a text encoder, one without is as before."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from job_process import job_here
from small_catalogue import small_catalogue
from small_teacher import real_teacher
from telling_display import Telling

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.parts import TEXT_ENCODER
from app.engine.loading import load_snapshot
from app.engine.placer import read_placer
from offline.dataset.spec import load_spec
from offline.ingest.item_documents import documents_of
from offline.job import STAGE_NAMES, Options, run_stage
from offline.stage import Stage, stage_keys
from offline.stages import STAGES
from offline.student import known_words, make, measure
from offline.student.files import read_student
from offline.student.projection import WIDTH
from offline.workspace.run_folder import RunFolder


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    folder.mkdir()
    write_items(folder, 96)
    (folder / "dataset.toml").write_text(
        'name = "s"\n[items]\npath = "items.csv"\ntitle = "title"\ncategory = "category"\nbrand = "brand"\n'
        'text = ["text"]\n'
    )
    return folder


def write_items(folder: Path, count: int) -> None:
    small_catalogue(count).drop("attributes").write_csv(folder / "items.csv")


@pytest.fixture(autouse=True)
def short_courses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(make, "_TRIED_STEPS", 4)
    monkeypatch.setattr(make, "LEAST_STEPS", 8)
    monkeypatch.setattr(measure, "LEAST_FAITHFUL", 0.0)  # of a student of so few steps
    monkeypatch.setattr(known_words, "MOST_WORDS", 100)


def whole_run(data: Path, out: Path, *words: str | Path) -> list[str]:
    code, lines = job_here("run", "--data", data, "--out", out, "--budget", "8s", *words)
    assert code == 0, lines
    return lines


def figures(out: Path) -> dict[str, Any]:
    results: dict[str, Any] = RunFolder(out).record()["distil"]["results"]
    return results


def test_a_run_with_a_teacher_ends_with_a_bundle_that_encodes_texts(
    data: Path, tmp_path: Path, small_teacher: Path
) -> None:
    out = tmp_path / "run"
    whole_run(data, out, "--teacher", small_teacher)
    student = figures(out)["student"]
    assert student["cosine_to_exact"] >= 0.99
    assert [depth["layers"] for depth in student["tried"]] == [1, 2]
    for store in (out / "measured", out / "bundle"):
        snapshot = load_snapshot(store)
        assert TEXT_ENCODER in snapshot.manifest.parts
        assert snapshot.encoder is not None
        assert snapshot.meaning is not None
        assert snapshot.meaning.kinds == student["kinds"] == 3
        kinds = snapshot.meaning.arrays.kind_names.all()
        assert len(set(kinds)) == 3
        assert snapshot.suggester is not None
        for kind in kinds:
            assert kind.casefold() in {found.text.casefold() for found in snapshot.suggester.suggest(kind, 5)}
        alone = snapshot.encoder.vectors_of(["sofa bed"])[0]
        assert np.array_equal(snapshot.encoder.vectors_of(["lamp", "sofa bed"])[1], alone)
    before = {path: path.stat().st_mtime_ns for path in resolve(out / "bundle").rglob("*")}
    whole_run(data, out, "--teacher", small_teacher)
    assert {path: path.stat().st_mtime_ns for path in resolve(out / "bundle").rglob("*")} == before


@pytest.mark.slow
def test_a_shop_places_new_items_by_what_their_texts_mean_where_training_put_such(
    shop: Path, quiet: Telling, tmp_path: Path, small_teacher: Path
) -> None:
    folder = RunFolder(tmp_path / "run")
    options = Options(device="cpu", overrides={"epochs": 1, "dim": 32}, max_loss=0.0, teacher=small_teacher)
    for name in [*STAGE_NAMES[: STAGE_NAMES.index("evaluate")], "serve"]:
        run_stage(name, shop, folder, options, quiet)
    documents = documents_of(pl.read_parquet(folder.split / "items.parquet").sort("row"))
    for store in (folder.measured, folder.bundles):
        snapshot = load_snapshot(store)
        assert (snapshot.folder / names.PLACE_MEANING).exists()
        assert snapshot.placer is not None
        alone = read_placer(snapshot.folder)
        tables = snapshot.tables
        untouched = [row for row in range(1, len(documents) + 1) if not tables.counts[row].any()]
        untouched = [row for row in untouched if not tables.neighbours[row].any()]
        assert untouched
        differs = 0
        for row in untouched:
            placed = snapshot.placer.place(documents[row - 1])
            assert np.abs(placed.vector.astype(int) - tables.vectors[row]).max() <= 1
            assert np.abs(placed.content.astype(int) - tables.content[row]).max() <= 1
            differs += int((alone.place(documents[row - 1]).vector != placed.vector).any())
        assert differs == len(untouched)


def test_a_round_goes_on_from_the_student_before_and_embeds_new_texts_alone(
    data: Path, tmp_path: Path, small_teacher: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for stage in ("ingest", "embed", "split", "distil"):
        distilled(stage, data, first, small_teacher)
    write_items(data, 102)
    for stage in ("ingest", "embed", "split"):
        distilled(stage, data, second, small_teacher)
    again = stage_of(data, second, small_teacher, warm_from=first)["student"]
    assert again["warm"]
    assert not again["tried"]
    assert again["embedded"] < again["queries"] / 2


def test_a_killed_stage_goes_on_where_it_was(
    data: Path, tmp_path: Path, small_teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    for stage in ("ingest", "embed", "split"):
        distilled(stage, data, out, small_teacher)

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(make, "write_arrays", killed)
        with pytest.raises(Killed):
            stage_of(data, out, small_teacher)
    tried = []
    monkeypatch.setattr(make, "try_depths", lambda *_: tried.append(1))
    assert read_student(out / "distil") is None
    student = stage_of(data, out, small_teacher)["student"]
    assert student["embedded"] == 0
    assert not tried


def stage_of(data: Path, out: Path, teacher: Path, *, warm_from: Path | None = None) -> dict[str, Any]:
    options = Options(teacher=teacher, warm_from=warm_from, warm_epochs=1 if warm_from else None)
    return run_stage("distil", data, RunFolder(out), options, Telling([]))


def distilled(stage: str, data: Path, out: Path, teacher: Path) -> None:
    words = ("--teacher", teacher) if stage in ("embed", "distil") else ()
    code, lines = job_here(stage, "--data", data, "--out", out, *words)
    assert code == 0, lines


def test_without_a_teacher_the_stages_have_the_keys_of_before(data: Path, small_teacher: Path) -> None:
    spec = load_spec(data)
    known: tuple[Stage, ...] = tuple(stage for stage in STAGES if not stage.optional)
    before, now = stage_keys(known, spec, Options()), stage_keys(STAGES, spec, Options())
    assert {name: now[name] for name in before} == before
    taught = stage_keys(STAGES, spec, Options(teacher=small_teacher))
    assert all(taught[name] != before[name] for name in before if name != "ingest")


def test_a_teacher_of_another_network_leaves_a_run_without_an_encoder(
    data: Path, tmp_path: Path, small_teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("offline.student.distil.shape_of", lambda *_: "its network is of the type x")
    out = tmp_path / "run"
    lines = whole_run(data, out, "--teacher", small_teacher)
    assert any("no student is made of this teacher: its network is of the type x" in line for line in lines)
    assert TEXT_ENCODER not in load_snapshot(out / "bundle").manifest.parts


@pytest.mark.slow
def test_a_student_that_is_little_like_its_teacher_is_not_used(
    data: Path, tmp_path: Path, small_teacher: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measure, "LEAST_FAITHFUL", 1.5)
    out = tmp_path / "run"
    lines = whole_run(data, out, "--teacher", small_teacher)
    assert sum("the student is not used, and searches are as without a teacher" in line for line in lines) == 1
    assert figures(out)["student"]["is_used"] is False
    assert json.loads((out / "report.json").read_text())["student"]["is_used"] is False
    assert TEXT_ENCODER not in load_snapshot(out / "bundle").manifest.parts


def test_a_shop_with_too_few_texts_to_tell_has_no_student_and_one_with_more_has(
    data: Path, tmp_path: Path, small_teacher: Path
) -> None:
    write_items(data, 9)
    few = tmp_path / "few"
    for stage in ("ingest", "embed", "split"):
        distilled(stage, data, few, small_teacher)
    code, lines = job_here("distil", "--data", data, "--out", few, "--teacher", small_teacher)
    assert code == 0
    assert any("too few texts to tell whether it is like its teacher" in line for line in lines)
    assert not figures(few)["student"]["is_used"]
    write_items(data, 60)
    more = tmp_path / "more"
    for stage in ("ingest", "embed", "split", "distil"):
        distilled(stage, data, more, small_teacher)
    student = figures(more)["student"]
    assert student["held_out"] >= measure.LEAST_MEASURED
    assert student["is_used"]


def test_the_steps_that_are_announced_are_about_those_of_the_course(
    data: Path, tmp_path: Path, small_teacher: Path
) -> None:
    out = tmp_path / "run"
    for stage in ("ingest", "embed", "split"):
        distilled(stage, data, out, small_teacher)
    _, lines = job_here("distil", "--data", data, "--out", out, "--teacher", small_teacher)
    (line,) = [line for line in lines if "steps at most" in line]
    student = figures(out)["student"]
    tried = sum(depth["steps"] for depth in student["tried"])
    announced = int(re.search(r"([\d,]+) steps at most", line)[1].replace(",", ""))  # type: ignore[index]
    assert 0.8 * announced <= student["steps"] + tried <= 1.25 * announced


@pytest.mark.slow
def test_a_real_teacher_has_a_student_that_reads_as_it_does(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(make, "LEAST_STEPS", 300)
    out = tmp_path / "run"
    whole_run(data, out, "--teacher", real_teacher())
    student = figures(out)["student"]
    assert student["width"] == WIDTH
    assert student["cosine_to_exact"] >= 0.99
    begun = {depth["layers"]: depth["cosine"] for depth in student["tried"]}[student["layers"]]
    assert student["cosine_to_teacher"] > begun + 0.05, (begun, student["cosine_to_teacher"])
    snapshot = load_snapshot(out / "bundle")
    assert snapshot.encoder is not None
    assert snapshot.meaning is not None
    (vector,) = snapshot.encoder.vectors_of(["couch"])
    _, rows = snapshot.meaning.best(snapshot.meaning.cosines(vector), 10)
    titles = [snapshot.catalogue.texts["title"][int(row)] for row in rows]
    assert sum(any(word in title for word in ("couch", "sofa", "seater", "chaise")) for title in titles) >= 8
    assert json.loads((out / "distil" / "student" / "student.json").read_text())["spec"]["teacher"] == "model"
