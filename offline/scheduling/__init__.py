"""Scheduling: rounds of collect, run and publish, one after the other, for shops without an orchestrator."""
