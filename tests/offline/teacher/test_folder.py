"""What a teacher's folder says, and the one line that is said of a folder that cannot be used."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from job_process import completed_job
from small_teacher import write

from offline.errors import TeacherError
from offline.onboarding.check import check
from offline.teacher.folder import MOST_TOKENS, read_teacher_folder

BROKEN: list[tuple[Callable[[Path], Any], str]] = [
    (lambda folder: (folder / "config.json").unlink(), "got none of config.json"),
    (lambda folder: (folder / "tokenizer.json").unlink(), "save_pretrained"),
    (lambda folder: (folder / "model.safetensors").unlink(), "got none of weights"),
    (lambda folder: (folder / "config.json").write_text("{"), "expected JSON"),
    (lambda folder: (folder / "modules.json").write_text("{}"), "expected a JSON list of modules"),
    (lambda folder: write(folder / "modules.json", [{"type": "st.models.Dense"}]), "st.models.Dense"),
    (lambda folder: write(folder / "modules.json", [{"type": "st.models.Pooling"}]), "a module Transformer"),
    (
        lambda folder: write(folder / "1_Pooling" / "config.json", {"pooling_mode_weightedmean_tokens": True}),
        "pooling_mode_weightedmean_tokens",
    ),
    (
        lambda folder: write(
            folder / "config.json", {"model_type": "new", "auto_map": {"AutoModel": "their/code--modeling.NewModel"}}
        ),
        "their/code--modeling.NewModel",
    ),
    (lambda folder: write(folder / "config.json", {"model_type": "t5", "is_encoder_decoder": True}), "t5"),
]


@pytest.mark.parametrize(("breaks", "said"), BROKEN)
def test_a_folder_that_cannot_be_used_is_one_plain_line(
    teacher_copy: Callable[[], Path], breaks: Callable[[Path], Any], said: str
) -> None:
    folder = teacher_copy()
    breaks(folder)
    with pytest.raises(TeacherError) as error:
        read_teacher_folder(folder)
    assert said in error.value.message
    assert str(folder) in error.value.message
    assert "\n" not in error.value.message


def test_the_folder_says_pooling_length_and_prefixes(teacher_copy: Callable[[], Path]) -> None:
    path = teacher_copy()
    folder = read_teacher_folder(path)
    assert (folder.pooling, folder.max_tokens, folder.query_prefix, folder.document_prefix) == ("mean", 48, "", "")
    write(path / "config_sentence_transformers.json", {"prompts": {"query": "query: ", "passage": "passage: "}})
    write(path / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    (path / "sentence_bert_config.json").unlink()
    folder = read_teacher_folder(path, query_prefix="ask: ")
    assert (folder.pooling, folder.max_tokens, folder.prefix("query"), folder.prefix("document")) == (
        "cls",
        64,  # as many positions as the network has
        "ask: ",
        "passage: ",
    )
    assert folder.max_tokens <= MOST_TOKENS


def test_a_bare_folder_of_hugging_face_is_pooled_by_the_mean(teacher_copy: Callable[[], Path]) -> None:
    path = teacher_copy()
    (path / "modules.json").unlink()
    write(path / "1_Pooling" / "config.json", {"pooling_mode_cls_token": True})
    assert read_teacher_folder(path).pooling == "mean"


def test_a_fingerprint_hangs_on_what_a_document_s_vector_hangs_on(teacher_copy: Callable[[], Path]) -> None:
    path = teacher_copy()
    before = read_teacher_folder(path).fingerprint()
    assert read_teacher_folder(path, query_prefix="query: ").fingerprint() == before
    assert read_teacher_folder(path, document_prefix="passage: ").fingerprint() != before
    weights = path / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\1")
    assert read_teacher_folder(path).fingerprint() != before


def test_missing_packages_are_one_line(small_teacher: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from offline.teacher.folder import require_packages

    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else real(name))
    with pytest.raises(TeacherError, match=r"\(transformers\): install aisle\[offline,teacher\]$"):
        require_packages()


def test_check_names_the_line_and_run_the_folder(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n1,Sofa\n")
    (tmp_path / "dataset.toml").write_text('name = "s"\n[items]\npath = "items.csv"\n[text]\nteacher = "encoder"\n')
    (finding,) = check(tmp_path, 0.0).findings
    assert finding.level == "error"
    for part in ("dataset.toml, line 5, text.teacher", "encoder", "no such folder", "model.safetensors"):
        assert part in finding.found
    done = completed_job("run", "--data", tmp_path, "--out", tmp_path / "run", "--teacher", tmp_path / "nowhere")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"aisle-offline: {tmp_path / 'nowhere'}: expected a folder in the layout")
    assert not (tmp_path / "run" / "ingest").exists()


def test_an_unknown_key_of_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\n1,Sofa\n")
    (tmp_path / "dataset.toml").write_text('name = "s"\n[items]\npath = "items.csv"\n[text]\nteachers = "encoder"\n')
    (finding,) = check(tmp_path, 0.0).findings
    assert "did you mean 'teacher'?" in json.dumps(finding.advice)
