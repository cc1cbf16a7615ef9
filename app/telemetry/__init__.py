"""Metrics, stage times and logs of the service."""
