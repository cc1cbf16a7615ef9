"""From a bundle to the store that the service reads: seeded, read back, and only then pointed to."""
