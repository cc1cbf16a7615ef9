"""The sections of the report: each reads the facts of a run and says what there is to see."""
