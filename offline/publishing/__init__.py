"""Publishing: seed the store with a bundle, read it back, and only then point the service at it."""
