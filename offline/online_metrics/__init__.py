"""What shoppers did with answers, by version."""
