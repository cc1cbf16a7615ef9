"""The item tower: id, text and attributes, passed over the heterogeneous graph."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from model.graph_update import GraphUpdate
from model.precision import has_fast_bfloat16
from model.sparse import SparseMatrix
from model.weighted_mean_conv import WeightedMeanConv

FIRST_MEANING = 0.3
"""How long what a text means is beside its n-grams before training: at 1 it drowns them for the first epochs."""


@dataclass(frozen=True)
class ItemGraph:
    """The graph that the item tower reads. Every relation is `[targets, sources]` with rows that sum to 1 (or to 0)."""

    items: int  # rows, the padding row included
    attributes: int
    text_buckets: int
    text: SparseMatrix | None  # [items, text_buckets] idf-weighted, rows of unit length
    item_attributes: SparseMatrix | None  # [items, attributes]
    item_items: SparseMatrix | None  # [items, items] co-occurrence
    behaviours: dict[str, tuple[SparseMatrix, SparseMatrix]] = field(default_factory=dict)
    """Behaviour -> (`[users, items]`, `[items, users]`)."""
    user_attributes: SparseMatrix | None = None  # [users, user attributes]
    query_text: SparseMatrix | None = None  # [queries, text_buckets] idf-weighted, rows of unit length
    item_queries: SparseMatrix | None = None  # [items, queries] that led to the items
    joined: dict[str, SparseMatrix] = field(default_factory=dict)
    """Behaviour -> `[items, items]`, the product of its two matrices, where one pass is quicker than two."""
    meaning: Tensor | None = None
    """`[items, width]` what an encoder makes of the texts, of length 1; zeros for an item without a text."""
    rows: Tensor | None = None
    """`[items]` where its items stand in the whole graph that this is a part of; None for a whole one."""

    @property
    def queries(self) -> int:
        """How many query nodes there are."""
        return 0 if self.query_text is None else int(self.query_text.matrix.shape[0])

    def to(self, device: torch.device) -> "ItemGraph":
        """The same graph on a device."""

        def move(matrix: SparseMatrix | None) -> SparseMatrix | None:
            return None if matrix is None else matrix.to(device)

        return ItemGraph(
            self.items,
            self.attributes,
            self.text_buckets,
            move(self.text),
            move(self.item_attributes),
            move(self.item_items),
            {name: (users.to(device), items.to(device)) for name, (users, items) in self.behaviours.items()},
            move(self.user_attributes),
            move(self.query_text),
            move(self.item_queries),
            {name: matrix.to(device) for name, matrix in self.joined.items()},
            None if self.meaning is None else self.meaning.to(device),
            None if self.rows is None else self.rows.to(device),
        )

    def linked(self) -> Tensor:
        """`[items]` bool, the items that get or send a message."""
        linked = torch.zeros(self.items, dtype=torch.bool)
        for matrix in (self.item_items, self.item_queries, *self.joined.values()):
            if matrix is not None:
                linked |= matrix.matrix.crow_indices().diff().cpu() > 0
        for matrix in (self.item_items, *self.joined.values(), *(users for users, _ in self.behaviours.values())):
            if matrix is not None:
                linked[matrix.matrix.col_indices().cpu().long()] = True
        for _, items in self.behaviours.values():
            linked |= items.matrix.crow_indices().diff().cpu() > 0
        return linked

    def part(self, rows: Tensor) -> "ItemGraph":
        """The items in `rows`, and the messages between them."""

        def square(matrix: SparseMatrix) -> SparseMatrix:
            return matrix.take(rows).take_columns(rows)

        alone = self.alone(rows)
        return replace(
            alone,
            item_items=None if self.item_items is None else square(self.item_items),
            behaviours={
                name: (users.take_columns(rows), items.take(rows)) for name, (users, items) in self.behaviours.items()
            },
            user_attributes=self.user_attributes,
            query_text=self.query_text,
            item_queries=None if self.item_queries is None else self.item_queries.take(rows),
            joined={name: square(matrix) for name, matrix in self.joined.items()},
        )

    def alone(self, rows: Tensor) -> "ItemGraph":
        """The items in `rows` with their text and attributes, and no messages."""
        return ItemGraph(
            items=len(rows),
            attributes=self.attributes,
            text_buckets=self.text_buckets,
            text=None if self.text is None else self.text.take(rows),
            item_attributes=None if self.item_attributes is None else self.item_attributes.take(rows),
            item_items=None,
            meaning=None if self.meaning is None else self.meaning[rows],
            rows=rows,
        )


class GraphLayer(nn.Module):
    r"""One round of message passing to the items.

    :math:`h' = h + \sum_r g_r m_r + V \sigma(W [h, m_1, .., m_R])`: the update of the design (concatenation, linear,
    ReLU) on top of a gated linear term, which alone is the propagation of He et al., "LightGCN" (SIGIR 2020), eq. 3.
    `V` starts at zero, so that training starts from the linear propagation.
    """

    def __init__(self, dim: int, gates: dict[str, float]) -> None:
        super().__init__()
        self.relations = list(gates)
        self.gates = nn.Parameter(torch.tensor(list(gates.values())))
        self.inner = nn.Linear(dim * (1 + len(gates)), dim)
        self.outer = nn.Linear(dim, dim, bias=False)
        nn.init.zeros_(self.outer.weight)

    def forward(self, features: Tensor, messages: dict[str, Tensor], silent: Tensor | None = None) -> Tensor:
        """Features `[items, dim]` and a message `[items, dim]` of each relation that sends one -> `[items, dim]`.

        Args:
            silent: rows of items that get no message.
        """
        low_precision = self.training and has_fast_bfloat16(features.device)
        updated: Tensor = GraphUpdate.apply(  # type: ignore[no-untyped-call]
            torch.bfloat16 if low_precision else features.dtype,
            silent,
            features,
            self.inner.weight,
            self.inner.bias,
            self.outer.weight,
            self.gates,
            *(messages[name] if name in messages else torch.zeros_like(features) for name in self.relations),
        )
        return updated


class ItemTower(nn.Module):
    """Item features `[items, dim]` after `layers` rounds of message passing."""

    def __init__(
        self,
        graph: ItemGraph,
        dim: int,
        layers: int,
        id_dropout: float,
        item_gate: float = 0.25,
        behaviour_gate: float = 0.25,
        query_gate: float = 1.0,
    ) -> None:
        super().__init__()
        self.id_dropout = id_dropout
        self.ids = nn.Parameter(torch.randn(graph.items, dim) * dim**-0.5)
        self.unseen = nn.Parameter(torch.zeros(dim))
        has_words = graph.text is not None or graph.query_text is not None
        self.text = nn.Parameter(torch.randn(graph.text_buckets, dim) * dim**-0.5) if has_words else None
        self.attributes = (
            nn.Parameter(torch.randn(graph.attributes, dim) * dim**-0.5) if graph.item_attributes else None
        )
        self.user_attributes = (
            nn.Parameter(torch.randn(graph.user_attributes.matrix.shape[1], dim) * dim**-0.5)
            if graph.user_attributes
            else None
        )
        self.meaning = None
        if graph.meaning is not None:
            width = graph.meaning.shape[1]
            self.meaning = nn.Parameter(torch.randn(width, dim) * FIRST_MEANING * dim**-0.5)
        self.mean = WeightedMeanConv()
        gates = {"item": item_gate} if graph.item_items else {}
        gates |= dict.fromkeys(graph.behaviours, behaviour_gate / max(1, len(graph.behaviours)))
        self.layers = nn.ModuleList(GraphLayer(dim, gates) for _ in range(layers))
        self.query_gate = nn.Parameter(torch.tensor(query_gate)) if graph.item_queries and layers else None

    def content(self, graph: ItemGraph) -> Tensor | None:
        """Features of text, what it means, and attributes alone, `[items, dim]`; None where there are neither."""
        parts = []
        if self.text is not None and graph.text is not None:
            parts.append(graph.text @ self.low(self.text))
        if self.attributes is not None and graph.item_attributes is not None:
            parts.append(self.mean(self.low(self.attributes), graph.item_attributes))
        if self.meaning is not None and graph.meaning is not None:
            parts.append(self.low(graph.meaning) @ self.low(self.meaning))
        return torch.stack(parts).sum(dim=0, dtype=self.ids.dtype) if parts else None

    def low(self, values: Tensor) -> Tensor:
        """In training, the values in a precision whose products are quick; as they are otherwise."""
        return values.to(torch.bfloat16) if self.training and has_fast_bfloat16(values.device) else values

    def query_messages(self, graph: ItemGraph, senders: Tensor | None = None) -> Tensor | None:
        """The messages of queries to the items that they led to, `[items, dim]`; None where there are none.

        A query is the bag of its n-grams; `senders` `[queries]` bool are those that send a message, all if left out. An
        item gets the weighted mean over them.
        """
        if self.text is None or graph.query_text is None or graph.item_queries is None:
            return None
        queries = graph.query_text @ self.low(self.text)
        if senders is None:
            messages: Tensor = self.mean(queries, graph.item_queries)
            return messages
        sums: Tensor = self.mean(queries * senders[:, None], graph.item_queries)
        share = graph.item_queries @ senders[:, None].to(self.text.dtype)
        return sums / share.clamp(min=1e-6)

    def forward(self, graph: ItemGraph, known: Tensor, senders: Tensor | None = None) -> Tensor:
        """Item features.

        Queries send their messages first, so that the words that find an item reach its neighbours too.

        A behaviour's message goes from items to users and back: a user is the mean of the items, plus the mean of the
        user attributes where there are any.

        Args:
            known: `[items]` bool, false for items never seen in training: a shared embedding replaces their id
                embedding, which is noise. In training, others are dropped at random and get neither their id embedding
                nor a message, so that the tower learns to place items that nobody has touched yet.
            senders: `[queries]` bool, the queries that send a message; all if left out.
        """
        with_id = known
        silent = None
        if self.training and self.id_dropout:
            dropped = torch.rand(len(known), device=known.device) < self.id_dropout
            with_id, silent = known & ~dropped, dropped.nonzero()[:, 0]
        ids = self.ids if graph.rows is None else self.ids.index_select(0, graph.rows)
        features = torch.where(with_id[:, None], ids, self.unseen)
        content = self.content(graph)
        if content is not None:
            features = features + content
        from_queries = None if self.query_gate is None else self.query_messages(graph, senders)
        if from_queries is not None and self.query_gate is not None:
            from_queries = from_queries if silent is None else from_queries.index_fill(0, silent, 0.0)
            features = features + self.query_gate * from_queries
        traits: Tensor | None = None
        if self.user_attributes is not None and graph.user_attributes is not None:
            traits = self.mean(self.user_attributes, graph.user_attributes)
        for layer in self.layers:
            messages: dict[str, Tensor] = {}
            sent = self.low(features)
            if graph.item_items:
                messages["item"] = self.mean(sent, graph.item_items)
            for behaviour, (to_users, to_items) in graph.behaviours.items():
                if traits is None and behaviour in graph.joined:
                    messages[behaviour] = self.mean(sent, graph.joined[behaviour])
                    continue
                users = self.mean(sent, to_users)
                messages[behaviour] = self.mean(users if traits is None else users + traits, to_items)
            features = layer(features, messages, silent)
        return features
