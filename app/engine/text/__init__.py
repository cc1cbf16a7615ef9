"""What a query says: words, spelling, meaning, completions."""
