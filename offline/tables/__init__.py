"""Tables in whatever files a shop has: told by looking, read as they are, and rows that cannot be read set aside."""
