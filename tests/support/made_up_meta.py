"""The meta of a split that was never cut."""

from typing import Any

from offline.dataset.split_meta import SplitMeta


def made_up_meta(train: dict[str, int], **fields: Any) -> SplitMeta:
    """A meta whose part train has the counts of that name; `fields` replace others."""
    usual = {
        "dataset": "shop",
        "seed": 0,
        "how": "column",
        "task": "next_item",
        "mask": ["seen"],
        "metrics": ["hr@10", "ndcg@10"],
        "has_time": False,
        "has_order": True,
        "counts": {"train": train},
        "fingerprint": "0",
        "n_items": 10,
        "n_users": train.get("users", 1),
    }
    return SplitMeta.model_validate(usual | fields)
