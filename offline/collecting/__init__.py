"""From the streams that the service writes to a data set that the job reads."""
