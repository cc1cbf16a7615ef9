"""Where the nodes of a graph ran, by the runtime's own profile of one run."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.errors import BundleUnfit

_COPIES: Final = ("MemcpyToHost", "MemcpyFromHost")
_WHOLE_NUMBERS: Final = frozenset({"int64", "int32", "bool"})
_LONGEST_SHAPE: Final = 16


@dataclass(frozen=True)
class RunNode:
    """A node that ran."""

    kind: str  # of operator
    provider: str
    outputs: tuple[tuple[str, tuple[int, ...]], ...]  # element type and shape of each

    @property
    def is_shape(self) -> bool:
        """Whether it makes no more than sizes and axes: the host works those out, wherever the data lie."""
        return all(
            kind in _WHOLE_NUMBERS and len(shape) <= 1 and sum(shape) <= _LONGEST_SHAPE for kind, shape in self.outputs
        )


def nodes_in(profile: Path) -> list[RunNode]:
    """The nodes of the run that `InferenceSession.end_profiling` wrote down, in order."""
    found = []
    for event in json.loads(profile.read_text("utf-8")):
        told: dict[str, Any] = event.get("args", {})
        if event.get("cat") == "Node" and "output_type_shape" in told:
            outputs = tuple((kind, tuple(shape)) for each in told["output_type_shape"] for kind, shape in each.items())
            found.append(RunNode(told["op_name"], told["provider"], outputs))
    return found


def require_on_device(nodes: list[RunNode], provider: str) -> None:
    """Check that the graph computes on the device alone.

    Args:
        nodes: of one run.
        provider: the device's.

    Raises:
        BundleUnfit: a node computed elsewhere, or data were copied between host and device on the way; names them.
    """
    elsewhere = [node for node in nodes if not node.is_shape and (node.provider != provider or node.kind in _COPIES)]
    if not nodes or elsewhere:
        kinds = Counter(node.kind for node in elsewhere)
        named = ", ".join(f"{kind} ({count})" for kind, count in kinds.most_common()) or "nothing at all"
        raise BundleUnfit(
            f"expected every node of the graph on {provider}, came on the CPU or as copies: {named}; this ONNX Runtime "
            "lacks kernels for them: install the version of requirements.lock, or serve with --device cpu"
        )
