"""The text encoder of a bundle: the same vector however a text comes, for any text, and no network ever."""

import json
import math
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bundle_damages import all_damages
from hypothesis import given
from hypothesis import strategies as st
from strange_texts import strange_texts
from tiny_encoder import GOLDEN, SPEC, WIDTH, sign, write_graph

from app.api.rehearsal import rehearse
from app.artifact import names
from app.artifact.parts import PARTS, TEXT_ENCODER
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from app.engine.text.meaning_table import read_meaning_table
from app.engine.text.text_encoder import TextEncoder, check_golden_encoder_texts, read_text_encoder
from app.engine.text.vector_cache import VectorCache
from app.errors import BundleCorrupt, GoldenMismatch
from app.serving.release import release_of

(PART,) = (part for part in PARTS if part.name == TEXT_ENCODER)
WITHOUT_PACKAGE = """
import sys
from pathlib import Path

class NotInstalled:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {left_out}:
            raise ModuleNotFoundError(f"no {{name}}", name=name)

sys.meta_path.insert(0, NotInstalled())
import app.main
from app.engine.loading import load_snapshot
assert "tokenizers" not in sys.modules
snapshot = load_snapshot(Path({bundle!r}))
print(snapshot.encoder is None, snapshot.meaning is None, snapshot.parts.off)
vectors = None if snapshot.encoder is None else snapshot.encoder.vectors_of(["saucepan"])
watched = ("huggingface_hub", "httpx", "httpx2", "hf_xet", "requests", "tokenizers")
print([name for name in watched if name in sys.modules])
"""


@pytest.fixture(scope="module")
def encoder(encoded: Snapshot) -> TextEncoder:
    assert encoded.encoder is not None
    return encoded.encoder


