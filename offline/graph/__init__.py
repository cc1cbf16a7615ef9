"""The heterogeneous graph: built from the train events and the catalogue, kept as tables, read as tensors."""
