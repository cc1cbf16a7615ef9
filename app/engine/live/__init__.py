"""The live catalogue: a snapshot as changes of items make it, beside the bundle that it began with."""
