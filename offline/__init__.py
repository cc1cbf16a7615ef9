"""The job: from raw logs to a published bundle."""