@pytest.fixture
def copied(encoded_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle with the part."""
    return Path(shutil.copytree(encoded_bundle, tmp_path / "bundle"))


def afresh(folder: Path) -> TextEncoder:
    return read_text_encoder(folder)


@given(texts=st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=60), min_size=1, max_size=5))
def test_a_text_has_the_same_vector_alone_in_any_batch_and_from_the_cache(
    encoded_bundle: Path, encoder: TextEncoder, texts: list[str]
) -> None:
    together = encoder.vectors_of(texts)
    for line, text in enumerate(texts):
        assert together[line].tobytes() == encoder.vectors_of([text])[0].tobytes()


def test_a_cache_changes_no_bit(encoded_bundle: Path, encoder: TextEncoder) -> None:
    texts = ["warm lamp", "saucepan of steel", "lamp"]
    first = encoder.vectors_of(texts)
    assert encoder.vectors_of(texts[::-1])[::-1].tobytes() == first.tobytes()
    assert afresh(encoded_bundle).vectors_of(texts).tobytes() == first.tobytes()
    first[:] = 7  # what was handed out is the caller's
    assert encoder.vectors_of(texts).tobytes() != first.tobytes()


def test_threads_get_the_same_vectors(encoded_bundle: Path) -> None:
    encoder = afresh(encoded_bundle)
    texts = [f"lamp {number % 7} of wood" for number in range(60)]
    expected = afresh(encoded_bundle).vectors_of(texts)
    with ThreadPoolExecutor(8) as pool:
        for vectors in pool.map(encoder.vectors_of, [texts] * 8):
            assert vectors.tobytes() == expected.tobytes()


def test_any_text_has_a_vector_of_length_one_or_says_nothing(encoder: TextEncoder) -> None:
    vectors = encoder.vectors_of(strange_texts(300, 3, ["saucepan", "lamp"]))
    lengths = np.linalg.norm(vectors.astype(np.float64), axis=1)
    assert (np.abs(lengths[lengths > 0] - 1) < 1e-5).all()
    assert not encoder.vectors_of(["", "  \n"]).any()
    assert not encoder.document_vector(" ").any()
    assert encoder.vectors_of([]).shape == (0, WIDTH)


def test_prefixes_stand_before_queries_and_documents(encoder: TextEncoder) -> None:
    alone = encoder.run(encoder.tokens_of(f"{SPEC.query_prefix}lamp"))
    assert encoder.vectors_of(["lamp"])[0].tobytes() == alone.tobytes()
    alone = encoder.run(encoder.tokens_of(f"{SPEC.document_prefix}lamp"))
    assert encoder.document_vector("lamp").tobytes() == alone.tobytes()


def test_a_long_text_is_cut_off_and_none_is_padded(encoder: TextEncoder) -> None:
    assert len(encoder.tokens_of("lamp " * 500)) == SPEC.max_tokens
    assert len(encoder.tokens_of("")) == 2
    assert encoder.vectors_of(["lamp " * 500]).tobytes() == encoder.vectors_of(["lamp " * 5000]).tobytes()


def test_the_cache_holds_no_more_than_its_bytes_and_lets_go_of_what_was_not_used() -> None:
    vector = np.zeros(32, dtype=np.float32)
    cache = VectorCache(4_000)
    for number in range(100):
        cache.put(f"text {number:03}", vector)
        cache.get("text 000")
        assert cache.held_bytes <= 4_000
    assert cache.get("text 000") is not None
    assert cache.get("text 099") is not None
    assert cache.get("text 001") is None
    assert 4 < len(cache) < 10
    cache.put("x" * 10_000, vector)
    assert cache.held_bytes == len(cache) == 0


def test_golden_texts_of_another_tokenizer_are_refused(copied: Path) -> None:
    path = copied / names.ENCODER_TOKENIZER
    document = json.loads(path.read_text("utf-8"))
    vocabulary = document["model"]["vocab"]
    ordered = sorted(vocabulary, key=vocabulary.get)
    kept, others = ordered[:4], ordered[4:]
    document["model"]["vocab"] = {token: number for number, token in enumerate([*kept, *others[::-1]])}
    path.write_text(json.dumps(document), "utf-8")
    sign(copied)
    with pytest.raises(GoldenMismatch, match="reads texts otherwise than the job"):
        load_snapshot(copied)


def test_golden_vectors_are_compared(copied: Path, encoder: TextEncoder) -> None:
    vectors = np.load(copied / names.GOLDEN_ENCODER_VECTORS)
    assert (vectors.any(axis=1) == [bool(text) for text in GOLDEN]).all()
    check_golden_encoder_texts(copied, encoder)
    for damage in (np.roll(vectors, 1, axis=1), np.zeros_like(vectors), np.ones_like(vectors) / math.sqrt(WIDTH)):
        np.save(copied / names.GOLDEN_ENCODER_VECTORS, damage)
        with pytest.raises(GoldenMismatch):
            check_golden_encoder_texts(copied, encoder)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"input_name": "tokens"}, "input_ids"),
        ({"width": WIDTH + 1}, rf"\[1, {WIDTH}\]"),
        ({"tokens": 5}, "up to number"),
    ],
)
def test_a_graph_of_other_tensors_or_fewer_tokens_is_refused(
    copied: Path, options: dict[str, Any], expected: str
) -> None:
    write_graph(copied / names.ENCODER_GRAPH, **{"tokens": 400} | options)
    sign(copied)
    with pytest.raises(BundleCorrupt, match=expected) as caught:
        load_snapshot(copied)
    assert "\n" not in str(caught.value)


def test_the_graph_of_another_part_is_refused(copied: Path) -> None:
    shutil.copyfile(copied / names.PLACE_GRAPH, copied / names.ENCODER_GRAPH)
    sign(copied)
    with pytest.raises(BundleCorrupt, match="expected input_ids int64"):
        load_snapshot(copied)


@pytest.mark.parametrize("max_tokens", [1, 512])
def test_a_limit_that_the_tokenizer_can_keep_is_kept(copied: Path, max_tokens: int) -> None:
    spec = json.loads((copied / names.ENCODER).read_text("utf-8")) | {"max_tokens": max_tokens}
    (copied / names.ENCODER).write_text(json.dumps(spec), "utf-8")
    if max_tokens == 1:  # which leaves no room for the tokens at both ends
        with pytest.raises(BundleCorrupt, match=r"1 to 1 tokens of a long text"):
            read_text_encoder(copied)
    else:
        assert len(read_text_encoder(copied).tokens_of("lamp " * 600)) == max_tokens


@pytest.mark.parametrize("change", [{"width": 0}, {"further": 1}, {"max_tokens": 1.5}, {"spread": "nan"}])
def test_a_wrong_description_is_refused_in_one_line(copied: Path, change: dict[str, Any]) -> None:
    spec = json.loads((copied / names.ENCODER).read_text("utf-8")) | change
    (copied / names.ENCODER).write_text(json.dumps(spec), "utf-8")
    with pytest.raises(BundleCorrupt, match="not the description of an encoder") as caught:
        read_text_encoder(copied)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_every_damage_of_the_part_is_refused_or_harmless(encoded: Snapshot, tmp_path: Path) -> None:
    bundle, rows = encoded.folder, encoded.manifest.shapes.rows
    wrong, refused, count = [], 0, 0
    for number, damage in enumerate(all_damages(bundle)):
        if not damage.name.startswith(tuple(PART.files)):
            continue
        count += 1
        folder = tmp_path / str(number)
        for path in bundle.rglob("*"):
            name = path.relative_to(bundle).as_posix()
            if path.is_file() and name.startswith((*PART.files, names.RETRIEVE_GRAPH)):
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.link(path, folder / name)
        damage.apply(folder)
        try:
            encoder = read_text_encoder(folder)
            table = read_meaning_table(folder, encoder.width, rows)
            check_golden_encoder_texts(folder, encoder)
        except Exception:
            refused += 1
            continue
        (vector,) = encoder.vectors_of(["warm saucepan"])
        cosines = table.cosines(vector)
        _, best = table.best(cosines, 10)
        numbers = (vector, cosines, table.kind_cosines(vector))
        named = [table.arrays.kind_names[kind] for kind in table.arrays.item_kinds[best].tolist()]
        if not all(np.isfinite(values).all() for values in numbers) or len(named) != 10:
            wrong.append(damage.name)
    assert refused > count / 2 > 30
    assert wrong == []


def test_without_the_package_the_part_is_off_and_says_what_to_install(encoded_bundle: Path) -> None:
    program = WITHOUT_PACKAGE.format(left_out=("tokenizers",), bundle=str(encoded_bundle))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    lines = ended.stdout.splitlines()
    assert lines[0].startswith("True True {'text_encoder': \"the package tokenizers is not installed: `pip install")
    assert lines[1] == "[]"
    assert "a part of the bundle is off: text_encoder" in ended.stderr


@pytest.mark.parametrize("left_out", [(), ("huggingface_hub",)])
def test_an_encoder_brings_the_tokenizers_alone_and_nothing_that_reaches_for_a_network(
    encoded_bundle: Path, left_out: tuple[str, ...]
) -> None:
    program = WITHOUT_PACKAGE.format(left_out=left_out, bundle=str(encoded_bundle))
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.splitlines()) == (0, ["False False {}", "['tokenizers']"]), ended.stderr


def test_a_bundle_without_the_part_has_no_encoder_and_one_with_it_is_rehearsed(
    snapshot: Snapshot, encoded: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (snapshot.encoder, snapshot.meaning) == (None, None)
    assert list(snapshot.parts.missing) == [TEXT_ENCODER]
    release = release_of(encoded, lambda: encoded.manifest.cut or math.nan)
    rehearse(release)
    assert encoded.meaning is not None
    monkeypatch.setattr(
        type(encoded.meaning), "cosines", lambda table, vector: np.full(table.rows, np.nan, dtype=np.float32)
    )
    with pytest.raises(BundleCorrupt, match="cosines of a query's meaning"):
        rehearse(release)
