"""What users did in the session that followed what is known of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.behaviours import BEHAVIOURS
from app.artifact.names import PADDING_ROW
from offline.evaluation.protocol import Cases

SESSION_GAP_S = 1_800.0  # a longer pause begins another session


def next_session(split: Path, cases: Cases) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
    """Case, item row and behaviour code of every event of each case's next session.

    It begins with the user's first event of the part that is scored, and ends before the first pause of more than
    `SESSION_GAP_S`; without clock times, it holds all that was held out.
    """
    users = pl.read_parquet(split / "users.parquet", columns=["user", "user_id"])
    case_users = pl.DataFrame({"user_id": cases.user_ids, "case": np.arange(len(cases))}).join(users, on="user_id")
    events = (
        pl.read_parquet(split / f"{cases.part}.parquet", columns=["user", "item", "type", "time", "order"])
        .join(case_users.select("user", "case"), on="user", how="inner")
        .sort("case", "order")
        .with_columns(pause=(pl.col("time") - pl.col("time").shift(1).over("case")).fill_null(0.0))
        .filter((pl.col("pause") > SESSION_GAP_S).cum_sum().over("case") == 0)
        .filter(pl.col("item") != PADDING_ROW)
    )
    return events["case"].to_numpy(), events["item"].to_numpy().astype(np.int64), events["type"].to_numpy()


def chain_of(behaviours: Sequence[str]) -> list[str]:
    """The behaviours that a data set has, from the first step to the last: view, cart, purchase."""
    return [name for name in BEHAVIOURS if name in behaviours]


def happened(types: NDArray[np.uint8], chain: list[str]) -> NDArray[np.bool_]:
    """Which links of the chain an event stands for, `[events, links]`: a purchase is a cart and a view, too."""
    codes = np.array([BEHAVIOURS[name] for name in chain], dtype=np.uint8)
    return np.asarray(types[:, None] >= codes[None, :], dtype=np.bool_)
