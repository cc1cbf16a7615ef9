"""A shop's logs and catalogue: described by `dataset.toml`, ingested once, cut once."""
