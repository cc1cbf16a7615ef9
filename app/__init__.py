"""The online service: loads a bundle and answers requests. Never imports torch."""
