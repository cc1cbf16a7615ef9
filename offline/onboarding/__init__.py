"""From a shop's files to a `dataset.toml`, and what is wrong with them."""
