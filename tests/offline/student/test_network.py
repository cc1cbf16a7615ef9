"""A student with all the teacher's layers is the teacher, in torch and as a graph; in eight bits it is near to it."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from small_teacher import real_teacher, write_teacher

from offline.student.measure import GraphRunner
from offline.student.network import Student, begin_as
from offline.student.onnx_graph import quantised, student_graph
from offline.student.shape import Shape, shape_of
from offline.teacher.encoder import Teacher
from offline.teacher.folder import read_teacher_folder

TEXTS = ["a", "sofa bed", "warm lamp of wood 17", "trail runner for a wet road"]


def whole_student(path: Path) -> tuple[Teacher, Student]:
    """A student with every layer and dimension of its teacher."""
    folder = read_teacher_folder(path)
    teacher = Teacher(folder, torch.device("cpu"), exact=True)
    shape = shape_of(json.loads((folder.model_path / "config.json").read_text()), folder.pooling, teacher.width)
    assert isinstance(shape, Shape)
    student = Student(shape)
    begin_as(student, teacher.weights(), torch.eye(teacher.width))
    return teacher, student.eval()


@pytest.mark.parametrize("pooling", ["mean_tokens", "cls_token"])
def test_a_student_with_all_layers_is_its_teacher(tmp_path: Path, pooling: str) -> None:
    teacher, student = whole_student(write_teacher(tmp_path, pooling=pooling))
    expected = teacher.encode(TEXTS, "query")
    weights = {name: value.numpy() for name, value in student.state_dict().items()}
    graph = GraphRunner(student_graph(weights, student.shape, weights["tokens.weight"], 48, None))
    with torch.inference_mode():
        for text, vector in zip(TEXTS, expected, strict=True):
            (ids,) = teacher.tokens([text], "query")
            np.testing.assert_allclose(student(torch.tensor([ids]))[0].numpy(), vector, atol=2e-5)
            np.testing.assert_allclose(graph.vector(ids), vector, atol=2e-5)


def test_eight_bits_stay_near_and_give_a_text_one_vector() -> None:
    teacher, student = whole_student(real_teacher())
    weights = {name: value.numpy() for name, value in student.state_dict().items()}
    graph = GraphRunner(student_graph(weights, student.shape, weights["tokens.weight"], 128, 8))
    vectors = []
    for text in TEXTS:
        (ids,) = teacher.tokens([text], "query")
        vectors.append(graph.vector(ids))
    for text, vector in zip(reversed(TEXTS), reversed(vectors), strict=True):
        assert np.array_equal(graph.vector(teacher.tokens([text], "query")[0]), vector)
    cosines = (np.array(vectors) * teacher.encode(TEXTS, "query")).sum(axis=1)
    assert cosines.mean() > 0.98, cosines
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_whole_numbers_have_a_scale_a_column() -> None:
    matrix = np.array([[1.0, -100.0], [0.5, 30.0]], dtype=np.float32)
    numbers, scales = quantised(matrix, 8)
    assert numbers[:, 0].tolist() == [127, 64]
    np.testing.assert_allclose(numbers * scales, matrix, atol=0.5)
    assert np.abs(quantised(matrix, 7)[0]).max() == 63


def test_no_student_is_made_of_another_network() -> None:
    assert "type mpnet" in str(shape_of({"model_type": "mpnet"}, "mean", 8))
    assert "activation" in str(shape_of({"model_type": "bert", "hidden_act": "silu"}, "mean", 8))
    assert "pools by last" in str(shape_of({"model_type": "bert"}, "last", 8))
    assert "relative" in str(shape_of({"model_type": "bert", "position_embedding_type": "relative_key"}, "mean", 8))
