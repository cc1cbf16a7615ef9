"""What the shop says of its users, as sparse rows: attributes as nodes."""

import polars as pl

from offline.graph.attributes import Attributes

MIN_ATTRIBUTE_USERS = 2
"""An attribute of a single user connects nothing."""


def user_attributes(
    users: pl.DataFrame, train: pl.DataFrame, known: Attributes | None = None
) -> tuple[pl.DataFrame, Attributes]:
    """Columns user, attribute, weight, and the attributes.

    Rare attributes say more: an edge weighs the inverse root of how many users have the attribute. Only users of
    `train` count, so that nothing that is held out decides what becomes a node.

    Args:
        users: columns user, attributes (lists of texts, null where nothing is known); no edge without the latter.
        train: column user.
        known: of another graph: these are the attributes then, in their order, weighed by their counts there.
    """
    if "attributes" not in users.columns:
        users = users.with_columns(pl.lit(None, pl.List(pl.String)).alias("attributes"))
    active = users.select("user", name="attributes").join(train.select("user").unique(), on="user", how="semi")
    edges = active.explode("name").drop_nulls().unique()
    attributes = Attributes.of(edges["name"], MIN_ATTRIBUTE_USERS) if known is None else known
    return attributes.edges(edges).select("user", "attribute", "weight").sort("user", "attribute"), attributes
