"""The contract between the job and the service: what both sides must agree on byte for byte."""
