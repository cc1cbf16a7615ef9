"""A shop's export against the live catalogue: what differs is sent, and nothing else."""
