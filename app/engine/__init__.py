"""The core: a loaded bundle and a batch of requests as arrays in, ranked items out. No HTTP, no Redis, no clock."""
