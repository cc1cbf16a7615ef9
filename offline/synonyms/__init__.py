"""Synonyms that a log speaks for, as lines for `synonyms.txt`."""
