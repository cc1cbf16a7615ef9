"""The stages of the job: what their keys hang on, and that nothing but their table lists them."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_teacher import real_teacher

from offline.cli import app
from offline.dataset.spec import load_spec
from offline.job import STAGE_NAMES, STAGES, Options
from offline.stage import stage_keys
from offline.workspace.run_folder import RunFolder, reset_if_stale


@pytest.mark.parametrize("index", range(len(STAGES)))
def test_a_raised_version_makes_a_stage_and_all_after_it_stale(shop: Path, index: int) -> None:
    spec, options = load_spec(shop), Options(teacher=real_teacher())
    raised = replace(STAGES[index], version=(STAGES[index].version or 0) + 1)
    before = stage_keys(STAGES, spec, options)
    after = stage_keys((*STAGES[:index], raised, *STAGES[index + 1 :]), spec, options)
    assert [name for name in STAGE_NAMES if before[name] != after[name]] == list(STAGE_NAMES[index:])


@pytest.mark.parametrize(
    ("options", "first"),
    [
        (Options(max_bad_share=0.5), "ingest"),
        (Options(seed=1), "split"),
        (Options(teacher=real_teacher()), "embed"),
        (Options(without=("graph",)), "graph"),
        (Options(budget_s=1.0), "train"),
        (Options(weight_bits=7), "compress"),
        (Options(refit=False), "refit"),
        (Options(baselines=False), "evaluate"),
        (Options(serve="measured"), "serve"),
        (Options(warm_from=Path("earlier")), "split"),
    ],
)
def test_an_option_makes_the_first_stage_that_uses_it_stale(shop: Path, options: Options, first: str) -> None:
    spec = load_spec(shop)
    before, after = stage_keys(STAGES, spec, Options()), stage_keys(STAGES, spec, options)
    assert next(name for name in STAGE_NAMES if before[name] != after[name]) == first


def test_every_stage_is_a_command_of_its_own() -> None:
    assert set(STAGE_NAMES) <= {command.name for command in app.registered_commands}


def test_a_finished_stage_is_marked_by_one_of_its_outputs(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    for stage in STAGES:
        outputs = stage.outputs(folder)
        marker = stage.marker(folder)
        assert stage.optional or stage.name == "refit" or marker in outputs or marker.parent in outputs


def test_a_checkpoint_is_kept_for_its_own_key_alone(tmp_path: Path) -> None:
    folder = tmp_path / "train"
    reset_if_stale(folder, "one")
    (folder / "checkpoint").write_text("weights")
    reset_if_stale(folder, "one")
    assert (folder / "checkpoint").exists()
    reset_if_stale(folder, "another")
    assert [path.name for path in folder.iterdir()] == ["key"]
