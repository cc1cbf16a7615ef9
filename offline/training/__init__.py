"""Training: batches from histories, the loop, validation, checkpoints."""
