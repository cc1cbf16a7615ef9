"""The encoder: what its vectors hang on, how near eight bits come to 32, and what it says of damaged weights."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from small_teacher import WIDTH, real_teacher, write, write_teacher

from offline.errors import TeacherError
from offline.teacher.encoder import Teacher
from offline.teacher.folder import read_teacher_folder
from offline.teacher.int8 import Int8Linear, has_int8
from offline.teacher.side_by_side import side_by_side

CPU = torch.device("cpu")
TEXTS = ["trail shoe", "", "a " * 200, "lap top", "trail shoes", "red", "blu", "a lamp", "sofa 3 seats", "trail shoe"]


@pytest.fixture(scope="module")
def teacher(small_teacher: Path) -> Teacher:
    return Teacher(read_teacher_folder(small_teacher), CPU)


def test_a_text_has_the_same_vector_alone_and_in_any_batch(teacher: Teacher) -> None:
    together = teacher.encode(TEXTS, "document")
    assert together.shape == (len(TEXTS), WIDTH)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    alone = np.concatenate([teacher.encode([text], "document") for text in TEXTS])
    np.testing.assert_array_equal(together, alone)
    np.testing.assert_array_equal(together[::-1], teacher.encode(TEXTS[::-1], "document"))


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token", "lasttoken", "max_tokens"])
def test_vectors_are_those_of_the_network_without_batches(tmp_path: Path, pooling: str) -> None:
    from tokenizers import Tokenizer
    from transformers import AutoModel

    path = write_teacher(tmp_path, pooling=pooling)
    got = Teacher(read_teacher_folder(path), CPU, exact=True).encode(TEXTS, "document")
    network, tokenizer = AutoModel.from_pretrained(path).eval(), Tokenizer.from_file(str(path / "tokenizer.json"))
    tokenizer.enable_truncation(48)
    for text, vector in zip(TEXTS, got, strict=True):
        with torch.inference_mode():
            states = network(input_ids=torch.tensor([tokenizer.encode(text).ids])).last_hidden_state[0].numpy()
        pooled = {
            "mean_tokens": states.mean(0),
            "cls_token": states[0],
            "lasttoken": states[-1],
            "max_tokens": states.max(0),
        }[pooling]
        np.testing.assert_allclose(vector, pooled / np.linalg.norm(pooled), atol=2e-5)


def test_queries_and_documents_have_prefixes_of_their_own(small_teacher: Path, teacher: Teacher) -> None:
    folder = read_teacher_folder(small_teacher, query_prefix="query: ", document_prefix="passage: ")
    prefixed = Teacher(folder, CPU)
    for kind, prefix in (("query", "query: "), ("document", "passage: ")):
        np.testing.assert_array_equal(
            prefixed.encode(["red shoe"], kind), teacher.encode([f"{prefix}red shoe"], "query")
        )


def test_progress_ends_with_all_texts(teacher: Teacher) -> None:
    told: list[tuple[int, int]] = []
    teacher.encode(TEXTS, "query", lambda done, total, what: told.append((done, total)))
    assert told[-1] == (len(TEXTS), len(TEXTS))
    assert teacher.encode([], "query").shape == (0, WIDTH)


@pytest.mark.skipif(not has_int8(), reason="the processor has no VNNI, and the teacher computes in 32 bits")
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_of_eight_bits_is_near_the_layer(bias: bool) -> None:
    generator = torch.Generator().manual_seed(3)
    layer = torch.nn.Linear(48, 24, bias=bias)
    rows = torch.randn(5, 7, 48, generator=generator) * torch.tensor([0.0, 1e-3, 1, 30, 3])[:, None, None] + 0.5
    with torch.inference_mode():
        exact, small = layer(rows), Int8Linear(layer)(rows)
        assert small.shape == exact.shape
        error = (small - exact).norm(dim=-1) / exact.norm(dim=-1).clamp(min=1e-3)
        assert float(error.max()) < 0.03
        assert torch.equal(Int8Linear(layer)(rows[2, 3][None]), small[2, 3][None])


def test_a_real_encoder_in_eight_bits_means_what_it_does_in_32() -> None:
    folder = read_teacher_folder(real_teacher())
    texts = [
        "Acer Aspire 5 laptop 15.6 inch",
        "Kensington cable lock for notebooks",
        "Running shoe for trails",
        "portable computer",
    ]
    small, exact = (Teacher(folder, CPU, exact=exact).encode(texts, "document") for exact in (False, True))
    assert (small * exact).sum(1).min() > 0.995
    assert np.argmax(small[:3] @ small[3]) == 0


def test_damaged_weights_are_one_line(teacher_copy: Callable[[], Path]) -> None:
    path = teacher_copy()
    weights = path / "model.safetensors"
    whole = load_file(weights)
    save_file({name: tensor for name, tensor in whole.items() if "layer.1." not in name}, weights, {"format": "pt"})
    with pytest.raises(TeacherError, match=r"expected weights for the whole network, got none for \d+") as lacking:
        Teacher(read_teacher_folder(path), CPU)
    weights.write_bytes(b"nothing")
    with pytest.raises(TeacherError, match="expected an encoder that transformers reads") as damaged:
        Teacher(read_teacher_folder(path), CPU)
    write(path / "tokenizer.json", {"model": "none"})
    with pytest.raises(TeacherError, match="expected a tokenizer") as tokens:
        Teacher(read_teacher_folder(path), CPU)
    for error in (lacking, damaged, tokens):
        assert "\n" not in error.value.message


def test_weights_of_torch_are_read_too(teacher_copy: Callable[[], Path], teacher: Teacher) -> None:
    path = teacher_copy()
    tensors = {name: torch.from_numpy(value) for name, value in load_file(path / "model.safetensors").items()}
    torch.save(tensors, path / "pytorch_model.bin")
    (path / "model.safetensors").unlink()
    np.testing.assert_array_equal(
        Teacher(read_teacher_folder(path), CPU).encode(TEXTS, "query"), teacher.encode(TEXTS, "query")
    )


def test_transformers_is_imported_only_when_an_encoder_is_read() -> None:
    code = "import sys, offline.teacher.chosen, offline.teacher.embed; sys.exit('transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_batches_come_in_their_order_and_threads_are_as_before() -> None:
    threads = torch.get_num_threads()
    assert list(side_by_side(lambda number: (number, torch.get_num_threads()), range(50))) == [
        (number, 1) for number in range(50)
    ]
    results = side_by_side(lambda number: 1 // number, [1, 0, 1])
    with pytest.raises(ZeroDivisionError):
        list(results)
    assert torch.get_num_threads() == threads
