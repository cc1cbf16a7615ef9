"""The only place that cuts events into train, valid, context and test."""
