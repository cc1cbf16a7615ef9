"""Collecting: move the streams that the service writes into a data set that the job reads."""
