"""Texts as the job and the service must read them alike: words, units, n-grams, vocabulary, completions."""
