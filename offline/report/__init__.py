"""The report of a run: one page that a person reads from top to bottom and then knows whether to publish."""
