"""The network of a student: the first layers of the teacher, and a linear layer to fewer dimensions."""

from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor, nn

from offline.errors import TrainingError
from offline.student.shape import Activation, Shape

_LAYER: Final = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "joined": "attention.output.dense",
    "after_attention": "attention.output.LayerNorm",
    "inner": "intermediate.dense",
    "outer": "output.dense",
    "after_inner": "output.LayerNorm",
}


class Layer(nn.Module):
    """A layer of BERT: attention of all tokens to all, then two linear layers, each with what came in added."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self._heads = shape.heads
        self._activation: Activation = shape.activation
        hidden = shape.hidden
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.joined = nn.Linear(hidden, hidden)
        self.after_attention = nn.LayerNorm(hidden, eps=shape.epsilon)
        self.inner = nn.Linear(hidden, shape.inner)
        self.outer = nn.Linear(shape.inner, hidden)
        self.after_inner = nn.LayerNorm(hidden, eps=shape.epsilon)

    def forward(self, states: Tensor) -> Tensor:
        """From `[texts, tokens, hidden]` to the same."""
        query, key, value = (self._by_head(part(states)) for part in (self.query, self.key, self.value))
        seen = nn.functional.scaled_dot_product_attention(query, key, value)
        seen = seen.transpose(1, 2).flatten(2)
        states = self.after_attention(states + self.joined(seen))
        out: Tensor = self.after_inner(states + self.outer(self._activated(self.inner(states))))
        return out

    def _by_head(self, states: Tensor) -> Tensor:
        texts, tokens, hidden = states.shape
        return states.view(texts, tokens, self._heads, hidden // self._heads).transpose(1, 2)

    def _activated(self, states: Tensor) -> Tensor:
        match self._activation:
            case "relu":
                return nn.functional.relu(states)
            case "gelu":
                return nn.functional.gelu(states)
            case "gelu_tanh":
                return nn.functional.gelu(states, approximate="tanh")


class Student(nn.Module):
    """An encoder: tokens of texts of one length to vectors of length 1.

    Args:
        shape: of the network.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.tokens = nn.Embedding(shape.tokens, shape.hidden)
        self.positions = nn.Embedding(shape.positions - shape.offset, shape.hidden)
        self.first = nn.LayerNorm(shape.hidden, eps=shape.epsilon)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.last = nn.Linear(shape.hidden, shape.width)

    def forward(self, ids: Tensor) -> Tensor:
        """Vectors `[texts, width]` of tokens `[texts, tokens]`, which have no padding."""
        return self.encode(self.tokens(ids))

    def encode(self, embedded: Tensor) -> Tensor:
        """Vectors `[texts, width]` of the embedded tokens `[texts, tokens, hidden]`."""
        states = self.first(embedded + self.positions.weight[: embedded.shape[1]])
        for layer in self.layers:
            states = layer(states)
        pooled = states.mean(1) if self.shape.pool == "mean" else states[:, 0]
        return nn.functional.normalize(self.last(pooled), dim=1)


def begin_as(student: Student, weights: Mapping[str, Tensor], projection: Tensor) -> None:
    """Give a student the teacher's first layers, and the projection as its last one.

    Args:
        student: with at most as many layers.
        weights: of the teacher's network, as transformers names them.
        projection: `[teacher's width, student's width]`.

    Raises:
        TrainingError: the teacher's network lacks one of the weights.
    """
    own = student.shape
    try:
        positions = weights["embeddings.position_embeddings.weight"][own.offset :]
        types = weights["embeddings.token_type_embeddings.weight"][0]
        state = {
            "tokens.weight": weights["embeddings.word_embeddings.weight"],
            "positions.weight": positions + types,
            "first.weight": weights["embeddings.LayerNorm.weight"],
            "first.bias": weights["embeddings.LayerNorm.bias"],
            "last.weight": projection.T,
            "last.bias": torch.zeros(own.width),
        }
        for number in range(own.layers):
            for name, theirs in _LAYER.items():
                for kind in ("weight", "bias"):
                    state[f"layers.{number}.{name}.{kind}"] = weights[f"encoder.layer.{number}.{theirs}.{kind}"]
    except KeyError as error:
        raise TrainingError(f"expected the weights {error} in the teacher's network, got none") from error
    student.load_state_dict({name: value.float() for name, value in state.items()})
