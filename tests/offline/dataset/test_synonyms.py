"""`synonyms.txt` and `stop_words.txt` of a data set: what is read of them, and what is said of each wrong line."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.artifact.text.synonym_table import (
    MOST_IN_ALL,
    MOST_PHRASES,
    MOST_WORDS,
    SynonymRule,
    SynonymTable,
    read_synonym_table,
)
from offline.cli import app
from offline.collecting.dataset_file import plan_dataset_file, write_dataset_file
from offline.dataset.spec import load_spec, read_spec
from offline.dataset.synonyms import read_synonyms, synonyms_key
from offline.errors import DatasetError
from offline.job import STAGES, Options, data_key, run, run_stage
from offline.stage import stage_keys
from offline.workspace.run_folder import RunFolder

TOML = 'name = "shop"\n[items]\npath = "items.csv"\n'
ITEMS = "item_id,title\ni1,Sofa\ni2,Couch\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "items.csv").write_text(ITEMS)
    (tmp_path / "dataset.toml").write_text(TOML)
    return tmp_path


def table_of(folder: Path, text: str, name: str = "synonyms.txt") -> SynonymTable:
    (folder / name).write_text(text, "utf-8")
    return read_synonyms(load_spec(folder))


def test_the_usual_form_is_read(folder: Path) -> None:
    text = (
        "\ufeff# of the living room\n\nsofa, Couch ,  love  seat\r\ntv=>television , telly  # both old\n"
        "c#, csharp\n1\\,5 l, 1500 ml\na \\=> b, c\n"
    )
    assert table_of(folder, text).rules == (
        SynonymRule(phrases=("sofa", "Couch", "love seat"), means=("sofa", "Couch", "love seat")),
        SynonymRule(phrases=("tv",), means=("television", "telly")),
        SynonymRule(phrases=("c#", "csharp"), means=("c#", "csharp")),
        SynonymRule(phrases=("1,5 l", "1500 ml"), means=("1,5 l", "1500 ml")),
        SynonymRule(phrases=("a => b", "c"), means=("a => b", "c")),
    )


def test_stop_words_are_read_and_a_set_without_files_has_neither(folder: Path) -> None:
    assert read_synonyms(load_spec(folder)) == SynonymTable()
    assert synonyms_key(load_spec(folder)) == []
    assert table_of(folder, "# small words\nfor\nThe\nfor\n", "stop_words.txt").stop_words == ("for", "The")


def test_files_of_other_names_are_named(folder: Path) -> None:
    (folder / "de.txt").write_text("sofa, couch\n")
    (folder / "en.txt").write_text("tv => telly\n")
    (folder / "synonyms.txt").write_text("not, read\n")
    (folder / "dataset.toml").write_text(TOML + '[search]\nsynonyms = ["de.txt", "en.txt"]\n')
    assert [rule.phrases[0] for rule in read_synonyms(load_spec(folder)).rules] == ["sofa", "tv"]
    (folder / "dataset.toml").write_text(TOML + '[search]\nsynonyms = "[de]*.txt"\n')
    assert [rule.phrases[0] for rule in read_synonyms(load_spec(folder)).rules] == ["sofa", "tv"]
    (folder / "dataset.toml").write_text(TOML + '[search]\nstop_words = "none.txt"\n')
    with pytest.raises(DatasetError, match=r"dataset\.toml, line 5, search\.stop_words: expected a file .*none\.txt"):
        read_synonyms(load_spec(folder))


@pytest.mark.parametrize(
    ("line", "expected", "got"),
    [
        ("sofa", "two words or more, as in sofa, couch", "'sofa'"),
        ("sofa,", "words on both sides of each comma and of =>", "nothing"),
        ("sofa,,couch", "words on both sides of each comma and of =>", "nothing"),
        ("=> couch", "words on both sides of each comma and of =>", "nothing"),
        ("couch =>", "words on both sides of each comma and of =>", "nothing"),
        ("a => b => c", "one => in a line", "'a => b => c'"),
        ("sofa, !!!", "letters or figures", "'!!!'"),
        (f"sofa, {'very ' * MOST_WORDS} soft", f"phrases of at most {MOST_WORDS} words", "'very very"),
        (", ".join(f"w{n}" for n in range(MOST_PHRASES + 1)), f"at most {MOST_PHRASES} phrases a side", "'w0, w1"),
        (f"{'a, ' * 5_000}b", "at most 10,000 characters", "15001"),
        ("sofa, \udcff", "text in UTF-8", "b'sofa"),
        ("sofa, \0couch", "text in UTF-8", "zero bytes"),
    ],
)
def test_a_wrong_line_is_named_by_check_and_stops_a_run(
    folder: Path, quiet: Any, line: str, expected: str, got: str
) -> None:
    text = f"# wrong below\ngood, fine\n{line}\n"
    (folder / "synonyms.txt").write_bytes(text.encode("utf-8", "surrogateescape"))
    result = CliRunner().invoke(app, ["check", str(folder)])
    assert result.exit_code == 1
    document = json.loads(result.stdout.strip().splitlines()[-1])
    (finding,) = (finding for finding in document["findings"] if finding["level"] == "error")
    assert finding["file"] == f"{folder / 'synonyms.txt'}, line 3"
    assert expected in finding["expected"]
    assert got in finding["found"]
    with pytest.raises(DatasetError, match="line 3: expected"):
        run(folder, RunFolder(folder / "run"), Options(), quiet)
    assert not (folder / "run" / "ingest").exists()


def test_every_wrong_line_is_told_and_of_many_how_many(folder: Path) -> None:
    with pytest.raises(DatasetError) as error:
        table_of(folder, "alone\n" * 30)
    assert "line 1:" in str(error.value)
    assert "line 20:" in str(error.value)
    assert str(error.value).endswith("and 10 lines more are wrong in this way")


def test_alternatives_of_a_word_are_bounded_over_all_lines(folder: Path) -> None:
    text = "".join(f"sofa, other{number}\n" for number in range(MOST_PHRASES))
    with pytest.raises(DatasetError, match=f"line {MOST_PHRASES}: expected at most {MOST_PHRASES - 1} alternatives"):
        table_of(folder, text)


def test_phrases_of_all_lines_are_bounded(folder: Path) -> None:
    line = ", ".join(f"w{{0}}x{place}" for place in range(MOST_PHRASES))
    last = MOST_IN_ALL // MOST_PHRASES
    text = "".join(line.format(number) + "\n" for number in range(last + 2))
    with pytest.raises(DatasetError, match=f"line {last + 1}: expected at most 100,000 phrases in all lines"):
        table_of(folder, text)


@pytest.mark.parametrize("line", ["two words", "!!!"])
def test_a_stop_word_is_one_word(folder: Path, line: str) -> None:
    with pytest.raises(DatasetError, match=r"stop_words\.txt, line 2: expected one word a line"):
        table_of(folder, f"the\n{line}\n", "stop_words.txt")


def test_a_file_of_synonyms_is_no_table(folder: Path) -> None:
    (folder / "synonyms.txt").write_text("sofa, couch\ntv, telly\nphone, mobile\n")
    result = CliRunner().invoke(app, ["check", str(folder)])
    assert result.exit_code == 0
    assert json.loads(result.stdout.strip().splitlines()[-1])["findings"] == []
    (folder / "dataset.toml").unlink()
    assert CliRunner().invoke(app, ["init", str(folder)]).exit_code == 0
    assert "synonyms.txt" not in (folder / "dataset.toml").read_text()


def test_a_collected_data_set_has_the_synonyms_of_its_base(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    (folder / "synonyms.txt").write_text("sofa, couch\n")
    out = tmp_path_factory.mktemp("collected")
    write_dataset_file(out, plan_dataset_file(out, folder, None, None))
    assert read_synonyms(read_spec(out)) == read_synonyms(read_spec(folder))


def test_another_line_makes_another_bundle_and_no_other_training(folder: Path) -> None:
    before, data = stage_keys(STAGES, load_spec(folder), Options()), data_key(load_spec(folder))
    (folder / "synonyms.txt").write_text("sofa, couch\n")
    after = stage_keys(STAGES, load_spec(folder), Options())
    assert [name for name in before if before[name] != after[name]] == ["export", "evaluate", "serve", "report"]
    assert data_key(load_spec(folder)) != data


def test_the_bundle_has_what_the_files_say(catalogue_run: Any, tmp_path: Path, quiet: Any) -> None:
    data, made = tmp_path / "data", tmp_path / "run"
    shutil.copytree(catalogue_run.dataset, data)
    shutil.copytree(catalogue_run.run, made)
    (data / "synonyms.txt").write_text("settee, sofa => garden bench\n")
    (data / "stop_words.txt").write_text("for\n")
    run_stage("export", data, RunFolder(made), Options(seed=1, device="cpu"), quiet)
    (bundle,) = (made / "measured").glob("2*")
    table = read_synonym_table(bundle)
    assert table == read_synonyms(load_spec(data))
    assert table.rules == (SynonymRule(phrases=("settee", "sofa"), means=("garden bench",)),)
    assert table.stop_words == ("for",)
    manifest = json.loads((bundle / "manifest.json").read_text())
    assert manifest["parts"]["synonyms"] == 1
