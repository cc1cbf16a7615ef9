"""The version that is served: the weights that were measured, on all that the log knows."""
