"""The query tower as an ONNX graph."""

import logging
import warnings
from dataclasses import replace
from typing import Final

import onnx
import torch
from torch.onnx import ONNXProgram

from app.artifact import names
from model.query_tower import QueryTower, QueryTowerShape
from offline.errors import TrainingError
from offline.export.serving_tower import ServingTower

OPSET: Final = 18
TOWER_OUT: Final = "tower_query"
_KEPT: Final = 8
_captured: dict[tuple[QueryTowerShape, int], ONNXProgram] = {}
"""What the exporter gave for towers of a shape, before it was simplified: all that takes it long."""


def export_tower(tower: QueryTower, dim: int) -> onnx.ModelProto:
    """The query tower alone, for item vectors of `dim` numbers.

    The exporter follows the first tower of a shape; another one puts its weights in their places in that graph.

    Raises:
        TrainingError: the exporter gave nothing.
    """
    from onnxscript import ir  # noqa: PLC0415 - half a second, as the exporter itself has it imported

    serving = ServingTower(tower).eval()
    place = (replace(tower.shape, dropout=0.0, temperature=1.0), dim)  # both are of training alone
    if (program := _captured.pop(place, None)) is None:
        program = _capture(serving, tower.window, dim)
    _captured[place] = program
    if len(_captured) > _KEPT:
        del _captured[next(iter(_captured))]
    model = program.model.clone()
    weights = serving.state_dict()
    for name, value in model.graph.initializers.items():
        if name in weights:
            value.const_value = ir.tensor(weights[name].numpy(force=True).copy(), name=name)
    filled = ONNXProgram(model, program.exported_program)
    filled.optimize()  # works out what hangs on the weights alone: once they are in place
    simplified: onnx.ModelProto = filled.model_proto
    return simplified


def _capture(serving: ServingTower, window: int, dim: int) -> ONNXProgram:
    """The graph of the exporter, in which every weight has its name in the module."""
    example = {
        names.IN_EVENT_VECTORS: torch.ones(2, window, dim),
        names.IN_EVENT_TYPES: torch.ones(2, window, dtype=torch.int64),
        names.IN_AGE_BUCKETS: torch.ones(2, window, dtype=torch.int64),
        names.IN_LONG_VECTOR: torch.ones(2, dim),
        names.IN_LONG_WEIGHT: torch.ones(2, 1),
        names.IN_GIVEN_QUERY: torch.ones(2, dim),
        names.IN_GIVEN: torch.zeros(2, 1, dtype=torch.bool),
    }
    batch = torch.export.Dim("batch", min=1, max=4096)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations, none of which the caller can act on
        program = torch.onnx.export(
            serving,
            kwargs=example,
            dynamo=True,
            opset_version=OPSET,
            dynamic_shapes={name: {0: batch} for name in example},
            input_names=list(example),
            output_names=[TOWER_OUT],
            verbose=False,
            optimize=False,
        )
    if program is None:
        raise TrainingError("the exporter gave no graph")
    return program
