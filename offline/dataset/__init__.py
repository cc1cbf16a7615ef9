"""A shop's data set: `dataset.toml`, how its files are read, and the typed records that later stages share."""
