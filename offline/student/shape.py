"""The shape of a student, and whether one can be made of a teacher's network at all."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Activation = Literal["gelu", "gelu_tanh", "relu"]
Pool = Literal["mean", "cls"]

MOST_LAYERS: Final = 6
_POSITION_OFFSETS: Final = {"bert": 0, "roberta": 2, "xlm-roberta": 2, "camembert": 2}
_ACTIVATIONS: Final[Mapping[str, Activation]] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


@dataclass(frozen=True)
class Shape:
    """Of an encoder whose layers are those of BERT."""

    tokens: int  # of the vocabulary
    positions: int
    offset: int  # of the first position
    hidden: int
    heads: int
    inner: int
    layers: int
    width: int  # of the vectors that come out
    epsilon: float
    activation: Activation
    pool: Pool

    def json(self) -> dict[str, Any]:
        """The shape as a file holds it."""
        return asdict(self)

    @property
    def layer_weights(self) -> int:
        """Weights of the matrices of one layer."""
        return 4 * self.hidden * self.hidden + 2 * self.hidden * self.inner


def shape_of(config: Mapping[str, Any], pooling: str, width: int) -> Shape | str:
    """The shape of a student that has all layers of the teacher, or why there is none.

    Args:
        config: `config.json` of the teacher.
        pooling: how the teacher makes one vector of those of tokens.
        width: of the student's vectors.
    """
    kind = config.get("model_type")
    if kind not in _POSITION_OFFSETS:
        return f"its network is of the type {kind}; a student is made of {', '.join(_POSITION_OFFSETS)}"
    if config.get("position_embedding_type", "absolute") != "absolute":
        return "its positions are relative"
    activation = _ACTIVATIONS.get(str(config.get("hidden_act", "gelu")))
    if activation is None:
        return f"its activation is {config['hidden_act']}"
    if pooling not in ("mean", "cls"):
        return f"it pools by {pooling}; a student is made of one that takes the mean or the first token"
    return Shape(
        tokens=int(config["vocab_size"]),
        positions=int(config["max_position_embeddings"]),
        offset=_POSITION_OFFSETS[kind],
        hidden=int(config["hidden_size"]),
        heads=int(config["num_attention_heads"]),
        inner=int(config["intermediate_size"]),
        layers=int(config["num_hidden_layers"]),
        width=width,
        epsilon=float(config.get("layer_norm_eps", 1e-12)),
        activation=activation,
        pool="cls" if pooling == "cls" else "mean",
    )
