"""What the shop says of its users, as sparse rows: attributes as nodes."""

import polars as pl

MIN_ATTRIBUTE_USERS = 2
"""An attribute of a single user connects nothing."""


def user_attributes(users: pl.DataFrame, train: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Columns user, attribute, weight, and the attributes' names in order.

    Rare attributes say more: an edge weighs the inverse root of how many users have the attribute. Only users of
    `train` count, so that nothing that is held out decides what becomes a node.

    Args:
        users: columns user, attributes (lists of texts, null where nothing is known); no edge without the latter.
        train: column user.
    """
    if "attributes" not in users.columns:
        users = users.with_columns(pl.lit(None, pl.List(pl.String)).alias("attributes"))
    known = users.select("user", name="attributes").join(train.select("user").unique(), on="user", how="semi")
    edges = known.explode("name").drop_nulls().unique()
    edges = edges.with_columns(count=pl.len().over("name")).filter(pl.col("count") >= MIN_ATTRIBUTE_USERS)
    names = edges.select("name").unique().sort("name").with_row_index("attribute")
    edges = edges.join(names, on="name").with_columns(weight=1 / pl.col("count").sqrt())
    return edges.select("user", "attribute", "weight").sort("user", "attribute"), names["name"].to_list()
