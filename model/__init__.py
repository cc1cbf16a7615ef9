"""The network: tensors in, tensors out. No files, no Redis, no HTTP."""
